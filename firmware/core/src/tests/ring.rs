//! Readings as bytes against a plain list.

extern crate std;

use std::collections::VecDeque;

use proptest::prelude::*;

use crate::{
    METRICS_MAX, READING_BYTES_MAX,
    report::{NOT_REPORTED, Values},
    ring::Ring,
};

const BYTES: usize = 3 * READING_BYTES_MAX;

/// Of all kinds: what sensors give, and what no sensor gives.
fn value() -> impl Strategy<Value = f32> {
    let tenths = |n: i32| {
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let value = n as f32 / 10.0;
        value
    };
    prop_oneof![
        4 => Just(NOT_REPORTED),
        4 => (-1_000..1_000).prop_map(tenths),
        2 => (0..1_024_u16).prop_map(f32::from),
        2 => any::<f32>().prop_filter("a value is a number", |value| value.is_finite()),
        1 => prop_oneof![Just(-0.0), Just(33_554_432.0), Just(f32::MAX), Just(f32::MIN_POSITIVE)],
    ]
}

fn same(left: &(u64, Values), right: &(u64, Values)) -> bool {
    let bits = |values: &Values| values.map(f32::to_bits);
    left.0 == right.0 && bits(&left.1) == bits(&right.1)
}

proptest! {
    /// What comes out is what went in, to the bit, in order, whatever gives way in between.
    #[test]
    fn a_ring_is_a_list(
        steps in proptest::collection::vec(
            (any::<bool>(), prop_oneof![0..100_u64, 0..u64::from(u32::MAX) * 1_000],
            proptest::array::uniform8(value())), 1..100,
        ),
    ) {
        let mut ring: Ring<[u8; BYTES]> = Ring::new([0; BYTES]);
        let mut list: VecDeque<(u64, Values)> = VecDeque::new();
        let mut now_ms = 0;
        for (push, pause_ms, values) in steps {
            now_ms += pause_ms;
            if push {
                while !ring.push_back(now_ms, &values) {
                    // Three of the longest always fit.
                    prop_assert!(ring.len() >= 3 || now_ms == 0);
                    ring.pop_front();
                    list.pop_front();
                }
                list.push_back((now_ms, values));
            } else {
                ring.pop_front();
                list.pop_front();
            }
            prop_assert_eq!((ring.len(), ring.is_empty()), (list.len(), list.is_empty()));
            prop_assert_eq!(ring.iter().count(), list.len());
            let equal = ring.iter().zip(&list).all(|(left, right)| same(&left, right));
            prop_assert!(equal, "{:?}", list);
        }
    }
}

#[test]
fn sizes_are_as_written() {
    let size = |values: &[f32], pause_ms: u64| {
        let mut all = [NOT_REPORTED; METRICS_MAX];
        all[..values.len()].copy_from_slice(values);
        let mut ring: Ring<[u8; 10_000]> = Ring::new([0; 10_000]);
        assert!(ring.push_back(0, &all));
        let mut n = 1;
        while ring.push_back(n * pause_ms, &all) {
            n += 1;
        }
        10_000 / ring.len()
    };
    // A DHT11 and a 10-bit converter, every half hour.
    assert!(size(&[49.9, 90.0, 1_023.0], 1_800_000) <= 10);
    // The longest there is.
    assert_eq!(size(&[f32::MAX; METRICS_MAX], 1), READING_BYTES_MAX - 9);
}
