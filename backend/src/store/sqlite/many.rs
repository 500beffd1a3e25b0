//! Statements for many rows at once. A round trip to SQLite's thread costs as much as writing
//! several rows, and a new statement text must be prepared; so rows go in chunks of a few fixed
//! sizes, and a chunk is filled up by repeating its last row, which the statements bear.

use sqlx::{Sqlite, SqliteConnection, query::Query, sqlite::SqliteArguments};

use crate::store::Result;

/// Rows of a statement, largest first.
const SIZES: [usize; 5] = [256, 64, 16, 4, 1];
/// Rows of the largest statement.
pub(super) const ROWS_MAX: usize = SIZES[0];

/// A statement on its way to being executed.
pub(super) type Bound = Query<'static, Sqlite, SqliteArguments>;

/// One statement in all sizes.
#[derive(Debug)]
pub(super) struct Many {
    texts: [String; SIZES.len()],
}

impl Many {
    /// `HEAD(?,?),(?,?)TAIL` for rows of so many columns.
    pub(super) fn new(head: &str, columns: usize, tail: &str) -> Self {
        let row = format!("({})", vec!["?"; columns].join(","));
        let texts = SIZES.map(|rows| format!("{head}{}{tail}", vec![row.as_str(); rows].join(",")));
        Self { texts }
    }

    /// The statement for up to [`ROWS_MAX`] rows, bound, and how many of them it took. `bind` is
    /// told whether the row is there only to fill up.
    pub(super) fn bind<T>(
        &'static self,
        rows: &[T],
        bind: impl Fn(Bound, &T, bool) -> Bound,
    ) -> (Bound, usize) {
        let at = fitting(rows.len());
        let taken = SIZES[at].min(rows.len());
        let mut query = sqlx::query(self.texts[at].as_str());
        for row in &rows[..taken] {
            query = bind(query, row, false);
        }
        for _ in taken..SIZES[at] {
            query = bind(query, &rows[taken - 1], true);
        }
        (query, taken)
    }

    /// Executes the statement for all rows; how many rows it changed.
    pub(super) async fn execute<T>(
        &'static self,
        connection: &mut SqliteConnection,
        mut rows: &[T],
        bind: impl Fn(Bound, &T, bool) -> Bound,
    ) -> Result<u64> {
        let mut changed = 0;
        while !rows.is_empty() {
            let (query, taken) = self.bind(rows, &bind);
            changed += query.execute(&mut *connection).await?.rows_affected();
            rows = &rows[taken..];
        }
        Ok(changed)
    }
}

/// The size for so many rows (at least one): the next larger one if it is at least half full,
/// else the next smaller one.
fn fitting(rows: usize) -> usize {
    SIZES
        .iter()
        .rposition(|size| (rows..=rows * 2).contains(size))
        .or_else(|| SIZES.iter().position(|size| *size <= rows))
        .unwrap_or(SIZES.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_is_at_least_half_full() {
        let sizes = [1, 2, 3, 4, 5, 7, 8, 16, 17, 31, 32, 127, 128, 256, 10_000];
        let fitted = sizes.map(|rows| SIZES[fitting(rows)]);
        assert_eq!(
            fitted,
            [1, 4, 4, 4, 4, 4, 16, 16, 16, 16, 64, 64, 256, 256, 256]
        );
    }
}
