//! How many QoS 1 messages a second the embedded broker takes, and what our part of it costs:
//! the broker alone, with decoding and a queue that is confirmed at once, and with the store.
//!
//! `cargo bench -p signalbox-backend --bench broker`; clients run in the same process.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use mqtt5::broker::{BrokerConfig, MqttBroker, auth::AllowAllAuthProvider, config::StorageConfig};
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use signalbox_backend::{
    clock::SystemClock,
    config::{Config, MqttConfig},
    counters::Counters,
    engine::EngineHandle,
    ingest::{Body, Decoder, INBOUND_QUEUE_MESSAGES_MAX, Inbound},
    mqtt::{self, credentials},
    store::{Batch, NodeSamples, SharedStore, sqlite},
};
use tokio::sync::mpsc;

/// Messages of one run, over all connections.
const MESSAGES: u32 = 60_000;
/// Messages that a connection has on the way at a time.
const WINDOW: u16 = 64;
/// Messages of one transaction, as in the engine.
const BATCH_MAX: usize = 2_048;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Work {
    /// The broker without us.
    Broker,
    /// Decoded, queued, confirmed at once.
    Hook,
    /// And committed to SQLite, one transaction for all that wait.
    Store,
}

#[tokio::main]
async fn main() -> Result<()> {
    println!("work    connections   messages/s");
    for work in [Work::Broker, Work::Hook, Work::Store] {
        for connections in [1_u32, 4, 100] {
            let messages = if work == Work::Store && connections == 1 {
                MESSAGES / 4
            } else {
                MESSAGES
            };
            let rate = run(work, connections, messages).await?;
            println!("{:<7} {connections:>11} {rate:>12.0}", format!("{work:?}"));
        }
    }
    Ok(())
}

async fn run(work: Work, connections: u32, messages: u32) -> Result<f64> {
    if work == Work::Broker {
        let address = bare_broker().await?;
        return publish_all(address, &[], connections, messages).await;
    }
    let folder = tempfile::tempdir()?;
    let store: SharedStore = Arc::new(sqlite::open(&folder.path().join("x.db")).await?);
    let mut passwords = Vec::new();
    for node in 0..connections {
        let (password, hash) = credentials::generate().map_err(anyhow::Error::msg)?;
        store.set_node_password(&name(node), &hash).await?;
        passwords.push(password);
    }
    let (inbound, receiver) = mpsc::channel(INBOUND_QUEUE_MESSAGES_MAX);
    let engine = EngineHandle {
        inbound,
        requests: mpsc::channel(1).0,
    };
    tokio::spawn(confirm(
        receiver,
        (work == Work::Store).then(|| Arc::clone(&store)),
    ));
    let config = MqttConfig {
        listen: ([127, 0, 0, 1], 0).into(),
        ..MqttConfig::default()
    };
    let decoder = Arc::new(Decoder::new(&Config::default())?);
    let broker = mqtt::start(
        &config,
        store,
        &engine,
        decoder,
        Arc::new(SystemClock),
        Arc::new(Counters::default()),
    )
    .await?;
    let rate = publish_all(broker.local_addr(), &passwords, connections, messages).await?;
    broker.stop().await;
    Ok(rate)
}

/// Stands in for the engine.
async fn confirm(mut inbound: mpsc::Receiver<Inbound>, store: Option<SharedStore>) {
    let mut waiting = Vec::new();
    while inbound.recv_many(&mut waiting, BATCH_MAX).await > 0 {
        if let Some(store) = &store {
            let mut batch = Batch::default();
            for message in &waiting {
                if let Ok(Body::Telemetry(telemetry)) = &message.body {
                    batch.samples.push(NodeSamples {
                        node: telemetry.node.clone(),
                        samples: telemetry.samples.clone(),
                    });
                }
            }
            store.commit(&batch).await.expect("a fresh disk");
        }
        for message in waiting.drain(..) {
            if let Some(done) = message.done {
                // Nobody waits any more when the run is over.
                let _ = done.send(());
            }
        }
    }
}

async fn bare_broker() -> Result<SocketAddr> {
    let config = BrokerConfig::new()
        .with_bind_addresses(vec![([127, 0, 0, 1], 0).into()])
        .with_sys_topics_enabled(false)
        .with_storage(StorageConfig::new().with_persistence(false));
    let mut broker = MqttBroker::with_config(config)
        .await?
        .with_auth_provider(Arc::new(AllowAllAuthProvider));
    let address = broker.local_addr().context("no address")?;
    tokio::spawn(async move { broker.run().await });
    Ok(address)
}

async fn publish_all(
    address: SocketAddr,
    passwords: &[String],
    connections: u32,
    messages: u32,
) -> Result<f64> {
    let each = messages / connections;
    let mut clients = Vec::new();
    for node in 0..connections {
        let mut options = MqttOptions::new(name(node), "127.0.0.1", address.port());
        options.set_inflight(WINDOW);
        options.set_keep_alive(Duration::from_secs(60));
        if let Some(password) = passwords.get(usize::try_from(node)?) {
            options.set_credentials(name(node), password);
        }
        let (client, mut events) = AsyncClient::new(options, usize::from(WINDOW));
        while !matches!(events.poll().await?, Event::Incoming(Packet::ConnAck(_))) {}
        clients.push((node, client, events));
    }
    let start = Instant::now();
    let mut running = Vec::new();
    for (node, client, mut events) in clients {
        tokio::spawn(async move {
            let topic = format!("signalbox/{}/telemetry", name(node));
            for seq in 1..=each {
                let payload = format!(
                    r#"{{"boot":1,"seq":{seq},"samples":[{{"age_ms":0,"values":{{"temperature":21.5,"humidity":40,"soil":512}}}}]}}"#
                );
                let sent = client.publish(&topic, QoS::AtLeastOnce, false, payload);
                if sent.await.is_err() {
                    return;
                }
            }
            // The client must live until the last acknowledgement.
            std::future::pending::<()>().await;
        });
        running.push(tokio::spawn(async move {
            let mut acknowledged = 0;
            while acknowledged < each {
                if let Event::Incoming(Packet::PubAck(_)) = events.poll().await? {
                    acknowledged += 1;
                }
            }
            anyhow::Ok(())
        }));
    }
    for client in running {
        client.await??;
    }
    Ok(f64::from(each * connections) / start.elapsed().as_secs_f64())
}

fn name(node: u32) -> String {
    format!("n{node}")
}
