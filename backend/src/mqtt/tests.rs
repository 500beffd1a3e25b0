//! The embedded broker with a real client; the engine is a queue that the tests read.

use std::{sync::Arc, time::Duration};

use rumqttc::{AsyncClient, Event, EventLoop, LastWill, MqttOptions, Packet, QoS};
use tokio::sync::mpsc;

use super::{EmbeddedBroker, Link, Publish, StartError, credentials, start};
use crate::{
    clock::SystemClock,
    config::{Config, MqttConfig},
    counters::Counters,
    engine::EngineHandle,
    ingest::{Body, Decoder, Inbound},
    store::{AccountStore, SharedStore, sqlite},
};

const DEADLINE: Duration = Duration::from_secs(10);

struct Bench {
    broker: Arc<EmbeddedBroker>,
    inbound: mpsc::Receiver<Inbound>,
    password: String,
    config: MqttConfig,
    store: SharedStore,
    engine: EngineHandle,
    _folder: tempfile::TempDir,
}

async fn bench() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let store = sqlite::open(&folder.path().join("x.db")).await.unwrap();
    let (password, hash) = credentials::generate().unwrap();
    store.set_node_password("a", &hash).await.unwrap();
    let store: SharedStore = Arc::new(store);
    let config = MqttConfig {
        listen: ([127, 0, 0, 1], 0).into(),
        ..MqttConfig::default()
    };
    let (sender, inbound) = mpsc::channel(16);
    let engine = EngineHandle {
        inbound: sender,
        requests: mpsc::channel(1).0,
    };
    let decoder = Arc::new(Decoder::new(&Config::default()).unwrap());
    let broker = start(
        &config,
        Arc::clone(&store),
        &engine,
        decoder,
        Arc::new(SystemClock),
        Arc::new(Counters::default()),
    )
    .await
    .unwrap();
    Bench {
        broker,
        inbound,
        password,
        config,
        store,
        engine,
        _folder: folder,
    }
}

impl Bench {
    fn options(&self, id: &str, node: &str, password: &str) -> MqttOptions {
        let mut options = MqttOptions::new(id, "127.0.0.1", self.broker.local_addr().port());
        options.set_credentials(node, password);
        options
    }

    async fn connect(&self, id: &str) -> (AsyncClient, EventLoop) {
        let (client, mut events) = AsyncClient::new(self.options(id, "a", &self.password), 16);
        next(&mut events, |packet| matches!(packet, Packet::ConnAck(_))).await;
        (client, events)
    }

    async fn received(&mut self) -> Inbound {
        tokio::time::timeout(DEADLINE, self.inbound.recv())
            .await
            .unwrap()
            .unwrap()
    }
}

