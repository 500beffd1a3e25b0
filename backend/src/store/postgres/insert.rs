//! A batch into the database, in one transaction. Nearly always all samples are new: then they
//! go straight into their table, many of them by COPY, and everything else goes behind them
//! without waiting. The first sample that is there already undoes that; the batch is then
//! written anew on a way that leaves out what is known and counts only what was taken.

use std::collections::{BTreeSet, HashMap, HashSet};

use bytes::Bytes;
use futures_util::pin_mut;
use tokio_postgres::{
    Client, CopyInSink,
    binary_copy::BinaryCopyInWriter,
    error::SqlState,
    types::{ToSql, Type},
};

use super::{
    partitions::{self, Month},
    pipeline::{Pipeline, values},
    sealed::SealedTimes,
    session::Session,
    statements::Statements,
    write,
};
use crate::{
    ingest::Sample,
    store::{
        Batch, Committed, Result, StoreError,
        catalog::CatalogNews,
        chunk::Point,
        convert::{HOUR_US, flag_bits, us},
    },
};

/// From so many rows on COPY is faster than an array for each column, though it takes two round
/// trips more.
const COPY_ROWS_MIN: usize = 500;
/// Microseconds of which the taken ones are asked for at a time.
const TAKEN_WINDOW_US: i64 = 10_000;
/// The most that one sample adds to a sum, so that a sum never leaves the range of its type,
/// which would be an error.
const ADDEND_MAX: f64 = 1e300;

#[derive(Debug, Clone, Copy)]
struct Row {
    series: i32,
    ts_us: i64,
    value: f64,
    flags: i16,
    exact: bool,
}

