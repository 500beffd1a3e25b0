//! What is sealed next, and with what: a store then lets rows leave and chunks come.

use std::future::Future;

use crate::store::{
    Result, StoreError,
    chunk::{
        Chunk, ChunkError, DAY_US, Point, Reader, SAMPLES_MAX, day_of, encode, has_key, merge,
    },
};

use super::damaged;

/// Rows after which a step ends; with the last day it may have as many more as a day has.
const SEAL_ROWS_MAX: usize = 20_000;
/// Chunks that a step writes at most.
const SEAL_CHUNKS_MAX: usize = 64;

/// What sealing reads; nothing of it keeps the writer waiting.
pub(in crate::store) trait Sealable: Sync {
    /// Series and time of the first row before a time: of a series from a time on, or of any
    /// series after it.
    fn first_row(
        &self,
        series: i64,
        from_us: i64,
        before_us: i64,
    ) -> impl Future<Output = Result<Option<(i64, i64)>>> + Send;
    /// Up to `limit` rows of a day, in order, and its chunk, if it has one.
    fn day(
        &self,
        series: i64,
        day: i64,
        limit: i64,
    ) -> impl Future<Output = Result<(Vec<Point>, Option<Vec<u8>>)>> + Send;
}

/// Where the next step goes on: the rows of a series from a time on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct Cursor {
    series: i64,
    from_us: i64,
}

impl Cursor {
    /// Before all rows. Ids of series begin with 1.
    pub(in crate::store) const START: Self = Self {
        series: 0,
        from_us: i64::MIN,
    };
}

/// A day that is ready to be sealed.
pub(in crate::store) struct Ready {
    /// The series.
    pub(in crate::store) series: i64,
    /// Rows that it was made of, besides the chunk that was there.
    pub(in crate::store) rows: u64,
    /// All of the day.
    pub(in crate::store) chunk: Chunk,
}

/// Reads and compresses days until there is enough for a step; where to go on, if anywhere.
pub(in crate::store) async fn gather(
    source: &impl Sealable,
    mut cursor: Cursor,
    before_us: i64,
) -> Result<(Vec<Ready>, Option<Cursor>)> {
    let mut ready: Vec<Ready> = Vec::new();
    let mut rows = 0;
    while rows < SEAL_ROWS_MAX && ready.len() < SEAL_CHUNKS_MAX {
        let Cursor { series, from_us } = cursor;
        let Some((series, first_us)) = source.first_row(series, from_us, before_us).await? else {
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
        if let Some(day) = compress(source, series, day).await? {
            rows += usize::try_from(day.rows).unwrap_or(usize::MAX);
            ready.push(day);
        }
    }
    Ok((ready, Some(cursor)))
}

/// The chunk of a day, of its rows and of what was sealed of it before; none when it would be too
/// large: such a day stays in rows.
async fn compress(source: &impl Sealable, series: i64, day: i64) -> Result<Option<Ready>> {
    let (points, sealed) = source.day(series, day, SAMPLES_MAX as i64 + 1).await?;
    let rows = points.len() as u64;
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
        rows,
        chunk,
    }))
}

fn join(day: i64, rows: &[Point], sealed: Option<&[u8]>) -> Result<Option<Chunk>, ChunkError> {
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