async fn next(events: &mut EventLoop, wanted: impl Fn(&Packet) -> bool) -> Packet {
    tokio::time::timeout(DEADLINE, async {
        loop {
            if let Event::Incoming(packet) = events.poll().await.unwrap()
                && wanted(&packet)
            {
                return packet;
            }
        }
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn the_acknowledgement_waits_for_the_commit() {
    let mut bench = bench().await;
    let (client, mut events) = bench.connect("one").await;
    client
        .publish("/exp/sensor", QoS::AtLeastOnce, false, r#"{"soil":1}"#)
        .await
        .unwrap();
    let message = tokio::select! {
        message = bench.inbound.recv() => message.unwrap(),
        packet = next(&mut events, |packet| matches!(packet, Packet::PubAck(_))) => {
            panic!("acknowledged before the engine had it: {packet:?}")
        }
    };
    assert!(matches!(message.body, Ok(Body::Telemetry(_))));
    // The engine has it, but has not committed: still nothing.
    let early = tokio::time::timeout(
        Duration::from_millis(200),
        next(&mut events, |packet| matches!(packet, Packet::PubAck(_))),
    );
    assert!(early.await.is_err());
    message.done.unwrap().send(()).unwrap();
    next(&mut events, |packet| matches!(packet, Packet::PubAck(_))).await;
}

#[tokio::test]
async fn what_is_not_committed_is_never_acknowledged() {
    let mut bench = bench().await;
    let (client, mut events) = bench.connect("one").await;
    client
        .publish("/exp/sensor", QoS::AtLeastOnce, false, r#"{"soil":1}"#)
        .await
        .unwrap();
    let first = tokio::select! {
        message = bench.inbound.recv() => message.unwrap(),
        _ = next(&mut events, |_| false) => unreachable!(),
    };
    drop(first.done);
    client
        .publish("/exp/sensor", QoS::AtLeastOnce, false, r#"{"soil":2}"#)
        .await
        .unwrap();
    let second = tokio::select! {
        message = bench.inbound.recv() => message.unwrap(),
        _ = next(&mut events, |_| false) => unreachable!(),
    };
    second.done.unwrap().send(()).unwrap();
    let Packet::PubAck(ack) = next(&mut events, |p| matches!(p, Packet::PubAck(_))).await else {
        unreachable!()
    };
    assert_eq!(ack.pkid, 2);
}

#[tokio::test]
async fn strangers_and_wrong_passwords_stay_outside() {
    let bench = bench().await;
    for (node, password) in [
        ("a", "wrong"),
        ("b", &*bench.password),
        ("a/b", "x"),
        ("", ""),
    ] {
        let (_client, mut events) = AsyncClient::new(bench.options("x", node, password), 16);
        let refused = tokio::time::timeout(DEADLINE, async {
            loop {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::ConnAck(ack))) => panic!("{node}: {ack:?}"),
                    Ok(_) => {}
                    Err(error) => break error,
                }
            }
        });
        refused.await.unwrap();
    }
}

#[tokio::test]
async fn a_node_keeps_to_its_own_topics() {
    let mut bench = bench().await;
    let (client, mut events) = bench.connect("one").await;
    let events = tokio::spawn(async move { while events.poll().await.is_ok() {} });
    for topic in [
        "signalbox/b/telemetry",
        "signalbox/a/command",
        "foreign/topic",
    ] {
        client
            .publish(topic, QoS::AtLeastOnce, false, "{}")
            .await
            .unwrap();
        let message = bench.received().await;
        assert_eq!(message.topic, topic);
        assert!(message.body.unwrap_err().denied);
    }
    for filter in [
        "#",
        "signalbox/#",
        "signalbox/+/command",
        "signalbox/ab/command",
    ] {
        client.subscribe(filter, QoS::AtLeastOnce).await.unwrap();
        let message = bench.received().await;
        assert_eq!(message.topic, filter);
        assert!(message.body.unwrap_err().denied);
    }
    events.abort();
}

#[tokio::test]
async fn a_command_reaches_its_node_and_a_death_the_engine() {
    let mut bench = bench().await;
    let mut options = bench.options("one", "a", &bench.password);
    options.set_last_will(LastWill::new(
        "signalbox/a/status",
        r#"{"online":false}"#,
        QoS::AtLeastOnce,
        true,
    ));
    let (client, mut events) = AsyncClient::new(options, 16);
    next(&mut events, |packet| matches!(packet, Packet::ConnAck(_))).await;
    client
        .subscribe("signalbox/a/command", QoS::AtLeastOnce)
        .await
        .unwrap();
    next(&mut events, |packet| matches!(packet, Packet::SubAck(_))).await;
    let order = Publish {
        topic: "signalbox/a/command".into(),
        payload: b"now".to_vec(),
        expiry_s: 5,
    };
    bench.broker.publish(order).await.unwrap();
    let Packet::Publish(order) = next(&mut events, |p| matches!(p, Packet::Publish(_))).await
    else {
        unreachable!()
    };
    assert_eq!(&order.payload[..], b"now");
    assert!(!order.retain);
    drop((client, events));
    let message = bench.received().await;
    assert!(
        matches!(&message.body, Ok(Body::Status { node, status }) if node == "a" && !status.online),
        "{message:?}"
    );
}

#[tokio::test]
async fn a_takeover_is_no_death() {
    let mut bench = bench().await;
    let (_old, mut old_events) = bench.connect("one").await;
    let (client, mut events) = bench.connect("one").await;
    // The old connection is closed by the broker; only then is the new one tried.
    let closed = tokio::time::timeout(DEADLINE, async { while old_events.poll().await.is_ok() {} });
    closed.await.unwrap();
    client
        .publish("/exp/sensor", QoS::AtLeastOnce, false, r#"{"soil":1}"#)
        .await
        .unwrap();
    let message = tokio::select! {
        message = bench.inbound.recv() => message.unwrap(),
        _ = next(&mut events, |_| false) => unreachable!(),
    };
    assert!(
        matches!(message.body, Ok(Body::Telemetry(_))),
        "{message:?}"
    );
}

#[tokio::test]
async fn a_taken_address_is_named() {
    let bench = bench().await;
    let config = MqttConfig {
        listen: bench.broker.local_addr(),
        ..bench.config.clone()
    };
    let decoder = Arc::new(Decoder::new(&Config::default()).unwrap());
    let refused = start(
        &config,
        Arc::clone(&bench.store),
        &bench.engine,
        decoder,
        Arc::new(SystemClock),
        Arc::new(Counters::default()),
    )
    .await
    .unwrap_err();
    assert!(matches!(refused, StartError::Listen { address, .. } if address == config.listen));
    bench.broker.stop().await;
    assert!(bench.broker.trouble().is_some());
}
