//! The format: identity, ranges, damage, golden bytes.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{encode::checksum, *};

/// 2026-09-21.
const DAY: i64 = 20_717;
const START: i64 = DAY * DAY_US;

/// Everything within the day, flags and all.
fn decode(chunk: &Chunk) -> Vec<Point> {
    let mut points = Vec::new();
    let mut reader = Reader::open(chunk.day, &chunk.data).unwrap();
    reader.read(&(i64::MIN..i64::MAX), &mut points).unwrap();
    points
}

fn bits(points: &[Point]) -> Vec<(i64, u64, u8)> {
    points
        .iter()
        .map(|point| (point.ts_us, point.value.to_bits(), point.flags))
        .collect()
}

fn assert_same(found: &[Point], expected: &[Point]) {
    // Comparing whole vectors would print megabytes.
    assert_eq!(found.len(), expected.len());
    for pair in bits(found).into_iter().zip(bits(expected)) {
        assert_eq!(pair.0, pair.1);
    }
}

fn good(ts_us: i64, value: f64) -> Point {
    Point {
        ts_us,
        value,
        flags: 0,
    }
}

/// A value a step, as a sensor gives it.
fn regular(n: i64, step_us: i64, value: impl Fn(i64) -> f64) -> Vec<Point> {
    (0..n)
        .map(|i| good(START + i * step_us, value(i)))
        .collect()
}

/// Values like sensors tell them, and values like nobody expects them.
fn values() -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => (-400_i32..1_000).prop_map(f64::from),
        6 => (-40_000_i32..100_000).prop_map(|tenths| f64::from(tenths) / 10.0),
        1 => Just(-0.0),
        1 => any::<u64>().prop_map(f64::from_bits).prop_filter("finite", |v| v.is_finite()),
    ]
}

