//! Retention: months that are over go as a whole, which costs as much as deleting a file; of the
//! month that is half over, and of other tables, rows go in bounded steps.

use chrono::{DateTime, Utc};

use super::{PostgresStore, call, partitions::Month};
use crate::store::{
    Result,
    convert::{HOUR_US, first_ulid, us},
};

/// Rows that one step deletes of each table.
const PRUNE_ROWS_MAX: i64 = 20_000;
/// How long to wait for readers of a month that is over; they are asked to wait as long.
const DROP_WAIT_MS: u32 = 1_000;

const SAMPLES: &str = "DELETE FROM sample WHERE (series_id, ts_us) IN \
    (SELECT old.series_id, old.ts_us FROM series CROSS JOIN LATERAL \
     (SELECT series_id, ts_us FROM sample WHERE sample.series_id = series.id AND ts_us < $1 \
      ORDER BY ts_us LIMIT $2) AS old LIMIT $2) AND ts_us < $1";
const ROLLUP: &str = "DELETE FROM rollup WHERE (series_id, hour) IN \
    (SELECT old.series_id, old.hour FROM series CROSS JOIN LATERAL \
     (SELECT series_id, hour FROM rollup WHERE rollup.series_id = series.id AND hour < $1 \
      ORDER BY hour LIMIT $2) AS old LIMIT $2)";
/// What is over, by its id: a ULID begins with its time.
const HISTORY: [&str; 3] = [
    "DELETE FROM command WHERE id IN \
     (SELECT id FROM command WHERE NOT open AND id < $1 ORDER BY id LIMIT $2)",
    "DELETE FROM incident WHERE id IN \
     (SELECT id FROM incident WHERE NOT open AND id < $1 ORDER BY id LIMIT $2)",
    "DELETE FROM mail WHERE id IN \
     (SELECT id FROM mail WHERE state <> 'queued' AND id < $1 ORDER BY id LIMIT $2)",
];

/// One step; true when more remains.
pub(super) async fn step(
    store: &PostgresStore,
    raw_before: Option<DateTime<Utc>>,
    rollup_before: Option<DateTime<Utc>>,
) -> Result<bool> {
    let mut gone = Vec::new();
    if let Some(before) = raw_before {
        if drop_month(store, us(before)).await? {
            return Ok(true);
        }
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

async fn delete<'t, T>(store: &PostgresStore, sql: &'static str, before: T) -> Result<u64>
where
    T: sqlx::Encode<'t, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + 't,
{
    let query = sqlx::query(sql).bind(before).bind(PRUNE_ROWS_MAX);
    let done = call(async { Ok(query.execute(&store.readers).await?) }).await?;
    Ok(done.rows_affected())
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
            let name = Month::name(month);
            let sql = format!(
                "BEGIN; SET LOCAL lock_timeout = {DROP_WAIT_MS}; DROP TABLE {name}; COMMIT"
            );
            session.client.batch_execute(&sql).await?;
            session.months.0.remove(&month);
            tracing::info!(
                partition = name,
                "samples of a month that is over were dropped"
            );
            Ok(true)
        })
        .await
}
