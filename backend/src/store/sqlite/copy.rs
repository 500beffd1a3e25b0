//! A SQLite file as one side of a copy.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use futures_util::{StreamExt as _, TryStreamExt as _};
use sqlx::{
    AssertSqlSafe, Row as _, Sqlite, TypeInfo as _, ValueRef as _,
    query::Query,
    sqlite::{SqliteArguments, SqliteRow},
};

use super::{SqliteStore, file, open};
use crate::store::{
    Result, StoreError,
    copy::{Cell, End, Row, Rows, Table},
};

/// Rows of one statement.
const ROWS_TOGETHER: usize = 100;
/// Ending of the file that is filled; the lock is the same as that of the final one.
const BESIDE: &str = "copying";

/// An open file.
pub(in crate::store) struct Side {
    store: SqliteStore,
    /// Of a target.
    beside: Option<Beside>,
}

/// A file that is filled beside its place; removed with the value unless it was moved there.
struct Beside {
    path: PathBuf,
    moves_to: PathBuf,
}

impl Beside {
    fn go(&self) -> std::io::Result<()> {
        File::open(&self.path)?.sync_all()?;
        fs::rename(&self.path, &self.moves_to)?;
        let folder = self
            .moves_to
            .parent()
            .filter(|folder| *folder != Path::new(""));
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.path) {
            tracing::warn!(%error, "what was copied so far could not be removed");
        }
    }
}

/// Opens the file to copy from.
pub(in crate::store) async fn source(path: &Path) -> Result<Side> {
    if !path.exists() {
        return Err(file::unusable(path, "does not exist"));
    }
    Ok(Side {
        store: open(path).await?,
        beside: None,
    })
}

/// Makes a file to copy into. One that is there must be an empty store.
pub(in crate::store) async fn target(path: &Path) -> Result<Side> {
    if path.exists() {
        let there = open(path).await?;
        for name in tables(&there).await? {
            if count(&there, &name).await? > 0 {
                return Err(file::unusable(path, "is not empty"));
            }
        }
        there.close().await;
    }
    let beside = Beside {
        path: path.with_extension(BESIDE),
        moves_to: path.to_owned(),
    };
    remove(&beside.path)?;
    Ok(Side {
        store: open(&beside.path).await?,
        beside: Some(beside),
    })
}

/// Removes what an earlier copy has left.
fn remove(path: &Path) -> Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        let mut path = path.to_owned().into_os_string();
        path.push(suffix);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(failed(Path::new(&path), &error));
            }
            _ => {}
        }
    }
    Ok(())
}

fn failed(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Unavailable {
        reason: format!("`{}`: {error}", path.display()),
    }
}

async fn count(store: &SqliteStore, table: &str) -> Result<u64> {
    let sql = format!("SELECT count(*) FROM {table}");
    let count: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
        .fetch_one(&store.readers)
        .await?;
    Ok(count.unsigned_abs())
}

async fn tables(store: &SqliteStore) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar(
        "SELECT name FROM sqlite_master WHERE type = 'table' \
         AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name <> '_sqlx_migrations'",
    )
    .fetch_all(&store.readers)
    .await?)
}

#[async_trait]
impl End for Side {
    async fn tables(&mut self) -> Result<Vec<String>> {
        tables(&self.store).await
    }

    async fn columns(&mut self, table: Table) -> Result<Vec<String>> {
        let columns = sqlx::query_scalar("SELECT name FROM pragma_table_info(?)");
        Ok(columns
            .bind(table.name)
            .fetch_all(&self.store.readers)
            .await?)
    }

    async fn count(&mut self, table: Table) -> Result<u64> {
        count(&self.store, table.name).await
    }

    fn rows<'e>(&'e mut self, table: Table, columns: &[String]) -> Rows<'e> {
        let (columns, Table { name, key }) = (columns.join(", "), table);
        let sql = format!("SELECT {columns} FROM {name} ORDER BY {key}");
        sqlx::query(AssertSqlSafe(sql))
            .fetch(&self.store.readers)
            .map(|row| row_of(&row?))
            .boxed()
    }

    async fn fill(&mut self, table: Table, columns: &[String], rows: Rows<'_>) -> Result<()> {
        let head = format!(
            "INSERT INTO {} ({}) VALUES ",
            table.name,
            columns.join(", ")
        );
        let one = format!("({})", vec!["?"; columns.len()].join(", "));
        let statement = |rows: usize| format!("{head}{}", vec![one.as_str(); rows].join(", "));
        let many = statement(ROWS_TOGETHER);
        let mut writer = self.store.writer().await?;
        writer.begin().await?;
        let mut chunks = rows.try_chunks(ROWS_TOGETHER);
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|error| error.1)?;
            let sql = if chunk.len() == ROWS_TOGETHER {
                many.clone()
            } else {
                statement(chunk.len())
            };
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for cell in chunk.into_iter().flatten() {
                query = bind(query, cell);
            }
            query.execute(&mut writer.connection).await?;
        }
        writer.commit().await
    }

    async fn finish(self: Box<Self>) -> Result<()> {
        let Self { store, beside, .. } = *self;
        // Its log goes into the file, which alone is moved.
        store.close().await;
        let Some(beside) = beside else {
            return Ok(());
        };
        let _lock = file::lock(&beside.moves_to)?;
        beside
            .go()
            .map_err(|error| failed(&beside.moves_to, &error))
    }
}

fn bind<'q>(
    query: Query<'q, Sqlite, SqliteArguments>,
    cell: Cell,
) -> Query<'q, Sqlite, SqliteArguments> {
    match cell {
        Cell::Null => query.bind(None::<i64>),
        Cell::Integer(number) => query.bind(number),
        Cell::Real(number) => query.bind(number),
        Cell::Text(text) => query.bind(text),
        Cell::Bytes(bytes) => query.bind(bytes),
    }
}

fn row_of(row: &SqliteRow) -> Result<Row> {
    (0..row.len()).map(|at| cell_of(row, at)).collect()
}

fn cell_of(row: &SqliteRow, at: usize) -> Result<Cell> {
    let value = row.try_get_raw(at)?;
    if value.is_null() {
        return Ok(Cell::Null);
    }
    let kind = value.type_info().name().to_owned();
    Ok(match kind.as_str() {
        "INTEGER" => Cell::Integer(row.try_get_unchecked(at)?),
        "REAL" => Cell::Real(row.try_get_unchecked(at)?),
        // PostgreSQL cannot hold a NUL.
        "TEXT" => {
            let text: String = row.try_get_unchecked(at)?;
            Cell::Text(text.replace('\0', "\u{fffd}"))
        }
        "BLOB" => Cell::Bytes(row.try_get_unchecked(at)?),
        other => {
            return Err(StoreError::Unusable {
                reason: format!("a value of type `{other}` cannot be copied"),
            });
        }
    })
}
