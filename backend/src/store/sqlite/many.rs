//! Statements for many rows at once. A new statement text must be prepared, so rows go in chunks
//! of a few fixed sizes, and a chunk is filled up by repeating its last row, which the statements
//! bear.

use super::pipeline::{Pipeline, Values};

/// Rows of a statement, largest first.
const SIZES: [usize; 5] = [256, 64, 16, 4, 1];
/// Rows of the largest statement.
pub(super) const ROWS_MAX: usize = SIZES[0];
/// Larger chunks go alone, so that there are few combinations of statements.
const ROWS_TOGETHER_MAX: usize = 16;

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

    /// Adds the statement for the first of the rows to the pipeline, at most [`ROWS_MAX`]; how
    /// many rows it took. `bind` is told whether the row is there only to fill up.
    pub(super) async fn add<T>(
        &self,
        pipeline: &mut Pipeline<'_>,
        rows: &[T],
        bind: impl Fn(&mut Values, &T, bool),
    ) -> Result<usize, sqlx::Error> {
        let at = fitting(rows.len());
        let taken = SIZES[at].min(rows.len());
        if SIZES[at] > ROWS_TOGETHER_MAX {
            pipeline.flush().await?;
        }
        let values = pipeline.add(&self.texts[at]);
        for row in &rows[..taken] {
            bind(values, row, false);
        }
        for _ in taken..SIZES[at] {
            bind(values, &rows[taken - 1], true);
        }
        Ok(taken)
    }

    /// Adds statements for all rows to the pipeline.
    pub(super) async fn add_all<T>(
        &self,
        pipeline: &mut Pipeline<'_>,
        mut rows: &[T],
        bind: impl Fn(&mut Values, &T, bool),
    ) -> Result<(), sqlx::Error> {
        while !rows.is_empty() {
            let taken = self.add(pipeline, rows, &bind).await?;
            rows = &rows[taken..];
            pipeline.flush_if_much().await?;
        }
        Ok(())
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
