//! The whole daemon: real store, engine, broker and API, with a real MQTT client as node.

use std::{sync::Arc, time::Duration};

use hyper::StatusCode;
use rumqttc::{AsyncClient, Event, Incoming, MqttOptions, QoS};
use serde_json::{Value, json};
use signalbox_backend::{
    clock::SystemClock,
    config::Config,
    run::{Listeners, RunError, Station},
};
use tokio::{
    net::{TcpStream, UnixStream},
    sync::mpsc,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::helper::{Client, DEADLINE};

fn config(dir: &tempfile::TempDir) -> Config {
    let mut config = Config::default();
    config.store.data_dir = Some(dir.path().join("data"));
    config.api.port = 0;
    config.mqtt.listen = ([127, 0, 0, 1], 0).into();
    config
}

async fn start(config: Config) -> Result<(Station, CancellationToken), RunError> {
    let stop = CancellationToken::new();
    let listeners = Listeners::bind(&config).await?;
    let station = Station::start(config, listeners, Arc::new(SystemClock), stop.clone()).await?;
    Ok((station, stop))
}

async fn end(station: Station, stop: CancellationToken) {
    stop.cancel();
    timeout(DEADLINE, station.join()).await.unwrap().unwrap();
}

async fn local(station: &Station) -> Client {
    Client::over(UnixStream::connect(&station.socket).await.unwrap()).await
}

/// Asks until the answer satisfies.
async fn until(client: &mut Client, path: &str, good: impl Fn(&Value) -> bool) -> Value {
    let asked = async {
        loop {
            let value = client.get(path).await.json();
            if good(&value) {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let answer = timeout(DEADLINE, asked).await;
    answer.unwrap_or_else(|_| panic!("{path} never came to be so"))
}

/// A node that publishes what it is told and hands over the commands that it gets.
struct Node {
    client: AsyncClient,
    commands: mpsc::Receiver<Value>,
    acks: mpsc::Receiver<()>,
    task: tokio::task::JoinHandle<()>,
}

impl Node {
    async fn connect(station: &Station, name: &str, password: &str) -> Self {
        let mut options = MqttOptions::new(name, "127.0.0.1", station.mqtt.unwrap().port());
        options
            .set_credentials(name, password)
            .set_max_packet_size(65_536, 65_536);
        let (client, mut connection) = AsyncClient::new(options, 10);
        let (command, commands) = mpsc::channel(10);
        let (ack, mut acks) = mpsc::channel(100);
        let task = tokio::spawn(async move {
            while let Ok(event) = connection.poll().await {
                match event {
                    Event::Incoming(Incoming::Publish(message)) => {
                        let body = serde_json::from_slice(&message.payload).unwrap();
                        command.send(body).await.unwrap();
                    }
                    Event::Incoming(Incoming::PubAck(_) | Incoming::SubAck(_)) => {
                        ack.send(()).await.unwrap();
                    }
                    _ => {}
                }
            }
        });
        let topic = format!("signalbox/{name}/command");
        client.subscribe(topic, QoS::AtLeastOnce).await.unwrap();
        timeout(DEADLINE, acks.recv()).await.unwrap().unwrap();
        Self {
            client,
            commands,
            acks,
            task,
        }
    }

    /// Publishes and waits for the PUBACK.
    async fn publish(&mut self, topic: &str, body: Value) {
        let (level, text) = (QoS::AtLeastOnce, body.to_string());
        self.client
            .publish(topic, level, false, text)
            .await
            .unwrap();
        timeout(DEADLINE, self.acks.recv()).await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn from_a_reading_to_a_confirmed_command() {
    let dir = tempfile::tempdir().unwrap();
    let (station, stop) = start(config(&dir)).await.unwrap();
    let mut client = local(&station).await;
    let made = client
        .post("/api/v1/nodes", &json!({"name": "kitchen"}))
        .await;
    let password = made.json()["password"].as_str().unwrap().to_owned();
    let rule = json!({"metric": "temperature", "op": ">", "value": 30,
        "command": {"actuator": "fan", "action": "on"}});
    let made = client.post("/api/v1/command/trigger", &rule).await;
    assert_eq!(made.status, StatusCode::CREATED);

    let mut node = Node::connect(&station, "kitchen", &password).await;
    let status = json!({"online": true, "boot": 1, "actuators": {"fan": "off"}});
    node.publish("signalbox/kitchen/status", status).await;
    let reading = json!({"boot": 1, "seq": 1,
        "samples": [{"age_ms": 0, "values": {"temperature": 31.5}}]});
    node.publish("signalbox/kitchen/telemetry", reading.clone())
        .await;
    // Acknowledged means stored: no waiting here.
    let last = client.get("/api/v1/data/last?n=10").await.json();
    assert_eq!(last["samples"][0]["value"], 31.5);
    // The same number again changes nothing.
    node.publish("signalbox/kitchen/telemetry", reading).await;
    let last = client.get("/api/v1/data/last?n=10").await.json();
    assert_eq!(last["samples"].as_array().unwrap().len(), 1);

    let command = timeout(DEADLINE, node.commands.recv())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (&command["actuator"], &command["action"]),
        (&"fan".into(), &"on".into())
    );
    let id = command["id"].as_str().unwrap();
    let ack = json!({"id": id, "result": "applied", "actuators": {"fan": "on"}});
    node.publish("signalbox/kitchen/ack", ack).await;
    let path = format!("/api/v1/command/{id}");
    let command = client.get(&path).await.json();
    assert_eq!(command["state"], "confirmed");
    let incidents = client.get("/api/v1/incidents?open=true").await.json();
    assert_eq!(incidents["incidents"][0]["state"], "firing");

    // A node that drops off without a word is told offline by the broker.
    node.task.abort();
    until(&mut client, "/api/v1/nodes/kitchen", |node| {
        node["presence"] == "offline"
    })
    .await;
    end(station, stop).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_node_brings_its_past_in_full_messages() {
    let dir = tempfile::tempdir().unwrap();
    let (station, stop) = start(config(&dir)).await.unwrap();
    let mut client = local(&station).await;
    let made = client
        .post("/api/v1/nodes", &json!({"name": "kitchen"}))
        .await;
    let password = made.json()["password"].as_str().unwrap().to_owned();
    let mut node = Node::connect(&station, "kitchen", &password).await;
    let sample = |n: i64| {
        json!({"ts_ms": 1_700_000_000_000_i64 + n * 1_000,
            "values": {"temperature": 21.5, "humidity": 40, "soil": n}})
    };
    let samples: Vec<Value> = (0..256).map(sample).collect();
    let body = json!({"boot": 1, "seq": 1, "samples": samples});
    node.publish("signalbox/kitchen/telemetry", body).await;
    let path = "/api/v1/data/all?node=kitchen&limit=1000";
    let all = client.get(path).await.json();
    assert_eq!(all["samples"].as_array().unwrap().len(), 768);
    end(station, stop).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_what_was_decided_and_frees_what_was_held() {
    let dir = tempfile::tempdir().unwrap();
    let (station, stop) = start(config(&dir)).await.unwrap();
    let mut client = local(&station).await;
    let rule = json!({"metric": "soil", "op": "<", "value": 100});
    let id = client.post("/api/v1/rules", &rule).await.json()["id"].clone();
    let (first, http, socket) = (station.id, station.http, station.socket.clone());
    drop(client);
    end(station, stop).await;
    assert!(!socket.exists());
    assert!(TcpStream::connect(http).await.is_err());

    let (station, stop) = start(config(&dir)).await.unwrap();
    assert_ne!(station.id, first);
    let mut client = local(&station).await;
    let rules = client.get("/api/v1/rules").await.json();
    assert_eq!(rules["rules"][0]["id"], id);
    end(station, stop).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_cannot_be_says_why_and_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let (station, stop) = start(config(&dir)).await.unwrap();

    let mut same_folder = config(&dir);
    same_folder.api.socket = Some(dir.path().join("other.sock"));
    let error = start(same_folder).await.unwrap_err();
    assert!(matches!(error, RunError::Store { .. }), "{error}");
    assert!(error.hint().contains("--data-dir"), "{}", error.hint());

    let same_socket = config(&dir);
    let error = start(same_socket).await.unwrap_err();
    assert!(error.to_string().contains("signalbox.sock"), "{error}");

    let other = tempfile::tempdir().unwrap();
    let mut same_port = config(&other);
    same_port.mqtt.listen = station.mqtt.unwrap();
    let error = start(same_port).await.unwrap_err();
    assert!(
        error.to_string().contains(&station.broker_address()),
        "{error}"
    );
    assert!(error.hint().contains("--mqtt-listen"), "{}", error.hint());

    // None of the failed starts has left anything behind.
    let (again, stop_again) = start(config(&other)).await.unwrap();
    end(again, stop_again).await;
    end(station, stop).await;
}
