//! A range of time over the series of a filter, read from one end.
//!
//! Samples lie clustered by series. One series is read straight from its stretch of the table and
//! its chunks. Many are read in windows of time, of which each series gives its short range and
//! only these samples are sorted; a window grows or shrinks until it holds about as many samples
//! as are wanted, and where nothing is, the next one begins at the next sample. However many
//! samples a window turns out to hold, no more than twice as many as are wanted are kept.

use std::{collections::HashMap, ops::Range, sync::Arc};

use super::{
    CHUNKS_TOGETHER_MAX, ChunkError, ChunksAsked, Order, Result, RowsAsked, Series, Source, Stored,
    Which, damaged,
    top::{Found, Top},
};
use crate::store::{
    SampleFilter,
    chunk::{Reader, day_of},
    convert::us,
};

/// Width of the first window for each sample that is wanted of each series: what most sensors
/// keep between two.
const WINDOW_US: i64 = 60_000_000;
/// The least and the most that the first window is wide.
const WINDOW_MIN_US: i64 = 1_000_000;
const WINDOW_MAX_US: i64 = 86_400_000_000;
/// The most by which a window becomes wider or narrower than the one before.
const WINDOW_FACTOR_MAX: f64 = 16.0;
/// Chunks that are fetched first, when a few samples of one series are wanted.
const CHUNKS_AT_FIRST: u32 = 2;

/// The series of a scan in the order of their names.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) series: Vec<Series>,
    ranks: HashMap<i64, u32>,
}

impl Names {
    fn new(series: Vec<Series>) -> Self {
        let ranks = series.iter().map(|series| series.id).zip(0..).collect();
        Self { series, ranks }
    }

    pub(super) fn of(&self, found: &Found) -> &Series {
        &self.series[found.rank as usize]
    }
}

/// Where a page ends: its last sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) ts_us: i64,
    pub(super) series: Series,
}

/// A range and how far it was read.
#[derive(Debug, Clone)]
pub(super) struct Scan<S> {
    pub(super) source: S,
    which: Which,
    /// Included.
    from_us: i64,
    /// Excluded.
    to_us: i64,
    /// Samples up to and including this one were given already (oldest first only).
    after: Option<Position>,
    order: Order,
    /// Width of the next window; 0 before the first.
    window_us: i64,
}

impl<S: Source> Scan<S> {
    pub(super) fn new(source: &S, filter: &SampleFilter, order: Order) -> Self {
        Self {
            source: source.clone(),
            which: Which {
                id: None,
                node: filter.node.clone(),
                metric: filter.metric.clone(),
                id_max: i64::MAX,
            },
            from_us: filter.from.map_or(i64::MIN, us),
            to_us: filter.to.map_or(i64::MAX, us),
            after: None,
            order,
            window_us: 0,
        }
    }

    /// Goes on behind this sample.
    pub(super) fn pass(&mut self, position: Position) {
        self.from_us = self.from_us.max(position.ts_us);
        self.after = Some(position);
    }

    /// Up to `limit` samples in order; fewer only at the end of the range.
    pub(super) async fn samples(&mut self, limit: usize) -> Result<(Vec<Found>, Arc<Names>)> {
        let names = Arc::new(Names::new(self.source.catalog().find(&self.which)));
        let mut which = self.which.clone();
        // A series that comes only now is not among the names; the next call knows it.
        which.id_max = names
            .series
            .iter()
            .map(|series| series.id)
            .max()
            .unwrap_or(0);
        let found = match names.series.as_slice() {
            [] => Vec::new(),
            [only] => {
                which.id = Some(only.id);
                let range = self.from_us..self.to_us;
                self.whole_window(&which, &names, range, limit).await?.0
            }
            _ => self.windows(&which, &names, limit).await?,
        };
        Ok((found, names))
    }

