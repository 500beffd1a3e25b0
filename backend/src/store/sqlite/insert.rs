//! Samples into their table, with rollup and latest values, inside the transaction of a batch.

use std::{
    collections::{HashMap, HashSet},
    fmt::Write as _,
};

use sqlx::{AssertSqlSafe, SqliteConnection};

use super::us;
use crate::{
    ingest::Sample,
    store::{Batch, Committed, Result},
};

/// Rows of a multi-row statement, largest first: few statement texts, so that all stay prepared.
const CHUNKS: [usize; 4] = [256, 32, 4, 1];
/// Microseconds of an hour.
pub(super) const HOUR_US: i64 = 3_600_000_000;

/// Flag bit: outside the plausibility range.
pub(super) const OUT_OF_RANGE: i64 = 1;
/// Flag bit: the node's clock is not to be believed.
pub(super) const CLOCK_SUSPECT: i64 = 2;

/// Ids of all series, as committed.
#[derive(Debug, Default)]
pub(super) struct SeriesIds {
    by_node: HashMap<String, HashMap<String, i64>>,
}

impl SeriesIds {
    pub(super) async fn load(connection: &mut SqliteConnection) -> Result<Self> {
        let rows: Vec<(i64, String, String)> =
            sqlx::query_as("SELECT id, node, metric FROM series")
                .fetch_all(connection)
                .await?;
        let mut ids = Self::default();
        for (id, node, metric) in rows {
            ids.insert(&node, &metric, id);
        }
        Ok(ids)
    }

    fn get(&self, node: &str, metric: &str) -> Option<i64> {
        self.by_node.get(node)?.get(metric).copied()
    }

    fn insert(&mut self, node: &str, metric: &str, id: i64) {
        self.by_node
            .entry(node.to_owned())
            .or_default()
            .insert(metric.to_owned(), id);
    }
}

#[derive(Debug, Clone, Copy)]
struct Row {
    series: i64,
    ts_us: i64,
    value: f64,
    flags: i64,
    exact: bool,
}

#[derive(Debug, Default)]
struct Hour {
    n_all: i64,
    n: i64,
    min: f64,
    max: f64,
    sum: f64,
}

/// What an insert did, to be taken over after the commit.
#[derive(Debug, Default)]
pub(super) struct Inserted {
    pub(super) committed: Committed,
    new_series: Vec<(String, String, i64)>,
}

impl Inserted {
    /// Ids become known only now, so that those of a rolled-back transaction never do.
    pub(super) fn take_over(self, ids: &mut SeriesIds) -> Committed {
        for (node, metric, id) in self.new_series {
            ids.insert(&node, &metric, id);
        }
        self.committed
    }
}

/// Writes the samples of a batch.
pub(super) async fn samples(
    connection: &mut SqliteConnection,
    ids: &SeriesIds,
    batch: &Batch,
) -> Result<Inserted> {
    let mut inserted = Inserted::default();
    if batch.samples.is_empty() {
        return Ok(inserted);
    }
    let rows = resolve(connection, ids, batch, &mut inserted).await?;
    let stored = store_rows(connection, &rows).await?;
    inserted.committed.samples_stored = stored.len() as u64;
    inserted.committed.samples_known = (rows.len() - stored.len()) as u64;
    let mut hours: HashMap<(i64, i64), Hour> = HashMap::new();
    let mut latest: HashMap<i64, Row> = HashMap::new();
    for row in &stored {
        hours
            .entry((row.series, row.ts_us.div_euclid(HOUR_US)))
            .or_default()
            .add(row);
        let newest = latest.entry(row.series).or_insert(*row);
        if row.ts_us > newest.ts_us {
            *newest = *row;
        }
    }
    write_hours(connection, hours).await?;
    write_latest(connection, latest).await?;
    Ok(inserted)
}

impl Hour {
    fn add(&mut self, row: &Row) {
        self.n_all += 1;
        if row.flags != 0 {
            return;
        }
        (self.min, self.max) = if self.n == 0 {
            (row.value, row.value)
        } else {
            (self.min.min(row.value), self.max.max(row.value))
        };
        self.n += 1;
        self.sum += row.value;
    }
}

/// Series ids for all samples, and times that do not clash within the batch.
async fn resolve(
    connection: &mut SqliteConnection,
    ids: &SeriesIds,
    batch: &Batch,
    inserted: &mut Inserted,
) -> Result<Vec<Row>> {
    let mut fresh = SeriesIds::default();
    let mut rows = Vec::new();
    let mut taken: HashSet<(i64, i64)> = HashSet::new();
    for message in &batch.samples {
        for sample in &message.samples {
            let known = ids
                .get(&message.node, &sample.metric)
                .or_else(|| fresh.get(&message.node, &sample.metric));
            let series = match known {
                Some(id) => id,
                None => {
                    let id = add_series(connection, &message.node, &sample.metric).await?;
                    fresh.insert(&message.node, &sample.metric, id);
                    inserted
                        .new_series
                        .push((message.node.clone(), sample.metric.clone(), id));
                    id
                }
            };
            let mut row = row_of(series, sample);
            if !row.exact {
                while taken.contains(&(series, row.ts_us)) {
                    row.ts_us += 1;
                }
            }
            taken.insert((series, row.ts_us));
            rows.push(row);
        }
    }
    Ok(rows)
}

