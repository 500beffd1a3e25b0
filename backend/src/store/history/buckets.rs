//! Statistics: n, min, mean, max of equal buckets, from the cheapest that is exact. Buckets of
//! less than an hour are folded from every sample. Wider ones begin on full hours and come from
//! the hourly rollup; days that lie within one bucket and are sealed come from what is known of
//! their chunk, one row instead of 24.

use std::ops::Range;

use chrono::{DateTime, Utc};
use signalbox_protocol::api::data::{Bucket, BucketsReply, SeriesBuckets};

use super::{Result, Source, Stored, Which, damaged};
use crate::store::{
    SampleFilter,
    chunk::{DAY_US, Folder, Reader, Stats, day_of},
    convert::{HOUR_US, time, us},
};

/// Times that a bucket can have: the years 0 to 9999, which is what RFC 3339 can say.
const YEARS_US: Range<i64> = -62_167_219_200_000_000..253_402_300_800_000_000;
/// From so many buckets on, those of a day or more are whole days of UTC: what this adds at the
/// ends of the range is then a fiftieth of it at most.
const WHOLE_DAYS_BUCKETS_MIN: i64 = 50;
/// Stretches of hours between sealed days that are read each on its own; with more, all come from
/// the rollup.
const STRETCHES_MAX: usize = 64;

/// How a range is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct Cut {
    /// Start of the first bucket.
    pub(in crate::store) from_us: i64,
    /// Of each bucket.
    pub(in crate::store) width_us: i64,
    /// Buckets.
    pub(in crate::store) count: i64,
    /// End of the range; the last bucket may reach beyond it.
    pub(in crate::store) to_us: i64,
    whole_hours: bool,
}

/// Buckets of an hour and more are widened to whole hours (or days) and begin on one, so that the
/// rollup answers them exactly; the reply says the range as used.
fn cut(range: &Range<DateTime<Utc>>, buckets: u32) -> Cut {
    let within = |time| us(time).clamp(YEARS_US.start, YEARS_US.end);
    let (from_us, to_us) = (within(range.start), within(range.end));
    let count = i64::from(buckets.max(1));
    let width_us = ((to_us - from_us).max(1) + count - 1)
        .div_euclid(count)
        .max(1_000);
    if width_us < HOUR_US {
        return Cut {
            from_us,
            // Whole milliseconds: that is what the reply can say.
            width_us: (width_us + 999).div_euclid(1_000) * 1_000,
            count,
            to_us,
            whole_hours: false,
        };
    }
    let unit = if width_us >= DAY_US && count >= WHOLE_DAYS_BUCKETS_MIN {
        DAY_US
    } else {
        HOUR_US
    };
    let from_us = from_us.div_euclid(unit) * unit;
    let units = (to_us - from_us + unit - 1).div_euclid(unit);
    let width_us = (units + count - 1).div_euclid(count) * unit;
    let count = (units * unit + width_us - 1).div_euclid(width_us);
    Cut {
        from_us,
        width_us,
        count,
        to_us: from_us + count * width_us,
        whole_hours: true,
    }
}

impl Cut {
    fn folder(&self) -> Folder {
        let count = usize::try_from(self.count).unwrap_or(0);
        Folder::new(self.from_us, self.width_us, count)
    }

    const fn range_us(&self) -> Range<i64> {
        self.from_us..self.to_us
    }
}

/// See [`crate::store::SampleStore::buckets`].
pub(in crate::store) async fn buckets<S: Source>(
    source: &S,
    filter: &SampleFilter,
    range: Range<DateTime<Utc>>,
    buckets: u32,
) -> Result<BucketsReply> {
    read(source, filter, cut(&range, buckets)).await
}

/// The same from every sample, whatever the width: what it costs is measured.
pub(in crate::store) async fn decoded_buckets<S: Source>(
    source: &S,
    filter: &SampleFilter,
    range: Range<DateTime<Utc>>,
    buckets: u32,
) -> Result<BucketsReply> {
    let cut = Cut {
        whole_hours: false,
        ..cut(&range, buckets)
    };
    read(source, filter, cut).await
}

async fn read<S: Source>(source: &S, filter: &SampleFilter, cut: Cut) -> Result<BucketsReply> {
    let which = Which {
        id: None,
        node: filter.node.clone(),
        metric: filter.metric.clone(),
        id_max: i64::MAX,
    };
    let mut all = Vec::new();
    for series in source.catalog().find(&which) {
        let mut folder = cut.folder();
        if cut.whole_hours {
            fold_hours(source, series.id, cut, &mut folder).await?;
        } else {
            source
                .fold_samples(series.id, cut.range_us(), &mut folder)
                .await?;
        }
        let buckets: Vec<Bucket> = folder.filled().map(bucket).collect();
        if !buckets.is_empty() {
            all.push(SeriesBuckets {
                node: series.node,
                metric: series.metric,
                buckets,
            });
        }
    }
    Ok(BucketsReply {
        from: time(cut.from_us),
        to: time(cut.to_us),
        bucket_ms: cut.width_us.unsigned_abs() / 1_000,
        series: all,
    })
}

