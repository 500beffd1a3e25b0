//! Which messages of one start of a node have been stored: the highest number, and below it the
//! gaps. Fed by numbered messages and the marks of the store; tells duplicates from what is late.
//!
//! A high-water mark alone would lose data: many MQTT clients let new messages overtake those
//! that were queued while the connection was away, and what came late would be acknowledged as a
//! duplicate.

use chrono::{DateTime, Utc};

/// Gaps that are remembered of one start. One more, and the lowest is given up: what was in it
/// counts as stored. An overtaken queue is one gap, however long it is.
pub(super) const GAPS_MAX: usize = 32;

/// The numbers of one start of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// The highest number stored.
    highest: u32,
    /// First and last number of each gap, rising, below `highest`.
    gaps: Vec<(u32, u32)>,
    /// When the last number came.
    pub(super) at: DateTime<Utc>,
}

impl Seen {
    /// As the store has it.
    pub(super) const fn new(highest: u32, gaps: Vec<(u32, u32)>, at: DateTime<Utc>) -> Self {
        Self { highest, gaps, at }
    }

    /// After the first message that came of this start; numbers count from 1.
    pub(super) fn first(number: u32, at: DateTime<Utc>) -> Self {
        let mut seen = Self::new(0, Vec::new(), at);
        if number > 0 {
            seen.add(number, at);
        }
        seen
    }

    pub(super) const fn highest(&self) -> u32 {
        self.highest
    }

    pub(super) fn gaps(&self) -> &[(u32, u32)] {
        &self.gaps
    }

    /// Whether a number was stored.
    pub(super) fn has(&self, number: u32) -> bool {
        number <= self.highest && self.gap_with(number).is_none()
    }

    /// Notes that a number is stored.
    pub(super) fn add(&mut self, number: u32, at: DateTime<Utc>) {
        self.at = at;
        if number > self.highest {
            if number - self.highest > 1 {
                self.gaps.push((self.highest + 1, number - 1));
            }
            self.highest = number;
        } else if let Some(index) = self.gap_with(number) {
            let (first, last) = self.gaps[index];
            let left = [
                (number > first).then(|| (first, number - 1)),
                (number < last).then(|| (number + 1, last)),
            ];
            self.gaps.splice(index..=index, left.into_iter().flatten());
        }
        if self.gaps.len() > GAPS_MAX {
            self.gaps.remove(0);
        }
    }

    fn gap_with(&self, number: u32) -> Option<usize> {
        self.gaps
            .iter()
            .position(|(first, last)| (*first..=*last).contains(&number))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn at() -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
    }

    fn after(numbers: &[u32]) -> Seen {
        let mut seen = Seen::first(numbers[0], at());
        for number in &numbers[1..] {
            seen.add(*number, at());
        }
        seen
    }

    #[test]
    fn what_comes_in_order_leaves_no_gap() {
        let seen = after(&[1, 2, 3]);
        assert_eq!((seen.highest(), seen.gaps()), (3, &[][..]));
        assert!(seen.has(1) && seen.has(3) && !seen.has(4));
    }

    #[test]
    fn what_was_overtaken_is_no_duplicate() {
        let mut seen = after(&[1, 8]);
        assert_eq!(seen.gaps(), [(2, 7)]);
        for (number, gaps) in [
            (4, vec![(2, 3), (5, 7)]),
            (2, vec![(3, 3), (5, 7)]),
            (7, vec![(3, 3), (5, 6)]),
            (3, vec![(5, 6)]),
            (5, vec![(6, 6)]),
            (6, vec![]),
        ] {
            assert!(!seen.has(number));
            seen.add(number, at());
            assert!(seen.has(number));
            assert_eq!(seen.gaps(), gaps);
        }
        assert_eq!(seen.highest(), 8);
    }

    #[test]
    fn the_first_to_come_need_not_be_the_first_sent() {
        assert_eq!(after(&[5]).gaps(), [(1, 4)]);
        assert_eq!(after(&[0]).gaps(), []);
        assert_eq!(after(&[u32::MAX]).gaps(), [(1, u32::MAX - 1)]);
    }

    #[test]
    fn the_lowest_gap_is_given_up_when_there_are_too_many() {
        let every_other: Vec<u32> = (1..=GAPS_MAX as u32 + 1).map(|n| 2 * n).collect();
        let seen = after(&every_other);
        assert_eq!(seen.gaps().len(), GAPS_MAX);
        assert!(seen.has(1), "given up");
        assert!(!seen.has(3));
    }

    proptest! {
        /// With less disorder than the limit, it is a set.
        #[test]
        fn it_knows_what_came(numbers in prop::collection::vec(1_u32..60, 1..80)) {
            let mut seen = Seen::first(numbers[0], at());
            let mut all = BTreeSet::from([numbers[0]]);
            for number in &numbers[1..] {
                prop_assert_eq!(seen.has(*number), all.contains(number));
                seen.add(*number, at());
                all.insert(*number);
            }
            for number in 1..60 {
                prop_assert_eq!(seen.has(number), all.contains(&number));
            }
        }
    }
}