fn row_of(series: i64, sample: &Sample) -> Row {
    let mut flags = 0;
    if sample.out_of_range {
        flags |= OUT_OF_RANGE;
    }
    if sample.clock_suspect {
        flags |= CLOCK_SUSPECT;
    }
    Row {
        series,
        ts_us: us(sample.ts),
        value: sample.value,
        flags,
        exact: sample.exact_ts,
    }
}

async fn add_series(connection: &mut SqliteConnection, node: &str, metric: &str) -> Result<i64> {
    Ok(
        sqlx::query_scalar("INSERT INTO series (node, metric) VALUES (?, ?) RETURNING id")
            .bind(node)
            .bind(metric)
            .fetch_one(connection)
            .await?,
    )
}

/// Inserts in large chunks; a chunk in which a key was there already is done again row by row,
/// which tells the known samples and moves those that must not clash. Gives the stored rows.
async fn store_rows(connection: &mut SqliteConnection, rows: &[Row]) -> Result<Vec<Row>> {
    let mut stored = Vec::with_capacity(rows.len());
    for chunk in chunks(rows) {
        let size = chunk.len();
        if size == 1 {
            stored.extend(store_row(connection, chunk[0]).await?);
            continue;
        }
        sqlx::query("SAVEPOINT chunk")
            .execute(&mut *connection)
            .await?;
        if insert_chunk(connection, chunk).await? == size as u64 {
            stored.extend_from_slice(chunk);
        } else {
            sqlx::query("ROLLBACK TO chunk")
                .execute(&mut *connection)
                .await?;
            for row in chunk {
                stored.extend(store_row(connection, *row).await?);
            }
        }
        sqlx::query("RELEASE chunk")
            .execute(&mut *connection)
            .await?;
    }
    Ok(stored)
}

async fn insert_chunk(connection: &mut SqliteConnection, rows: &[Row]) -> Result<u64> {
    let sql = values(
        "INSERT OR IGNORE INTO sample (series_id, ts_us, value, flags) VALUES ",
        rows.len(),
        4,
        "",
    );
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for row in rows {
        query = query
            .bind(row.series)
            .bind(row.ts_us)
            .bind(row.value)
            .bind(row.flags);
    }
    Ok(query.execute(connection).await?.rows_affected())
}

/// One row; `None` when exactly this sample was there already.
async fn store_row(connection: &mut SqliteConnection, mut row: Row) -> Result<Option<Row>> {
    loop {
        if insert_chunk(connection, &[row]).await? == 1 {
            return Ok(Some(row));
        }
        if row.exact {
            return Ok(None);
        }
        row.ts_us += 1;
    }
}

async fn write_hours(
    connection: &mut SqliteConnection,
    hours: HashMap<(i64, i64), Hour>,
) -> Result<()> {
    let mut all: Vec<_> = hours.into_iter().collect();
    all.sort_unstable_by_key(|(key, _)| *key);
    for chunk in chunks(&all) {
        let sql = values(
            "INSERT INTO rollup (series_id, hour, n_all, n, min, max, sum) VALUES ",
            chunk.len(),
            7,
            " ON CONFLICT (series_id, hour) DO UPDATE SET n_all = n_all + excluded.n_all, \
             n = n + excluded.n, sum = sum + excluded.sum, \
             min = min(ifnull(min, excluded.min), ifnull(excluded.min, min)), \
             max = max(ifnull(max, excluded.max), ifnull(excluded.max, max))",
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for ((series, hour), sums) in chunk {
            let some = (sums.n > 0).then_some(());
            query = query
                .bind(series)
                .bind(hour)
                .bind(sums.n_all)
                .bind(sums.n)
                .bind(some.map(|()| sums.min))
                .bind(some.map(|()| sums.max))
                .bind(sums.sum);
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

async fn write_latest(connection: &mut SqliteConnection, latest: HashMap<i64, Row>) -> Result<()> {
    let mut all: Vec<Row> = latest.into_values().collect();
    all.sort_unstable_by_key(|row| row.series);
    for chunk in chunks(&all) {
        let sql = values(
            "INSERT INTO latest (series_id, ts_us, value, flags) VALUES ",
            chunk.len(),
            4,
            " ON CONFLICT (series_id) DO UPDATE SET ts_us = excluded.ts_us, \
             value = excluded.value, flags = excluded.flags WHERE excluded.ts_us > latest.ts_us",
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for row in chunk {
            query = query
                .bind(row.series)
                .bind(row.ts_us)
                .bind(row.value)
                .bind(row.flags);
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Cuts rows into chunks of the sizes in [`CHUNKS`].
fn chunks<T>(mut rows: &[T]) -> Vec<&[T]> {
    let mut all = Vec::new();
    while !rows.is_empty() {
        let size = CHUNKS
            .into_iter()
            .find(|size| *size <= rows.len())
            .unwrap_or(1);
        let (chunk, rest) = rows.split_at(size);
        all.push(chunk);
        rows = rest;
    }
    all
}

/// `head (?,?),(?,?) tail`.
fn values(head: &str, rows: usize, columns: usize, tail: &str) -> String {
    let one = format!("({})", vec!["?"; columns].join(","));
    let mut sql = String::with_capacity(head.len() + tail.len() + rows * (one.len() + 1));
    sql.push_str(head);
    for row in 0..rows {
        let comma = if row == 0 { "" } else { "," };
        // Writing into a String cannot fail.
        let _ = write!(sql, "{comma}{one}");
    }
    sql.push_str(tail);
    sql
}