fn bucket((at_us, stats): (i64, Stats)) -> Bucket {
    Bucket {
        ts: time(at_us),
        n: stats.n,
        min: stats.min,
        #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^53 samples")]
        mean: stats.sum / stats.n as f64,
        max: stats.max,
    }
}

/// Adds the good samples of a chunk that lie in a range.
pub(in crate::store) fn fold_chunk(
    chunk: &Stored,
    range_us: &Range<i64>,
    folder: &mut Folder,
) -> Result<()> {
    Reader::open(chunk.day, &chunk.data)
        .and_then(|mut reader| {
            reader.read_good(range_us, |times, values| folder.add(times, values))
        })
        .map_err(|error| damaged(chunk.series, chunk.day, &error))
}

async fn fold_hours<S: Source>(
    source: &S,
    series: i64,
    cut: Cut,
    folder: &mut Folder,
) -> Result<()> {
    let mut stretches = between(&cut, &[]);
    if cut.width_us >= DAY_US {
        let sealed = sealed_days(source, series, cut, folder).await?;
        let between = between(&cut, &sealed);
        if between.len() <= STRETCHES_MAX {
            for (day, stats) in &sealed {
                if let Some(bucket) = folder.bucket_of(day * DAY_US) {
                    folder.join(bucket, stats);
                }
            }
            stretches = between;
        }
    }
    for stretch in stretches {
        let hours = stretch.start.div_euclid(HOUR_US)..stretch.end.div_euclid(HOUR_US);
        for (bucket, stats) in source.rollup(series, hours, cut).await? {
            if let Ok(bucket) = usize::try_from(bucket) {
                folder.join(bucket, &stats);
            }
        }
    }
    Ok(())
}

/// Days that lie within a bucket, of which all samples are in their chunk. A day that still has
/// rows (late ones, or it is not sealed yet) is left to the rollup.
async fn sealed_days<S: Source>(
    source: &S,
    series: i64,
    cut: Cut,
    folder: &Folder,
) -> Result<Vec<(i64, Stats)>> {
    let border = source.sealed_before_us().await?;
    let first = day_of(cut.from_us + DAY_US - 1);
    let end = day_of(cut.to_us.min(border));
    if first >= end {
        return Ok(Vec::new());
    }
    let with_rows = source.row_days(series, first..end).await?;
    let mut sealed = source.summaries(series, first..end).await?;
    sealed.retain(|(day, _)| {
        let (from, last) = (day * DAY_US, (day + 1) * DAY_US - 1);
        with_rows.binary_search(day).is_err() && folder.bucket_of(from) == folder.bucket_of(last)
    });
    Ok(sealed)
}

/// The range of a cut without these rising days.
fn between(cut: &Cut, days: &[(i64, Stats)]) -> Vec<Range<i64>> {
    let mut stretches = Vec::new();
    let mut from = cut.from_us;
    for (day, _) in days {
        if from < day * DAY_US {
            stretches.push(from..day * DAY_US);
        }
        from = (day + 1) * DAY_US;
    }
    if from < cut.to_us {
        stretches.push(from..cut.to_us);
    }
    stretches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn narrow_buckets_keep_the_range() {
        let cut = cut(&(at(7_201)..at(7_801)), 60);
        assert_eq!(
            cut,
            Cut {
                from_us: 7_201_000_000,
                width_us: 10_000_000,
                count: 60,
                to_us: 7_801_000_000,
                whole_hours: false
            }
        );
    }

    #[test]
    fn wide_buckets_are_whole_hours() {
        let cut = cut(&(at(7_201)..at(7_201 + 86_400)), 10);
        assert_eq!(cut.from_us, 7_200_000_000);
        assert_eq!(cut.width_us, 3 * HOUR_US);
        assert_eq!(cut.count, 9);
        assert!(cut.to_us >= us(at(7_201 + 86_400)));
    }

    #[test]
    fn many_buckets_of_a_day_and_more_are_whole_days() {
        let year = at(7_201)..at(7_201 + 365 * 86_400);
        let days = cut(&year, 200);
        assert_eq!((days.from_us, days.width_us), (0, 2 * DAY_US));
        assert_eq!(days.count, 183);
        let few = cut(&year, 49);
        assert_eq!(few.from_us, 7_200_000_000);
        assert_eq!(few.width_us % DAY_US, 179 * HOUR_US % DAY_US);
    }

    #[test]
    fn stretches_leave_days_out() {
        let days = |days: &[i64]| -> Vec<(i64, Stats)> {
            days.iter().map(|day| (*day, Stats::default())).collect()
        };
        let cut = cut(&(at(0)..at(10 * 86_400)), 1);
        let hours = |sealed: &[i64]| -> Vec<(i64, i64)> {
            between(&cut, &days(sealed))
                .into_iter()
                .map(|part| (part.start / DAY_US, part.end / DAY_US))
                .collect()
        };
        assert_eq!(hours(&[]), [(0, 10)]);
        assert_eq!(hours(&[0, 1, 9]), [(2, 9)]);
        assert_eq!(hours(&[3, 4, 7]), [(0, 3), (5, 7), (8, 10)]);
    }
}
