//! The embedded store: SQLite in WAL mode, one file. One connection writes, with a commit that
//! is on disk when it returns (`synchronous=FULL`); a few others read and never wait for it.

mod accounts;
mod chunks;
pub(super) mod copy;
mod engine;
mod file;
mod insert;
mod many;
mod outbox;
mod pipeline;
mod prune;
mod rows;
mod samples;
mod seal;
mod source;
mod state;
#[cfg(test)]
mod tests;
mod write;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use rows::RowReaders;
use sqlx::{
    ConnectOptions, Connection, SqliteConnection, SqlitePool,
    migrate::{MigrateError, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::{Mutex, MutexGuard};

use super::{
    Result, StoreError,
    catalog::Catalog,
    history::{Border, Cursor},
};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// Connections for reading; each costs about 2 MB of cache.
const READERS_MAX: u32 = 3;
/// Pages of 4 KiB in the write-ahead log before it is moved into the file.
const WAL_PAGES_MAX: u32 = 2_000;
/// Bytes that the log keeps on disk once it was moved.
const WAL_BYTES_KEPT: u32 = 2 * WAL_PAGES_MAX * 4_096;
/// Rows that SQLite's thread may be ahead of the one that reads them: at each switch between
/// the two a busy machine may let others run for milliseconds.
const ROWS_BUFFERED: usize = 1_024;
/// How long to wait for another program (a backup, say) that has the file locked.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The embedded store. Dropping it releases the file.
#[derive(Debug)]
pub struct SqliteStore {
    writer: Mutex<Writer>,
    readers: SqlitePool,
    rows: RowReaders,
    border: Border,
    catalog: Catalog,
    /// Where sealing goes on; one step at a time.
    sealing: Mutex<Cursor>,
    path: PathBuf,
    /// Held for as long as the store is open, so that no second daemon writes the same file.
    _lock: file::Lock,
}

/// The one connection that writes. Transactions are begun and ended by hand: SQLite ends them by
/// itself when the disk is full, which a counted transaction of the driver does not survive.
#[derive(Debug)]
struct Writer {
    connection: SqliteConnection,
    catalog: Catalog,
    in_transaction: bool,
}

impl Writer {
    async fn begin(&mut self) -> Result<()> {
        self.in_transaction = true;
        sqlx::query("BEGIN IMMEDIATE")
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    async fn commit(&mut self) -> Result<()> {
        sqlx::query("COMMIT").execute(&mut self.connection).await?;
        self.in_transaction = false;
        Ok(())
    }

    /// The result of a transaction, whose failure is taken back at once, so that the file is not
    /// locked until the next one.
    async fn ended<T>(&mut self, result: Result<T>) -> Result<T> {
        let cleaned = self.clean_up().await;
        let value = result?;
        cleaned?;
        Ok(value)
    }

    /// Takes back what an error or a dropped future left unfinished.
    async fn clean_up(&mut self) -> Result<()> {
        if self.in_transaction {
            if let Err(error) = sqlx::query("ROLLBACK").execute(&mut self.connection).await {
                // SQLite did so itself, or the commit came to its end unseen.
                tracing::debug!(%error, "nothing to roll back");
                load_catalog(&self.catalog, &mut self.connection).await?;
            }
            self.in_transaction = false;
        }
        Ok(())
    }
}

/// Opens the database in a file, making it and its folder where they are missing.
///
/// # Errors
/// [`StoreError::Unusable`] when another daemon has it open, when it belongs to another program
/// or a newer version, or when WAL mode is not to be had; [`StoreError::Unavailable`] when the
/// folder or file cannot be made.
pub async fn open(path: &Path) -> Result<SqliteStore> {
    let lock = file::lock(path)?;
    if file::inspect(path)? == file::Content::New {
        mark_as_ours(path).await?;
    }
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("wal_autocheckpoint", WAL_PAGES_MAX.to_string())
        .pragma("journal_size_limit", WAL_BYTES_KEPT.to_string())
        .statement_cache_capacity(256)
        .row_buffer_size(ROWS_BUFFERED)
        .disable_statement_logging();
    let mut connection = options
        .clone()
        .pragma("cache_size", "-8000")
        .connect()
        .await?;
    check_wal(&mut connection, path).await?;
    migrate(&mut connection, path).await?;
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS_MAX)
        .connect_with(options.read_only(true).pragma("cache_size", "-2000"))
        .await?;
    let catalog = Catalog::default();
    load_catalog(&catalog, &mut connection).await?;
    let border = chunks::load_border(&mut connection).await?;
    Ok(SqliteStore {
        writer: Mutex::new(Writer {
            connection,
            catalog: catalog.clone(),
            in_transaction: false,
        }),
        readers,
        rows: RowReaders::new(path),
        border,
        catalog,
        sealing: Mutex::new(Cursor::START),
        path: path.to_owned(),
        _lock: lock,
    })
}

impl SqliteStore {
    /// The writer, with no transaction open.
    async fn writer(&self) -> Result<MutexGuard<'_, Writer>> {
        let mut writer = self.writer.lock().await;
        writer.clean_up().await?;
        Ok(writer)
    }

    /// Moves the write-ahead log into the file and closes all connections.
    pub async fn close(self) {
        self.readers.close().await;
        self.rows.close().await;
        if let Err(error) = self.writer.into_inner().connection.close().await {
            tracing::warn!(%error, "the database did not close cleanly; nothing is lost");
        }
    }
}

async fn load_catalog(catalog: &Catalog, connection: &mut SqliteConnection) -> Result<()> {
    let rows = sqlx::query_as(
        "SELECT id, node, metric, ts_us, value, flags FROM series LEFT JOIN latest ON series_id = id",
    )
    .fetch_all(connection)
    .await?;
    catalog.replace(rows);
    Ok(())
}

/// Before all else and without the log, so that the header says whose the file is even if the
/// next step never comes.
async fn mark_as_ours(path: &Path) -> Result<()> {
    let mut connection = SqliteConnectOptions::new()
        .filename(path)
        .pragma("application_id", file::APPLICATION_ID.to_string())
        .connect()
        .await?;
    // A pragma alone does not make a new file.
    sqlx::query("VACUUM").execute(&mut connection).await?;
    connection.close().await?;
    Ok(())
}

async fn check_wal(connection: &mut SqliteConnection, path: &Path) -> Result<()> {
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode")
        .fetch_one(connection)
        .await?;
    if mode != "wal" {
        return Err(file::unusable(
            path,
            "cannot use a write-ahead log (is it on a network file system?)",
        ));
    }
    Ok(())
}

async fn migrate(connection: &mut SqliteConnection, path: &Path) -> Result<()> {
    MIGRATIONS
        .run(connection)
        .await
        .map_err(|error| match error {
            MigrateError::Execute(error) => error.into(),
            MigrateError::VersionMissing(version) => file::unusable(
                path,
                format_args!(
                    "was written by a newer version of signalbox (its schema has step {version})"
                ),
            ),
            error => file::unusable(
                path,
                format_args!("cannot be brought to this version: {error}"),
            ),
        })
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Unavailable {
            reason: error.to_string(),
        }
    }
}
