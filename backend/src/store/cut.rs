//! How a range of time is cut into buckets, and the reply that is made of them. Narrow buckets
//! are folded from samples, those of whole hours come from the rollup.

use std::ops::Range;

use chrono::{DateTime, Utc};
use signalbox_protocol::api::data::{Bucket, BucketsReply, SeriesBuckets};

use super::convert::{HOUR_US, time, us};

/// Times that a bucket can have: the years 0 to 9999, which is what RFC 3339 can say.
const YEARS_US: Range<i64> = -62_167_219_200_000_000..253_402_300_800_000_000;

/// How a range is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cut {
    /// Where the first bucket begins.
    pub(super) from_us: i64,
    /// Where the range ends, excluded: within the last bucket, or at its end.
    pub(super) to_us: i64,
    /// Width of each.
    pub(super) width_us: i64,
    /// How many.
    pub(super) count: i64,
    /// Whether the rollup answers.
    pub(super) whole_hours: bool,
}

/// Bucket number, n, min, max and sum.
pub(super) type Folded = (i64, i64, f64, f64, f64);

/// Buckets of an hour and more are widened to whole hours and begin on one, so that the rollup
/// answers them exactly; the reply says the range as used.
pub(super) fn cut(range: &Range<DateTime<Utc>>, buckets: u32) -> Cut {
    let within = |time| us(time).clamp(YEARS_US.start, YEARS_US.end);
    let (from_us, to_us) = (within(range.start), within(range.end));
    let count = i64::from(buckets.max(1));
    let width_us = ((to_us - from_us).max(1) + count - 1)
        .div_euclid(count)
        .max(1_000);
    if width_us < HOUR_US {
        // Whole milliseconds: that is what the reply can say.
        let width_us = (width_us + 999).div_euclid(1_000) * 1_000;
        return Cut {
            from_us,
            to_us,
            width_us,
            count,
            whole_hours: false,
        };
    }
    let from_us = from_us.div_euclid(HOUR_US) * HOUR_US;
    let hours = (to_us - from_us + HOUR_US - 1).div_euclid(HOUR_US);
    let width_us = (hours + count - 1).div_euclid(count) * HOUR_US;
    let count = (hours * HOUR_US + width_us - 1).div_euclid(width_us);
    Cut {
        from_us,
        to_us: from_us + count * width_us,
        width_us,
        count,
        whole_hours: true,
    }
}

impl Cut {
    /// What is shown of folded buckets.
    pub(super) fn buckets(&self, folded: Vec<Folded>) -> Vec<Bucket> {
        folded
            .into_iter()
            .map(|(at, n, min, max, sum)| Bucket {
                ts: time(self.from_us + at * self.width_us),
                n: n.unsigned_abs(),
                min,
                #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^53 samples")]
                mean: sum / n as f64,
                max,
            })
            .collect()
    }

    /// The reply of all series that have something.
    pub(super) fn reply(&self, mut series: Vec<SeriesBuckets>) -> BucketsReply {
        series.retain(|one| !one.buckets.is_empty());
        BucketsReply {
            from: time(self.from_us),
            to: time(self.to_us),
            bucket_ms: self.width_us.unsigned_abs() / 1_000,
            series,
        }
    }
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
                to_us: 7_801_000_000,
                width_us: 10_000_000,
                count: 60,
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
        assert!(cut.from_us + cut.count * cut.width_us >= us(at(7_201 + 86_400)));
    }
}
