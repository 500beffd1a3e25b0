//! History that is made in the store itself, before a daemon opens it.

use std::path::Path;

use anyhow::{Context as _, Result};
use chrono::{DateTime, TimeDelta, Utc};
use signalbox_backend::{
    ingest::Sample,
    store::{self, Batch, NodeFacts, NodeSamples, Place, SharedStore},
};
use signalbox_protocol::api::node::Presence;

/// Nodes of one transaction.
const NODES_PER_COMMIT: usize = 500;

/// The store of a daemon that will run in this folder.
pub(crate) async fn open(folder: &Path) -> Result<SharedStore> {
    Ok(store::open(&Place::Sqlite(folder.join("signalbox.db"))).await?)
}

/// A year of minutes of one series, sealed as the daemon seals it.
pub(crate) async fn year(store: &SharedStore, node: &str, metric: &str) -> Result<()> {
    let now = Utc::now();
    let today = now.timestamp().div_euclid(86_400);
    commit(store, vec![facts(node, now)], Vec::new()).await?;
    for day in today - 365..=today {
        let samples = (0..1_440)
            .map(|minute| day * 86_400 + minute * 60)
            .take_while(|at_s| *at_s < now.timestamp())
            .map(|at_s| Ok(sample(metric, time(at_s)?, outside(at_s))))
            .collect::<Result<_>>()?;
        let node = node.to_owned();
        commit(store, Vec::new(), vec![NodeSamples { node, samples }]).await?;
    }
    while store.seal(now - TimeDelta::days(2)).await?.more {}
    Ok(())
}

/// So many nodes, each with a reading of three metrics at a time.
pub(crate) async fn nodes(store: &SharedStore, count: u32, ago: TimeDelta) -> Result<()> {
    let at = Utc::now() - ago;
    let names: Vec<String> = (0..count).map(|n| format!("node-{n:05}")).collect();
    for names in names.chunks(NODES_PER_COMMIT) {
        let samples = names.iter().map(|name| NodeSamples {
            node: name.clone(),
            samples: vec![
                sample("temperature", at, 21.5),
                sample("humidity", at, 40.0),
                sample("soil", at, 512.0),
            ],
        });
        let known = names.iter().map(|name| facts(name, at)).collect();
        commit(store, known, samples.collect()).await?;
    }
    Ok(())
}

async fn commit(
    store: &SharedStore,
    nodes: Vec<NodeFacts>,
    samples: Vec<NodeSamples>,
) -> Result<()> {
    let batch = Batch {
        nodes,
        samples,
        ..Batch::default()
    };
    store.commit(&batch).await?;
    Ok(())
}

fn time(at_s: i64) -> Result<DateTime<Utc>> {
    DateTime::from_timestamp(at_s, 0).context("a time of our days")
}

/// Degrees outside, through year and day, as a sensor resolves them.
fn outside(at_s: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let day = at_s as f64 / 86_400.0 * std::f64::consts::TAU;
    ((10.0 - 8.0 * (day / 365.0).cos() + 4.0 * day.sin() + 2.0 * (day / 6.3).sin()) * 10.0).round()
        / 10.0
}

fn sample(metric: &str, ts: DateTime<Utc>, value: f64) -> Sample {
    Sample {
        metric: metric.to_owned(),
        ts,
        exact_ts: true,
        value,
        out_of_range: false,
        clock_suspect: false,
    }
}

fn facts(name: &str, at: DateTime<Utc>) -> NodeFacts {
    NodeFacts {
        name: name.to_owned(),
        presence: Presence::Unknown,
        presence_since: None,
        last_seen_at: Some(at),
        boot: None,
        firmware: None,
        uptime_s: None,
        rssi_dbm: None,
        started_by: None,
    }
}
