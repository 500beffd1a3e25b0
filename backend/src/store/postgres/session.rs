//! The connection that writes. It holds an advisory lock for as long as it lives: who has it is
//! the only daemon of the database. A new connection writes and loads only when it has the lock,
//! and the server gives that up when the transaction of the old one has ended, one way or the
//! other. So a commit whose answer was lost is decided before the state is loaded again.

use std::{error::Error as _, io::ErrorKind, sync::LazyLock};

use tokio::time::Instant;
use tokio_postgres::{Client, error::SqlState};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::{
    Address, CALL_TIMEOUT, COMMIT_TIMEOUT, CONNECT_TIMEOUT, KEEPALIVE_IDLE, KEEPALIVE_INTERVAL,
    KEEPALIVE_TRIES, PREPARE_TIMEOUT, SERVER_VERSION_MIN, bounded, chain, partitions::Months,
    statements::Statements, tls, unusable,
};
use crate::store::{
    Result, StoreError,
    catalog::{Catalog, CatalogRow},
};

/// `SGBX`, and the lock of the one daemon.
const LOCK: (i32, i32) = (0x5347_4258, 1);
/// How long the lock may take to become free: the connection of a daemon that was just killed,
/// or our own lost one, may still be at its end.
const LOCK_WAIT: std::time::Duration = std::time::Duration::from_secs(3);
/// Pause between two looks at the lock.
const LOCK_PAUSE: std::time::Duration = std::time::Duration::from_millis(50);

/// What every connection is set to, whatever the server's configuration says. The server gives
/// up a statement when we do, and a connection whose daemon is gone soon after. Statements are
/// short and many, so to compile one (`jit`) would take longer than to execute it.
pub(super) static SETTINGS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SET synchronous_commit = on; SET timezone = 'UTC'; SET extra_float_digits = 1; \
         SET jit = off; \
         SET statement_timeout = {call}; SET lock_timeout = {call}; \
         SET idle_in_transaction_session_timeout = {call}; SET tcp_keepalives_idle = {idle}; \
         SET tcp_keepalives_interval = {interval}; SET tcp_keepalives_count = {tries}; \
         SET client_min_messages = warning",
        call = CALL_TIMEOUT.as_millis(),
        idle = KEEPALIVE_IDLE.as_secs(),
        interval = KEEPALIVE_INTERVAL.as_secs(),
        tries = KEEPALIVE_TRIES,
    )
});

/// A connection with the lock, and what is known of the database through it.
pub(super) struct Session {
    pub(super) client: Client,
    /// What is under way when it is dropped is not waited for; the server rolls it back.
    connection: AbortOnDropHandle<()>,
    pub(super) statements: Statements,
    pub(super) catalog: Catalog,
    pub(super) months: Months,
}

/// A connection that has the lock.
pub(super) struct Locked {
    client: Client,
    connection: AbortOnDropHandle<()>,
}

/// The connection that writes, when there is one.
pub(super) struct Writer {
    address: Address,
    /// Tells our own connections from those of other daemons.
    name: String,
    catalog: Catalog,
    session: Option<Session>,
}

impl Writer {
    pub(super) fn new(address: Address, instance: Uuid, catalog: Catalog) -> Self {
        Self {
            address,
            name: format!("signalbox writer {instance}"),
            catalog,
            session: None,
        }
    }

    /// Connects and takes the lock.
    pub(super) async fn lock(&self) -> Result<Locked> {
        let locked = bounded(CONNECT_TIMEOUT, connect(&self.address, &self.name)).await?;
        let prepared = async {
            locked.client.batch_execute(&SETTINGS).await?;
            lock(&locked.client, &self.address, &self.name).await
        };
        bounded(PREPARE_TIMEOUT, prepared).await?;
        Ok(locked)
    }

    /// Learns what must be known to write.
    pub(super) async fn make_ready(&mut self, locked: Locked) -> Result<()> {
        let session = bounded(PREPARE_TIMEOUT, locked.make_ready(&self.catalog)).await?;
        self.session = Some(session);
        Ok(())
    }

    /// Connects anew if the connection is lost.
    pub(super) async fn ensure(&mut self) -> Result<()> {
        if let Some(session) = &self.session
            && !session.client.is_closed()
        {
            return Ok(());
        }
        // The old one must be gone before the lock is asked for.
        self.session = None;
        let locked = self.lock().await?;
        self.make_ready(locked).await?;
        tracing::info!(database = %self.address, "connected to the database again");
        Ok(())
    }

    /// Does something that may leave the connection half-way. When it fails, takes too long, or
    /// nobody waits for it any more, the connection is given up, and its transaction with it.
    pub(super) async fn work<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Session) -> Result<T>,
    ) -> Result<T> {
        self.ensure().await?;
        let mut session = self.session.take().ok_or_else(|| StoreError::Unavailable {
            reason: "there is no connection to the database".to_owned(),
        })?;
        let done = bounded(COMMIT_TIMEOUT, work(&mut session)).await?;
        self.session = Some(session);
        Ok(done)
    }

    /// Ends the connection in an orderly way.
    pub(super) async fn close(self) {
        if let Some(session) = self.session {
            // The task says goodbye once there is no client any more.
            drop(session.client);
            let ended = tokio::time::timeout(CONNECT_TIMEOUT, session.connection).await;
            if ended.is_err() {
                tracing::debug!("the database's server did not take our goodbye");
            }
        }
    }
}

