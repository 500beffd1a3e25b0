//! Sealed history: one UTC day of one series as one small piece of bytes, without loss. Pure, and
//! shared by all stores. Fed by their sealing with the rows of a day; feeds every query over old
//! samples. The format is described in `docs/decisions/sealed-history.md`.

mod column;
mod decode;
mod encode;
mod fold;
mod key;
mod scale;
#[cfg(test)]
mod tests;
mod wire;

pub(in crate::store) use self::{
    decode::Reader,
    encode::encode,
    fold::{Folder, Stats},
    key::{DAYS, has_key, in_series, key, of_key},
};

/// Microseconds of a UTC day.
pub(in crate::store) const DAY_US: i64 = 86_400_000_000;
/// Samples that one chunk holds at most: three a second, all day. A day with more stays in rows.
pub(in crate::store) const SAMPLES_MAX: usize = 262_144;
/// Samples of a page, the piece of a chunk that is read on its own.
const PAGE_SAMPLES_MAX: usize = 4_096;

/// The UTC day of a time: days since 1970-01-01.
pub(in crate::store) const fn day_of(ts_us: i64) -> i64 {
    ts_us.div_euclid(DAY_US)
}

/// A sample of a series that is known from elsewhere.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::store) struct Point {
    /// Microseconds since 1970.
    pub(in crate::store) ts_us: i64,
    /// As stored, to the bit.
    pub(in crate::store) value: f64,
    /// Flag bits; 0 is a good sample.
    pub(in crate::store) flags: u8,
}

/// What is known of a chunk without reading it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::store) struct Summary {
    /// Number of all samples, at least 1 and at most [`SAMPLES_MAX`].
    pub(in crate::store) samples: u32,
    /// Statistics of the samples without flags.
    pub(in crate::store) good: Stats,
    /// The oldest sample.
    pub(in crate::store) first: Point,
    /// The newest sample.
    pub(in crate::store) last: Point,
}

/// A day of a series, ready to be stored.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::store) struct Chunk {
    /// Days since 1970-01-01.
    pub(in crate::store) day: i64,
    /// What coarse questions are answered from.
    pub(in crate::store) summary: Summary,
    /// For [`Reader`].
    pub(in crate::store) data: Vec<u8>,
}

/// Why samples cannot become a chunk, or bytes cannot become samples.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::store) enum ChunkError {
    /// None, or more than [`SAMPLES_MAX`].
    #[error("`{samples}` samples do not make a chunk")]
    Count {
        /// How many.
        samples: usize,
    },
    /// A time of another day, or not after the one before.
    #[error("time `{ts_us}` does not belong there in day `{day}`")]
    Time {
        /// Microseconds since 1970.
        ts_us: i64,
        /// The chunk's day.
        day: i64,
    },
    /// The compressor refused; no input is known that makes it.
    #[error("the samples cannot be compressed: {reason}")]
    Compress {
        /// What it said.
        reason: String,
    },
    /// Written by a newer version of this program.
    #[error("chunk format `{version}` is not known")]
    Version {
        /// The first byte.
        version: u8,
    },
    /// Not the bytes that were written.
    #[error("the chunk is damaged: {reason}")]
    Damaged {
        /// What does not fit.
        reason: &'static str,
    },
}

const fn damaged(reason: &'static str) -> ChunkError {
    ChunkError::Damaged { reason }
}

/// Lengths of the pages of so many samples: as few as possible, and about equal.
fn page_lens(samples: usize) -> Vec<usize> {
    let pages = samples.div_ceil(PAGE_SAMPLES_MAX).max(1);
    (0..pages)
        .map(|page| samples / pages + usize::from(page < samples % pages))
        .collect()
}

/// Both of two runs of samples that are each in the order of time. Where both have one of the
/// same time, that of `first` stays.
pub(in crate::store) fn merge(first: &[Point], second: &[Point]) -> Vec<Point> {
    let mut all = Vec::with_capacity(first.len() + second.len());
    all.extend_from_slice(first);
    all.extend_from_slice(second);
    // Stable, and made for runs that are sorted already.
    all.sort_by_key(|point| point.ts_us);
    all.dedup_by_key(|point| point.ts_us);
    all
}
