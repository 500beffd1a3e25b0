//! Statistics of samples, alone and in equal buckets of time.

/// n, min, max and sum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::store) struct Stats {
    /// Number of values.
    pub(in crate::store) n: u64,
    /// The smallest; infinite when there is none.
    pub(in crate::store) min: f64,
    /// The largest; infinite when there is none.
    pub(in crate::store) max: f64,
    /// Their sum, added in the order of time.
    pub(in crate::store) sum: f64,
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            n: 0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            sum: 0.0,
        }
    }
}

impl Stats {
    /// Adds a value.
    pub(in crate::store) const fn add(&mut self, value: f64) {
        self.n += 1;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.sum += value;
    }

    /// Adds the values that another was made of.
    pub(in crate::store) const fn join(&mut self, other: &Self) {
        self.n += other.n;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.sum += other.sum;
    }
}

/// Equal buckets that follow each other.
#[derive(Debug)]
pub(in crate::store) struct Folder {
    from_us: i64,
    width_us: i64,
    buckets: Vec<Stats>,
}

impl Folder {
    /// `count` buckets of `width_us`, the first beginning at `from_us`.
    pub(in crate::store) fn new(from_us: i64, width_us: i64, count: usize) -> Self {
        Self {
            from_us,
            width_us,
            buckets: vec![Stats::default(); count],
        }
    }

    /// Start of the first bucket and width of each, in microseconds.
    pub(in crate::store) const fn grid(&self) -> (i64, i64) {
        (self.from_us, self.width_us)
    }

    /// The bucket that a time lies in.
    pub(in crate::store) fn bucket_of(&self, ts_us: i64) -> Option<usize> {
        usize::try_from((ts_us - self.from_us).div_euclid(self.width_us))
            .ok()
            .filter(|bucket| *bucket < self.buckets.len())
    }

    /// Adds statistics to a bucket; there is nothing to add to one that does not exist.
    pub(in crate::store) fn join(&mut self, bucket: usize, stats: &Stats) {
        if let Some(found) = self.buckets.get_mut(bucket) {
            found.join(stats);
        }
    }

    /// Adds values at rising times.
    pub(in crate::store) fn add(&mut self, times: &[i64], values: &[f64]) {
        let mut from = 0;
        while let Some(ts_us) = times.get(from) {
            let bucket = (ts_us - self.from_us).div_euclid(self.width_us);
            let end_us = self.from_us + (bucket + 1) * self.width_us;
            let len = times[from..].partition_point(|ts_us| *ts_us < end_us);
            if let Some(found) = usize::try_from(bucket)
                .ok()
                .and_then(|bucket| self.buckets.get_mut(bucket))
            {
                for value in &values[from..from + len] {
                    found.add(*value);
                }
            }
            from += len;
        }
    }

    /// Start and statistics of each bucket that is not empty.
    pub(in crate::store) fn filled(self) -> impl Iterator<Item = (i64, Stats)> {
        let (from_us, width_us) = (self.from_us, self.width_us);
        (0_i64..)
            .map(move |bucket| from_us + bucket * width_us)
            .zip(self.buckets)
            .filter(|(_, stats)| stats.n > 0)
    }
}
