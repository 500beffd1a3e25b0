//! Writing and reading samples.

use futures_util::TryStreamExt as _;
use signalbox_protocol::api::{data::Sample as SampleRow, node::SampleFlag};

use super::{Fixture, all, at_s, at_us, exact, samples_of, stationed, t0};
use crate::{
    ingest::Sample,
    store::{
        Batch, Committed, EngineStore as _, NodeSamples, SampleFilter, SampleStore as _, StoreError,
    },
};

fn of_node(node: &str) -> SampleFilter {
    SampleFilter {
        node: Some(node.to_owned()),
        ..SampleFilter::default()
    }
}

fn values(rows: &[SampleRow]) -> Vec<f64> {
    rows.iter().map(|row| row.value).collect()
}

/// `n` samples a minute apart of two metrics of two nodes each.
fn four_series(n: i64) -> Batch {
    let of = |node: &str, plus: f64| NodeSamples {
        node: node.to_owned(),
        samples: (0..n)
            .flat_map(|i| {
                [
                    exact("humidity", at_s(i * 60), i as f64 + plus + 0.25),
                    exact("temperature", at_s(i * 60), i as f64 + plus),
                ]
            })
            .collect(),
    };
    Batch {
        samples: vec![of("attic", 0.0), of("cellar", 0.5)],
        ..Batch::default()
    }
}

pub(in crate::store) async fn a_known_exact_sample_is_counted_and_not_changed<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    let first = samples_of(
        "attic",
        vec![exact("soil", at_s(1), 1.0), exact("soil", at_s(2), 2.0)],
    );
    let done = store.commit(&first).await.unwrap();
    assert_eq!(
        done,
        Committed {
            samples_stored: 2,
            samples_known: 0
        }
    );
    let second = samples_of(
        "attic",
        vec![
            exact("soil", at_s(2), 99.0),
            exact("soil", at_s(3), 3.0),
            exact("soil", at_s(3), 98.0),
        ],
    );
    let done = store.commit(&second).await.unwrap();
    assert_eq!(
        done,
        Committed {
            samples_stored: 1,
            samples_known: 2
        }
    );
    let kept: Vec<f64> = all(&store).await.into_iter().map(|row| row.3).collect();
    assert_eq!(kept, [1.0, 2.0, 3.0]);
}

pub(in crate::store) async fn station_timed_samples_never_push_each_other_out<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    store
        .commit(&samples_of("attic", vec![exact("soil", at_us(0), 1.0)]))
        .await
        .unwrap();
    let done = store
        .commit(&samples_of(
            "attic",
            vec![
                stationed("soil", at_us(0), 2.0),
                stationed("soil", at_us(0), 3.0),
                stationed("soil", at_us(1), 4.0),
            ],
        ))
        .await
        .unwrap();
    assert_eq!(done.samples_stored, 3);
    assert_eq!(done.samples_known, 0);
    let done = store
        .commit(&samples_of("attic", vec![stationed("soil", at_us(2), 5.0)]))
        .await
        .unwrap();
    assert_eq!(done.samples_stored, 1);
    let (times, mut values): (Vec<i64>, Vec<f64>) = all(&store)
        .await
        .into_iter()
        .map(|row| (row.2, row.3))
        .unzip();
    assert_eq!(times, [0, 1, 2, 3, 4]);
    assert_eq!(values[0], 1.0, "a told time stays");
    assert_eq!(values[4], 5.0, "what came later does not push away");
    values.sort_by(f64::total_cmp);
    assert_eq!(values, [1.0, 2.0, 3.0, 4.0, 5.0]);
}

pub(in crate::store) async fn many_samples_of_one_instant_all_find_room<F: Fixture>() {
    const N: usize = 3_000;
    let fixture = F::new().await;
    let store = fixture.open().await;
    let burst = samples_of(
        "attic",
        (0..N)
            .map(|i| stationed("soil", at_us(0), i as f64))
            .collect(),
    );
    for round in 1..=3 {
        let done = store.commit(&burst).await.unwrap();
        assert_eq!(done.samples_stored, N as u64, "round {round}");
    }
    let rows = all(&store).await;
    assert_eq!(rows.len(), 3 * N);
    assert_eq!(rows.last().unwrap().2, 3 * N as i64 - 1, "no hole between");
}

