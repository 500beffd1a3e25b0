//! Reading samples: the newest, pages, streams.
//!
//! Samples lie clustered by series. One series is read straight from its stretch of the table.
//! Many are read in windows of time, of which each series gives its short range and only these
//! rows are sorted; a window grows or shrinks until it holds about as many rows as are wanted,
//! and where nothing is, the next one begins at the next sample.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures_util::{StreamExt, TryStreamExt, stream, stream::BoxStream};
use signalbox_protocol::api::{
    data::{BucketsReply, Sample},
    node::SampleFlag,
};
use sqlx::{QueryBuilder, Sqlite, SqlitePool};

use super::{
    SqliteStore,
    insert::{CLOCK_SUSPECT, OUT_OF_RANGE},
    time, us,
};
use crate::store::{Result, SampleFilter, SampleStore, StoreError};

/// Rows that a stream reads at a time.
const STREAM_PAGE_ROWS: u32 = 4_000;
/// Width of the first window.
const WINDOW_US: i64 = 1_000_000;
/// The most by which a window becomes wider or narrower than the one before.
const WINDOW_FACTOR_MAX: f64 = 16.0;

/// Where a page ends: its last row.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Position {
    ts_us: i64,
    node: String,
    metric: String,
}

/// The text of a position: the time, and the series by its id.
fn cursor(row: &Row) -> String {
    format!("s1.{}.{}", row.ts_us, row.series_id)
}

fn parse_cursor(text: &str) -> Option<(i64, i64)> {
    let (ts_us, series) = text.strip_prefix("s1.")?.split_once('.')?;
    Some((ts_us.parse().ok()?, series.parse().ok()?))
}

#[derive(Debug, sqlx::FromRow)]
struct Row {
    series_id: i64,
    node: String,
    metric: String,
    ts_us: i64,
    value: f64,
    flags: i64,
}

impl Row {
    fn into_sample(self) -> Sample {
        Sample {
            node: self.node,
            metric: self.metric,
            ts: time(self.ts_us),
            value: self.value,
            flags: flags_of(self.flags),
        }
    }
}

/// Flags from their bits.
pub(super) fn flags_of(bits: i64) -> Vec<SampleFlag> {
    let mut flags = Vec::new();
    if bits & OUT_OF_RANGE != 0 {
        flags.push(SampleFlag::OutOfRange);
    }
    if bits & CLOCK_SUSPECT != 0 {
        flags.push(SampleFlag::ClockSuspect);
    }
    flags
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    OldestFirst,
    NewestFirst,
}

/// A range of time over the series of a filter, read from one end.
#[derive(Debug, Clone)]
struct Scan {
    pool: SqlitePool,
    node: Option<String>,
    metric: Option<String>,
    /// Included.
    from_us: i64,
    /// Excluded.
    to_us: i64,
    /// Rows up to and including this one were given already (oldest first only).
    after: Option<Position>,
    order: Order,
    window_us: i64,
}

impl Scan {
    fn new(pool: &SqlitePool, filter: &SampleFilter, order: Order) -> Self {
        Self {
            pool: pool.clone(),
            node: filter.node.clone(),
            metric: filter.metric.clone(),
            from_us: filter.from.map_or(i64::MIN, us),
            to_us: filter.to.map_or(i64::MAX, us),
            after: None,
            order,
            window_us: WINDOW_US,
        }
    }

    /// Begins behind the row that a cursor names.
    async fn go_to(&mut self, text: &str) -> Result<()> {
        let bad = || StoreError::BadCursor {
            cursor: text.chars().take(64).collect(),
        };
        let (ts_us, series) = parse_cursor(text).ok_or_else(bad)?;
        let (node, metric) = sqlx::query_as("SELECT node, metric FROM series WHERE id = ?")
            .bind(series)
            .fetch_optional(&self.pool)
            .await?
            .ok_or_else(bad)?;
        self.pass(Position {
            ts_us,
            node,
            metric,
        });
        Ok(())
    }

    fn pass(&mut self, position: Position) {
        self.from_us = self.from_us.max(position.ts_us);
        self.after = Some(position);
    }

    /// Up to `limit` rows in order; fewer only at the end of the range.
    async fn rows(&mut self, limit: u32) -> Result<Vec<Row>> {
        let (mut from, mut to) = (self.from_us, self.to_us);
        if self.node.is_some() && self.metric.is_some() {
            return self.window(from, to, limit).await;
        }
        let mut rows: Vec<Row> = Vec::new();
        while let Some(edge) = self.edge(from, to).await? {
            // Without a gap no edge has to be looked for.
            let mut gap = false;
            match self.order {
                Order::OldestFirst => from = edge,
                Order::NewestFirst => to = edge + 1,
            }
            while !gap && from < to {
                let wanted = limit - u32::try_from(rows.len()).unwrap_or(limit);
                let (low, high) = match self.order {
                    Order::OldestFirst => (from, to.min(from.saturating_add(self.window_us))),
                    Order::NewestFirst => (from.max(to.saturating_sub(self.window_us)), to),
                };
                let found = self.window(low, high, wanted).await?;
                self.fit_window(&found, wanted);
                gap = found.is_empty();
                rows.extend(found);
                if rows.len() == limit as usize {
                    return Ok(rows);
                }
                match self.order {
                    Order::OldestFirst => from = high,
                    Order::NewestFirst => to = low,
                }
            }
        }
        Ok(rows)
    }

