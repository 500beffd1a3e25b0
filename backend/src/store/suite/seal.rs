//! Samples of past days become chunks, and nobody can tell.

use std::future::Future;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{TryStreamExt as _, poll};
use signalbox_protocol::api::data::{BucketsReply, Sample as SampleRow};

use super::{Fixture, all, at_s, exact, samples_of, stationed, t0};
use crate::{
    ingest::Sample,
    store::{
        Batch, Committed, EngineStore as _, NodeSamples, Retention, SampleFilter, SampleStore,
        chunk::SAMPLES_MAX,
    },
};

const DAY_S: i64 = 86_400;

/// So many seconds after the midnight that follows `t0`.
fn day_s(s: i64) -> DateTime<Utc> {
    let midnight = (t0() + TimeDelta::days(1))
        .date_naive()
        .and_time(chrono::NaiveTime::MIN);
    midnight.and_utc() + TimeDelta::seconds(s)
}

/// Seals all that can be; how many days of series.
pub(super) async fn seal(store: &impl SampleStore, before: DateTime<Utc>) -> u64 {
    let mut days = 0;
    loop {
        let sealed = store.seal(before).await.unwrap();
        days += sealed.days;
        if !sealed.more {
            return days;
        }
    }
}

/// Five days of two nodes: even and uneven times, gaps, flags, odd values.
fn history() -> Batch {
    let soil = (0..5 * DAY_S / 600).map(|i| {
        let flagged = i % 70 == 13 || (300..305).contains(&i);
        Sample {
            out_of_range: flagged && i % 2 == 0,
            clock_suspect: flagged,
            ..exact("soil", day_s(i * 600), (i * 7_919 % 401) as f64 / 4.0)
        }
    });
    let rain = (0..300).map(|i| {
        let ts = day_s(i * 1_440) + TimeDelta::microseconds(i * i % 997);
        stationed("rain", ts, if i % 10 == 0 { -0.0 } else { i as f64 / 64.0 })
    });
    // A day without anything, and one of a few samples.
    let wind = [0, 1, 86_399, 2 * DAY_S, 2 * DAY_S + 1].map(|s| exact("wind", day_s(s), s as f64));
    let of = |node: &str, samples: Vec<Sample>| NodeSamples {
        node: node.to_owned(),
        samples,
    };
    Batch {
        samples: vec![
            of("attic", soil.collect()),
            of("cellar", rain.collect()),
            of("cellar", wind.into()),
        ],
        ..Batch::default()
    }
}

fn filters() -> Vec<SampleFilter> {
    let of = |node: Option<&str>, metric: Option<&str>, from: Option<i64>, to: Option<i64>| {
        SampleFilter {
            node: node.map(str::to_owned),
            metric: metric.map(str::to_owned),
            from: from.map(day_s),
            to: to.map(day_s),
        }
    };
    vec![
        of(None, None, None, None),
        of(Some("attic"), Some("soil"), None, None),
        of(Some("cellar"), None, None, None),
        of(None, Some("wind"), None, None),
        of(
            Some("cellar"),
            Some("rain"),
            Some(DAY_S - 7),
            Some(DAY_S + 7_000),
        ),
        of(None, None, Some(3 * DAY_S), Some(3 * DAY_S + 61)),
        of(None, None, Some(-9), Some(1)),
        of(Some("cellar"), Some("wind"), Some(90_000), None),
    ]
}

async fn pages(store: &impl SampleStore, filter: &SampleFilter, limit: u32) -> Vec<SampleRow> {
    let (mut rows, mut after) = (Vec::new(), None);
    loop {
        let (page, next) = store.page(filter, after.as_deref(), limit).await.unwrap();
        assert!(page.len() <= limit as usize);
        rows.extend(page);
        after = next;
        // A page of a few rows is asked for only a few times.
        if after.is_none() || rows.len() >= 5 * limit as usize {
            return rows;
        }
    }
}

/// Everything that can be asked about samples.
async fn answers(store: &impl SampleStore) -> (Vec<Vec<SampleRow>>, Vec<BucketsReply>) {
    let (mut rows, mut buckets) = (Vec::new(), Vec::new());
    for filter in filters() {
        for limit in [7, 1_000] {
            rows.push(pages(store, &filter, limit).await);
            rows.push(store.last(&filter, limit).await.unwrap());
        }
        rows.push(store.stream(filter.clone()).try_collect().await.unwrap());
        for (from, to, n) in [
            (0, 5 * DAY_S, 1),
            (0, 5 * DAY_S, 10),
            (-3 * DAY_S, 90 * DAY_S, 60),
            (5_000, 4 * DAY_S + 17, 9),
            (0, 5 * DAY_S, 1_000),
            (DAY_S - 1_800, DAY_S + 1_800, 77),
        ] {
            let range = day_s(from)..day_s(to);
            buckets.push(store.buckets(&filter, range, n).await.unwrap());
        }
    }
    (rows, buckets)
}

