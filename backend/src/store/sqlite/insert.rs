//! Samples into their table, with rollup and latest values, inside the transaction of a batch.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

use sqlx::Row as _;

use super::{
    chunks::Taken,
    many::{Many, ROWS_MAX},
    pipeline::{Pipeline, Values},
};
use crate::{
    ingest::Sample,
    store::{
        Batch, Committed, Result, StoreError,
        catalog::{Catalog, CatalogNews},
        chunk::Point,
        convert::{HOUR_US, flag_bits, us},
    },
};

/// For chunks in which nothing is known yet: fails, and undoes itself, at the first clash.
static INSERT_NEW: LazyLock<Many> = LazyLock::new(|| {
    Many::new(
        "INSERT INTO sample (series_id, ts_us, value, flags) VALUES ",
        4,
        "",
    )
});
/// Leaves out what clashes, and says what it took.
static INSERT_SOME: LazyLock<Many> = LazyLock::new(|| {
    Many::new(
        "INSERT OR IGNORE INTO sample (series_id, ts_us, value, flags) VALUES ",
        4,
        " RETURNING series_id, ts_us",
    )
});
static ADD_TO_ROLLUP: LazyLock<Many> = LazyLock::new(|| {
    Many::new(
        "INSERT INTO rollup (series_id, hour, n, min, max, sum) VALUES ",
        6,
        " ON CONFLICT (series_id, hour) DO UPDATE SET n = n + excluded.n, \
         min = min(min, excluded.min), max = max(max, excluded.max), sum = sum + excluded.sum",
    )
});
static RAISE_LATEST: LazyLock<Many> = LazyLock::new(|| {
    Many::new(
        "INSERT INTO latest (series_id, ts_us, value, flags) VALUES ",
        4,
        " ON CONFLICT (series_id) DO UPDATE SET ts_us = excluded.ts_us, \
         value = excluded.value, flags = excluded.flags WHERE excluded.ts_us > latest.ts_us",
    )
});

#[derive(Debug, Clone, Copy)]
struct Row {
    series: i64,
    ts_us: i64,
    value: f64,
    flags: i64,
    exact: bool,
}

impl Row {
    fn new(series: i64, sample: &Sample) -> Self {
        Self {
            series,
            ts_us: us(sample.ts),
            value: sample.value,
            flags: flag_bits(sample),
            exact: sample.exact_ts,
        }
    }

    const fn point(&self) -> Point {
        Point {
            ts_us: self.ts_us,
            value: self.value,
            flags: self.flags.to_le_bytes()[0],
        }
    }

    const fn key(&self) -> (i64, i64) {
        (self.series, self.ts_us)
    }
}

/// What an insert did, to be told after the commit.
#[derive(Debug, Default)]
pub(super) struct Inserted {
    pub(super) committed: Committed,
    pub(super) news: CatalogNews,
}

/// Writes the samples of a batch.
pub(super) async fn samples(
    pipeline: &mut Pipeline<'_>,
    catalog: &Catalog,
    batch: &Batch,
    sealed_before_us: i64,
) -> Result<Inserted> {
    let mut inserted = Inserted::default();
    let mut rows = resolve(pipeline, catalog, batch, &mut inserted).await?;
    // Told times first, since they cannot move; then in the order of the table. The sort is
    // stable: of equal ones the first to arrive is the first.
    rows.sort_by_key(|row| (!row.exact, row.series, row.ts_us));
    let mut stored = Vec::with_capacity(rows.len());
    let mut taken = Taken::new(sealed_before_us);
    let mut moved_last = None;
    for part in rows.chunks(ROWS_MAX) {
        let (part, sealed) = without_sealed(pipeline, part, &mut taken).await?;
        let mut moving = store_chunk(pipeline, &part, &mut stored).await?;
        if !sealed.is_empty() {
            moving.extend(sealed);
            moving.sort_by_key(Row::key);
        }
        store_moved(pipeline, &moving, &mut taken, &mut moved_last, &mut stored).await?;
    }
    inserted.committed.samples_stored = stored.len() as u64;
    inserted.committed.samples_known = (rows.len() - stored.len()) as u64;
    stored.sort_unstable_by_key(Row::key);
    add_to_rollup(pipeline, &stored).await?;
    inserted.news.newest = raise_latest(pipeline, &stored).await?;
    Ok(inserted)
}