    /// Makes the next window so wide that, at the density of this one, it holds a quarter more
    /// than is wanted.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "an estimate; the cast saturates"
    )]
    fn fit_window(&mut self, found: &[Row], wanted: u32) {
        let ([first, .., last], n) = (found, found.len() as f64) else {
            self.window_us = (self.window_us as f64 * WINDOW_FACTOR_MAX) as i64;
            return;
        };
        let full = found.len() == wanted as usize;
        let spanned_us = if full {
            (last.ts_us - first.ts_us).abs().max(1)
        } else {
            self.window_us
        };
        let ideal = spanned_us as f64 * 1.25 * f64::from(wanted) / n;
        let now = self.window_us as f64;
        let near = ideal.clamp(now / WINDOW_FACTOR_MAX, now * WINDOW_FACTOR_MAX);
        self.window_us = (near as i64).max(1);
    }

    /// Time of the first (or last) sample of any series in a range.
    async fn edge(&self, from: i64, to: i64) -> Result<Option<i64>> {
        let (pick, direction) = match self.order {
            Order::OldestFirst => ("min", "ASC"),
            Order::NewestFirst => ("max", "DESC"),
        };
        let mut query = QueryBuilder::<Sqlite>::new("SELECT ");
        query
            .push(pick)
            .push("((SELECT ts_us FROM sample WHERE series_id = series.id AND ts_us >= ");
        query.push_bind(from).push(" AND ts_us < ").push_bind(to);
        query.push(" ORDER BY ts_us ").push(direction);
        query.push(" LIMIT 1)) FROM series WHERE 1");
        self.push_filter(&mut query);
        let (edge,) = query.build_query_as().fetch_one(&self.pool).await?;
        Ok(edge)
    }

    fn push_filter(&self, query: &mut QueryBuilder<Sqlite>) {
        if let Some(node) = &self.node {
            query.push(" AND node = ").push_bind(node);
        }
        if let Some(metric) = &self.metric {
            query.push(" AND metric = ").push_bind(metric);
        }
    }

    async fn window(&self, from: i64, to: i64, limit: u32) -> Result<Vec<Row>> {
        // CROSS JOIN keeps the planner at one short range of the clustered key per series.
        let mut query = QueryBuilder::<Sqlite>::new(
            "SELECT series_id, node, metric, ts_us, value, flags FROM series \
             CROSS JOIN sample ON sample.series_id = series.id WHERE ts_us >= ",
        );
        query.push_bind(from).push(" AND ts_us < ").push_bind(to);
        self.push_filter(&mut query);
        if let Some(after) = &self.after {
            query.push(" AND (ts_us, node, metric) > (");
            query.push_bind(after.ts_us).push(", ");
            query.push_bind(&after.node).push(", ");
            query.push_bind(&after.metric).push(")");
        }
        query.push(match self.order {
            Order::OldestFirst => " ORDER BY ts_us, node, metric LIMIT ",
            Order::NewestFirst => " ORDER BY ts_us DESC, node DESC, metric DESC LIMIT ",
        });
        query.push_bind(limit);
        Ok(query.build_query_as().fetch_all(&self.pool).await?)
    }
}

#[async_trait]
impl SampleStore for SqliteStore {
    async fn last(&self, filter: &SampleFilter, n: u32) -> Result<Vec<Sample>> {
        let rows = Scan::new(&self.readers, filter, Order::NewestFirst)
            .rows(n)
            .await?;
        Ok(rows.into_iter().map(Row::into_sample).collect())
    }

    async fn page(
        &self,
        filter: &SampleFilter,
        after: Option<&str>,
        limit: u32,
    ) -> Result<(Vec<Sample>, Option<String>)> {
        let mut scan = Scan::new(&self.readers, filter, Order::OldestFirst);
        if let Some(after) = after {
            scan.go_to(after).await?;
        }
        let mut rows = scan.rows(limit.saturating_add(1)).await?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let next = rows.last().filter(|_| more).map(cursor);
        Ok((rows.into_iter().map(Row::into_sample).collect(), next))
    }

    fn stream(&self, filter: SampleFilter) -> BoxStream<'static, Result<Sample>> {
        // Page by page, so that no read transaction stays open and keeps the log from shrinking.
        let scan = Scan::new(&self.readers, &filter, Order::OldestFirst);
        stream::try_unfold(Some(scan), |scan| async move {
            let Some(mut scan) = scan else {
                return Ok(None);
            };
            let rows = scan.rows(STREAM_PAGE_ROWS).await?;
            let full = rows.len() == STREAM_PAGE_ROWS as usize;
            let next = rows.last().filter(|_| full).map(|row| {
                scan.pass(Position {
                    ts_us: row.ts_us,
                    node: row.node.clone(),
                    metric: row.metric.clone(),
                });
                scan
            });
            let samples = rows.into_iter().map(|row| Ok(row.into_sample()));
            Ok::<_, StoreError>(Some((stream::iter(samples), next)))
        })
        .try_flatten()
        .boxed()
    }

    async fn buckets(
        &self,
        filter: &SampleFilter,
        range: std::ops::Range<DateTime<Utc>>,
        buckets: u32,
    ) -> Result<BucketsReply> {
        super::buckets::read(&self.readers, filter, range, buckets).await
    }

    async fn prune(
        &self,
        raw_before: Option<DateTime<Utc>>,
        rollup_before: Option<DateTime<Utc>>,
    ) -> Result<bool> {
        super::prune::step(self, raw_before, rollup_before).await
    }
}
