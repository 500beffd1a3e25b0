//! How many telemetry messages a second the engine applies: with a store that takes everything
//! at once (what deciding costs), and with SQLite (what a commit adds); without rules, with
//! rules that watch, and with rules that fire on every node.
//!
//! `cargo bench -p signalbox-backend --bench engine`

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use chrono::{TimeDelta, Utc};
use signalbox_backend::{
    clock::SystemClock,
    config::Config,
    engine::{EngineHandle, EngineParts, Request, channel, start},
    ingest::{Body, Inbound, Number, Sample, Telemetry},
    live::Live,
    logs::Logs,
    mqtt::{Link, LinkError, Publish},
    store::{Batch, Committed, EngineStore, Loaded, StoreError, sqlite},
};
use signalbox_protocol::api::rule::{Comparison, NewRule, Severity};
use tokio::sync::{Notify, oneshot, watch};
use tokio_util::sync::CancellationToken;

/// Messages of one run, three values each.
const MESSAGES: u32 = 60_000;
/// Nodes that send them in turn.
const NODES: u32 = 100;
const METRICS: [&str; 3] = ["temperature", "humidity", "soil"];
/// Runs of which the fastest counts.
const RUNS: u32 = 3;

/// Takes everything, keeps nothing.
struct Nowhere;

#[async_trait]
impl EngineStore for Nowhere {
    async fn load(&self) -> Result<Loaded, StoreError> {
        Ok(Loaded::default())
    }

    async fn commit(&self, _batch: &Batch) -> Result<Committed, StoreError> {
        Ok(Committed::default())
    }
}

struct NoLink;

#[async_trait]
impl Link for NoLink {
    async fn publish(&self, _message: Publish) -> Result<(), LinkError> {
        Ok(())
    }

    fn trouble(&self) -> Option<String> {
        None
    }

    fn forgets_connections(&self) -> bool {
        false
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    println!("store     rules   firing   messages/s   µs/message");
    for real in [false, true] {
        for (rules, firing) in [(0, false), (10, false), (100, false), (10, true)] {
            let mut fastest = Duration::MAX;
            for _ in 0..RUNS {
                fastest = fastest.min(run(real, rules, firing).await?);
            }
            let seconds = fastest.as_secs_f64() / f64::from(MESSAGES);
            println!(
                "{:<8} {rules:>6} {:>8} {:>12.0} {:>12.2}",
                if real { "SQLite" } else { "none" },
                if firing { "all" } else { "none" },
                1.0 / seconds,
                seconds * 1e6,
            );
        }
    }
    Ok(())
}

async fn run(real: bool, rules: u32, firing: bool) -> Result<Duration> {
    let folder = tempfile::tempdir()?;
    let store: Arc<dyn EngineStore> = if real {
        Arc::new(sqlite::open(&folder.path().join("x.db")).await?)
    } else {
        Arc::new(Nowhere)
    };
    let parts = EngineParts {
        store,
        clock: Arc::new(SystemClock),
        live: Live::default(),
        logs: Logs::start(std::path::PathBuf::new(), Live::default()),
        counters: Arc::default(),
        link: Arc::new(NoLink),
        config: watch::Sender::new(Arc::new(Config::default())).subscribe(),
        mail_written: Arc::new(Notify::new()),
        trouble: watch::Sender::new(None),
        heart: Default::default(),
    };
    let (handle, inputs) = channel();
    let stop = CancellationToken::new();
    let engine = start(inputs, parts, stop.clone()).await?;
    for number in 0..rules {
        add_rule(&handle, number, firing).await?;
    }
    let (done, all_done) = oneshot::channel();
    let mut messages: Vec<Inbound> = (0..MESSAGES).map(message).collect();
    messages.last_mut().context("no messages")?.done = Some(done);
    let begin = Instant::now();
    for message in messages {
        handle.inbound.send(message).await?;
    }
    all_done.await?;
    let took = begin.elapsed();
    stop.cancel();
    engine.await?;
    Ok(took)
}

async fn add_rule(handle: &EngineHandle, number: u32, firing: bool) -> Result<()> {
    let new = NewRule {
        name: Some(format!("rule {number}")),
        node: None,
        metric: METRICS[number as usize % METRICS.len()].to_owned(),
        op: Comparison::Above,
        value: if firing { 0.0 } else { 1e6 },
        hysteresis: 0.0,
        hold_s: 0,
        command: None,
        clear_command: None,
        email: None,
        severity: Severity::Warning,
    };
    let by = "bench".to_owned();
    let asked = handle.ask(|reply| Request::AddRule { new, by, reply });
    asked.await?;
    Ok(())
}

fn message(number: u32) -> Inbound {
    let received_at = Utc::now() + TimeDelta::microseconds(number.into());
    let node = format!("n{}", number % NODES);
    let samples = METRICS.map(|metric| Sample {
        metric: metric.to_owned(),
        ts: received_at,
        exact_ts: false,
        value: 20.0 + f64::from(number % 7),
        out_of_range: false,
        clock_suspect: false,
    });
    let telemetry = Telemetry {
        node: node.clone(),
        number: Some(Number {
            boot: 1,
            seq: number / NODES + 1,
        }),
        samples: samples.into(),
    };
    Inbound {
        received_at,
        topic: format!("signalbox/{node}/telemetry"),
        payload_bytes: 98,
        head: vec![b'x'; 98],
        body: Ok(Body::Telemetry(telemetry)),
        done: None,
    }
}
