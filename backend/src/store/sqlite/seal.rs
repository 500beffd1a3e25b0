//! Sealing: whole days of rows into chunks, in steps. Reading and compressing go beside the
//! writer; it is held only while the rows of a few days leave and their chunks come, in one
//! transaction.

use super::{SqliteStore, Writer, source::Tables};
use crate::store::{
    Result, Sealed,
    chunk::{DAY_US, Point, day_of, key},
    history::{Cursor, Ready, Sealable, gather},
};

/// One step through all series.
pub(super) async fn step(store: &SqliteStore, before_us: i64) -> Result<Sealed> {
    let mut cursor = store.sealing.lock().await;
    // Only days that are over.
    let before_us = day_of(before_us).saturating_mul(DAY_US);
    let begun = std::mem::replace(&mut *cursor, Cursor::START);
    let (ready, next) = gather(&store.tables(), begun, before_us).await?;
    let mut days = 0;
    if !ready.is_empty() {
        let begun = std::time::Instant::now();
        let mut writer = store.writer().await?;
        let held = std::time::Instant::now();
        store.border.raise(before_us);
        let written = write(&mut writer, &ready).await;
        days = writer.ended(written).await?;
        drop(writer);
        tracing::debug!(
            days,
            waited_us = held.duration_since(begun).as_micros(),
            held_us = held.elapsed().as_micros(),
            "samples sealed"
        );
    }
    let more = next.is_some();
    *cursor = next.unwrap_or(Cursor::START);
    Ok(Sealed { days, more })
}

impl Sealable for Tables {
    async fn first_row(
        &self,
        series: i64,
        from_us: i64,
        before_us: i64,
    ) -> Result<Option<(i64, i64)>> {
        Ok(sqlx::query_as(
            "SELECT id, first_us FROM (SELECT id, (SELECT ts_us FROM sample \
             WHERE series_id = id AND ts_us >= CASE id WHEN ?1 THEN ?2 ELSE ?3 END \
             AND ts_us < ?4 ORDER BY ts_us LIMIT 1) AS first_us FROM series WHERE id >= ?1 \
             ORDER BY id) WHERE first_us IS NOT NULL LIMIT 1",
        )
        .bind(series)
        .bind(from_us)
        .bind(i64::MIN)
        .bind(before_us)
        .fetch_optional(&self.readers)
        .await?)
    }

    async fn day(
        &self,
        series: i64,
        day: i64,
        limit: i64,
    ) -> Result<(Vec<Point>, Option<Vec<u8>>)> {
        let rows: Vec<(i64, f64, u8)> = sqlx::query_as(
            "SELECT ts_us, value, flags FROM sample \
             WHERE series_id = ? AND ts_us >= ? AND ts_us < ? ORDER BY ts_us LIMIT ?",
        )
        .bind(series)
        .bind(day * DAY_US)
        .bind((day + 1) * DAY_US)
        .bind(limit)
        .fetch_all(&self.readers)
        .await?;
        let chunk = sqlx::query_scalar("SELECT data FROM chunk WHERE key = ?")
            .bind(key(series, day))
            .fetch_optional(&self.readers)
            .await?;
        let point = |(ts_us, value, flags)| Point {
            ts_us,
            value,
            flags,
        };
        Ok((rows.into_iter().map(point).collect(), chunk))
    }
}

/// Rows out, chunks in. A day that has other rows by now than it was made of is left for the next
/// round. How many were written.
async fn write(writer: &mut Writer, ready: &[Ready]) -> Result<u64> {
    writer.begin().await?;
    let mut chunks = 0;
    for Ready {
        series,
        rows,
        chunk,
    } in ready
    {
        let gone = sqlx::query(
            "DELETE FROM sample WHERE series_id = ?1 AND ts_us >= ?2 AND ts_us < ?3 AND ?4 = \
             (SELECT count(*) FROM sample WHERE series_id = ?1 AND ts_us >= ?2 AND ts_us < ?3)",
        )
        .bind(series)
        .bind(chunk.day * DAY_US)
        .bind((chunk.day + 1) * DAY_US)
        .bind(rows.cast_signed())
        .execute(&mut writer.connection)
        .await?;
        if gone.rows_affected() != *rows {
            continue;
        }
        let summary = &chunk.summary;
        sqlx::query(
            "INSERT OR REPLACE INTO chunk (key, samples, good, min, max, sum, first_us, \
             first_value, last_us, last_value, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(key(*series, chunk.day))
        .bind(summary.samples)
        .bind(summary.good.n.cast_signed())
        .bind(summary.good.min)
        .bind(summary.good.max)
        .bind(summary.good.sum)
        .bind(summary.first.ts_us)
        .bind(summary.first.value)
        .bind(summary.last.ts_us)
        .bind(summary.last.value)
        .bind(&chunk.data)
        .execute(&mut writer.connection)
        .await?;
        chunks += 1;
    }
    writer.commit().await?;
    Ok(chunks)
}