    async fn windows(&mut self, which: &Which, names: &Names, limit: usize) -> Result<Vec<Found>> {
        let (mut from, mut to) = (self.from_us, self.to_us);
        let mut all: Vec<Found> = Vec::new();
        if self.window_us == 0 {
            let each = i64::try_from(limit / names.series.len().max(1)).unwrap_or(i64::MAX);
            let width = each.saturating_mul(WINDOW_US);
            self.window_us = width.clamp(WINDOW_MIN_US, WINDOW_MAX_US);
        }
        while let Some(edge) = self.edge(which, from..to).await? {
            // Without a gap no edge has to be looked for.
            let mut gap = false;
            match self.order {
                Order::OldestFirst => from = edge,
                Order::NewestFirst => to = edge + 1,
            }
            while !gap && from < to {
                let wanted = limit - all.len();
                let (low, high) = match self.order {
                    Order::OldestFirst => (from, to.min(from.saturating_add(self.window_us))),
                    Order::NewestFirst => (from.max(to.saturating_sub(self.window_us)), to),
                };
                let (found, complete) = self.whole_window(which, names, low..high, wanted).await?;
                self.fit_window(&found, wanted, complete);
                gap = found.is_empty();
                all.extend(found);
                if all.len() == limit {
                    return Ok(all);
                }
                match self.order {
                    Order::OldestFirst => from = high,
                    Order::NewestFirst => to = low,
                }
            }
        }
        Ok(all)
    }