impl Row {
    fn new(series: i32, sample: &Sample) -> Self {
        Self {
            series,
            ts_us: us(sample.ts),
            value: sample.value,
            flags: i16::try_from(flag_bits(sample)).unwrap_or_default(),
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

    const fn key(&self) -> (i32, i64) {
        (self.series, self.ts_us)
    }
}

/// Why a batch was not written.
enum Failure {
    /// A sample is there already.
    Clash,
    /// All else.
    Store(StoreError),
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        if error.code() == Some(&SqlState::UNIQUE_VIOLATION) {
            Self::Clash
        } else {
            Self::Store(error.into())
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What is known only after the commit, so that nothing of a rolled-back transaction ever is.
#[derive(Default)]
struct News {
    series: HashMap<(String, String), i32>,
    newest: Vec<(i64, Point)>,
    months: BTreeSet<Month>,
    committed: Committed,
}

/// Writes a batch.
pub(super) async fn batch(
    session: &mut Session,
    batch: &Batch,
    sealed_before_us: i64,
) -> Result<Committed> {
    let news = match write(session, batch, sealed_before_us, false).await {
        Err(Failure::Clash) => {
            // What was sent without waiting may have ended the transaction already.
            session.client.batch_execute("ROLLBACK").await?;
            write(session, batch, sealed_before_us, true).await
        }
        other => other,
    };
    let news = news.map_err(|failure| match failure {
        Failure::Clash => StoreError::Unavailable {
            reason: "somebody else writes into this database".to_owned(),
        },
        Failure::Store(error) => error,
    })?;
    let made = news.series.into_iter();
    session.catalog.take_over(CatalogNews {
        series: made
            .map(|((node, metric), id)| (id.into(), node, metric))
            .collect(),
        newest: news.newest,
    });
    session.months.0.extend(news.months);
    Ok(news.committed)
}

async fn write(
    session: &Session,
    batch: &Batch,
    sealed_before_us: i64,
    clashes: bool,
) -> Result<News, Failure> {
    let statements = &session.statements;
    let mut pipeline = Pipeline::new(&session.client);
    pipeline.begin();
    let mut news = News::default();
    add_series(&mut pipeline, session, batch, &mut news).await?;
    let mut rows = rows_of(session, &news, batch)?;
    news.months = session.months.missing(rows.iter().map(|row| row.ts_us));
    partitions::make(&mut pipeline, &news.months);
    // Stable: of equal ones the first to arrive is the first.
    rows.sort_by_key(Row::key);
    let mut sealed = SealedTimes::new(sealed_before_us);
    if clashes || rows.iter().any(|row| sealed.reach(row.ts_us)) {
        pipeline.flush().await?;
        let client = &session.client;
        rows = insert_some(client, statements, rows, &mut sealed, &mut news.committed).await?;
    } else {
        if rows.windows(2).any(|pair| pair[0].key() == pair[1].key()) {
            return Err(Failure::Clash);
        }
        news.committed.samples_stored = rows.len() as u64;
        insert_new(&mut pipeline, statements, &rows).await?;
    }
    add_to_rollup(&mut pipeline, statements, &rows);
    news.newest = raise_latest(&mut pipeline, statements, &rows);
    write::state(&mut pipeline, statements, batch)?;
    pipeline.commit().await?;
    Ok(news)
}

/// Makes the series that are not known yet.
async fn add_series<'c>(
    pipeline: &mut Pipeline<'c>,
    session: &'c Session,
    batch: &Batch,
    news: &mut News,
) -> Result<(), Failure> {
    let mut unknown = BTreeSet::new();
    for message in &batch.samples {
        for sample in &message.samples {
            if session.catalog.id(&message.node, &sample.metric).is_none() {
                unknown.insert((message.node.as_str(), sample.metric.as_str()));
            }
        }
    }
    if unknown.is_empty() {
        return Ok(());
    }
    let (nodes, metrics): (Vec<&str>, Vec<&str>) = unknown.into_iter().unzip();
    pipeline.flush().await?;
    let made = session
        .client
        .query(&session.statements.add_series, &[&nodes, &metrics])
        .await?;
    for row in made {
        let name = (row.try_get(1)?, row.try_get(2)?);
        news.series.insert(name, row.try_get(0)?);
    }
    Ok(())
}

fn rows_of(session: &Session, news: &News, batch: &Batch) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for message in &batch.samples {
        for sample in &message.samples {
            let known = session.catalog.id(&message.node, &sample.metric);
            let series = match known {
                Some(id) => i32::try_from(id).ok(),
                None => {
                    let name = (message.node.clone(), sample.metric.clone());
                    news.series.get(&name).copied()
                }
            };
            let series = series.ok_or_else(|| StoreError::Unusable {
                reason: format!("the series `{}` was not made", sample.metric),
            })?;
            rows.push(Row::new(series, sample));
        }
    }
    Ok(rows)
}

fn columns(rows: &[Row]) -> (Vec<i32>, Vec<i64>, Vec<f64>, Vec<i16>) {
    (
        rows.iter().map(|row| row.series).collect(),
        rows.iter().map(|row| row.ts_us).collect(),
        rows.iter().map(|row| row.value).collect(),
        rows.iter().map(|row| row.flags).collect(),
    )
}

/// Sends rows that are thought to be new.
async fn insert_new<'c>(
    pipeline: &mut Pipeline<'c>,
    statements: &'c Statements,
    rows: &[Row],
) -> Result<(), Failure> {
    if rows.len() >= COPY_ROWS_MIN {
        pipeline.flush().await?;
        return copy(pipeline.client, statements, rows).await;
    }
    if !rows.is_empty() {
        let (series, times, values, flags) = columns(rows);
        pipeline.send(
            &statements.insert_new,
            values![series, times, values, flags],
        );
    }
    Ok(())
}

async fn copy(client: &Client, statements: &Statements, rows: &[Row]) -> Result<(), Failure> {
    let sink: CopyInSink<Bytes> = client.copy_in(&statements.copy_new).await?;
    let types = [Type::INT4, Type::INT8, Type::FLOAT8, Type::INT2];
    let writer = BinaryCopyInWriter::new(sink, &types);
    pin_mut!(writer);
    for row in rows {
        let values: [&(dyn ToSql + Sync); 4] = [&row.series, &row.ts_us, &row.value, &row.flags];
        writer.as_mut().write(&values).await?;
    }
    writer.finish().await?;
    Ok(())
}

/// Stores what is new of rows in the order of the table; told times first, since they cannot
/// move. The stored rows, in the order of the table again.
async fn insert_some(
    client: &Client,
    statements: &Statements,
    rows: Vec<Row>,
    sealed: &mut SealedTimes,
    committed: &mut Committed,
) -> Result<Vec<Row>, Failure> {
    let (mut told, mut others, mut moving) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        match (row.exact, is_sealed(client, statements, row, sealed).await?) {
            (true, true) => committed.samples_known += 1,
            (true, false) => told.push(row),
            (false, true) => moving.push(row),
            (false, false) => others.push(row),
        }
    }
    let (mut stored, known) = take(client, statements, told).await?;
    committed.samples_known += known.len() as u64;
    let (new, clashed) = take(client, statements, others).await?;
    stored.extend(new);
    moving.extend(clashed);
    moving.sort_by_key(Row::key);
    stored.extend(insert_moved(client, statements, moving, sealed).await?);
    committed.samples_stored = stored.len() as u64;
    stored.sort_unstable_by_key(Row::key);
    Ok(stored)
}

async fn is_sealed(
    client: &Client,
    statements: &Statements,
    row: Row,
    sealed: &mut SealedTimes,
) -> Result<bool, Failure> {
    Ok(sealed
        .have(client, statements, row.series, row.ts_us)
        .await?)
}

