//! Retention: deletes what is kept no longer, in steps that hold the writer only for a moment.

use chrono::{DateTime, Utc};
use sqlx::Executor as _;

use super::SqliteStore;
use crate::store::{
    Result,
    convert::{HOUR_US, first_ulid, us},
};

/// Rows that one step deletes of each table.
const PRUNE_ROWS_MAX: i64 = 20_000;

const SAMPLES: &str = "DELETE FROM sample WHERE (series_id, ts_us) IN \
    (SELECT series_id, ts_us FROM series CROSS JOIN sample ON series_id = id \
     WHERE ts_us < ? LIMIT ?)";
const ROLLUP: &str = "DELETE FROM rollup WHERE (series_id, hour) IN \
    (SELECT series_id, hour FROM series CROSS JOIN rollup ON series_id = id \
     WHERE hour < ? LIMIT ?)";
/// What is over, by its id: a ULID begins with its time.
const HISTORY: [&str; 3] = [
    "DELETE FROM command WHERE id IN \
     (SELECT id FROM command WHERE open = 0 AND id < ? LIMIT ?)",
    "DELETE FROM incident WHERE id IN \
     (SELECT id FROM incident WHERE open = 0 AND id < ? LIMIT ?)",
    "DELETE FROM mail WHERE id IN \
     (SELECT id FROM mail WHERE state <> 'queued' AND id < ? LIMIT ?)",
];

/// One step; true when more remains.
pub(super) async fn step(
    store: &SqliteStore,
    raw_before: Option<DateTime<Utc>>,
    rollup_before: Option<DateTime<Utc>>,
) -> Result<bool> {
    let mut gone = Vec::new();
    if let Some(before) = raw_before {
        gone.push(delete(store, SAMPLES, us(before)).await?);
        let first_kept = first_ulid(before);
        for sql in HISTORY {
            gone.push(delete(store, sql, &first_kept).await?);
        }
    }
    if let Some(before) = rollup_before {
        gone.push(delete(store, ROLLUP, us(before).div_euclid(HOUR_US)).await?);
    }
    Ok(gone.contains(&PRUNE_ROWS_MAX.unsigned_abs()))
}

/// The writer is taken anew for each statement, so that commits come between.
async fn delete<'t, T>(store: &SqliteStore, sql: &'static str, before: T) -> Result<u64>
where
    T: sqlx::Encode<'t, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    let query = sqlx::query(sql).bind(before).bind(PRUNE_ROWS_MAX);
    let done = store.writer().await.connection.execute(query).await?;
    Ok(done.rows_affected())
}