    /// Makes the next window so wide that, at the density of this one, it holds a quarter more
    /// than is wanted.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "an estimate; the cast saturates"
    )]
    fn fit_window(&mut self, found: &[Found], wanted: usize, complete: bool) {
        let ([first, .., last], n) = (found, found.len() as f64) else {
            self.window_us = (self.window_us as f64 * WINDOW_FACTOR_MAX) as i64;
            return;
        };
        let spanned_us = if complete {
            self.window_us
        } else {
            (last.point.ts_us - first.point.ts_us).abs().max(1)
        };
        let ideal = spanned_us as f64 * 1.25 * wanted as f64 / n;
        let now = self.window_us as f64;
        let near = ideal.clamp(now / WINDOW_FACTOR_MAX, now * WINDOW_FACTOR_MAX);
        self.window_us = (near as i64).max(1);
    }

    /// Where the first (or last) sample of any series may be.
    async fn edge(&self, which: &Which, range: Range<i64>) -> Result<Option<i64>> {
        if range.is_empty() {
            // A chunk around it would claim that there may be samples.
            return Ok(None);
        }
        let row = self
            .source
            .rows_edge(which, range.clone(), self.order)
            .await?;
        let border = self.source.sealed_before_us().await?;
        if range.start >= border {
            return Ok(row);
        }
        let below = range.start..range.end.min(border);
        let chunk = self.source.chunks_edge(which, below, self.order).await?;
        Ok(match self.order {
            Order::OldestFirst => row.into_iter().chain(chunk).min(),
            Order::NewestFirst => row.max(chunk),
        })
    }

    /// Up to `wanted` samples of a window; true when these are all. Fewer than wanted are all.
    async fn whole_window(
        &self,
        which: &Which,
        names: &Names,
        range: Range<i64>,
        wanted: usize,
    ) -> Result<(Vec<Found>, bool)> {
        loop {
            let (found, complete) = self.window(which, names, range.clone(), wanted).await?;
            if complete || found.len() == wanted {
                return Ok((found, complete));
            }
            // Some were sealed in between and seen twice; by now they are in chunks only.
        }
    }

    async fn window(
        &self,
        which: &Which,
        names: &Names,
        range: Range<i64>,
        wanted: usize,
    ) -> Result<(Vec<Found>, bool)> {
        let limit = u32::try_from(wanted).unwrap_or(u32::MAX);
        let after = self.after.as_ref();
        let rows = self
            .source
            .rows(&RowsAsked {
                which,
                range_us: range.clone(),
                after: after.map(|p| (p.ts_us, &*p.series.node, &*p.series.metric)),
                order: self.order,
                limit,
            })
            .await?;
        let mut top = Top::new(self.order, wanted);
        let full = rows.len() == limit as usize;
        let mut last = None;
        for (series, point) in rows {
            if let Some(rank) = names.ranks.get(&series) {
                let found = Found { rank: *rank, point };
                last = Some(found.key());
                top.push(found);
            }
        }
        if let Some(last) = last.filter(|_| full) {
            top.cut_behind(last);
        }
        let border = self.source.sealed_before_us().await?;
        if range.start < border {
            let below = range.start..range.end.min(border);
            self.add_chunks(which, names, below, &mut top).await?;
        }
        Ok(top.finish())
    }

    /// Adds the samples of chunks, a few chunks at a time, and no more of them than can matter.
    async fn add_chunks(
        &self,
        which: &Which,
        names: &Names,
        range: Range<i64>,
        top: &mut Top,
    ) -> Result<()> {
        let mut after = None;
        let mut limit = match which.id {
            Some(_) => CHUNKS_AT_FIRST,
            None => CHUNKS_TOGETHER_MAX,
        };
        loop {
            let range = wanted_part(&range, top, self.order);
            if range.is_empty() {
                return Ok(());
            }
            let chunks = self
                .source
                .chunks(&ChunksAsked {
                    which,
                    days: (day_of(range.start), day_of(range.end - 1)),
                    after,
                    // Of many series, each gives only a short range.
                    order: which.id.map_or(Order::OldestFirst, |_| self.order),
                    limit,
                })
                .await?;
            after = chunks.last().map(|chunk| (chunk.series, chunk.day));
            let more = chunks.len() == limit as usize;
            for chunk in chunks {
                if let Some(rank) = names.ranks.get(&chunk.series) {
                    let series = &names.series[*rank as usize];
                    let place = (*rank, self.given_until_us(series));
                    self.add_chunk(&chunk, place, &range, top)
                        .map_err(|error| damaged(chunk.series, chunk.day, &error))?;
                }
            }
            if !more {
                return Ok(());
            }
            limit = (limit * 4).min(CHUNKS_TOGETHER_MAX);
        }
    }

    fn add_chunk(
        &self,
        chunk: &Stored,
        (rank, behind): (u32, Option<i64>),
        range: &Range<i64>,
        top: &mut Top,
    ) -> Result<(), ChunkError> {
        let mut reader = Reader::open(chunk.day, &chunk.data)?;
        let mut pages = reader.pages(range);
        let mut points = Vec::new();
        loop {
            let page = match self.order {
                Order::OldestFirst => pages.next(),
                Order::NewestFirst => pages.next_back(),
            };
            let range = wanted_part(range, top, self.order);
            let Some(page) = page.filter(|page| reader.may_have(*page, &range)) else {
                return Ok(());
            };
            points.clear();
            reader.read_page(page, &range, &mut points)?;
            for point in points.drain(..) {
                if behind.is_none_or(|behind| point.ts_us > behind) {
                    top.push(Found { rank, point });
                }
            }
        }
    }

    /// The time behind which samples of a series were not given yet.
    fn given_until_us(&self, series: &Series) -> Option<i64> {
        let after = self.after.as_ref()?;
        let names = |series: &Series| (series.node.clone(), series.metric.clone());
        let given = names(series) <= names(&after.series);
        Some(after.ts_us - i64::from(!given))
    }
}

/// The part of a range in which samples still matter.
fn wanted_part(range: &Range<i64>, top: &Top, order: Order) -> Range<i64> {
    match (top.bound_us(), order) {
        (None, _) => range.clone(),
        (Some(bound), Order::OldestFirst) => range.start..range.end.min(bound.saturating_add(1)),
        (Some(bound), Order::NewestFirst) => range.start.max(bound)..range.end,
    }
}