/// Series ids for all samples; new series are made.
async fn resolve(
    pipeline: &mut Pipeline<'_>,
    catalog: &Catalog,
    batch: &Batch,
    inserted: &mut Inserted,
) -> Result<Vec<Row>> {
    let mut fresh: HashMap<(&str, &str), i64> = HashMap::new();
    let mut rows = Vec::new();
    for message in &batch.samples {
        for sample in &message.samples {
            let (node, metric) = (message.node.as_str(), sample.metric.as_str());
            let known = catalog
                .id(node, metric)
                .or_else(|| fresh.get(&(node, metric)).copied());
            let series = match known {
                Some(id) => id,
                None => {
                    let id = add_series(pipeline, node, metric).await?;
                    fresh.insert((node, metric), id);
                    let made = (id, node.to_owned(), metric.to_owned());
                    inserted.news.series.push(made);
                    id
                }
            };
            rows.push(Row::new(series, sample));
        }
    }
    Ok(rows)
}

async fn add_series(pipeline: &mut Pipeline<'_>, node: &str, metric: &str) -> Result<i64> {
    pipeline
        .add("INSERT INTO series (node, metric) VALUES (?, ?) RETURNING id")
        .bind(node)
        .bind(metric);
    Ok(pipeline.fetch_one().await?.try_get(0)?)
}

fn bind_row(values: &mut Values, row: &Row, _fills: bool) {
    values
        .bind(row.series)
        .bind(row.ts_us)
        .bind(row.value)
        .bind(row.flags);
}

/// Rows whose time no sealed sample has, and those that must move because one has. Of the rest
/// the time was told: they are known.
async fn without_sealed<'r>(
    pipeline: &mut Pipeline<'_>,
    part: &'r [Row],
    taken: &mut Taken,
) -> Result<(Cow<'r, [Row]>, Vec<Row>)> {
    if part.iter().all(|row| !taken.reaches(row.ts_us)) {
        return Ok((Cow::Borrowed(part), Vec::new()));
    }
    let (mut free, mut moving) = (Vec::with_capacity(part.len()), Vec::new());
    for row in part {
        if !taken.has(pipeline, row.series, row.ts_us).await? {
            free.push(*row);
        } else if !row.exact {
            moving.push(*row);
        }
    }
    Ok((Cow::Owned(free), moving))
}

