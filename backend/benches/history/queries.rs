//! Times of queries over many samples, most of them sealed.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{TryStreamExt as _, future::join};
use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng};
use signalbox_backend::store::{
    NodeFacts, NodeSamples, SampleFilter, SharedStore, postgres, sqlite,
};
use signalbox_protocol::api::{data::BucketsReply, node::Presence};

use super::data::{DAY_S, Kind, START_S, Sensor, batch, sample, time};

/// A year of minutes: samples of a series.
const YEAR_MINUTES: u64 = 365 * 1_440;
/// Series of which the latest is asked for.
const SERIES: u64 = 1_000;
/// Metrics of a node.
const METRICS: u64 = 4;
const RUNS: usize = 100;
const DECODED: &str = "a year in 200 buckets, every sample decoded";

pub(crate) async fn run_sqlite(folder: &Path, samples: u64) -> Result<()> {
    let path = folder.join("history.db");
    let sqlite = Arc::new(sqlite::open(&path).await?);
    let store: SharedStore = sqlite.clone();
    let year = measure(&store, samples, "SQLite").await?;
    times(DECODED, async |random| {
        let filter = one(random, samples);
        let reply = sqlite
            .buckets_of_every_sample(&filter, year.clone(), 200)
            .await?;
        Ok(counted(&reply))
    })
    .await?;
    println!("the file has {} MiB", store.size_bytes().await? >> 20);
    Ok(())
}

pub(crate) async fn run_postgres(url: &str, samples: u64) -> Result<()> {
    let address = postgres::Address::parse(url).map_err(anyhow::Error::msg)?;
    let postgres = Arc::new(postgres::open(&address).await?);
    let store: SharedStore = postgres.clone();
    let year = measure(&store, samples, "PostgreSQL").await?;
    times(DECODED, async |random| {
        let filter = one(random, samples);
        let reply = postgres
            .buckets_of_every_sample(&filter, year.clone(), 200)
            .await?;
        Ok(counted(&reply))
    })
    .await?;
    println!("the database has {} MiB", store.size_bytes().await? >> 20);
    Ok(())
}

fn counted(reply: &BucketsReply) -> u64 {
    let buckets = reply.series.iter().flat_map(|series| &series.buckets);
    buckets.map(|bucket| bucket.n).sum()
}

fn series_of(samples: u64) -> u64 {
    (samples / YEAR_MINUTES).max(1)
}

fn name(series: u64) -> (String, String) {
    (
        format!("n{}", series / METRICS),
        format!("m{}", series % METRICS),
    )
}

/// One of the long series.
fn one(random: &mut SmallRng, samples: u64) -> SampleFilter {
    let (node, metric) = name(random.random_range(0..series_of(samples)));
    SampleFilter {
        node: Some(node),
        metric: Some(metric),
        ..SampleFilter::default()
    }
}

fn at(day: i64, s: i64) -> DateTime<Utc> {
    time((START_S + day * DAY_S + s) * 1_000_000)
}

/// A year, day by day, each sealed two days later.
async fn build(store: &SharedStore, samples: u64) -> Result<()> {
    let mut sensors: Vec<Sensor> = (0..series_of(samples))
        .map(|seed| Sensor::new(Kind::Whole, seed))
        .collect();
    let mut latest = Vec::new();
    for series in 0..SERIES {
        let (node, metric) = name(series);
        let first = sample(&metric, (START_S * 1_000_000, 1.0));
        latest.push(NodeSamples {
            node,
            samples: vec![first],
        });
    }
    let mut first = batch(latest);
    first.nodes = (0..SERIES / METRICS)
        .map(|node| facts(&format!("n{node}")))
        .collect();
    store.commit(&first).await?;
    for day in 0..365 {
        for (series, sensor) in sensors.iter_mut().enumerate() {
            let (node, metric) = name(series as u64);
            let samples = (0..1_440)
                .map(|minute| START_S + day * DAY_S + minute * 60)
                .map(|due| sample(&metric, sensor.read(due)))
                .collect();
            store
                .commit(&batch(vec![NodeSamples { node, samples }]))
                .await?;
        }
        while day < 363 && store.seal(at(day - 1, 0)).await?.more {}
    }
    Ok(())
}

fn facts(name: &str) -> NodeFacts {
    NodeFacts {
        name: name.to_owned(),
        presence: Presence::Online,
        presence_since: None,
        last_seen_at: None,
        boot: None,
        firmware: None,
        uptime_s: None,
        rssi_dbm: None,
        started_by: None,
    }
}