pub(in crate::store) async fn sealing_changes_no_answer<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    store.commit(&history()).await.unwrap();
    let before = answers(&store).await;
    let loaded = store.load().await.unwrap();
    assert!(before.0[0].len() >= 35 && before.0[4].len() > 1_000);
    // Partly, then wholly: 5 days of soil, 5 of rain, 2 of wind.
    for (until, days) in [(2, 5), (5, 7), (5, 0)] {
        assert_eq!(seal(&store, day_s(until * DAY_S)).await, days);
        let after = answers(&store).await;
        for (at, (after, before)) in after.0.iter().zip(&before.0).enumerate() {
            assert_eq!(after.len(), before.len(), "answer {at}");
            let same =
                |(a, b): (&SampleRow, &SampleRow)| a == b && a.value.to_bits() == b.value.to_bits();
            assert!(after.iter().zip(before).all(same), "answer {at}");
        }
        for (after, before) in after.1.iter().zip(&before.1) {
            assert_eq!(after, before);
        }
        assert_eq!(store.load().await.unwrap(), loaded);
    }
}

pub(in crate::store) async fn late_samples_find_sealed_ones<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    let us = TimeDelta::microseconds(1);
    // The last two microseconds of a day and the first of the next are taken.
    let taken = [day_s(DAY_S) - us - us, day_s(DAY_S) - us, day_s(DAY_S)];
    let told = taken.map(|ts| exact("soil", ts, 1.0)).into();
    store.commit(&samples_of("attic", told)).await.unwrap();
    assert_eq!(seal(&store, day_s(2 * DAY_S)).await, 2);
    // Another row that is in the way, not sealed.
    let row = exact("soil", day_s(DAY_S) + us, 2.0);
    store.commit(&samples_of("attic", vec![row])).await.unwrap();
    let late = vec![
        exact("soil", taken[0], 9.0),
        exact("soil", taken[2], 9.0),
        stationed("soil", taken[0], 3.0),
        stationed("soil", taken[2], 4.0),
        exact("soil", day_s(5), 5.0),
        exact("rain", taken[0], 6.0),
    ];
    let done = store.commit(&samples_of("attic", late)).await.unwrap();
    assert_eq!(
        done,
        Committed {
            samples_stored: 4,
            samples_known: 2
        }
    );
    let check = async || {
        let rows = store.last(&SampleFilter::default(), 20).await.unwrap();
        let rows: Vec<(i64, f64)> = rows
            .into_iter()
            .rev()
            .filter(|row| row.metric == "soil")
            .map(|row| {
                (
                    (row.ts - day_s(DAY_S)).num_microseconds().unwrap(),
                    row.value,
                )
            })
            .collect();
        let early = (5 - DAY_S) * 1_000_000;
        let moved: Vec<f64> = rows[5..].iter().map(|row| row.1).collect();
        assert_eq!(
            rows.iter().map(|row| row.0).collect::<Vec<_>>(),
            [early, -2, -1, 0, 1, 2, 3]
        );
        assert_eq!(rows[0].1, 5.0);
        assert!(moved == [3.0, 4.0] || moved == [4.0, 3.0], "{moved:?}");
        for buckets in [1, 2, 96] {
            let range = day_s(0)..day_s(2 * DAY_S);
            let filter = SampleFilter {
                metric: Some("soil".to_owned()),
                ..SampleFilter::default()
            };
            let reply = store.buckets(&filter, range, buckets).await.unwrap();
            let found = &reply.series[0].buckets;
            let n: u64 = found.iter().map(|bucket| bucket.n).sum();
            let sum: f64 = found.iter().map(|b| b.mean * b.n as f64).sum();
            assert_eq!((n, sum.round()), (7, 17.0), "in {buckets}");
        }
    };
    check().await;
    assert_eq!(seal(&store, day_s(2 * DAY_S)).await, 3);
    check().await;
}

