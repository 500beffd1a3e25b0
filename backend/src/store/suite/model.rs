//! Random batches (duplicates, late, out of order, at the same time) against a model that is
//! too simple to be wrong.

use std::collections::{BTreeMap, btree_map::Entry};

use chrono::{DateTime, TimeDelta, Utc};
use proptest::{
    prelude::{Just, Strategy, any, prop},
    prop_oneof,
    test_runner::{Config, TestCaseError, TestRunner},
};

use super::{Fixture, all, at_s, at_us, buckets::expected, seal::seal, t0};
use crate::{
    ingest::Sample,
    store::{
        Batch, Committed, EngineStore, Latest, NodeSamples, Retention, SampleFilter, SampleStore,
    },
};

/// Random sequences that are tried. Each opens a store of its own.
const CASES: u32 = 48;
/// All times lie in this many hours after `t0`.
const HOURS: i64 = 13;
/// Hours around which times crowd; the day of UTC changes at the start of one of them.
const CROWDED: [i64; 4] = [0, 1, 11, 12];

const SERIES: [(&str, &str); 4] = [
    ("attic", "soil"),
    ("attic", "rain"),
    ("cellar", "soil"),
    ("cellar", "wind"),
];

#[derive(Debug, Clone)]
struct New {
    series: usize,
    sample: Sample,
}

#[derive(Debug, Clone)]
enum Step {
    Commit(Vec<New>),
    /// Seals what is before so many days after that of `t0`.
    Seal(i64),
    Reopen,
}

/// Times crowd around a few instants, some of them the last microseconds of an hour.
fn sample() -> impl Strategy<Value = New> {
    let crowded = prop::sample::select(&CROWDED[..]);
    let instant = prop_oneof![
        4 => (crowded.clone(), 0_i64..8).prop_map(|(hour, us)| hour * 3_600_000_000 + us),
        2 => (crowded, 1_i64..4).prop_map(|(hour, us)| (hour * 3_600_000_000 - us).max(0)),
        1 => 0..HOURS * 3_600_000_000,
    ];
    let flags = prop_oneof![8 => Just((false, false)), 1 => any::<(bool, bool)>()];
    (
        0..SERIES.len(),
        instant,
        any::<bool>(),
        -400_i32..400,
        flags,
    )
        .prop_map(
            |(series, us, exact_ts, quarters, (out_of_range, clock_suspect))| New {
                series,
                sample: Sample {
                    metric: SERIES[series].1.to_owned(),
                    ts: at_us(us),
                    exact_ts,
                    value: f64::from(quarters) / 4.0,
                    out_of_range,
                    clock_suspect,
                },
            },
        )
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => prop::collection::vec(sample(), 0..12).prop_map(Step::Commit),
        3 => prop::collection::vec(sample(), 250..300).prop_map(Step::Commit),
        3 => (0..3_i64).prop_map(Step::Seal),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..10)
}

type Value = (f64, bool);

/// Value and whether it is flagged, by time, of each series.
#[derive(Debug, Default, Clone)]
struct Model {
    series: [BTreeMap<DateTime<Utc>, Value>; SERIES.len()],
}

impl Model {
    /// What the store has.
    async fn of(store: &impl SampleStore) -> Self {
        let mut model = Self::default();
        let (rows, next) = store
            .page(&SampleFilter::default(), None, 10_000)
            .await
            .unwrap();
        assert_eq!(next, None);
        for row in rows {
            let series = SERIES
                .iter()
                .position(|(node, metric)| row.node == *node && row.metric == *metric)
                .unwrap();
            let value = (row.value, !row.flags.is_empty());
            assert_eq!(model.series[series].insert(row.ts, value), None);
        }
        model
    }

    /// Whether a batch may turn this into `after`. Told times are exact, and known where there
    /// is something. The others lie at their time, or right behind what was in their way.
    fn check_commit(&self, news: &[New], done: &Committed, after: &Self) {
        let mut known = 0;
        for (series, before) in self.series.iter().enumerate() {
            let of_series = news.iter().filter(|new| new.series == series);
            let (told, moving): (Vec<&Sample>, Vec<&Sample>) = of_series
                .map(|new| &new.sample)
                .partition(|sample| sample.exact_ts);
            let mut fixed = before.clone();
            for sample in told {
                match fixed.entry(sample.ts) {
                    Entry::Occupied(_) => known += 1,
                    Entry::Vacant(free) => {
                        free.insert(value_of(sample));
                    }
                }
            }
            let after = &after.series[series];
            for (ts, value) in &fixed {
                assert_eq!(after.get(ts), Some(value), "{:?} at {ts}", SERIES[series]);
            }
            let moved: Vec<(DateTime<Utc>, Value)> = after
                .iter()
                .filter(|(ts, _)| !fixed.contains_key(*ts))
                .map(|(ts, value)| (*ts, *value))
                .collect();
            check_moved(&moving, &moved, after);
        }
        let expected = Committed {
            samples_stored: news.len() as u64 - known,
            samples_known: known,
        };
        assert_eq!(*done, expected);
    }

    fn rows(&self) -> Vec<(String, String, i64, f64)> {
        let mut rows: Vec<_> = self
            .series
            .iter()
            .zip(SERIES)
            .flat_map(|(known, (node, metric))| {
                known.iter().map(move |(ts, (value, _))| {
                    let after = (*ts - t0()).num_microseconds().unwrap();
                    (node.to_owned(), metric.to_owned(), after, *value)
                })
            })
            .collect();
        rows.sort_by(|a, b| (a.2, &a.0, &a.1).cmp(&(b.2, &b.0, &b.1)));
        rows
    }