async fn measure(
    store: &SharedStore,
    samples: u64,
    name: &str,
) -> Result<std::ops::Range<DateTime<Utc>>> {
    if store.nodes(at(365, 0)).await?.is_empty() {
        fill(store, samples, name).await?;
    } else {
        println!("\n{name}: what an earlier run of as many samples left");
    }
    println!("{:<52}{:>9}{:>9}{:>9}", "ms", "p50", "p99", "max");
    times("last 1,000 of a series", async |random| {
        Ok(store.last(&one(random, samples), 1_000).await?.len() as u64)
    })
    .await?;
    times(
        "1,000 of a series, from a time long sealed",
        async |random| {
            let from = at(random.random_range(0..300), random.random_range(0..DAY_S));
            let filter = SampleFilter {
                from: Some(from),
                ..one(random, samples)
            };
            Ok(store.page(&filter, None, 1_000).await?.0.len() as u64)
        },
    )
    .await?;
    times(
        "1,000 of all series, from a time long sealed",
        async |random| {
            let filter = SampleFilter {
                from: Some(at(random.random_range(0..300), 7)),
                ..SampleFilter::default()
            };
            Ok(store.page(&filter, None, 1_000).await?.0.len() as u64)
        },
    )
    .await?;
    times("latest of 1,000 series, as nodes", async |_| {
        let nodes = store.nodes(at(365, 0)).await?;
        Ok(nodes.iter().map(|node| node.latest.len() as u64).sum())
    })
    .await?;
    times("a day in 200 buckets, long sealed", async |random| {
        let from = at(random.random_range(0..300), 0);
        let range = from..from + TimeDelta::days(1);
        let reply = store.buckets(&one(random, samples), range, 200).await?;
        Ok(counted(&reply))
    })
    .await?;
    let year = at(0, 0)..at(365, 0);
    times("a year in 200 buckets", async |random| {
        let reply = store
            .buckets(&one(random, samples), year.clone(), 200)
            .await?;
        Ok(counted(&reply))
    })
    .await?;
    export(store, samples).await?;
    Ok(year)
}

async fn fill(store: &SharedStore, samples: u64, name: &str) -> Result<()> {
    let begin = Instant::now();
    build(store, samples).await?;
    let series = series_of(samples);
    println!(
        "\n{name}: {} samples of {series} series of minutes, and {} short ones; written and sealed \
         in {:.0} s",
        series * YEAR_MINUTES,
        SERIES.saturating_sub(series),
        begin.elapsed().as_secs_f64()
    );
    hold(store).await
}

/// How long commits wait while days are sealed.
async fn hold(store: &SharedStore) -> Result<()> {
    let sealing = async {
        let mut slowest = Duration::ZERO;
        loop {
            let begin = Instant::now();
            let step = store.seal(at(364, 0)).await?;
            slowest = slowest.max(begin.elapsed());
            if !step.more {
                return Ok::<_, anyhow::Error>(slowest);
            }
        }
    };
    let stop = tokio_util::sync::CancellationToken::new();
    let committing = async {
        let mut took = Vec::new();
        for second in 0.. {
            if stop.is_cancelled() {
                break;
            }
            let samples = vec![sample(
                "other",
                ((START_S + 400 * DAY_S + second) * 1_000_000, 1.0),
            )];
            let node = "other".to_owned();
            let begin = Instant::now();
            store
                .commit(&batch(vec![NodeSamples { node, samples }]))
                .await?;
            took.push(begin.elapsed());
        }
        Ok::<_, anyhow::Error>(took)
    };
    let sealing = async {
        let slowest = sealing.await;
        stop.cancel();
        slowest
    };
    let (slowest, took) = join(sealing, committing).await;
    let mut took = took?;
    took.sort_unstable();
    println!(
        "slowest step of sealing {:.1} ms; commits beside it: {} (ms: p50 {:.2}, p99 {:.2}, max {:.2})",
        ms(slowest?),
        took.len(),
        ms(took[took.len() / 2]),
        ms(took[took.len() * 99 / 100]),
        ms(took[took.len() - 1]),
    );
    Ok(())
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

async fn times(what: &str, run: impl AsyncFn(&mut SmallRng) -> Result<u64>) -> Result<()> {
    let mut random = SmallRng::seed_from_u64(7);
    let mut took = Vec::with_capacity(RUNS);
    let mut rows = run(&mut random).await?;
    for _ in 0..RUNS {
        let begin = Instant::now();
        rows = run(&mut random).await?;
        took.push(begin.elapsed());
    }
    took.sort_unstable();
    println!(
        "{what:<52}{:>9.3}{:>9.3}{:>9.3}  ({rows})",
        ms(took[RUNS / 2]),
        ms(took[RUNS * 99 / 100]),
        ms(took[RUNS - 1]),
    );
    Ok(())
}

async fn export(store: &SharedStore, samples: u64) -> Result<()> {
    let mut random = SmallRng::seed_from_u64(1);
    for (what, filter) in [
        ("a year of one series", one(&mut random, samples)),
        (
            "a day of all series",
            SampleFilter {
                from: Some(at(100, 0)),
                to: Some(at(101, 0)),
                ..SampleFilter::default()
            },
        ),
    ] {
        let begin = Instant::now();
        let rows = store
            .stream(filter)
            .try_fold(0_u64, async |rows, _| Ok(rows + 1))
            .await?;
        let seconds = begin.elapsed().as_secs_f64();
        println!(
            "export of {what}: {rows} samples, {:.0} a second",
            rows as f64 / seconds
        );
    }
    Ok(())
}