pub(in crate::store) async fn latest_moves_only_forward<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    for (s, value) in [(10, 1.0), (5, 2.0), (10, 3.0), (11, 4.0), (9, 5.0)] {
        store
            .commit(&samples_of("attic", vec![exact("soil", at_s(s), value)]))
            .await
            .unwrap();
    }
    let loaded = store.load().await.unwrap();
    let [newest] = &loaded.latest[..] else {
        panic!("{loaded:?}")
    };
    assert_eq!((newest.ts, newest.value), (at_s(11), 4.0));
    assert!(!newest.flagged);
    let mut flagged = exact("soil", at_s(12), 6.0);
    flagged.out_of_range = true;
    store
        .commit(&samples_of("attic", vec![flagged]))
        .await
        .unwrap();
    assert!(store.load().await.unwrap().latest[0].flagged);
}

pub(in crate::store) async fn last_is_newest_first_and_filtered<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    assert_eq!(
        store.last(&SampleFilter::default(), 5).await.unwrap(),
        [],
        "an empty store"
    );
    let mut batch = four_series(10);
    batch.samples[1].samples.push(Sample {
        out_of_range: true,
        clock_suspect: true,
        ..exact("temperature", at_s(100_000), 900.0)
    });
    store.commit(&batch).await.unwrap();

    let newest = store.last(&SampleFilter::default(), 1).await.unwrap();
    assert_eq!(
        newest,
        [SampleRow {
            node: "cellar".to_owned(),
            metric: "temperature".to_owned(),
            ts: at_s(100_000),
            value: 900.0,
            flags: vec![SampleFlag::OutOfRange, SampleFlag::ClockSuspect],
        }]
    );
    let one_series = SampleFilter {
        metric: Some("temperature".to_owned()),
        ..of_node("attic")
    };
    let rows = store.last(&one_series, 3).await.unwrap();
    assert_eq!(values(&rows), [9.0, 8.0, 7.0]);
    let metric = SampleFilter {
        metric: Some("humidity".to_owned()),
        ..SampleFilter::default()
    };
    assert_eq!(store.last(&metric, 100).await.unwrap().len(), 20);
    let window = SampleFilter {
        from: Some(at_s(120)),
        to: Some(at_s(240)),
        ..one_series.clone()
    };
    assert_eq!(
        values(&store.last(&window, 100).await.unwrap()),
        [3.0, 2.0],
        "half-open"
    );
    assert_eq!(store.last(&of_node("nowhere"), 5).await.unwrap(), []);
    let (mut forward, _) = store
        .page(&SampleFilter::default(), None, 100)
        .await
        .unwrap();
    forward.reverse();
    let backward = store.last(&SampleFilter::default(), 100).await.unwrap();
    assert_eq!(backward, forward, "last is the page backwards");
}

pub(in crate::store) async fn pages_meet_without_gap_or_overlap<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    store.commit(&four_series(300)).await.unwrap();
    let (whole, _) = store
        .page(&SampleFilter::default(), None, 10_000)
        .await
        .unwrap();
    assert_eq!(whole.len(), 1_200);
    assert!(
        whole
            .windows(2)
            .all(|w| (w[0].ts, &w[0].node, &w[0].metric) < (w[1].ts, &w[1].node, &w[1].metric)),
        "by time, then node and metric"
    );
    for limit in [1, 7, 400, 1_199, 1_200, 1_201] {
        let filter = SampleFilter {
            from: Some(t0()),
            ..SampleFilter::default()
        };
        let mut rows = Vec::new();
        let mut after = None;
        let mut pages = 0_u32;
        loop {
            let (page, next) = store.page(&filter, after.as_deref(), limit).await.unwrap();
            assert!(page.len() <= limit as usize);
            rows.extend(page);
            pages += 1;
            after = next;
            // A page of one row is asked for only a few times.
            if after.is_none() || (limit == 1 && pages == 9) {
                break;
            }
        }
        if limit == 1 {
            assert_eq!(rows, whole[..9]);
        } else {
            assert_eq!(rows, whole, "limit {limit}");
            assert_eq!(
                pages,
                1_200_u32.div_ceil(limit),
                "no empty page at the end, limit {limit}"
            );
        }
    }
    let window = SampleFilter {
        from: Some(at_s(60)),
        to: Some(at_s(180)),
        metric: Some("humidity".to_owned()),
        node: Some("cellar".to_owned()),
    };
    let (rows, next) = store.page(&window, None, 10).await.unwrap();
    assert_eq!(values(&rows), [1.75, 2.75]);
    assert_eq!(next, None);
}

