//! A station at somebody else's broker, and the node `kitchen`.

use serde_json::json;

use crate::helper::{Mosquitto, Script, Setup, Station, eventually};

pub(crate) const STATION: (&str, &str) = ("station", "the station's secret");
pub(crate) const KITCHEN: (&str, &str) = ("kitchen", "the kitchen's secret");

/// A station at a broker that knows its password.
pub(crate) fn station_at(broker: &Mosquitto, config: &str) -> Station {
    Station::with(Setup {
        config: config.to_owned(),
        broker: Some(format!("mqtt://{}@127.0.0.1:{}", STATION.0, broker.port())),
        environment: vec![(
            "SIGNALBOX_MQTT__BROKER_PASSWORD".to_owned(),
            STATION.1.to_owned(),
        )],
        ..Setup::default()
    })
}

pub(crate) fn guarded() -> Mosquitto {
    Mosquitto::guarded(&[STATION, KITCHEN])
}

/// The node `kitchen`, which the station knows as online.
pub(crate) fn kitchen(station: &Station) -> Script {
    let mut node = station.node_with(KITCHEN.0, KITCHEN.1, &[]);
    node.expect("subscribed");
    presence(station, "online");
    node
}

pub(crate) fn presence(station: &Station, wanted: &str) {
    eventually(wanted, || {
        let nodes = station.get("/api/v1/nodes");
        let nodes = nodes["nodes"].as_array().unwrap();
        let kitchen = nodes.iter().find(|node| node["name"] == "kitchen")?;
        (kitchen["presence"] == wanted).then_some(())
    });
}

pub(crate) fn healthy(station: &Station) {
    eventually("the link is up", || {
        (station.ask("GET", "/health", None).status == 200).then_some(())
    });
}

/// Waits for this state of the command.
#[track_caller]
pub(crate) fn command_becomes(station: &Station, id: &str, state: &str) {
    eventually(state, || {
        let command = station.get(&format!("/api/v1/command/{id}"));
        (command["state"] == state).then_some(())
    });
}

/// Orders the node's led; the command's id.
#[track_caller]
pub(crate) fn order(station: &Station, action: &str) -> String {
    let order = json!({"node": "kitchen", "actuator": "led", "action": action});
    let command = station.post("/api/v1/command/add", &order);
    command["id"].as_str().unwrap().to_owned()
}

/// What is wrong with the broker, as the health route says.
pub(crate) fn trouble(station: &Station) -> String {
    let health = station.ask("GET", "/health", None).body;
    health["broker"].as_str().unwrap().to_owned()
}

/// Waits until the log says it.
#[track_caller]
pub(crate) fn says(station: &Station, words: &str) {
    eventually(words, || station.log().contains(words).then_some(()));
}
