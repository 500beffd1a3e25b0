//! Reading samples in the order of time: the newest, pages, streams.
//!
//! Samples lie clustered by series. One series is read straight from its stretch of the table.
//! Many are read in windows of time, of which each series gives its short range and only these
//! rows are sorted; a window grows or shrinks until it holds about as many rows as are wanted,
//! and where nothing is, the next one begins at the next sample. A store answers [`Windows`];
//! this file puts them together.

use std::{future::Future, ops::Range};

use futures_util::{StreamExt, TryStreamExt, stream, stream::BoxStream};
use signalbox_protocol::api::data::Sample;

use super::{
    Result, SampleFilter, StoreError,
    convert::{flags_of, time, us},
};

/// Rows that a stream reads at a time.
const STREAM_PAGE_ROWS: u32 = 4_000;
/// Width of the first window.
const WINDOW_US: i64 = 1_000_000;
/// The most by which a window becomes wider or narrower than the one before.
const WINDOW_FACTOR_MAX: f64 = 16.0;

/// Where a page ends: its last row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) ts_us: i64,
    pub(super) node: String,
    pub(super) metric: String,
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
pub(super) struct Row {
    pub(super) series_id: i64,
    pub(super) node: String,
    pub(super) metric: String,
    pub(super) ts_us: i64,
    pub(super) value: f64,
    /// As bits.
    pub(super) flags: i64,
}

impl Row {
    pub(super) fn into_sample(self) -> Sample {
        Sample {
            node: self.node,
            metric: self.metric,
            ts: time(self.ts_us),
            value: self.value,
            flags: flags_of(self.flags),
        }
    }
}

/// Which end of a range comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    OldestFirst,
    NewestFirst,
}

/// Which series, read in which order.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// Only this node.
    pub(super) node: Option<String>,
    /// Only this metric.
    pub(super) metric: Option<String>,
    /// Which end comes first.
    pub(super) order: Order,
    /// Rows up to and including this one were given already (oldest first only).
    pub(super) after: Option<Position>,
}

/// What a store answers about samples within a range of time, its end excluded.
pub(super) trait Windows: Clone + Send + Sync + 'static {
    /// Time of the first (or last) sample of any series.
    fn edge(
        &self,
        asked: &Asked,
        range: Range<i64>,
    ) -> impl Future<Output = Result<Option<i64>>> + Send;
    /// Up to `limit` samples in order: by time, then node and metric.
    fn window(
        &self,
        asked: &Asked,
        range: Range<i64>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Row>>> + Send;
    /// Node and metric of a series.
    fn series(&self, id: i64) -> impl Future<Output = Result<Option<(String, String)>>> + Send;
}

/// A range of time over the series of a filter, read from one end.
#[derive(Debug, Clone)]
struct Scan<W> {
    windows: W,
    asked: Asked,
    /// Included.
    from_us: i64,
    /// Excluded.
    to_us: i64,
    window_us: i64,
}

impl<W: Windows> Scan<W> {
    fn new(windows: W, filter: &SampleFilter, order: Order) -> Self {
        Self {
            windows,
            asked: Asked {
                node: filter.node.clone(),
                metric: filter.metric.clone(),
                order,
                after: None,
            },
            from_us: filter.from.map_or(i64::MIN, us),
            to_us: filter.to.map_or(i64::MAX, us),
            window_us: WINDOW_US,
        }
    }

    /// Begins behind the row that a cursor names.
    async fn go_to(&mut self, text: &str) -> Result<()> {
        let bad = || StoreError::BadCursor {
            cursor: text.chars().take(64).collect(),
        };
        let (ts_us, series) = parse_cursor(text).ok_or_else(bad)?;
        let (node, metric) = self.windows.series(series).await?.ok_or_else(bad)?;
        self.pass(Position {
            ts_us,
            node,
            metric,
        });
        Ok(())
    }

    fn pass(&mut self, position: Position) {
        self.from_us = self.from_us.max(position.ts_us);
        self.asked.after = Some(position);
    }

    /// Up to `limit` rows in order; fewer only at the end of the range.
    async fn rows(&mut self, limit: u32) -> Result<Vec<Row>> {
        let (mut from, mut to) = (self.from_us, self.to_us);
        if self.asked.node.is_some() && self.asked.metric.is_some() {
            return self.windows.window(&self.asked, from..to, limit).await;
        }
        let mut rows: Vec<Row> = Vec::new();
        while let Some(edge) = self.windows.edge(&self.asked, from..to).await? {
            // Without a gap no edge has to be looked for.
            let mut gap = false;
            match self.asked.order {
                Order::OldestFirst => from = edge,
                Order::NewestFirst => to = edge + 1,
            }
            while !gap && from < to {
                let wanted = limit - u32::try_from(rows.len()).unwrap_or(limit);
                let (low, high) = match self.asked.order {
                    Order::OldestFirst => (from, to.min(from.saturating_add(self.window_us))),
                    Order::NewestFirst => (from.max(to.saturating_sub(self.window_us)), to),
                };
                let found = self.windows.window(&self.asked, low..high, wanted).await?;
                self.fit_window(&found, wanted);
                gap = found.is_empty();
                rows.extend(found);
                if rows.len() == limit as usize {
                    return Ok(rows);
                }
                match self.asked.order {
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
}

/// The newest `n`, newest first.
pub(super) async fn last(
    windows: impl Windows,
    filter: &SampleFilter,
    n: u32,
) -> Result<Vec<Sample>> {
    let rows = Scan::new(windows, filter, Order::NewestFirst)
        .rows(n)
        .await?;
    Ok(rows.into_iter().map(Row::into_sample).collect())
}

/// A page, oldest first, and the cursor of the next.
pub(super) async fn page(
    windows: impl Windows,
    filter: &SampleFilter,
    after: Option<&str>,
    limit: u32,
) -> Result<(Vec<Sample>, Option<String>)> {
    let mut scan = Scan::new(windows, filter, Order::OldestFirst);
    if let Some(after) = after {
        scan.go_to(after).await?;
    }
    let mut rows = scan.rows(limit.saturating_add(1)).await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| more).map(cursor);
    Ok((rows.into_iter().map(Row::into_sample).collect(), next))
}

/// All, oldest first. Page by page, so that no read transaction stays open: it would keep the
/// database from tidying up.
pub(super) fn stream(
    windows: impl Windows,
    filter: &SampleFilter,
) -> BoxStream<'static, Result<Sample>> {
    let scan = Scan::new(windows, filter, Order::OldestFirst);
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
