//! Questions with many rows for an answer. Fed by `source.rs` and `state.rs`; the rows go to
//! `store/history/` and `store/listing.rs`.
//!
//! The driver that does all else hands each row from its thread to ours, and on a machine with
//! few cores that takes most of the time. rusqlite steps a statement where it stands: a thousand
//! rows take a third.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rusqlite::{Connection, OpenFlags, params_from_iter, types::Value};
use tokio::sync::Semaphore;

use super::{BUSY_TIMEOUT, READERS_MAX};
use crate::store::{
    Result, StoreError,
    chunk::Point,
    history::{Order, RowsAsked, Which},
};

/// Connections that read rows, made when they are needed.
#[derive(Debug, Clone)]
pub(super) struct RowReaders(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    permits: Semaphore,
}

impl RowReaders {
    /// For a file that another connection keeps open.
    pub(super) fn new(path: &Path) -> Self {
        Self(Arc::new(Inner {
            path: path.to_owned(),
            idle: Mutex::default(),
            permits: Semaphore::new(READERS_MAX as usize),
        }))
    }

    /// Series and samples, in the order that is asked for.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub(super) async fn read(&self, asked: &RowsAsked<'_>) -> Result<Vec<(i64, Point)>> {
        let (id, query) = (asked.which.id, Query::new(asked));
        self.with(move |connection| query.run(connection, id)).await
    }

    /// What a reading function finds.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub(super) async fn with<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let closed = |_| unavailable("the store was closed");
        let _permit = self.0.permits.acquire().await.map_err(closed)?;
        let inner = self.0.clone();
        let found = tokio::task::spawn_blocking(move || {
            let connection = match inner.idle().pop() {
                Some(connection) => connection,
                None => open(&inner.path)?,
            };
            let found = read(&connection)?;
            // One whose query failed is not used again.
            inner.idle().push(connection);
            Ok::<_, rusqlite::Error>(found)
        });
        let found = found.await.map_err(unavailable)?;
        found.map_err(unavailable)
    }

    /// Ends all connections; what is asked from now on fails.
    pub(super) async fn close(&self) {
        // Whoever reads has a permit.
        if let Ok(all) = self.0.permits.acquire_many(READERS_MAX).await {
            all.forget();
        }
        self.0.permits.close();
        self.0.idle().clear();
    }
}

impl Inner {
    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unavailable(reason: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable {
        reason: reason.to_string(),
    }
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "cache_size", -2_000)?;
    Ok(connection)
}

/// A statement and what is bound in it.
#[derive(Debug, Default)]
struct Query {
    sql: String,
    bound: Vec<Value>,
}

impl Query {
    fn new(asked: &RowsAsked<'_>) -> Self {
        let mut query = Self::default();
        // CROSS JOIN keeps the planner at one short range of the clustered key per series.
        query.push(match asked.which.id {
            Some(_) => "SELECT ts_us, value, flags FROM sample WHERE ts_us >= ",
            None => {
                "SELECT ts_us, value, flags, series_id FROM series \
                 CROSS JOIN sample ON sample.series_id = series.id WHERE ts_us >= "
            }
        });
        query.bind(asked.range_us.start);
        query.push(" AND ts_us < ").bind(asked.range_us.end);
        let direction = direction(asked.order);
        if let Some(id) = asked.which.id {
            query.push(" AND series_id = ").bind(id);
            if let Some((ts_us, _, _)) = asked.after {
                query.push(" AND ts_us > ").bind(ts_us);
            }
            query.push(" ORDER BY ts_us").push(direction);
        } else {
            query.push_which(asked.which);
            if let Some((ts_us, node, metric)) = asked.after {
                query.push(" AND (ts_us, node, metric) > (").bind(ts_us);
                query.push(", ").bind(node.to_owned());
                query.push(", ").bind(metric.to_owned()).push(")");
            }
            query.push(" ORDER BY ts_us").push(direction);
            query.push(", node").push(direction);
            query.push(", metric").push(direction);
        }
        query.push(" LIMIT ").bind(asked.limit);
        query
    }

    fn push(&mut self, sql: &str) -> &mut Self {
        self.sql.push_str(sql);
        self
    }

    fn bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.bound.push(value.into());
        self.push("?")
    }

    fn push_which(&mut self, which: &Which) {
        self.push(" AND id <= ").bind(which.id_max);
        // Without the sign the planner would leave the order of ids.
        if let Some(node) = &which.node {
            self.push(" AND +node = ").bind(node.clone());
        }
        if let Some(metric) = &which.metric {
            self.push(" AND +metric = ").bind(metric.clone());
        }
    }

    fn run(self, connection: &Connection, id: Option<i64>) -> rusqlite::Result<Vec<(i64, Point)>> {
        let mut statement = connection.prepare_cached(&self.sql)?;
        let mut rows = statement.query(params_from_iter(self.bound))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let point = Point {
                ts_us: row.get(0)?,
                value: row.get(1)?,
                flags: row.get(2)?,
            };
            let series = match id {
                Some(id) => id,
                None => row.get(3)?,
            };
            found.push((series, point));
        }
        Ok(found)
    }
}

pub(super) const fn direction(order: Order) -> &'static str {
    match order {
        Order::OldestFirst => " ASC",
        Order::NewestFirst => " DESC",
    }
}