    /// Number of samples without flags.
    fn good(&self) -> u64 {
        let all = self.series.iter().flat_map(BTreeMap::values);
        all.filter(|(_, flagged)| !flagged).count() as u64
    }

    fn latest(&self) -> Vec<Latest> {
        let mut latest: Vec<_> = self
            .series
            .iter()
            .zip(SERIES)
            .filter_map(|(known, (node, metric))| {
                let (ts, (value, flagged)) = known.last_key_value()?;
                Some(Latest {
                    node: node.to_owned(),
                    metric: metric.to_owned(),
                    ts: *ts,
                    value: *value,
                    flagged: *flagged,
                })
            })
            .collect();
        latest.sort_by(|a, b| (&a.node, &a.metric).cmp(&(&b.node, &b.metric)));
        latest
    }
}

fn value_of(sample: &Sample) -> Value {
    (sample.value, sample.out_of_range || sample.clock_suspect)
}

fn check_moved(
    samples: &[&Sample],
    moved: &[(DateTime<Utc>, Value)],
    after: &BTreeMap<DateTime<Utc>, Value>,
) {
    let sorted = |mut values: Vec<Value>| {
        values.sort_by(|a, b| a.partial_cmp(b).unwrap());
        values
    };
    assert_eq!(
        sorted(moved.iter().map(|(_, value)| *value).collect()),
        sorted(samples.iter().map(|sample| value_of(sample)).collect()),
        "nothing lost, nothing made up"
    );
    let mut times: Vec<DateTime<Utc>> = samples.iter().map(|sample| sample.ts).collect();
    times.sort_unstable();
    for ((ts, _), earliest) in moved.iter().zip(&times) {
        assert!(ts >= earliest, "never moved back");
        let before = *ts - TimeDelta::microseconds(1);
        assert!(
            times.binary_search(ts).is_ok() || after.contains_key(&before),
            "moved no farther than needed"
        );
    }
}

/// One message per sample, in the order of arrival.
fn batch_of(news: &[New]) -> Batch {
    Batch {
        samples: news
            .iter()
            .map(|new| NodeSamples {
                node: SERIES[new.series].0.to_owned(),
                samples: vec![new.sample.clone()],
            })
            .collect(),
        ..Batch::default()
    }
}

async fn check_buckets(store: &impl SampleStore, model: &Model, buckets: u32) {
    let range = t0()..at_s(HOURS * 3_600);
    let reply = store
        .buckets(&SampleFilter::default(), range, buckets)
        .await
        .unwrap();
    for (known, (node, metric)) in model.series.iter().zip(SERIES) {
        let good = known
            .iter()
            .filter(|(_, (_, flagged))| !flagged)
            .map(|(ts, (value, _))| (*ts, *value));
        let found = reply
            .series
            .iter()
            .find(|series| series.node == node && series.metric == metric)
            .map_or(&[][..], |series| &series.buckets);
        assert_eq!(
            found,
            expected(&reply, good),
            "{node} {metric} in {buckets}"
        );
    }
}

async fn run<F: Fixture>(steps: Vec<Step>) {
    let fixture = F::new().await;
    let mut store = fixture.open().await;
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Commit(news) => {
                let done = store.commit(&batch_of(&news)).await.unwrap();
                let after = Model::of(&store).await;
                model.check_commit(&news, &done, &after);
                model = after;
            }
            Step::Seal(days) => {
                seal(&store, t0() + TimeDelta::days(days)).await;
                assert_eq!(all(&store).await, model.rows(), "sealing is not seen");
            }
            Step::Reopen => {
                F::close(store).await;
                store = fixture.open().await;
            }
        }
    }
    assert_eq!(all(&store).await, model.rows());
    let mut latest = store.load().await.unwrap().latest;
    latest.sort_by(|a, b| (&a.node, &a.metric).cmp(&(&b.node, &b.metric)));
    assert_eq!(latest, model.latest());
    for sealed in [false, true] {
        for buckets in [1, HOURS as u32, 60 * HOURS as u32] {
            check_buckets(&store, &model, buckets).await;
        }
        if !sealed {
            seal(&store, at_s(2 * 86_400)).await;
            assert_eq!(all(&store).await, model.rows());
            let range = t0() - TimeDelta::days(30)..at_s(40 * 86_400);
            let days = store.buckets(&SampleFilter::default(), range, 70).await;
            let n: u64 = days
                .unwrap()
                .series
                .iter()
                .flat_map(|s| &s.buckets)
                .map(|b| b.n)
                .sum();
            assert_eq!(n, model.good(), "from what is known of chunks");
        }
    }
    let keep = Retention {
        raw_before: Some(at_s(2 * 86_400)),
        ..Retention::default()
    };
    while store.prune(&keep).await.unwrap() {}
    assert_eq!(all(&store).await, []);
    check_buckets(&store, &model, HOURS as u32).await;
    F::close(store).await;
}

pub(in crate::store) async fn random_batches_give_what_the_model_gives<F: Fixture>() {
    let runtime = tokio::runtime::Handle::current();
    let mut runner = TestRunner::new(Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    });
    let result = runner.run(&steps(), |steps| {
        let checked = std::panic::AssertUnwindSafe(|| {
            tokio::task::block_in_place(|| runtime.block_on(run::<F>(steps)));
        });
        std::panic::catch_unwind(checked)
            .map_err(|_| TestCaseError::fail("see the assertion above"))
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}