/// Stores up to [`ROWS_MAX`] rows. Of those that clash with what is there, the ones whose time
/// was told are known already and are left out; the others are given back, to be moved.
async fn store_chunk(
    pipeline: &mut Pipeline<'_>,
    chunk: &[Row],
    stored: &mut Vec<Row>,
) -> Result<Vec<Row>> {
    let mut moving = Vec::new();
    if chunk.len() == ROWS_MAX {
        INSERT_NEW.add(pipeline, chunk, bind_row).await?;
        match pipeline.flush().await {
            Ok(()) => {
                stored.extend_from_slice(chunk);
                return Ok(moving);
            }
            Err(error) if is_clash(&error) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut rest = chunk;
    while !rest.is_empty() {
        let taken = INSERT_SOME.add(pipeline, rest, bind_row).await?;
        let mut new = HashSet::with_capacity(taken);
        for row in pipeline.fetch().await? {
            new.insert((row.try_get(0)?, row.try_get(1)?));
        }
        for row in &rest[..taken] {
            if new.remove(&row.key()) {
                stored.push(*row);
            } else if !row.exact {
                moving.push(*row);
            }
        }
        rest = &rest[taken..];
    }
    Ok(moving)
}

fn is_clash(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

/// Stores rows whose time is taken at the next free microsecond. They come in the order of
/// their times, so each search goes on where the last one (`last`) ended.
async fn store_moved(
    pipeline: &mut Pipeline<'_>,
    moving: &[Row],
    taken: &mut Taken,
    last: &mut Option<Row>,
    stored: &mut Vec<Row>,
) -> Result<()> {
    let mut moved = Vec::with_capacity(moving.len());
    for row in moving {
        let mut row = *row;
        if let Some(last) = last
            && last.series == row.series
            && last.ts_us >= row.ts_us
        {
            row.ts_us = last.ts_us + 1;
        }
        // What is free among the rows may be taken in a chunk, and the other way round.
        loop {
            let ts_us = free_time(pipeline, row).await?;
            row.ts_us = taken.next_free(pipeline, row.series, ts_us).await?;
            if row.ts_us == ts_us {
                break;
            }
        }
        *last = Some(row);
        moved.push(row);
    }
    let mut rest = moved.as_slice();
    while !rest.is_empty() {
        let count = INSERT_SOME.add(pipeline, rest, bind_row).await?;
        if pipeline.fetch().await?.len() != count {
            return Err(StoreError::Unusable {
                reason: "two samples were given the same time".to_owned(),
            });
        }
        rest = &rest[count..];
    }
    stored.extend(moved);
    Ok(())
}

/// The first free microsecond of a series at or after a row's time.
async fn free_time(pipeline: &mut Pipeline<'_>, row: Row) -> Result<i64> {
    pipeline
        .add(
            "SELECT ts_us + 1 FROM sample AS here WHERE series_id = ? AND ts_us >= ? \
             AND EXISTS (SELECT 1 FROM sample WHERE series_id = ? AND ts_us = ?) \
             AND NOT EXISTS (SELECT 1 FROM sample \
             WHERE series_id = here.series_id AND ts_us = here.ts_us + 1) \
             ORDER BY ts_us LIMIT 1",
        )
        .bind(row.series)
        .bind(row.ts_us)
        .bind(row.series)
        .bind(row.ts_us);
    let after = pipeline.fetch().await?;
    match after.first() {
        Some(after) => Ok(after.try_get(0)?),
        None => Ok(row.ts_us),
    }
}

#[derive(Debug, Clone, Copy)]
struct Hour {
    series: i64,
    hour: i64,
    n: i64,
    min: f64,
    max: f64,
    sum: f64,
}

/// Adds rows, in the order of series and time, to the statistics of their hours. Flagged ones
/// do not count.
async fn add_to_rollup(pipeline: &mut Pipeline<'_>, stored: &[Row]) -> Result<()> {
    let mut hours: Vec<Hour> = Vec::new();
    for row in stored.iter().filter(|row| row.flags == 0) {
        let hour = row.ts_us.div_euclid(HOUR_US);
        match hours.last_mut() {
            Some(last) if last.series == row.series && last.hour == hour => {
                last.n += 1;
                last.min = last.min.min(row.value);
                last.max = last.max.max(row.value);
                last.sum += row.value;
            }
            _ => hours.push(Hour {
                series: row.series,
                hour,
                n: 1,
                min: row.value,
                max: row.value,
                sum: row.value,
            }),
        }
    }
    ADD_TO_ROLLUP
        .add_all(pipeline, &hours, |values, hour, fills| {
            let (n, sum) = if fills { (0, 0.0) } else { (hour.n, hour.sum) };
            values
                .bind(hour.series)
                .bind(hour.hour)
                .bind(n)
                .bind(hour.min)
                .bind(hour.max)
                .bind(sum);
        })
        .await?;
    Ok(())
}

/// Takes the newest of each series from rows in the order of series and time.
async fn raise_latest(pipeline: &mut Pipeline<'_>, stored: &[Row]) -> Result<Vec<(i64, Point)>> {
    let newest: Vec<Row> = stored
        .chunk_by(|a, b| a.series == b.series)
        .filter_map(|rows| rows.last().copied())
        .collect();
    RAISE_LATEST.add_all(pipeline, &newest, bind_row).await?;
    Ok(newest.iter().map(|row| (row.series, row.point())).collect())
}
