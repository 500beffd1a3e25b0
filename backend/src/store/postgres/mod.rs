//! The store in a PostgreSQL server. One connection writes what the engine commits, holds the
//! lock that keeps a second daemon away, and is made anew when it is lost; a pool of others reads
//! and does the small writes of accounts and mails.
//!
//! A call never waits longer than the limits below. What cannot be done now is
//! [`StoreError::Unavailable`]; the next call tries to connect again. A commit whose answer was
//! lost may have happened: the engine then loads its state, and loading waits until the lost
//! connection's transaction has come to its end ([`session`]), so that what is loaded is final.

mod accounts;
mod address;
pub(super) mod copy;
mod engine;
mod insert;
mod outbox;
mod partitions;
mod pipeline;
mod prune;
mod samples;
mod seal;
mod sealed;
mod session;
mod source;
mod state;
mod statements;
#[cfg(test)]
#[cfg(feature = "servers")]
mod tests;
mod tls;
mod write;

use std::{fmt, future::Future, time::Duration};

use chrono::Utc;
use sqlx::{
    Connection as _, Executor as _, PgPool,
    migrate::{MigrateError, Migrator},
    postgres::PgPoolOptions,
};
use tokio::sync::{Mutex, MutexGuard};
use uuid::Uuid;

pub use address::Address;
use session::{Session, Writer};

use super::{
    Result, StoreError,
    catalog::Catalog,
    convert::us,
    history::{Border, Cursor},
};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// Oldest server that has all we use (13.0).
const SERVER_VERSION_MIN: i32 = 130_000;
/// Connections for reading.
const READERS_MAX: u32 = 5;
/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a reader may be waited for, including the time to connect it.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(4);
/// How long a read or a small write may take in all.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// How long the transaction of a batch may take.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(15);
/// How long to prepare a new connection for writing may take, with the wait for the lock.
const PREPARE_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection on which nothing is acknowledged for this long is given up by the system.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(10);
/// Silence after which both sides ask whether the other is still there; how often, how many times.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(5);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2);
const KEEPALIVE_TRIES: u32 = 3;
/// A reader that was idle for this long is asked whether it still works before it is used.
const IDLE_TRUST: Duration = Duration::from_secs(1);

/// The store in a PostgreSQL database. Dropping it lets another daemon have the database.
pub struct PostgresStore {
    address: Address,
    writer: Mutex<Writer>,
    readers: PgPool,
    border: Border,
    catalog: Catalog,
    /// Where sealing goes on; one step at a time.
    sealing: Mutex<Cursor>,
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// Opens a database, and makes or brings up to date what is in it.
///
/// # Errors
/// [`StoreError::Unusable`] when another daemon has it open, when it belongs to another program
/// or a newer version, when the server is too old or does not let us in;
/// [`StoreError::Unavailable`] when the server does not answer.
pub async fn open(address: &Address) -> Result<PostgresStore> {
    let catalog = Catalog::default();
    let mut writer = Writer::new(address.clone(), Uuid::new_v4(), catalog.clone());
    let locked = writer.lock().await?;
    bounded(CALL_TIMEOUT, locked.check_database(address)).await?;
    migrate(address).await?;
    writer.make_ready(locked).await?;
    let now_us = us(Utc::now());
    writer
        .work(async |session| partitions::make_ahead(session, now_us).await)
        .await?;
    let border = writer.work(load_border).await?;
    let readers = PgPoolOptions::new()
        .max_connections(READERS_MAX)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                // A round trip for each call would cost more than many calls themselves.
                Ok(meta.idle_for < IDLE_TRUST || connection.ping().await.is_ok())
            })
        })
        .after_connect(|connection, _| {
            Box::pin(async move {
                connection.execute(session::SETTINGS.as_str()).await?;
                Ok(())
            })
        })
        .connect_lazy_with(address.sqlx("signalbox"));
    Ok(PostgresStore {
        address: address.clone(),
        writer: Mutex::new(writer),
        readers,
        border,
        catalog,
        sealing: Mutex::new(Cursor::START),
    })
}

/// The border of what is sealed.
async fn load_border(session: &mut Session) -> Result<Border> {
    let newest = "SELECT max((SELECT key % 4194304 FROM chunk \
        WHERE key >= id::int8 * 4194304 AND key < (id::int8 + 1) * 4194304 \
        ORDER BY key DESC LIMIT 1)) FROM series";
    let row = session.client.query_one(newest, &[]).await?;
    Ok(Border::new(row.try_get(0)?))
}

impl PostgresStore {
    /// The connection that writes, ours alone and with nothing under way.
    async fn writer(&self) -> Result<MutexGuard<'_, Writer>> {
        let mut writer = self.writer.lock().await;
        writer.ensure().await?;
        Ok(writer)
    }

    /// Closes all connections.
    pub async fn close(self) {
        self.readers.close().await;
        self.writer.into_inner().close().await;
    }
}

/// The result of a call, or that it took too long.
async fn bounded<T>(limit: Duration, call: impl Future<Output = Result<T>>) -> Result<T> {
    match tokio::time::timeout(limit, call).await {
        Ok(result) => result,
        Err(_) => Err(StoreError::Unavailable {
            reason: format!("the database has not answered for {} s", limit.as_secs()),
        }),
    }
}

/// A read or small write of the pool.
async fn call<T>(call: impl Future<Output = Result<T>>) -> Result<T> {
    bounded(CALL_TIMEOUT, call).await
}

fn unusable(address: &Address, reason: impl fmt::Display) -> StoreError {
    StoreError::Unusable {
        reason: format!("`{address}` {reason}"),
    }
}

async fn migrate(address: &Address) -> Result<()> {
    let migrated = async {
        let mut connection = sqlx::PgConnection::connect_with(&address.sqlx("signalbox")).await?;
        let migrated = MIGRATIONS.run(&mut connection).await;
        connection.close().await?;
        Ok::<_, StoreError>(migrated)
    };
    bounded(CALL_TIMEOUT, migrated)
        .await?
        .map_err(|error| match error {
            MigrateError::Execute(error) if error.as_database_error().is_none() => error.into(),
            MigrateError::VersionMissing(version) => unusable(
                address,
                format_args!(
                    "was written by a newer version of signalbox (its schema has step {version})"
                ),
            ),
            error => unusable(
                address,
                format_args!("cannot be brought to this version: {error}"),
            ),
        })
}

/// An error with all its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Unavailable {
            reason: chain(&error),
        }
    }
}
