//! The first so many of samples that come in any order, in bounded memory.

use std::cmp::Ordering;

use super::{Order, Point};

/// A sample with the place of its series in the order of names.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Found {
    pub(super) rank: u32,
    pub(super) point: Point,
}

/// By time, then by name.
pub(super) type Key = (i64, u32);

impl Found {
    pub(super) const fn key(&self) -> Key {
        (self.point.ts_us, self.rank)
    }
}

/// Keeps the first `limit` of what it is given, and never more than twice as many.
#[derive(Debug)]
pub(super) struct Top {
    order: Order,
    limit: usize,
    found: Vec<Found>,
    /// What lies behind it is not wanted any more, or not known completely.
    bound: Option<Key>,
}

impl Top {
    pub(super) fn new(order: Order, limit: usize) -> Self {
        Self {
            order,
            limit: limit.max(1),
            found: Vec::new(),
            bound: None,
        }
    }

    fn compare(order: Order, a: Key, b: Key) -> Ordering {
        match order {
            Order::OldestFirst => a.cmp(&b),
            Order::NewestFirst => b.cmp(&a),
        }
    }

    /// The time behind which nothing is wanted any more.
    pub(super) fn bound_us(&self) -> Option<i64> {
        self.bound.map(|(ts_us, _)| ts_us)
    }

    pub(super) fn push(&mut self, found: Found) {
        if let Some(bound) = self.bound
            && Self::compare(self.order, found.key(), bound).is_gt()
        {
            return;
        }
        self.found.push(found);
        if self.found.len() >= 2 * self.limit {
            self.shrink();
        }
    }

    /// Nothing is known of what lies behind this key.
    pub(super) fn cut_behind(&mut self, key: Key) {
        self.bound = Some(key);
    }

    fn shrink(&mut self) {
        let order = self.order;
        let (_, last, _) = self.found.select_nth_unstable_by(self.limit - 1, |a, b| {
            Self::compare(order, a.key(), b.key())
        });
        self.bound = Some(last.key());
        self.found.truncate(self.limit);
    }

    /// What was kept, in order and each once; true when there is nothing behind it.
    pub(super) fn finish(mut self) -> (Vec<Found>, bool) {
        let order = self.order;
        let mut found = std::mem::take(&mut self.found);
        if let Some(bound) = self.bound {
            found.retain(|found| Self::compare(order, found.key(), bound).is_le());
        }
        found.sort_unstable_by(|a, b| Self::compare(order, a.key(), b.key()));
        found.dedup_by_key(|found| found.key());
        let complete = self.bound.is_none() && found.len() <= self.limit;
        found.truncate(self.limit);
        (found, complete)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]
        #[test]
        fn it_is_the_head_of_the_sorted_list(
            keys in prop::collection::vec((0_i64..40, 0_u32..4), 0..80),
            limit in 1_usize..30,
            newest in any::<bool>(),
        ) {
            let order = if newest { Order::NewestFirst } else { Order::OldestFirst };
            let mut top = Top::new(order, limit);
            for (ts_us, rank) in &keys {
                let point = Point { ts_us: *ts_us, value: 0.0, flags: 0 };
                top.push(Found { rank: *rank, point });
                prop_assert!(top.found.len() < 2 * limit);
            }
            let mut sorted = keys;
            sorted.sort_unstable();
            if newest {
                sorted.reverse();
            }
            sorted.dedup();
            let (found, complete) = top.finish();
            let found: Vec<Key> = found.iter().map(Found::key).collect();
            prop_assert_eq!(&found[..], &sorted[..found.len()]);
            if complete {
                prop_assert_eq!(found.len(), sorted.len());
            } else {
                prop_assert!(!found.is_empty());
            }
        }
    }
}
