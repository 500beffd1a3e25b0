//! Statistics over time.

use std::{collections::BTreeMap, ops::Range};

use chrono::{DateTime, TimeDelta, Utc};
use signalbox_protocol::api::data::{Bucket, BucketsReply};

use super::{Fixture, at_s, exact, samples_of, t0};
use crate::{
    ingest::Sample,
    store::{Batch, EngineStore as _, NodeSamples, Retention, SampleFilter, SampleStore},
};

const HOUR_S: i64 = 3_600;

/// What the reply's own borders say must be in each bucket.
pub(super) fn expected(
    reply: &BucketsReply,
    samples: impl Iterator<Item = (DateTime<Utc>, f64)>,
) -> Vec<Bucket> {
    let width = TimeDelta::milliseconds(i64::try_from(reply.bucket_ms).unwrap());
    let mut groups: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
    for (ts, value) in samples.filter(|(ts, _)| (reply.from..reply.to).contains(ts)) {
        let after_us = (ts - reply.from).num_microseconds().unwrap();
        let at = after_us.div_euclid(width.num_microseconds().unwrap());
        groups.entry(at).or_default().push(value);
    }
    groups
        .into_iter()
        .map(|(at, values)| Bucket {
            ts: reply.from + width * i32::try_from(at).unwrap(),
            n: values.len() as u64,
            min: values.iter().copied().fold(f64::INFINITY, f64::min),
            mean: values.iter().sum::<f64>() / values.len() as f64,
            max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        })
        .collect()
}

async fn hours(store: &impl SampleStore, range: Range<i64>, buckets: u32) -> BucketsReply {
    let range = at_s(range.start * HOUR_S)..at_s(range.end * HOUR_S);
    store
        .buckets(&SampleFilter::default(), range, buckets)
        .await
        .unwrap()
}

pub(in crate::store) async fn buckets_cover_the_range_half_open<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    let samples = [-1, 0, 9, 10, 59, 60]
        .into_iter()
        .map(|s| exact("soil", at_s(s), s as f64))
        .collect();
    store.commit(&samples_of("attic", samples)).await.unwrap();
    let reply = store
        .buckets(&SampleFilter::default(), t0()..at_s(60), 6)
        .await
        .unwrap();
    assert_eq!((reply.from, reply.to), (t0(), at_s(60)));
    assert_eq!(reply.bucket_ms, 10_000);
    let bucket = |s, n, min, mean, max| Bucket {
        ts: at_s(s),
        n,
        min,
        mean,
        max,
    };
    assert_eq!(
        reply.series[0].buckets,
        [
            bucket(0, 2, 0.0, 4.5, 9.0),
            bucket(10, 1, 10.0, 10.0, 10.0),
            bucket(50, 1, 59.0, 59.0, 59.0),
        ],
        "empty buckets are left out"
    );
}

pub(in crate::store) async fn buckets_leave_flagged_values_out<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    let bad = |s, value, clock: bool| Sample {
        out_of_range: !clock,
        clock_suspect: clock,
        ..exact("soil", at_s(s), value)
    };
    // The second hour holds nothing but flagged values, the third gets a good one later.
    let samples = vec![
        exact("soil", at_s(1), 5.0),
        bad(2, 900.0, false),
        bad(3, -900.0, true),
        bad(HOUR_S + 1, 900.0, false),
        bad(2 * HOUR_S + 1, 900.0, false),
    ];
    store.commit(&samples_of("attic", samples)).await.unwrap();
    let later = samples_of("attic", vec![exact("soil", at_s(2 * HOUR_S), 7.0)]);
    store.commit(&later).await.unwrap();
    for buckets in [4, 4 * 60] {
        let reply = hours(&store, 0..4, buckets).await;
        let found: Vec<_> = reply.series[0]
            .buckets
            .iter()
            .map(|bucket| (bucket.ts, bucket.n, bucket.min, bucket.max))
            .collect();
        assert_eq!(
            found,
            [(t0(), 1, 5.0, 5.0), (at_s(2 * HOUR_S), 1, 7.0, 7.0)],
            "{buckets} buckets"
        );
    }
    let reply = hours(&store, 1..2, 1).await;
    assert_eq!(reply.series, [], "a series without good values");
}

