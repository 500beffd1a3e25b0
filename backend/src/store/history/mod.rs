//! Queries over rows and chunks as if they were one. Each store gives its tables as a [`Source`];
//! the order, the pages, the memory bounds and the choice of what to read are the same for all.
//!
//! Sealing moves samples from the table of rows into chunks, never back, and in one transaction.
//! So whoever reads the rows first, then asks for the border, then reads the chunks below it, sees
//! every sample at least once without holding a transaction open; one that was seen twice is known
//! by its series and time.

mod border;
mod buckets;
mod pages;
mod scan;
mod sealing;
mod top;

use std::{future::Future, ops::Range};

pub(super) use self::{
    border::Border,
    buckets::{Cut, buckets, decoded_buckets, fold_chunk},
    pages::{last, page, stream},
    sealing::{Cursor, Ready, Sealable, gather},
};
use super::{
    Result, StoreError,
    catalog::Catalog,
    chunk::{ChunkError, Folder, Point, Stats},
};

/// Chunks that are fetched at a time at most.
pub(super) const CHUNKS_TOGETHER_MAX: u32 = 32;

/// From which end a range is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// By time, then node, then metric.
    OldestFirst,
    /// The same backwards.
    NewestFirst,
}

/// A series by its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Series {
    /// As the store knows it; a later series has a higher one.
    pub(super) id: i64,
    /// The node.
    pub(super) node: String,
    /// The metric.
    pub(super) metric: String,
}

/// Which series.
#[derive(Debug, Clone, Default)]
pub(super) struct Which {
    /// Only this one; then the names are not looked at.
    pub(super) id: Option<i64>,
    /// Only this node.
    pub(super) node: Option<String>,
    /// Only this metric.
    pub(super) metric: Option<String>,
    /// None that was made after this one.
    pub(super) id_max: i64,
}

/// Which rows.
#[derive(Debug)]
pub(super) struct RowsAsked<'q> {
    /// Of which series.
    pub(super) which: &'q Which,
    /// Half-open, in microseconds since 1970.
    pub(super) range_us: Range<i64>,
    /// Only what lies behind this time, node and metric (oldest first only).
    pub(super) after: Option<(i64, &'q str, &'q str)>,
    /// From which end.
    pub(super) order: Order,
    /// How many at most.
    pub(super) limit: u32,
}

/// Which chunks: of all series by rising id, and of each by day.
#[derive(Debug)]
pub(super) struct ChunksAsked<'q> {
    /// Of which series.
    pub(super) which: &'q Which,
    /// First and last day.
    pub(super) days: (i64, i64),
    /// Only what lies behind this series and day.
    pub(super) after: Option<(i64, i64)>,
    /// From which end the days of a series come. Newest first only with `which.id`.
    pub(super) order: Order,
    /// How many at most.
    pub(super) limit: u32,
}

/// A chunk as it is stored.
#[derive(Debug)]
pub(super) struct Stored {
    /// The series.
    pub(super) series: i64,
    /// Days since 1970-01-01.
    pub(super) day: i64,
    /// For [`super::chunk::Reader`].
    pub(super) data: Vec<u8>,
}

/// The tables of a store, as far as queries over samples need them.
pub(super) trait Source: Clone + Send + Sync + 'static {
    /// No chunk has a sample at or after this time. To be asked after the rows were read.
    fn sealed_before_us(&self) -> impl Future<Output = Result<i64>> + Send;
    /// The series.
    fn catalog(&self) -> &Catalog;
    /// Series and samples of the table of rows, in the order that is asked for.
    fn rows(&self, asked: &RowsAsked<'_>)
    -> impl Future<Output = Result<Vec<(i64, Point)>>> + Send;
    /// Chunks, in the order that is asked for.
    fn chunks(&self, asked: &ChunksAsked<'_>) -> impl Future<Output = Result<Vec<Stored>>> + Send;
    /// Time of the first (or last) of all rows of a range.
    fn rows_edge(
        &self,
        which: &Which,
        range_us: Range<i64>,
        order: Order,
    ) -> impl Future<Output = Result<Option<i64>>> + Send;
    /// The first (or last) time of a range at which a chunk may have a sample.
    fn chunks_edge(
        &self,
        which: &Which,
        range_us: Range<i64>,
        order: Order,
    ) -> impl Future<Output = Result<Option<i64>>> + Send;
    /// All good samples of a range of one series into their buckets, as of one instant.
    fn fold_samples(
        &self,
        series: i64,
        range_us: Range<i64>,
        folder: &mut Folder,
    ) -> impl Future<Output = Result<()>> + Send;
    /// The hourly statistics of a range of hours, joined for each bucket of a cut.
    fn rollup(
        &self,
        series: i64,
        hours: Range<i64>,
        cut: Cut,
    ) -> impl Future<Output = Result<Vec<(i64, Stats)>>> + Send;
    /// Days of a range that have rows.
    fn row_days(
        &self,
        series: i64,
        days: Range<i64>,
    ) -> impl Future<Output = Result<Vec<i64>>> + Send;
    /// Statistics of the chunks of a range of days.
    fn summaries(
        &self,
        series: i64,
        days: Range<i64>,
    ) -> impl Future<Output = Result<Vec<(i64, Stats)>>> + Send;
}

/// What a chunk that cannot be read is to the store.
pub(super) fn damaged(series: i64, day: i64, error: &ChunkError) -> StoreError {
    StoreError::Damaged {
        what: format!("series `{series}`, day `{day}`: {error}"),
    }
}
