//! The embedded broker with real clients; the engine is a queue that the tests read.

mod access;
mod commit;
mod presence;

use std::{sync::Arc, time::Duration};

use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, QoS};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::mpsc,
};

use super::{EmbeddedBroker, credentials, start};
use crate::{
    clock::SystemClock,
    config::{Config, MappingConfig, MqttConfig},
    counters::Counters,
    engine::EngineHandle,
    ingest::{Body, Decoder, Inbound},
    store::{AccountStore, SharedStore, sqlite},
};

const DEADLINE: Duration = Duration::from_secs(10);
/// How long nothing must happen where nothing may happen.
const QUIET: Duration = Duration::from_millis(150);
const SOIL: &str = r#"{"soil":1}"#;

/// A station around a broker: node `a` has a login, and so has `b`.
struct Bench {
    broker: Arc<EmbeddedBroker>,
    inbound: mpsc::Receiver<Inbound>,
    passwords: [String; 2],
    config: MqttConfig,
    store: SharedStore,
    engine: EngineHandle,
    counters: Arc<Counters>,
    _folder: tempfile::TempDir,
}

async fn bench() -> Bench {
    bench_with(MqttConfig::default()).await
}

async fn anonymous_bench() -> Bench {
    bench_with(MqttConfig {
        anonymous: true,
        ..MqttConfig::default()
    })
    .await
}

async fn bench_with(config: MqttConfig) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let store = sqlite::open(&folder.path().join("x.db")).await.unwrap();
    let mut passwords = [String::new(), String::new()];
    for (node, password) in ["a", "b"].into_iter().zip(&mut passwords) {
        let (made, hash) = credentials::generate().unwrap();
        store.set_node_password(node, &hash).await.unwrap();
        *password = made;
    }
    let store: SharedStore = Arc::new(store);
    let config = MqttConfig {
        listen: ([127, 0, 0, 1], 0).into(),
        ..config
    };
    let (sender, inbound) = mpsc::channel(16);
    let engine = EngineHandle {
        inbound: sender,
        requests: mpsc::channel(1).0,
    };
    let counters = Arc::new(Counters::default());
    let broker = start(
        &config,
        Arc::clone(&store),
        &engine,
        decoder(),
        Arc::new(SystemClock),
        Arc::clone(&counters),
    )
    .await
    .unwrap();
    Bench {
        broker,
        inbound,
        passwords,
        config,
        store,
        engine,
        counters,
        _folder: folder,
    }
}

fn decoder() -> Arc<Decoder> {
    let config = Config {
        mapping: vec![MappingConfig {
            topic: "tele/+/SENSOR".to_owned(),
            node: Some("{1}".to_owned()),
            node_path: None,
            metrics: [("temperature".to_owned(), "$.t".to_owned())].into(),
            login: Some("a".to_owned()),
            ts_path: None,
            qos: None,
        }],
        ..Config::default()
    };
    Arc::new(Decoder::new(&config).unwrap())
}

impl Bench {
    fn port(&self) -> u16 {
        self.broker.local_addr().port()
    }

    /// Of node `a`.
    fn options(&self, id: &str) -> MqttOptions {
        let mut options = MqttOptions::new(id, "127.0.0.1", self.port());
        options.set_credentials("a", &*self.passwords[0]);
        options.set_max_packet_size(1_000_000, 1_000_000);
        options
    }

    /// As node `a`.
    async fn connect(&self, id: &str) -> (AsyncClient, EventLoop) {
        connect(self.options(id)).await
    }

    /// As node `a`, byte by byte.
    async fn raw_client(&self, keep_alive_s: u8) -> TcpStream {
        let mut socket = TcpStream::connect(self.broker.local_addr()).await.unwrap();
        // MQTT 3.1.1, clean session, user name and password.
        let mut connect = b"\x00\x04MQTT\x04\xc2\x00".to_vec();
        connect.extend([keep_alive_s, 0, 1, b'x', 0, 1, b'a']);
        let password = self.passwords[0].as_bytes();
        connect.extend(u16::try_from(password.len()).unwrap().to_be_bytes());
        connect.extend(password);
        let length = u8::try_from(connect.len()).unwrap();
        let packet = [&[0x10, length], &*connect].concat();
        socket.write_all(&packet).await.unwrap();
        let mut answer = [0; 4];
        socket.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, [0x20, 2, 0, 0]);
        socket
    }

    async fn received(&mut self) -> Inbound {
        tokio::time::timeout(DEADLINE, self.inbound.recv())
            .await
            .unwrap()
            .unwrap()
    }

    /// The next message, while the client works.
    async fn received_from(&mut self, events: &mut EventLoop) -> Inbound {
        tokio::select! {
            message = self.inbound.recv() => message.unwrap(),
            packet = next(events, |_| false) => unreachable!("{packet:?}"),
        }
    }

    /// The next message that says whether a node is online.
    async fn presence(&mut self) -> (String, bool) {
        match self.received().await.body.unwrap() {
            Body::Status { node, status } => (node, status.online),
            other => panic!("{other:?}"),
        }
    }
}

async fn connect(options: MqttOptions) -> (AsyncClient, EventLoop) {
    let (client, mut events) = AsyncClient::new(options, 64);
    next(&mut events, |packet| matches!(packet, Packet::ConnAck(_))).await;
    (client, events)
}

/// Why a login or a connection came to its end.
async fn end_of(events: &mut EventLoop) -> rumqttc::ConnectionError {
    tokio::time::timeout(DEADLINE, async {
        loop {
            if let Err(error) = events.poll().await {
                return error;
            }
        }
    })
    .await
    .unwrap()
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

async fn publish(client: &AsyncClient, topic: &str, payload: impl Into<Vec<u8>>) {
    client
        .publish(topic, QoS::AtLeastOnce, false, payload)
        .await
        .unwrap();
}
