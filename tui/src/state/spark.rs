//! The last quarter of an hour of one series, for its sparkline: one mean per quarter of a
//! minute, so that a screen full of them changes little and a gap stays a gap.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};

/// Seconds of one column.
pub(crate) const SPARK_BUCKET_S: i64 = 15;
/// Columns that are kept.
pub(crate) const SPARK_COLUMNS_MAX: usize = 60;

#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    sum: f64,
    n: u64,
}

/// Means by time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spark {
    /// Index of the newest bucket, counted from the epoch.
    newest: i64,
    /// Oldest first.
    buckets: VecDeque<Bucket>,
}

/// Index of the bucket of a time.
pub(crate) fn index(at: DateTime<Utc>) -> i64 {
    at.timestamp().div_euclid(SPARK_BUCKET_S)
}

impl Spark {
    /// Adds a value, or the mean of `n` values.
    pub(crate) fn add(&mut self, at: DateTime<Utc>, mean: f64, n: u64) {
        let index = index(at);
        if self.buckets.is_empty() {
            self.newest = index;
            self.buckets.push_back(Bucket::default());
        }
        let ahead = index - self.newest;
        if ahead >= i64::try_from(SPARK_COLUMNS_MAX).unwrap_or(i64::MAX) {
            self.buckets.clear();
            self.buckets.push_back(Bucket::default());
            self.newest = index;
        }
        while self.newest < index {
            self.newest += 1;
            self.buckets.push_back(Bucket::default());
            if self.buckets.len() > SPARK_COLUMNS_MAX {
                self.buckets.pop_front();
            }
        }
        let back = usize::try_from(self.newest - index).unwrap_or(usize::MAX);
        while back >= self.buckets.len() && back < SPARK_COLUMNS_MAX {
            self.buckets.push_front(Bucket::default());
        }
        let place = self.buckets.len().checked_sub(back.saturating_add(1));
        if let Some(bucket) = place.and_then(|place| self.buckets.get_mut(place)) {
            #[expect(clippy::cast_precision_loss, reason = "a count of samples")]
            let weight = n as f64;
            bucket.sum += mean * weight;
            bucket.n += n;
        }
    }

    /// The mean of a bucket.
    pub(crate) fn mean(&self, index: i64) -> Option<f64> {
        let back = usize::try_from(self.newest - index).ok()?;
        let bucket = self
            .buckets
            .get(self.buckets.len().checked_sub(back + 1)?)?;
        #[expect(clippy::cast_precision_loss, reason = "a count of samples")]
        let n = bucket.n as f64;
        (bucket.n > 0).then(|| bucket.sum / n)
    }

    /// Least and greatest mean.
    pub(crate) fn bounds(&self) -> Option<(f64, f64)> {
        let known = self.buckets.iter().filter(|bucket| bucket.n > 0);
        #[expect(clippy::cast_precision_loss, reason = "a count of samples")]
        let means: Vec<f64> = known.map(|b| b.sum / b.n as f64).collect();
        let min = means.iter().copied().reduce(f64::min)?;
        let max = means.iter().copied().reduce(f64::max)?;
        Some((min, max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(index: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(index * SPARK_BUCKET_S + 3, 0).unwrap()
    }

    #[test]
    fn means_are_kept_by_time_with_gaps_and_late_values() {
        let mut spark = Spark::default();
        spark.add(at(100), 1.0, 1);
        spark.add(at(100), 3.0, 1);
        spark.add(at(103), 5.0, 1);
        spark.add(at(98), 7.0, 2);
        assert_eq!(spark.mean(100), Some(2.0));
        assert_eq!(spark.mean(101), None);
        assert_eq!(spark.mean(103), Some(5.0));
        assert_eq!(spark.mean(98), Some(7.0));
        assert_eq!(spark.mean(104), None);
    }

    #[test]
    fn it_holds_no_more_than_its_columns() {
        let mut spark = Spark::default();
        for n in 0..500 {
            spark.add(at(n), 1.0, 1);
        }
        assert_eq!(spark.buckets.len(), SPARK_COLUMNS_MAX);
        spark.add(at(100), 9.0, 1);
        assert_eq!(spark.mean(100), None);
        spark.add(at(1_000_000_000), 2.0, 1);
        assert_eq!(spark.buckets.len(), 1);
    }
}
