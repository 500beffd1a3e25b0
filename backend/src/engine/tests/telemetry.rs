//! Telemetry: each number once, in the right place, within the limits.

use std::sync::atomic::Ordering::Relaxed;

use serde_json::{Value, json};
use signalbox_protocol::api::{
    message::Outcome::{Bad, Duplicate, Stored},
    node::StartedBy,
};

use super::rig::{Rig, at_s};
use crate::{
    engine::{NODES_MAX, SERIES_PER_NODE_MAX},
    store::{Batch, EngineStore as _, MARKS_PER_NODE_MAX, NodeFacts, StateStore as _},
};

const TELEMETRY: &str = "signalbox/kitchen/telemetry";

fn numbered(boot: u32, seq: u32, value: f64) -> Value {
    json!({"boot": boot, "seq": seq, "samples": [{"age_ms": 0, "values": {"soil": value}}]})
}

#[tokio::test]
async fn a_number_is_stored_once_whatever_happens_between() {
    let mut rig = Rig::new().await;
    for (boot, seq, outcome) in [
        (1, 1, Stored),
        (1, 1, Duplicate),
        (1, 3, Stored),
        // Overtaken on its way, and then once more.
        (1, 2, Stored),
        (1, 2, Duplicate),
        (1, 3, Duplicate),
        // Another start counts for itself, and does not forget the one before.
        (2, 1, Stored),
        (1, 3, Duplicate),
        (1, 4, Stored),
    ] {
        rig.turn_ms(10);
        let body = numbered(boot, seq, f64::from(boot * 10 + seq));
        assert_eq!(rig.receive(TELEMETRY, body).await, outcome, "{boot} {seq}");
    }
    rig.restart().await;
    for (boot, seq, outcome) in [(1, 4, Duplicate), (2, 1, Duplicate), (2, 2, Stored)] {
        rig.turn_ms(10);
        let body = numbered(boot, seq, f64::from(boot * 10 + seq));
        assert_eq!(rig.receive(TELEMETRY, body).await, outcome, "{boot} {seq}");
    }
    let values: Vec<f64> = rig
        .samples()
        .await
        .iter()
        .map(|(_, value)| *value)
        .collect();
    assert_eq!(values, [11.0, 13.0, 12.0, 21.0, 14.0, 22.0]);
    assert_eq!(rig.counters.duplicates.load(Relaxed), 6);
    assert_eq!(rig.counters.samples_stored.load(Relaxed), 6);
}

#[tokio::test]
async fn duplicates_within_one_batch_are_seen_too() {
    let mut rig = Rig::new().await;
    let messages = [1, 2, 2, 1, 3].map(|seq| rig.message(TELEMETRY, &numbered(7, seq, 0.5)));
    let outcomes = rig.batch(messages.into()).await;
    assert_eq!(outcomes, [Stored, Stored, Duplicate, Duplicate, Stored]);
    assert_eq!(rig.samples().await.len(), 3);
}

#[tokio::test]
async fn a_node_that_counts_its_starts_anew_is_believed() {
    let mut rig = Rig::new().await;
    assert_eq!(rig.receive(TELEMETRY, numbered(1, 1, 1.0)).await, Stored);
    rig.turn_ms(3_600_000);
    // The same start, still running: nothing new about it.
    let status =
        |uptime_s: u32| json!({"online": true, "boot": 1, "actuators": {}, "uptime_s": uptime_s});
    rig.receive("signalbox/kitchen/status", status(7_200)).await;
    assert_eq!(rig.receive(TELEMETRY, numbered(1, 1, 2.0)).await, Duplicate);
    // It began after the last number of that start came: another start with the same id.
    rig.receive("signalbox/kitchen/status", status(30)).await;
    assert_eq!(rig.receive(TELEMETRY, numbered(1, 1, 3.0)).await, Stored);
    rig.restart().await;
    assert_eq!(rig.receive(TELEMETRY, numbered(1, 1, 4.0)).await, Duplicate);
    assert_eq!(rig.receive(TELEMETRY, numbered(1, 2, 5.0)).await, Stored);
}

#[tokio::test]
async fn why_a_node_started_holds_for_that_start() {
    let mut rig = Rig::new().await;
    let watchdog = json!("watchdog");
    for (boot, by, expected) in [
        (1, None, None),
        (2, Some(&watchdog), Some(StartedBy::Watchdog)),
        // Told once is enough, and goes with its start.
        (2, None, Some(StartedBy::Watchdog)),
        (3, None, None),
        (3, Some(&json!("meteor")), Some(StartedBy::Other)),
    ] {
        let mut status = json!({"online": true, "boot": boot, "actuators": {}});
        if let Some(by) = by {
            status["started_by"] = by.clone();
        }
        rig.receive("signalbox/kitchen/status", status).await;
        let loaded = rig.store.load().await.unwrap();
        assert_eq!(loaded.nodes[0].started_by, expected);
    }
}