/// Stores rows where nothing is; those that were taken, and those that were not.
async fn take(
    client: &Client,
    statements: &Statements,
    rows: Vec<Row>,
) -> Result<(Vec<Row>, Vec<Row>), Failure> {
    if rows.is_empty() {
        return Ok((rows, Vec::new()));
    }
    let (series, times, values, flags) = columns(&rows);
    let new = client
        .query(&statements.insert_some, &[&series, &times, &values, &flags])
        .await?;
    let mut new: HashSet<(i32, i64)> = new
        .iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
        .collect::<Result<_, tokio_postgres::Error>>()?;
    // Of rows with the same key the first was taken.
    Ok(rows.into_iter().partition(|row| new.remove(&row.key())))
}

/// Stores rows whose time is taken at the next free microsecond. They come in the order of
/// series and time, so each search goes on where the last one ended.
async fn insert_moved(
    client: &Client,
    statements: &Statements,
    mut moving: Vec<Row>,
    sealed: &mut SealedTimes,
) -> Result<Vec<Row>, Failure> {
    let mut last: Option<Row> = None;
    let mut taken = Taken::default();
    for row in &mut moving {
        if let Some(last) = last
            && last.series == row.series
            && last.ts_us >= row.ts_us
        {
            row.ts_us = last.ts_us + 1;
        }
        while taken.has(client, statements, *row).await?
            || is_sealed(client, statements, *row, sealed).await?
        {
            row.ts_us += 1;
        }
        last = Some(*row);
    }
    let (stored, clashed) = take(client, statements, moving).await?;
    if clashed.is_empty() {
        Ok(stored)
    } else {
        Err(Failure::Store(StoreError::Unusable {
            reason: "two samples were given the same time".to_owned(),
        }))
    }
}

/// Taken times of a stretch of a series.
#[derive(Default)]
struct Taken {
    series: i32,
    range: std::ops::Range<i64>,
    times: HashSet<i64>,
}

impl Taken {
    async fn has(
        &mut self,
        client: &Client,
        statements: &Statements,
        row: Row,
    ) -> Result<bool, Failure> {
        if self.series != row.series || !self.range.contains(&row.ts_us) {
            let range = row.ts_us..row.ts_us.saturating_add(TAKEN_WINDOW_US);
            let rows = client
                .query(
                    &statements.taken_times,
                    &[&row.series, &range.start, &range.end],
                )
                .await?;
            let times = rows.iter().map(|row| row.try_get(0));
            self.times = times.collect::<Result<_, tokio_postgres::Error>>()?;
            (self.series, self.range) = (row.series, range);
        }
        Ok(self.times.contains(&row.ts_us))
    }
}

struct Hour {
    series: i32,
    hour: i64,
    n: i64,
    min: f64,
    max: f64,
    sum: f64,
}

/// Adds rows, in the order of series and time, to the statistics of their hours. Flagged ones
/// do not count.
fn add_to_rollup<'c>(pipeline: &mut Pipeline<'c>, statements: &'c Statements, stored: &[Row]) {
    let mut hours: Vec<Hour> = Vec::new();
    for row in stored.iter().filter(|row| row.flags == 0) {
        let hour = row.ts_us.div_euclid(HOUR_US);
        let addend = row.value.clamp(-ADDEND_MAX, ADDEND_MAX);
        match hours.last_mut() {
            Some(last) if last.series == row.series && last.hour == hour => {
                last.n += 1;
                last.min = last.min.min(row.value);
                last.max = last.max.max(row.value);
                last.sum += addend;
            }
            _ => hours.push(Hour {
                series: row.series,
                hour,
                n: 1,
                min: row.value,
                max: row.value,
                sum: addend,
            }),
        }
    }
    if hours.is_empty() {
        return;
    }
    let values = values![
        hours.iter().map(|hour| hour.series).collect::<Vec<_>>(),
        hours.iter().map(|hour| hour.hour).collect::<Vec<_>>(),
        hours.iter().map(|hour| hour.n).collect::<Vec<_>>(),
        hours.iter().map(|hour| hour.min).collect::<Vec<_>>(),
        hours.iter().map(|hour| hour.max).collect::<Vec<_>>(),
        hours.iter().map(|hour| hour.sum).collect::<Vec<_>>(),
    ];
    pipeline.send(&statements.add_to_rollup, values);
}

/// Takes the newest of each series from rows in the order of series and time.
fn raise_latest<'c>(
    pipeline: &mut Pipeline<'c>,
    statements: &'c Statements,
    stored: &[Row],
) -> Vec<(i64, Point)> {
    let newest: Vec<Row> = stored
        .chunk_by(|a, b| a.series == b.series)
        .filter_map(|rows| rows.last().copied())
        .collect();
    if !newest.is_empty() {
        let (series, times, values, flags) = columns(&newest);
        pipeline.send(
            &statements.raise_latest,
            values![series, times, values, flags],
        );
    }
    let point = |row: &Row| (row.series.into(), row.point());
    newest.iter().map(point).collect()
}