pub(in crate::store) async fn pages_stay_right_while_rows_arrive<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    store.commit(&four_series(50)).await.unwrap();
    let filter = SampleFilter::default();
    let (first, next) = store.page(&filter, None, 100).await.unwrap();
    // One row before the cursor, one after it.
    let late = samples_of(
        "attic",
        vec![
            exact("soil", at_s(1), -1.0),
            exact("soil", at_s(2_999), -2.0),
        ],
    );
    store.commit(&late).await.unwrap();
    let (second, end) = store.page(&filter, next.as_deref(), 1_000).await.unwrap();
    assert_eq!(end, None);
    assert_eq!(first.len() + second.len(), 201);
    assert!(!values(&second).contains(&-1.0));
    assert!(values(&second).contains(&-2.0));
}

pub(in crate::store) async fn a_foreign_cursor_is_refused<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    store.commit(&four_series(3)).await.unwrap();
    let filter = SampleFilter::default();
    for cursor in [
        "",
        "x",
        "12",
        "../../etc/passwd",
        "é",
        "AAAAAAAAAAAAAAAAAAAAAAAA",
    ] {
        let result = store.page(&filter, Some(cursor), 10).await;
        assert!(
            matches!(&result, Err(StoreError::BadCursor { cursor: told }) if told == cursor),
            "`{cursor}`: {result:?}"
        );
    }
}

pub(in crate::store) async fn a_stream_gives_every_row_in_order<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    store.commit(&four_series(2_000)).await.unwrap();
    let (whole, _) = store
        .page(&SampleFilter::default(), None, 10_000)
        .await
        .unwrap();
    let streamed: Vec<SampleRow> = store
        .stream(SampleFilter::default())
        .try_collect()
        .await
        .unwrap();
    assert_eq!(streamed.len(), 8_000);
    assert_eq!(streamed, whole);
    let one: Vec<SampleRow> = store
        .stream(SampleFilter {
            to: Some(at_s(60)),
            ..of_node("attic")
        })
        .try_collect()
        .await
        .unwrap();
    assert_eq!(values(&one), [0.25, 0.0]);
}

pub(in crate::store) async fn a_stream_lets_the_writer_work<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    store.commit(&four_series(2_000)).await.unwrap();
    let mut stream = store.stream(SampleFilter::default());
    let first = stream.try_next().await.unwrap().unwrap();
    assert_eq!(first.ts, t0());
    for i in 0..50 {
        let more = samples_of("new", vec![exact("soil", at_s(1_000_000 + i), i as f64)]);
        store.commit(&more).await.unwrap();
    }
    let rest: Vec<SampleRow> = stream.try_collect().await.unwrap();
    assert!(rest.len() >= 7_999, "{}", rest.len());
}

pub(in crate::store) async fn times_before_1970_are_kept<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    let old = "1969-12-31T23:59:59.999999Z".parse().unwrap();
    store
        .commit(&samples_of("attic", vec![exact("soil", old, 1.0)]))
        .await
        .unwrap();
    let rows = store.last(&SampleFilter::default(), 1).await.unwrap();
    assert_eq!(rows[0].ts, old);
    let reply = store
        .buckets(
            &SampleFilter::default(),
            old - chrono::TimeDelta::hours(2)..old + chrono::TimeDelta::hours(2),
            4,
        )
        .await
        .unwrap();
    assert_eq!(reply.series[0].buckets[0].n, 1);
}
