//! Simulated nodes against the whole station: what a network cut, a reset and a power cut leave.

#![expect(
    clippy::unwrap_used,
    reason = "a failed expectation is a failed test, also in its helpers"
)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::Utc;
use rumqttc::{AsyncClient, Event, EventLoop, Incoming, LastWill, MqttOptions, QoS};
use serde_json::{Value, json};
use signalbox_backend::{
    clock::SystemClock,
    config::Config,
    run::{Listeners, Station},
};
use signalbox_protocol::payload::Encoding;
use signalbox_sim::{Broker, NodeSetup, Options, Sim, publish_past};
use signalbox_tui::client::{Client, Endpoint};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Longest wait for anything; far beyond what it takes.
const DEADLINE: Duration = Duration::from_secs(30);

struct Hosted {
    station: Station,
    client: Client,
    stop: CancellationToken,
    options: Options,
    _dir: tempfile::TempDir,
}

impl Hosted {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.store.data_dir = Some(dir.path().to_owned());
        config.api.port = 0;
        config.mqtt.listen = ([127, 0, 0, 1], 0).into();
        let stop = CancellationToken::new();
        let listeners = Listeners::bind(&config).await.unwrap();
        let station = Station::start(config, listeners, Arc::new(SystemClock), stop.clone());
        let station = station.await.unwrap();
        let broker = Broker {
            host: "127.0.0.1".to_owned(),
            port: station.mqtt.unwrap().port(),
        };
        Self {
            client: Client::new(Endpoint::Unix(station.socket.clone()), None),
            options: Options {
                interval: Duration::from_millis(100),
                heartbeat: Duration::from_millis(50),
                ..Options::new(broker)
            },
            station,
            stop,
            _dir: dir,
        }
    }

    async fn setup(&self, name: &str, seed: u64) -> NodeSetup {
        let new = json!({"name": name});
        let made: Value = self.client.post("/api/v1/nodes", &new).await.unwrap();
        let password = made["password"].as_str().unwrap().to_owned();
        NodeSetup::new(name, Some(password), seed)
    }

    async fn get(&self, path: &str) -> Value {
        self.client.get(path, &()).await.unwrap()
    }

    async fn until(&self, path: &str, good: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let asked = async {
            loop {
                last = self.get(path).await;
                if good(&last) {
                    return last.clone();
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        match timeout(DEADLINE, asked).await {
            Ok(value) => value,
            Err(_) => panic!("{path} never came to be so: {last}"),
        }
    }

    async fn online(&self, node: &str) {
        let path = format!("/api/v1/nodes/{node}");
        self.until(&path, |node| {
            node["presence"] == "online" && node["actuators"]["led"]["reported"] == "off"
        })
        .await;
    }

    async fn on_for(&self, node: &str, duration_s: u32) {
        let order =
            json!({"node": node, "actuator": "led", "action": "on", "duration_s": duration_s});
        let _: Value = self
            .client
            .post("/api/v1/command/timed", &order)
            .await
            .unwrap();
        self.led(node, "on").await;
    }

    async fn led(&self, node: &str, state: &str) {
        let path = format!("/api/v1/nodes/{node}");
        self.until(&path, |node| node["actuators"]["led"]["reported"] == state)
            .await;
    }

    async fn end(self, sim: Sim) {
        timeout(DEADLINE, sim.stop()).await.unwrap().unwrap();
        self.close().await;
    }

    async fn close(self) {
        self.stop.cancel();
        timeout(DEADLINE, self.station.join())
            .await
            .unwrap()
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_measured_while_the_network_was_cut_comes_later_at_its_time() {
    let hosted = Hosted::start().await;
    let setup = hosted.setup("kitchen", 1).await;
    let sim = Sim::start(&hosted.options, vec![setup]).unwrap();
    hosted.online("kitchen").await;
    let cut = Utc::now();
    assert!(
        sim.cut_network("kitchen", Duration::from_millis(1_500))
            .await
    );
    // No goodbye: the broker sends the last will.
    hosted
        .until("/api/v1/nodes/kitchen", |node| {
            node["presence"] == "offline"
        })
        .await;
    hosted.online("kitchen").await;
    let (from, to) = (
        cut.to_rfc3339(),
        (cut + chrono::TimeDelta::milliseconds(1_500)).to_rfc3339(),
    );
    let path = format!(
        "/api/v1/data/byDate?node=kitchen&metric=soil&limit=1000&from={}&to={}",
        from.replace('+', "%2B"),
        to.replace('+', "%2B")
    );
    let found = hosted
        .until(&path, |all| all["samples"].as_array().unwrap().len() >= 12)
        .await;
    // One reading each 100 ms, at its time, none twice.
    let count = found["samples"].as_array().unwrap().len();
    assert!(count <= 16, "{found}");
    assert_eq!(sim.counts().dropped, 0);
    hosted.end(sim).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timed_on_over_a_reset_ends_at_its_time() {
    let hosted = Hosted::start().await;
    let setup = hosted.setup("kitchen", 1).await;
    let sim = Sim::start(&hosted.options, vec![setup]).unwrap();
    hosted.online("kitchen").await;
    let asked = Instant::now();
    hosted.on_for("kitchen", 3).await;
    assert!(sim.reset("kitchen").await);
    hosted
        .until("/api/v1/nodes/kitchen", |_| sim.counts().connects >= 2)
        .await;
    hosted.led("kitchen", "on").await;
    hosted.led("kitchen", "off").await;
    let lasted = asked.elapsed();
    let (least, most) = (Duration::from_millis(2_900), Duration::from_secs(4));
    assert!((least..most).contains(&lasted), "{lasted:?}");
    hosted.end(sim).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_power_cut_switches_off_and_the_station_learns_of_it() {
    let hosted = Hosted::start().await;
    let setup = hosted.setup("kitchen", 1).await;
    let sim = Sim::start(&hosted.options, vec![setup]).unwrap();
    hosted.online("kitchen").await;
    hosted.on_for("kitchen", 3_600).await;
    assert!(sim.cut_power("kitchen").await);
    hosted.led("kitchen", "off").await;
    assert!(!sim.cut_power("nobody").await);
    hosted.end(sim).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_while_the_network_is_cut_does_not_bring_it_back() {
    let hosted = Hosted::start().await;
    let setup = hosted.setup("kitchen", 1).await;
    let sim = Sim::start(&hosted.options, vec![setup]).unwrap();
    hosted.online("kitchen").await;
    let boot = hosted.get("/api/v1/nodes/kitchen").await["boot"].clone();
    let cut = Instant::now();
    let time = Duration::from_secs(1);
    assert!(sim.cut_network("kitchen", time).await);
    assert!(sim.reset("kitchen").await);
    hosted
        .until("/api/v1/nodes/kitchen", |node| {
            node["presence"] == "online" && node["boot"] != boot
        })
        .await;
    assert!(cut.elapsed() >= time, "{:?}", cut.elapsed());
    assert_eq!(sim.counts().connects, 2);
    hosted.end(sim).await;
}

/// The broker drops a last will at a goodbye, and would go on telling newcomers that the node is
/// there.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_leaves_says_that_it_is_gone() {
    let hosted = Hosted::start().await;
    let setup = hosted.setup("kitchen", 1).await;
    let (username, password) = setup.login.clone().unwrap();
    let sim = Sim::start(&hosted.options, vec![setup]).unwrap();
    hosted.online("kitchen").await;
    timeout(DEADLINE, sim.stop()).await.unwrap().unwrap();

    let port = hosted.station.mqtt.unwrap().port();
    let mut options = MqttOptions::new("newcomer", "127.0.0.1", port);
    options.set_credentials(username, password);
    let (client, mut connection) = AsyncClient::new(options, 10);
    client
        .subscribe("signalbox/kitchen/status", QoS::AtLeastOnce)
        .await
        .unwrap();
    let retained = async {
        loop {
            if let Event::Incoming(Incoming::Publish(message)) = connection.poll().await.unwrap() {
                return message;
            }
        }
    };
    let retained = timeout(DEADLINE, retained).await.unwrap();
    assert!(retained.retain);
    assert_eq!(retained.payload, br#"{"online":false}"#[..]);
    hosted.close().await;
}

/// A radio that fades leaves a connection behind that nobody has closed. What the station sends
/// into it is lost; the node's next connection takes its place, and has to get it again.
#[tokio::test(flavor = "multi_thread")]
async fn a_command_into_a_dead_connection_comes_over_the_next_one() {
    let hosted = Hosted::start().await;
    let setup = hosted.setup("kitchen", 1).await;
    let (mut dead, _dead_client) = node_by_hand(&hosted, &setup).await;
    let subscribed = async {
        while !matches!(
            dead.poll().await.unwrap(),
            Event::Incoming(Incoming::PubAck(_))
        ) {}
    };
    timeout(DEADLINE, subscribed).await.unwrap();
    hosted.online("kitchen").await;
    let order = json!({"node": "kitchen", "actuator": "led", "action": "on"});
    let command: Value = hosted
        .client
        .post("/api/v1/command/add", &order)
        .await
        .unwrap();
    let path = format!("/api/v1/command/{}", command["id"].as_str().unwrap());
    hosted
        .until(&path, |command| command["state"] == "sent")
        .await;

    let (mut next, _next_client) = node_by_hand(&hosted, &setup).await;
    let got = async {
        loop {
            if let Event::Incoming(Incoming::Publish(message)) = next.poll().await.unwrap() {
                return serde_json::from_slice::<Value>(&message.payload).unwrap();
            }
        }
    };
    let got = timeout(Duration::from_secs(5), got).await.unwrap();
    assert_eq!(got["id"], command["id"]);
    // The first one lasted until here, as far as it knew.
    assert!(
        timeout(DEADLINE, async { while dead.poll().await.is_ok() {} })
            .await
            .is_ok()
    );
    hosted.close().await;
}

/// A node that is about to connect, to subscribe and to tell its status.
async fn node_by_hand(hosted: &Hosted, setup: &NodeSetup) -> (EventLoop, AsyncClient) {
    let (username, password) = setup.login.clone().unwrap();
    let mut options = MqttOptions::new("kitchen", "127.0.0.1", hosted.station.mqtt.unwrap().port());
    options.set_credentials(username, password);
    let topic = "signalbox/kitchen/status";
    let will = LastWill::new(topic, r#"{"online":false}"#, QoS::AtLeastOnce, true);
    options.set_last_will(will);
    let (client, connection) = AsyncClient::new(options, 10);
    let orders = "signalbox/kitchen/command";
    client.subscribe(orders, QoS::AtLeastOnce).await.unwrap();
    let status = r#"{"online":true,"boot":1,"actuators":{"led":"off"}}"#;
    client
        .publish(topic, QoS::AtLeastOnce, true, status)
        .await
        .unwrap();
    (connection, client)
}

#[tokio::test(flavor = "multi_thread")]
async fn many_nodes_in_both_encodings_with_their_past() {
    let hosted = Hosted::start().await;
    let mut setups = Vec::new();
    for n in 0..50 {
        setups.push(hosted.setup(&format!("node-{n}"), n).await);
    }
    let past = publish_past(
        &hosted.options,
        &mut setups[0],
        (1_700_000_000, 1_700_036_000),
        10,
    )
    .await
    .unwrap();
    let stored = hosted
        .get("/api/v1/data/byDate?node=node-0&buckets=1&from=2023-11-01T00:00:00Z&to=2023-12-01T00:00:00Z")
        .await;
    let count: u64 = stored["series"]
        .as_array()
        .unwrap()
        .iter()
        .map(|series| series["buckets"][0]["n"].as_u64().unwrap())
        .sum();
    assert_eq!(count, past, "{stored}");
    let protobuf = Options {
        encoding: Encoding::Protobuf,
        ..hosted.options.clone()
    };
    let rest = setups.split_off(25);
    let (json, protobuf) = (
        Sim::start(&hosted.options, setups).unwrap(),
        Sim::start(&protobuf, rest).unwrap(),
    );
    hosted
        .until("/api/v1/nodes", |all| {
            let nodes = all["nodes"].as_array().unwrap();
            nodes.len() == 50
                && nodes
                    .iter()
                    .all(|node| node["presence"] == "online" && node["latest"]["soil"].is_object())
        })
        .await;
    let bad = hosted.get("/api/v1/messages?bad=true").await;
    assert_eq!(bad["messages"], json!([]));
    timeout(DEADLINE, protobuf.stop()).await.unwrap().unwrap();
    hosted.end(json).await;
}