pub(in crate::store) async fn a_sealed_day_takes_late_samples_in<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    let half = |odd: i64| -> Vec<Sample> {
        (0..500)
            .map(|i| 2 * i + odd)
            .map(|i| exact("soil", day_s(i * 60), i as f64 / 4.0))
            .collect()
    };
    let reference = F::new().await;
    let reference = reference.open().await;
    for odd in [0, 1] {
        let batch = samples_of("attic", half(odd));
        reference.commit(&batch).await.unwrap();
        store.commit(&batch).await.unwrap();
        let before = answers(&reference).await;
        assert!(
            answers(&store).await == before,
            "chunk and rows side by side"
        );
        assert_eq!(seal(&store, day_s(DAY_S)).await, 1);
        assert!(answers(&store).await == before, "both in the chunk");
        let again = store.commit(&batch).await.unwrap();
        assert_eq!((again.samples_stored, again.samples_known), (0, 500));
    }
}

pub(in crate::store) async fn only_days_that_are_over_are_sealed<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    let samples = [-1, 0, DAY_S - 1, DAY_S].map(|s| exact("soil", day_s(s), 1.0));
    store
        .commit(&samples_of("attic", samples.into()))
        .await
        .unwrap();
    assert_eq!(seal(&store, day_s(-1)).await, 0);
    assert_eq!(seal(&store, day_s(0)).await, 1);
    assert_eq!(seal(&store, day_s(DAY_S - 1)).await, 0);
    assert_eq!(seal(&store, day_s(DAY_S)).await, 1);
    assert_eq!(seal(&store, DateTime::<Utc>::MAX_UTC).await, 1);
    // Before 1970 too, and none where no day can be written down.
    let odd = ["-0001-06-01T00:00:00Z", "1969-12-31T23:59:59.999999Z"]
        .map(|text| text.parse().unwrap())
        .map(|ts| exact("soil", ts, 2.0));
    store
        .commit(&samples_of("attic", odd.into()))
        .await
        .unwrap();
    assert_eq!(seal(&store, day_s(0)).await, 1);
    let rows = store.last(&SampleFilter::default(), 9).await.unwrap();
    assert_eq!(rows.len(), 6);
    assert_eq!(rows[4].value, 2.0);
}

pub(in crate::store) async fn sealing_takes_bounded_steps<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    // Few rows in many days, then many rows in few.
    let days = (0..200).map(|i| exact("rain", day_s(i * DAY_S), i as f64));
    let rows = (0..60_000).map(|i| exact("soil", day_s(i * 10), 1.0));
    store
        .commit(&samples_of("attic", days.chain(rows).collect()))
        .await
        .unwrap();
    let mut steps = Vec::new();
    loop {
        let sealed = store.seal(day_s(300 * DAY_S)).await.unwrap();
        steps.push(sealed.days);
        if !sealed.more {
            break;
        }
    }
    assert_eq!(steps.iter().sum::<u64>(), 207, "{steps:?}");
    assert!(steps.len() > 200 / 64 + 60_000 / 30_000, "{steps:?}");
    assert_eq!(seal(&store, day_s(300 * DAY_S)).await, 0, "a round later");
}

pub(in crate::store) async fn a_day_with_too_many_samples_stays_in_rows<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    let many = (0..=SAMPLES_MAX as i64)
        .map(|i| exact("soil", day_s(0) + TimeDelta::milliseconds(i * 300), 1.0));
    let next = [exact("soil", day_s(DAY_S), 2.0)];
    store
        .commit(&samples_of("attic", many.chain(next).collect()))
        .await
        .unwrap();
    assert_eq!(
        seal(&store, day_s(2 * DAY_S)).await,
        1,
        "only the other day"
    );
    let n: usize = store
        .stream(SampleFilter::default())
        .try_fold(0, async |n, _| Ok(n + 1))
        .await
        .unwrap();
    assert_eq!(n, SAMPLES_MAX + 2);
}

pub(in crate::store) async fn what_is_sealed_is_there_after_reopening<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    store.commit(&history()).await.unwrap();
    let before = answers(&store).await;
    seal(&store, day_s(3 * DAY_S)).await;
    F::close(store).await;
    let store = fixture.open().await;
    assert!(answers(&store).await == before);
    let known = exact("soil", day_s(600), 77.0);
    let done = store
        .commit(&samples_of("attic", vec![known]))
        .await
        .unwrap();
    assert_eq!(done.samples_known, 1);
}