pub(in crate::store) async fn buckets_with_odd_borders_are_exact<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    // 30 hours, a value every 17 s; quarters, so that sums have no rounding.
    let rows: Vec<(DateTime<Utc>, f64)> = (0..30 * HOUR_S / 17)
        .map(|i| (at_s(i * 17), (i * 7919 % 401) as f64 / 4.0))
        .collect();
    let samples = rows
        .iter()
        .map(|(ts, value)| exact("soil", *ts, *value))
        .collect();
    store.commit(&samples_of("attic", samples)).await.unwrap();
    for (from, to, buckets) in [
        (0, 30 * HOUR_S, 30),
        (0, 30 * HOUR_S, 7),
        (1_234, 29 * HOUR_S + 17, 10),
        (1_234, 29 * HOUR_S + 17, 1),
        (-9 * HOUR_S - 5, 40 * HOUR_S, 13),
        (0, HOUR_S, 60),
        (13, 7_777, 77),
        (13, 7_777, 2),
        (3_587, 3_588, 1),
        (102, 103, 10_000),
    ] {
        let range = at_s(from)..at_s(to);
        let reply = store
            .buckets(&SampleFilter::default(), range.clone(), buckets)
            .await
            .unwrap();
        let told = format!("{from}..{to} in {buckets}: {reply:?}");
        assert!(reply.from <= range.start && reply.to >= range.end, "{told}");
        let hour = TimeDelta::hours(1);
        assert!(reply.from > range.start - hour, "{told}");
        let width = TimeDelta::milliseconds(reply.bucket_ms as i64);
        assert!(
            reply.from + width * i32::try_from(buckets).unwrap() >= range.end,
            "{told}"
        );
        let [series] = reply.series.as_slice() else {
            panic!("{told}");
        };
        assert_eq!(
            series.buckets,
            expected(&reply, rows.iter().copied()),
            "{from}..{to} in {buckets}"
        );
        assert!(series.buckets.len() <= buckets as usize);
    }
}

pub(in crate::store) async fn buckets_of_pruned_samples_come_from_the_rollup<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    let samples = (0..600)
        .map(|i| exact("soil", at_s(i * 60), i as f64))
        .collect();
    store.commit(&samples_of("attic", samples)).await.unwrap();
    let before = hours(&store, 0..10, 5).await;
    let keep = Retention {
        raw_before: Some(at_s(5 * HOUR_S)),
        ..Retention::default()
    };
    while store.prune(&keep).await.unwrap() {}
    assert_eq!(hours(&store, 0..10, 5).await, before);
    assert_eq!(before.series[0].buckets.len(), 5);
}

pub(in crate::store) async fn buckets_are_per_series_and_filtered<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    let node = |name: &str| NodeSamples {
        node: name.to_owned(),
        samples: vec![exact("soil", at_s(1), 1.0), exact("rain", at_s(1), 2.0)],
    };
    let batch = Batch {
        samples: vec![node("cellar"), node("attic")],
        ..Batch::default()
    };
    store.commit(&batch).await.unwrap();
    let series = async |filter: SampleFilter| -> Vec<(String, String)> {
        let reply = store.buckets(&filter, t0()..at_s(60), 1).await.unwrap();
        reply
            .series
            .into_iter()
            .map(|series| (series.node, series.metric))
            .collect()
    };
    let pair = |node: &str, metric: &str| (node.to_owned(), metric.to_owned());
    assert_eq!(
        series(SampleFilter::default()).await,
        [
            pair("attic", "rain"),
            pair("attic", "soil"),
            pair("cellar", "rain"),
            pair("cellar", "soil"),
        ]
    );
    let filter = SampleFilter {
        node: Some("attic".to_owned()),
        metric: Some("soil".to_owned()),
        ..SampleFilter::default()
    };
    assert_eq!(series(filter).await, [pair("attic", "soil")]);
    let nothing = SampleFilter {
        metric: Some("wind".to_owned()),
        ..SampleFilter::default()
    };
    assert_eq!(series(nothing).await, []);
    // The widest range that times can have.
    let widest = DateTime::<Utc>::MIN_UTC..DateTime::<Utc>::MAX_UTC;
    let reply = store
        .buckets(&SampleFilter::default(), widest, 10)
        .await
        .unwrap();
    assert_eq!(reply.series.len(), 4);
}
