//! Retention: deletes what is kept no longer, in steps that hold the writer only for a moment.

use chrono::{DateTime, Utc};

use super::SqliteStore;
use crate::store::{
    Result, Retention,
    chunk::{day_of, in_series},
    convert::{HOUR_US, first_ulid, us},
};

/// Rows that one step deletes of each table.
const PRUNE_ROWS_MAX: i64 = 20_000;
/// Chunks that one step deletes: each may be as many pages as a thousand rows.
const PRUNE_CHUNKS_MAX: i64 = 500;

/// Of which metrics: all but those of a list, or only those of it.
const SAMPLES: &str = "DELETE FROM sample WHERE (series_id, ts_us) IN \
    (SELECT series_id, ts_us FROM series CROSS JOIN sample ON series_id = id \
     WHERE ts_us < ?1 AND (metric IN (SELECT value FROM json_each(?2))) = ?3 LIMIT ?4)";
/// Only days that lie wholly before the time.
const CHUNKS: &str = "DELETE FROM chunk WHERE key IN \
    (SELECT key FROM series CROSS JOIN chunk \
     ON key >= id * 4194304 AND key < id * 4194304 + ?1 \
     WHERE (metric IN (SELECT value FROM json_each(?2))) = ?3 LIMIT ?4)";
const ROLLUP: &str = "DELETE FROM rollup WHERE (series_id, hour) IN \
    (SELECT series_id, hour FROM series CROSS JOIN rollup ON series_id = id \
     WHERE hour < ? LIMIT ?)";
/// What is over, by its id: a ULID begins with its time.
const HISTORY: [&str; 4] = [
    "DELETE FROM command WHERE id IN \
     (SELECT id FROM command WHERE open = 0 AND id < ? LIMIT ?)",
    "DELETE FROM incident WHERE id IN \
     (SELECT id FROM incident WHERE open = 0 AND id < ? LIMIT ?)",
    "DELETE FROM silence WHERE id IN \
     (SELECT id FROM silence WHERE open = 0 AND id < ? LIMIT ?)",
    "DELETE FROM mail WHERE id IN \
     (SELECT id FROM mail WHERE state <> 'queued' AND id < ? LIMIT ?)",
];

/// One step; true when more remains.
pub(super) async fn step(store: &SqliteStore, keep: &Retention) -> Result<bool> {
    let mut more = false;
    for (before, metrics, listed) in keep.groups() {
        let metrics = serde_json::json!(metrics).to_string();
        more |= samples(store, before, &metrics, listed).await?;
    }
    if let Some(before) = keep.raw_before {
        let first_kept = first_ulid(before);
        for sql in HISTORY {
            more |= delete(store, sql, &first_kept).await?;
        }
    }
    if let Some(before) = keep.rollup_before {
        more |= delete(store, ROLLUP, us(before).div_euclid(HOUR_US)).await?;
    }
    Ok(more)
}

async fn samples(
    store: &SqliteStore,
    before: DateTime<Utc>,
    metrics: &str,
    listed: bool,
) -> Result<bool> {
    let before = us(before);
    let mut more = false;
    for (sql, before, limit) in [
        (SAMPLES, before, PRUNE_ROWS_MAX),
        (CHUNKS, in_series(day_of(before)), PRUNE_CHUNKS_MAX),
    ] {
        let query = sqlx::query(sql)
            .bind(before)
            .bind(metrics)
            .bind(listed)
            .bind(limit);
        let done = query.execute(&mut store.writer().await?.connection).await?;
        more |= done.rows_affected() == limit.unsigned_abs();
    }
    Ok(more)
}

/// The writer is taken anew for each statement, so that commits come between.
async fn delete<'t, T>(store: &SqliteStore, sql: &'static str, before: T) -> Result<bool>
where
    T: sqlx::Encode<'t, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    let query = sqlx::query(sql).bind(before).bind(PRUNE_ROWS_MAX);
    let done = query.execute(&mut store.writer().await?.connection).await?;
    Ok(done.rows_affected() == PRUNE_ROWS_MAX.unsigned_abs())
}