pub(in crate::store) async fn readers_see_every_sample_while_it_is_sealed<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    // A day for each step, so that there are many steps to be looked into.
    let days = 60;
    let samples = (0..days * 24).map(|i| exact("soil", day_s(i * 3_600), 1.0));
    let more = (0..days * 24).map(|i| exact("rain", day_s(i * 3_600), 1.0));
    let batch = samples_of("attic", samples.chain(more).collect());
    store.commit(&batch).await.unwrap();
    let n = 2 * 24 * days as usize;
    let one = SampleFilter {
        node: Some("attic".to_owned()),
        metric: Some("soil".to_owned()),
        ..SampleFilter::default()
    };
    let every = SampleFilter::default();
    let sealing = async {
        for day in 1..=days {
            seal(&store, day_s(day * DAY_S)).await;
            tokio::task::yield_now().await;
        }
    };
    let reading = async {
        for _ in 0..40 {
            assert_eq!(store.last(&every, 10_000).await.unwrap().len(), n);
            assert_eq!(pages(&store, &one, 400).await.len(), n / 2);
            let rows: Vec<SampleRow> = store.stream(every.clone()).try_collect().await.unwrap();
            assert_eq!(rows.len(), n);
            let range = day_s(0)..day_s(days * DAY_S);
            for buckets in [24 * days as u32 + 1, days as u32, 7] {
                let reply = store.buckets(&one, range.clone(), buckets).await.unwrap();
                let counted: u64 = reply.series[0].buckets.iter().map(|b| b.n).sum();
                assert_eq!(counted, 24 * days as u64, "in {buckets}");
            }
        }
    };
    tokio::join!(sealing, reading);
}

/// Polls a future so many times at most, then drops it.
async fn give_up_after(polls: u32, future: impl Future) {
    let mut future = std::pin::pin!(future);
    for _ in 0..polls {
        if poll!(&mut future).is_ready() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

pub(in crate::store) async fn a_step_that_nobody_waits_for_loses_nothing<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    let samples = (0..40 * 24).map(|i| exact("soil", day_s(i * 3_600), i as f64));
    store
        .commit(&samples_of("attic", samples.collect()))
        .await
        .unwrap();
    let before = all(&store).await;
    for round in 0..40 {
        let step = store.seal(day_s((round + 1) * DAY_S));
        give_up_after(u32::try_from(round * round).unwrap(), step).await;
        assert!(all(&store).await == before, "round {round}");
    }
    seal(&store, day_s(40 * DAY_S)).await;
    assert!(all(&store).await == before);
}

pub(in crate::store) async fn sealed_days_are_pruned_whole<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    let samples = (0..48).map(|hour| exact("soil", day_s(hour * 3_600), 1.0));
    store
        .commit(&samples_of("attic", samples.collect()))
        .await
        .unwrap();
    seal(&store, day_s(2 * DAY_S)).await;
    for (until_h, left) in [(1, 48), (23, 48), (24, 24), (47, 24), (48, 0)] {
        let keep = Retention {
            raw_before: Some(day_s(until_h * 3_600)),
            ..Retention::default()
        };
        while store.prune(&keep).await.unwrap() {}
        assert_eq!(all(&store).await.len(), left, "until hour {until_h}");
    }
    let reply = store
        .buckets(&SampleFilter::default(), day_s(0)..day_s(2 * DAY_S), 2)
        .await
        .unwrap();
    assert_eq!(reply.series[0].buckets[1].n, 24, "the statistics stay");
}

pub(in crate::store) async fn each_metric_is_kept_as_long_as_asked_for<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    let samples = (0..10)
        .flat_map(|day| {
            ["soil", "rain", "wind"].map(|metric| exact(metric, day_s(day * DAY_S), 1.0))
        })
        .collect();
    store.commit(&samples_of("attic", samples)).await.unwrap();
    seal(&store, day_s(5 * DAY_S)).await;
    let keep = Retention {
        raw_before: Some(day_s(3 * DAY_S)),
        metric_before: [
            ("rain".to_owned(), None),
            ("wind".to_owned(), Some(day_s(8 * DAY_S))),
            ("none".to_owned(), Some(at_s(0))),
        ]
        .into(),
        rollup_before: None,
    };
    while store.prune(&keep).await.unwrap() {}
    for (metric, left) in [("soil", 7), ("rain", 10), ("wind", 2)] {
        let filter = SampleFilter {
            metric: Some(metric.to_owned()),
            ..SampleFilter::default()
        };
        assert_eq!(
            store.last(&filter, 20).await.unwrap().len(),
            left,
            "{metric}"
        );
    }
}