async fn connect(address: &Address, name: &str) -> Result<Locked> {
    let config = address.tokio_postgres(name);
    let tls = tls::connector(address)?;
    let (client, connection) = config
        .connect(tls)
        .await
        .map_err(|error| refused(address, &error))?;
    let connection = tokio::spawn(async move {
        // Whoever waits for an answer is told the same.
        if let Err(error) = connection.await {
            tracing::debug!(error = chain(&error), "the writing connection ended");
        }
    });
    Ok(Locked {
        client,
        connection: AbortOnDropHandle::new(connection),
    })
}

/// What a failed connect means: a wrong password, name or certificate does not become right by
/// waiting.
fn refused(address: &Address, error: &tokio_postgres::Error) -> StoreError {
    let never = [
        SqlState::INVALID_PASSWORD,
        SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
        SqlState::INVALID_CATALOG_NAME,
        SqlState::INSUFFICIENT_PRIVILEGE,
    ];
    match error.code() {
        Some(code) if never.contains(code) => unusable(
            address,
            format_args!("does not let us in: {}", chain(error)),
        ),
        None if is_tls_refusal(error) => unusable(address, chain(error)),
        _ => StoreError::Unavailable {
            reason: format!("`{address}`: {}", chain(error)),
        },
    }
}

/// Whether the two sides do not agree on TLS, as opposed to a connection lost meanwhile.
fn is_tls_refusal(error: &tokio_postgres::Error) -> bool {
    // The driver tells it by this text alone.
    let tls = error.to_string().starts_with("error performing TLS");
    let source = error.source().and_then(|source| source.downcast_ref());
    // What is wrong with a certificate comes as invalid data.
    let lost = source.is_some_and(|io: &std::io::Error| io.kind() != ErrorKind::InvalidData);
    tls && !lost
}

async fn lock(client: &Client, address: &Address, name: &str) -> Result<()> {
    let until = Instant::now() + LOCK_WAIT;
    // A connection of our own that was lost on the way may not know it yet.
    let own_lost = "SELECT pg_terminate_backend(pid) FROM pg_locks \
        JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND granted \
        AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
        AND classid::bigint = $1 AND objid::bigint = $2 AND application_name = $3 \
        AND pid <> pg_backend_pid()";
    let (class, object) = (i64::from(LOCK.0), i64::from(LOCK.1));
    client.query(own_lost, &[&class, &object, &name]).await?;
    loop {
        let row = client
            .query_one("SELECT pg_try_advisory_lock($1, $2)", &[&LOCK.0, &LOCK.1])
            .await?;
        if row.try_get(0)? {
            return Ok(());
        }
        if Instant::now() >= until {
            return Err(unusable(address, "is open in another daemon"));
        }
        tokio::time::sleep(LOCK_PAUSE).await;
    }
}

impl Locked {
    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    /// Looks whose the database is, before anything in it is changed: ours, or nobody's yet
    /// (false).
    pub(super) async fn check_database(&self, address: &Address) -> Result<bool> {
        let row = self
            .client
            .query_one(
                "SELECT current_setting('server_version_num')::int4, current_schema() IS NULL, \
                 to_regclass('_sqlx_migrations') IS NOT NULL AND to_regclass('rollup') IS NOT NULL, \
                 EXISTS (SELECT 1 FROM pg_class WHERE relnamespace = \
                 (SELECT oid FROM pg_namespace WHERE nspname = current_schema()) \
                 AND relkind IN ('r', 'p', 'v', 'm') AND relname <> '_sqlx_migrations'), \
                 current_setting('fsync') = 'on'",
                &[],
            )
            .await?;
        let version: i32 = row.try_get(0)?;
        let (homeless, ours, used): (bool, bool, bool) =
            (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
        if version < SERVER_VERSION_MIN {
            let (has, needed) = (version / 10_000, SERVER_VERSION_MIN / 10_000);
            return Err(unusable(
                address,
                format_args!("is of PostgreSQL {has}, which is too old: {needed} is needed"),
            ));
        }
        if homeless {
            return Err(unusable(address, "has no schema that this role may use"));
        }
        if used && !ours {
            return Err(unusable(address, "has tables of another program"));
        }
        if !row.try_get::<_, bool>(4)? {
            tracing::warn!(
                database = %address,
                "fsync is off in this server: what is acknowledged does not survive a power cut"
            );
        }
        Ok(ours)
    }

    async fn make_ready(self, catalog: &Catalog) -> Result<Session> {
        let (statements, rows, months) = tokio::try_join!(
            Statements::prepare(&self.client),
            catalog_rows(&self.client),
            Months::load(&self.client),
        )?;
        // A commit of the connection before this one may have happened unseen.
        catalog.replace(rows);
        Ok(Session {
            client: self.client,
            connection: self.connection,
            statements,
            catalog: catalog.clone(),
            months,
        })
    }
}

async fn catalog_rows(client: &Client) -> Result<Vec<CatalogRow>, tokio_postgres::Error> {
    let sql = "SELECT id::int8, node, metric, ts_us, value, flags::int8 \
        FROM series LEFT JOIN latest ON series_id = id";
    let rows = client.query(sql, &[]).await?;
    let row = |row: tokio_postgres::Row| {
        Ok((
            row.try_get(0)?,
            row.try_get(1)?,
            row.try_get(2)?,
            row.try_get(3)?,
            row.try_get(4)?,
            row.try_get(5)?,
        ))
    };
    rows.into_iter().map(row).collect()
}