#[tokio::test]
async fn the_starts_of_a_node_that_are_remembered_are_bounded() {
    let mut rig = Rig::new().await;
    let starts = MARKS_PER_NODE_MAX as u32 + 8;
    for boot in 0..starts {
        rig.turn_ms(1_000);
        rig.receive(TELEMETRY, numbered(boot, 1, 1.0)).await;
    }
    assert_eq!(rig.engine.state.marks["kitchen"].len(), MARKS_PER_NODE_MAX);
    let known: Vec<u32> = rig
        .store
        .load()
        .await
        .unwrap()
        .marks
        .iter()
        .map(|mark| mark.number.boot)
        .collect();
    for boot in 0..starts {
        assert_eq!(
            rig.engine.state.marks["kitchen"].contains_key(&boot),
            known.contains(&boot),
            "memory and store agree on {boot}"
        );
    }
}

#[tokio::test]
async fn samples_of_the_same_time_are_kept_side_by_side() {
    let mut rig = Rig::new().await;
    rig.measure("soil", 1.0).await;
    rig.measure("soil", 2.0).await;
    assert_eq!(rig.samples().await, [(0, 1.0), (0, 2.0)]);
    // With a time that the node told, the same time is the same sample.
    for value in [3.0, 4.0] {
        let ts_ms = at_s(5).timestamp_millis();
        let body = json!({"samples": [{"ts_ms": ts_ms, "values": {"soil": value}}]});
        assert_eq!(rig.receive(TELEMETRY, body).await, Stored);
    }
    assert_eq!(rig.samples().await, [(0, 1.0), (0, 2.0), (5_000, 3.0)]);
}

#[tokio::test]
async fn metrics_of_a_node_are_bounded_before_and_after_a_restart() {
    let mut rig = Rig::new().await;
    let body = |from: usize, n: usize| {
        let values: serde_json::Map<_, _> = (from..from + n)
            .map(|i| (format!("m{i}"), json!(1.0)))
            .collect();
        json!({"samples": [{"age_ms": 0, "values": values}]})
    };
    for from in (0..SERIES_PER_NODE_MAX).step_by(16) {
        assert_eq!(rig.receive(TELEMETRY, body(from, 16)).await, Stored);
    }
    for _ in 0..2 {
        let one_more = body(SERIES_PER_NODE_MAX, 1);
        assert_eq!(rig.receive(TELEMETRY, one_more).await, Bad);
        rig.turn_ms(1);
        assert_eq!(rig.receive(TELEMETRY, body(0, 16)).await, Stored);
        rig.restart().await;
    }
    let bad = rig.store.real.bad_messages(10).await.unwrap();
    assert_eq!(bad.len(), 1);
    assert!(bad[0].reason.as_ref().unwrap().contains("256 metrics"));
    assert_eq!((bad[0].count, bad[0].node.as_deref()), (2, Some("kitchen")));
}

#[tokio::test]
async fn nodes_of_a_station_are_bounded() {
    let mut rig = Rig::new().await;
    let nodes = (0..NODES_MAX - 1).map(|i| NodeFacts {
        name: format!("n{i}"),
        presence: signalbox_protocol::api::node::Presence::Unknown,
        presence_since: None,
        last_seen_at: None,
        boot: None,
        firmware: None,
        uptime_s: None,
        rssi_dbm: None,
        started_by: None,
    });
    let batch = Batch {
        nodes: nodes.collect(),
        ..Batch::default()
    };
    rig.store.real.commit(&batch).await.unwrap();
    rig.restart().await;
    rig.measure("soil", 1.0).await;
    let body = json!({"samples": [{"age_ms": 0, "values": {"soil": 1}}]});
    let outcome = rig
        .receive("signalbox/cellar/telemetry", body.clone())
        .await;
    assert_eq!(outcome, Bad);
    assert_eq!(rig.receive("signalbox/n7/telemetry", body).await, Stored);
    assert_eq!(rig.store.real.node("cellar", at_s(0)).await.unwrap(), None);
}

#[tokio::test]
async fn what_cannot_be_understood_is_kept_for_inspection() {
    let mut rig = Rig::new().await;
    assert_eq!(rig.receive("weather/\u{1b}[2J", json!({"a": 1})).await, Bad);
    assert_eq!(rig.receive(TELEMETRY, json!({"samples": 7})).await, Bad);
    let bad = rig.store.real.bad_messages(10).await.unwrap();
    assert_eq!(bad.len(), 2);
    assert!(
        bad.iter()
            .any(|message| message.topic == "weather/\\u{1b}[2J")
    );
    assert!(bad.iter().all(|message| !message.head.is_empty()));
    assert_eq!(rig.counters.bad_messages.load(Relaxed), 2);
    assert!(rig.samples().await.is_empty());
}

#[tokio::test]
async fn the_classic_topic_is_stored_and_has_no_duplicates() {
    let mut rig = Rig::new().await;
    for _ in 0..2 {
        let body = json!({"temperature": 21.5, "humidity": 40, "soil": 512});
        assert_eq!(rig.receive("/exp/sensor", body).await, Stored);
        rig.turn_ms(1_000);
    }
    assert_eq!(rig.samples().await.len(), 6);
    let node = rig
        .store
        .real
        .node("exp", rig.now())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(node.latest["soil"].value, 512.0);
}
