//! Retention: months that are over go as a whole, which costs as much as deleting a file; of the
//! month that is half over, and of other tables, rows go in bounded steps.

use chrono::{DateTime, Utc};
use tokio_postgres::error::SqlState;

use super::{PostgresStore, call, partitions::Month, session::Session};
use crate::store::{
    Result, Retention,
    chunk::{day_of, in_series},
    convert::{HOUR_US, first_ulid, us},
};

/// Rows that one step deletes of each table.
const PRUNE_ROWS_MAX: i64 = 20_000;
/// Chunks that one step deletes.
const PRUNE_CHUNKS_MAX: i64 = 500;
/// How long to wait for whoever uses a month that is over; others wait behind us as long. It is
/// longer than the second after which PostgreSQL's own upkeep gives way.
const DROP_WAIT_MS: u32 = 2_000;

/// Of which metrics: all but those of a list, or only those of it.
const SAMPLES: &str = "DELETE FROM sample WHERE (series_id, ts_us) IN \
    (SELECT old.series_id, old.ts_us FROM series CROSS JOIN LATERAL \
     (SELECT series_id, ts_us FROM sample WHERE sample.series_id = series.id AND ts_us < $1 \
      ORDER BY ts_us LIMIT $2) AS old WHERE (metric = ANY ($3)) = $4 LIMIT $2) AND ts_us < $1";
/// Only days that lie wholly before the time.
const CHUNKS: &str = "DELETE FROM chunk WHERE key IN \
    (SELECT old.key FROM series CROSS JOIN LATERAL \
     (SELECT key FROM chunk WHERE key >= id::int8 * 4194304 AND key < id::int8 * 4194304 + $1 \
      ORDER BY key LIMIT $2) AS old WHERE (metric = ANY ($3)) = $4 LIMIT $2)";
const ROLLUP: &str = "DELETE FROM rollup WHERE (series_id, hour) IN \
    (SELECT old.series_id, old.hour FROM series CROSS JOIN LATERAL \
     (SELECT series_id, hour FROM rollup WHERE rollup.series_id = series.id AND hour < $1 \
      ORDER BY hour LIMIT $2) AS old LIMIT $2)";
/// What is over, by its id: a ULID begins with its time.
const HISTORY: [&str; 4] = [
    "DELETE FROM command WHERE id IN \
     (SELECT id FROM command WHERE NOT open AND id < $1 ORDER BY id LIMIT $2)",
    "DELETE FROM incident WHERE id IN \
     (SELECT id FROM incident WHERE NOT open AND id < $1 ORDER BY id LIMIT $2)",
    "DELETE FROM silence WHERE id IN \
     (SELECT id FROM silence WHERE NOT open AND id < $1 ORDER BY id LIMIT $2)",
    "DELETE FROM mail WHERE id IN \
     (SELECT id FROM mail WHERE state <> 'queued' AND id < $1 ORDER BY id LIMIT $2)",
];

/// One step; true when more remains.
pub(super) async fn step(store: &PostgresStore, keep: &Retention) -> Result<bool> {
    if let Some(before) = all_before(keep)
        && drop_month(store, us(before)).await?
    {
        return Ok(true);
    }
    let mut more = false;
    for (before, metrics, listed) in keep.groups() {
        let metrics: Vec<String> = metrics.into_iter().map(str::to_owned).collect();
        for (sql, before, limit) in [
            (SAMPLES, us(before), PRUNE_ROWS_MAX),
            (CHUNKS, in_series(day_of(us(before))), PRUNE_CHUNKS_MAX),
        ] {
            let query = sqlx::query(sql).bind(before).bind(limit);
            more |= delete(store, query.bind(&metrics).bind(listed), limit).await?;
        }
    }
    if let Some(before) = keep.raw_before {
        for sql in HISTORY {
            let query = sqlx::query(sql).bind(first_ulid(before));
            more |= delete(store, query.bind(PRUNE_ROWS_MAX), PRUNE_ROWS_MAX).await?;
        }
    }
    if let Some(before) = keep.rollup_before {
        let query = sqlx::query(ROLLUP).bind(us(before).div_euclid(HOUR_US));
        more |= delete(store, query.bind(PRUNE_ROWS_MAX), PRUNE_ROWS_MAX).await?;
    }
    Ok(more)
}

/// Before which time samples of no metric are kept.
fn all_before(keep: &Retention) -> Option<DateTime<Utc>> {
    let mut all = keep.raw_before?;
    for before in keep.metric_before.values() {
        all = all.min((*before)?);
    }
    Some(all)
}

/// Whether as many went as one step may delete.
async fn delete(
    store: &PostgresStore,
    query: sqlx::query::Query<'_, sqlx::Postgres, sqlx::postgres::PgArguments>,
    limit: i64,
) -> Result<bool> {
    let done = call(async { Ok(query.execute(&store.readers).await?) }).await?;
    Ok(done.rows_affected() == limit.unsigned_abs())
}

/// Drops a month; false when somebody used it for so long that it is left for the next round.
pub(super) async fn drop_one(session: &mut Session, month: Month) -> Result<bool> {
    let partition = month.name();
    let drop =
        format!("BEGIN; SET LOCAL lock_timeout = {DROP_WAIT_MS}; DROP TABLE {partition}; COMMIT");
    match session.client.batch_execute(&drop).await {
        Ok(()) => {
            session.months.0.remove(&month);
            Ok(true)
        }
        Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {
            session.client.batch_execute("ROLLBACK").await?;
            tracing::debug!(
                partition,
                "a month that is over is in use, and is dropped later"
            );
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// Drops the oldest month if all of it is before a time; whether it did.
async fn drop_month(store: &PostgresStore, before_us: i64) -> Result<bool> {
    let mut writer = store.writer().await?;
    writer
        .work(async |session| {
            let oldest = session.months.0.first().copied();
            let Some(month) = oldest.filter(|month| month.end_us() <= before_us) else {
                return Ok(false);
            };
            let dropped = drop_one(session, month).await?;
            if dropped {
                tracing::info!(
                    partition = month.name(),
                    "samples of a month that is over were dropped"
                );
            }
            Ok(dropped)
        })
        .await
}
