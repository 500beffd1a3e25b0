//! The whole way through Mosquitto, with the settings that we ship.

use serde_json::json;

use crate::helper::{Mosquitto, Script, Setup, Station, eventually, run, tool};

const STATION: (&str, &str) = ("station", "the station's secret");
const KITCHEN: (&str, &str) = ("kitchen", "the kitchen's secret");

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

fn both_versions(check: impl Fn(&Station, &Mosquitto)) {
    for version in ["3.1.1", "5"] {
        let broker = guarded();
        let station = station_at(&broker, &format!("[mqtt]\nversion = \"{version}\"\n"));
        healthy(&station);
        check(&station, &broker);
    }
}

#[test]
fn measurements_are_stored_and_commands_confirmed() {
    both_versions(|station, _| {
        let mut node = kitchen(station);
        node.tell(&json!({"do": "reading", "values": {"temperature": 21.5}}));
        node.expect("acked");
        eventually("it is stored", || {
            let values = station.values("kitchen");
            (values == [("temperature".to_owned(), 21.5)]).then_some(())
        });
        let order = json!({"node": "kitchen", "actuator": "led", "action": "on"});
        let command = station.post("/api/v1/command/add", &order);
        command_becomes(station, command["id"].as_str().unwrap(), "confirmed");
        node.tell(&json!({"do": "off"}));
        presence(station, "offline");
        assert!(!station.log().contains("secret"), "{}", station.log());
    });
}

#[test]
fn the_station_tells_whether_it_is_there() {
    let broker = guarded();
    let mut station = station_at(&broker, "");
    healthy(&station);
    let heard = |count: &str| {
        let mut command = tool("mosquitto_sub", broker.home());
        command.args(["-h", "127.0.0.1", "-p", &broker.port().to_string()]);
        command.args(["-u", STATION.0, "-P", STATION.1, "-W", "20", "-C", count]);
        run(command.args(["-t", "signalbox/_station/+/status"]), "").good()
    };
    assert!(heard("1").contains(r#"{"online":true,"#));
    assert_eq!(station.signal("TERM"), Some(0));
    assert_eq!(heard("1").trim(), r#"{"online":false}"#);
    station.restart();
    healthy(&station);
    assert!(heard("1").contains(r#"{"online":true,"#));
    // And by its last will.
    station.kill();
    eventually("the will", || {
        (heard("1").trim() == r#"{"online":false}"#).then_some(())
    });
}