/// All values of a day are mostly of one kind.
fn points() -> impl Strategy<Value = Vec<Point>> {
    let kinds = prop_oneof![
        Just((-40_i32..60).prop_map(f64::from).boxed()),
        Just(
            (-4_000_i32..6_000)
                .prop_map(|v| f64::from(v) / 100.0)
                .boxed()
        ),
        Just(
            (0_i32..1_024)
                .prop_map(|v| f64::from(v) * 3.3 / 1_024.0)
                .boxed()
        ),
        Just(values().boxed()),
    ];
    let units = prop_oneof![Just(1_i64), Just(1_000), Just(1_000_000), Just(7)];
    (kinds, units).prop_flat_map(|(value, unit)| {
        let sample = (
            1_i64..DAY_US / unit,
            value,
            prop_oneof![9 => Just(0_u8), 1 => 1..4_u8],
        );
        prop::collection::vec(sample, 1..300).prop_map(move |samples| {
            let by_time: BTreeMap<i64, (f64, u8)> = samples
                .into_iter()
                .map(|(at, value, flags)| (START + at * unit, (value, flags)))
                .collect();
            by_time
                .into_iter()
                .map(|(ts_us, (value, flags))| Point {
                    ts_us,
                    value,
                    flags,
                })
                .collect()
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]

    #[test]
    fn what_goes_in_comes_out(points in points(), from in 0..DAY_US, len in 0..DAY_US) {
        let chunk = encode(DAY, &points).unwrap();
        assert_same(&decode(&chunk), &points);

        let mut stats = Stats::default();
        points.iter().filter(|p| p.flags == 0).for_each(|p| stats.add(p.value));
        prop_assert_eq!(chunk.summary.good.n, stats.n);
        prop_assert_eq!(chunk.summary.good.sum.to_bits(), stats.sum.to_bits());
        prop_assert_eq!(chunk.summary.first.ts_us, points[0].ts_us);
        prop_assert_eq!(chunk.summary.last.ts_us, points[points.len() - 1].ts_us);

        let range = START + from..START + from + len;
        let expected: Vec<Point> =
            points.iter().copied().filter(|p| range.contains(&p.ts_us)).collect();
        let mut reader = Reader::open(DAY, &chunk.data).unwrap();
        let mut found = Vec::new();
        reader.read(&range, &mut found).unwrap();
        assert_same(&found, &expected);
        let times: Vec<i64> = expected.iter().map(|p| p.ts_us).collect();
        prop_assert_eq!(reader.times(&range).unwrap(), times);
        let mut found = Vec::new();
        reader.read_good(&range, |times, values| {
            found.extend(times.iter().zip(values).map(|(ts_us, value)| good(*ts_us, *value)));
        }).unwrap();
        let expected: Vec<Point> = expected.into_iter().filter(|p| p.flags == 0).collect();
        assert_same(&found, &expected);
    }

    #[test]
    fn a_merge_is_that_of_two_maps(first in points(), second in points()) {
        let mut both: BTreeMap<i64, Point> = second.iter().map(|p| (p.ts_us, *p)).collect();
        both.extend(first.iter().map(|p| (p.ts_us, *p)));
        assert_same(&merge(&first, &second), &both.into_values().collect::<Vec<_>>());
    }

    #[test]
    fn buckets_are_those_of_a_simple_sum(points in points(), width in 1..DAY_US, from in 0..DAY_US) {
        let (times, values): (Vec<i64>, Vec<f64>) =
            points.iter().map(|p| (p.ts_us, p.value)).unzip();
        let from = START + from - DAY_US / 2;
        let mut folder = Folder::new(from, width, 10);
        folder.add(&times, &values);
        let mut expected: BTreeMap<i64, Stats> = BTreeMap::new();
        for point in &points {
            let bucket = (point.ts_us - from).div_euclid(width);
            if (0..10).contains(&bucket) {
                expected.entry(from + bucket * width).or_default().add(point.value);
            }
        }
        let found: Vec<(i64, u64, u64)> =
            folder.filled().map(|(at, s)| (at, s.n, s.sum.to_bits())).collect();
        let expected: Vec<(i64, u64, u64)> =
            expected.into_iter().map(|(at, s)| (at, s.n, s.sum.to_bits())).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn any_change_is_found_out(points in points(), at in any::<prop::sample::Index>(), by in 1..=255_u8) {
        let chunk = encode(DAY, &points).unwrap();
        let mut bytes = chunk.data.clone();
        let at = at.index(bytes.len());
        bytes[at] ^= by;
        prop_assert_eq!(
            Reader::open(DAY, &bytes).err(),
            Some(damaged("its checksum is another"))
        );
        prop_assert!(Reader::open(DAY, &chunk.data[..at]).is_err(), "cut off");
        prop_assert!(Reader::open(DAY + 1, &chunk.data).is_err(), "of another day");
    }

    /// Bytes that someone made to fit the checksum are refused or read, within the day.
    #[test]
    fn made_up_bytes_do_no_harm(
        points in points(),
        noise in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        raw in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let mut altered = encode(DAY, &points).unwrap().data;
        altered.truncate(altered.len() - 4);
        for (at, byte) in noise {
            let at = at.index(altered.len());
            altered[at] = byte;
        }
        let mut versioned = vec![1];
        versioned.extend_from_slice(&raw);
        for mut bytes in [altered, versioned, raw] {
            let sum = checksum(DAY, &bytes);
            bytes.extend_from_slice(&sum.to_le_bytes());
            let mut found = Vec::new();
            let read = Reader::open(DAY, &bytes)
                .and_then(|mut reader| reader.read(&(i64::MIN..i64::MAX), &mut found));
            if read.is_ok() {
                prop_assert!(found.len() <= SAMPLES_MAX);
                prop_assert!(found.windows(2).all(|pair| pair[0].ts_us < pair[1].ts_us));
                prop_assert!(found.iter().all(|point| day_of(point.ts_us) == DAY));
            }
        }
    }
}

/// Bytes written by version 1 of the format. Never change them: stores have them.
#[test]
fn golden_bytes_are_written_and_read() {
    let mut sensor = regular(12, 60_000_000, |i| 21.5 + (i % 4) as f64 / 2.0);
    sensor[7].flags = 1;
    sensor[8].flags = 1;
    sensor[11].ts_us += 1_000_000;
    let odd = vec![good(START, -0.0), good(START + 1, 1.0 / 3.0)];
    for (points, golden) in [(sensor, GOLDEN_SENSOR), (odd, GOLDEN_ODD)] {
        let chunk = encode(DAY, &points).unwrap();
        assert_eq!(hex(&chunk.data), golden);
        let data = bytes(golden);
        assert_same(&decode(&Chunk { data, ..chunk }), &points);
    }
}

const GOLDEN_SENSOR: &str = "010c0107020100c0843d3c020804010010000000080001ae03050208040100100000001002030008e4e4e4195aa739";
const GOLDEN_ODD: &str =
    "0102000001010001180401002100f0ffffffffffffff0750555555555555fd0b00000202001c959727";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2)
        .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
        .collect()
}

#[test]
fn a_newer_format_is_named() {
    let mut data = encode(DAY, &[good(START, 1.0)]).unwrap().data;
    data.truncate(data.len() - 4);
    data[0] = 2;
    let sum = checksum(DAY, &data);
    data.extend_from_slice(&sum.to_le_bytes());
    let refused = Reader::open(DAY, &data).unwrap_err();
    assert_eq!(refused, ChunkError::Version { version: 2 });
    assert_eq!(refused.to_string(), "chunk format `2` is not known");
}

#[test]
fn a_chunk_holds_so_many_samples_and_no_more() {
    let max = i64::try_from(SAMPLES_MAX).unwrap();
    let mut points = regular(max, 300_000, |i| (i * 7_919 % 1_024) as f64);
    let chunk = encode(DAY, &points).unwrap();
    assert_same(&decode(&chunk), &points);
    points.push(good(START + DAY_US - 1, 0.0));
    let samples = points.len();
    assert_eq!(encode(DAY, &points), Err(ChunkError::Count { samples }));
    assert_eq!(encode(DAY, &[]), Err(ChunkError::Count { samples: 0 }));
}

#[test]
fn times_rise_within_the_day() {
    for ts_us in [START - 1, START + DAY_US] {
        let day = DAY;
        let refused = Err(ChunkError::Time { ts_us, day });
        assert_eq!(encode(DAY, &[good(ts_us, 1.0)]), refused);
    }
    let twice = [good(START, 1.0), good(START, 1.0)];
    assert!(matches!(encode(DAY, &twice), Err(ChunkError::Time { .. })));
    let edges = [good(START, 1.0), good(START + DAY_US - 1, 1.0)];
    assert_same(&decode(&encode(DAY, &edges).unwrap()), &edges);
    let old = [good(-1, 5.0)];
    assert_same(&decode(&encode(-1, &old).unwrap()), &old);
}

#[test]
fn only_pages_of_the_range_are_read() {
    let points = regular(86_400, 1_000_000, |i| (i / 600) as f64);
    let chunk = encode(DAY, &points).unwrap();
    let mut reader = Reader::open(DAY, &chunk.data).unwrap();
    let mut found = Vec::new();
    for (from, to) in [(0, 1), (4_000, 4_200), (86_399, 86_400), (50_000, 50_000)] {
        let range = START + from * 1_000_000..START + to * 1_000_000;
        found.clear();
        reader.read(&range, &mut found).unwrap();
        assert_same(&found, &points[from as usize..to as usize]);
    }
}

/// What a day costs is what the format is for.
#[test]
fn a_day_of_a_sensor_is_small() {
    // Whole degrees that wander, as a DHT11 gives them every ten seconds.
    let whole = regular(8_640, 10_000_000, |i| 20.0 + ((i / 300) % 9) as f64);
    let bytes = encode(DAY, &whole).unwrap().data.len();
    assert!(bytes < 500, "{bytes} bytes for 8,640 samples");
    let constant = regular(86_400, 1_000_000, |_| 21.3);
    let bytes = encode(DAY, &constant).unwrap().data.len();
    assert!(bytes < 200, "{bytes} bytes for a day of the same");
}
