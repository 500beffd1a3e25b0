//! Sealing: whole days of rows into chunks, in steps. Reading and compressing go beside the
//! writer; it is held only while the rows of a few days leave and their chunks come, in one
//! transaction.

use sqlx::SqlitePool;

use super::{
    SqliteStore, Writer,
    chunks::{has_key, key},
};
use crate::store::{
    Result, Sealed, StoreError,
    chunk::{Chunk, DAY_US, Point, Reader, SAMPLES_MAX, day_of, encode, merge},
    history::damaged,
};

/// Rows after which a step ends; with the last day it may have as many more as a day has.
const SEAL_ROWS_MAX: usize = 20_000;
/// Chunks that a step writes at most.
const SEAL_CHUNKS_MAX: usize = 64;

/// Where the next step goes on: the rows of a series from a time on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    series: i64,
    from_us: i64,
}

impl Cursor {
    pub(super) const START: Self = Self {
        series: i64::MIN,
        from_us: i64::MIN,
    };
}

/// A day that is ready to be sealed.
struct Ready {
    series: i64,
    /// Rows that it was made of.
    rows: u64,
    chunk: Chunk,
}

/// One step through all series.
pub(super) async fn step(store: &SqliteStore, before_us: i64) -> Result<Sealed> {
    let mut cursor = store.sealing.lock().await;
    // Only days that are over.
    let before_us = day_of(before_us).saturating_mul(DAY_US);
    let begun = std::mem::replace(&mut *cursor, Cursor::START);
    let (ready, next) = gather(&store.readers, begun, before_us).await?;
    let mut days = 0;
    if !ready.is_empty() {
        let begun = std::time::Instant::now();
        let mut writer = store.writer().await;
        let held = std::time::Instant::now();
        store.border.raise(before_us);
        let written = write(&mut writer, &ready).await;
        writer.clean_up().await;
        drop(writer);
        days = written?;
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

/// Reads and compresses days until there is enough for a step; where to go on, if anywhere.
async fn gather(
    readers: &SqlitePool,
    mut cursor: Cursor,
    before_us: i64,
) -> Result<(Vec<Ready>, Option<Cursor>)> {
    let mut ready: Vec<Ready> = Vec::new();
    let mut rows = 0;
    while rows < SEAL_ROWS_MAX && ready.len() < SEAL_CHUNKS_MAX {
        let Some((series, first_us)) = next(readers, cursor, before_us).await? else {
            return Ok((ready, None));
        };
        let day = day_of(first_us);
        cursor = Cursor {
            series,
            from_us: (day + 1).saturating_mul(DAY_US),
        };
        if !has_key(day) {
            continue;
        }
        if let Some(day) = compress(readers, series, day).await? {
            rows += usize::try_from(day.rows).unwrap_or(usize::MAX);
            ready.push(day);
        }
    }
    Ok((ready, Some(cursor)))
}

/// The first row before a time, from a cursor on.
async fn next(readers: &SqlitePool, cursor: Cursor, before_us: i64) -> Result<Option<(i64, i64)>> {
    Ok(sqlx::query_as(
        "SELECT id, first_us FROM (SELECT id, (SELECT ts_us FROM sample \
         WHERE series_id = id AND ts_us >= CASE id WHEN ?1 THEN ?2 ELSE ?3 END AND ts_us < ?4 \
         ORDER BY ts_us LIMIT 1) AS first_us FROM series WHERE id >= ?1 ORDER BY id) \
         WHERE first_us IS NOT NULL LIMIT 1",
    )
    .bind(cursor.series)
    .bind(cursor.from_us)
    .bind(i64::MIN)
    .bind(before_us)
    .fetch_optional(readers)
    .await?)
}

/// The chunk of a day, of its rows and of what was sealed of it before; none when it would be too
/// large: such a day stays in rows.
async fn compress(readers: &SqlitePool, series: i64, day: i64) -> Result<Option<Ready>> {
    let rows: Vec<(i64, f64, u8)> = sqlx::query_as(
        "SELECT ts_us, value, flags FROM sample \
         WHERE series_id = ? AND ts_us >= ? AND ts_us < ? ORDER BY ts_us LIMIT ?",
    )
    .bind(series)
    .bind(day * DAY_US)
    .bind((day + 1) * DAY_US)
    .bind(SAMPLES_MAX as i64 + 1)
    .fetch_all(readers)
    .await?;
    let sealed: Option<Vec<u8>> = sqlx::query_scalar("SELECT data FROM chunk WHERE key = ?")
        .bind(key(series, day))
        .fetch_optional(readers)
        .await?;
    let count = rows.len() as u64;
    let points: Vec<Point> = rows
        .into_iter()
        .map(|(ts_us, value, flags)| Point {
            ts_us,
            value,
            flags,
        })
        .collect();
    // Up to some ten milliseconds of pure work.
    let chunk = tokio::task::spawn_blocking(move || join(day, &points, sealed.as_deref()))
        .await
        .map_err(|error| StoreError::Unusable {
            reason: format!("sealing was broken off: {error}"),
        })?
        .map_err(|error| damaged(series, day, &error))?;
    if chunk.is_none() {
        tracing::debug!(series, day, "a day has too many samples to be sealed");
    }
    Ok(chunk.map(|chunk| Ready {
        series,
        rows: count,
        chunk,
    }))
}

fn join(
    day: i64,
    rows: &[Point],
    sealed: Option<&[u8]>,
) -> Result<Option<Chunk>, crate::store::chunk::ChunkError> {
    let merged;
    let points = match sealed {
        None => rows,
        Some(data) => {
            let mut sealed = Vec::new();
            Reader::open(day, data)?.read(&(i64::MIN..i64::MAX), &mut sealed)?;
            merged = merge(&sealed, rows);
            &merged
        }
    };
    if points.len() > SAMPLES_MAX {
        return Ok(None);
    }
    encode(day, points).map(Some)
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
