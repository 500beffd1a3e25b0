//! What the node says of itself is readable in the station.

use serde_json::Value;

use super::{joined, online};
use crate::helper::{Board, DEADLINE, Mosquitto, Setup, Station, look_for, run, tool, wanted};

/// The log of a node, oldest first, once it has a line that ends so.
#[track_caller]
fn log_with(station: &Station, node: &str, end: &str) -> Vec<Value> {
    let mut last = Vec::new();
    let found = look_for(DEADLINE, || {
        let log = station.json(&["node", "log", node]);
        let mut lines = log["lines"].as_array().expect("a list").clone();
        lines.reverse();
        let found = |line: &Value| line["text"].as_str().expect("a text").ends_with(end);
        let is_there = lines.iter().any(found);
        last.clone_from(&lines);
        is_there.then_some(lines)
    });
    found.unwrap_or_else(|| panic!("no line `{end}` in {last:#?}"))
}

#[test]
fn what_a_node_says_of_itself_is_read_with_its_image() {
    let station = Station::start();
    let mut board = joined(&station, "kitchen");
    // Without the image, the station tells what is missing, and keeps the lines.
    let unread = log_with(&station, "kitchen", "`signalbox firmware add FILE`");
    assert_eq!(unread[0]["readable"], false, "{unread:#?}");
    let image = wanted("SIGNALBOX_FIRMWARE");
    let added = station.json(&["firmware", "add", image.to_str().expect("a path")]);
    assert_eq!(added["build"], unread[0]["build"], "{added:#}");

    let lines = log_with(&station, "kitchen", "start: power on");
    assert_eq!(lines[0]["text"], "start: power on", "{lines:#?}");
    assert_eq!(lines[0]["level"], "warn");
    let lines = log_with(&station, "kitchen", "connected");
    assert!(
        lines.iter().all(|line| line["readable"] == true),
        "{lines:#?}"
    );

    board.tell("dht -");
    let lines = log_with(&station, "kitchen", "dht11: NoAnswer");
    assert_eq!(lines.last().expect("a line")["level"], "warn", "{lines:#?}");
    board.tell("dht 21.5 40");

    // The station chooses from which level on the node logs.
    let failures = |lines: &[Value]| {
        let failures = lines
            .iter()
            .filter(|line| line["text"] == "dht11: NoAnswer");
        failures.count()
    };
    station.json(&["node", "config", "kitchen", "log=error"]);
    board.expect("mqtt configured");
    let before = failures(&log_with(&station, "kitchen", "dht11: NoAnswer"));
    board.tell("dht -");
    board.expect("dht11 NoAnswer");
    board.tell("dht 21.5 40");
    station.json(&["node", "config", "kitchen", "log=info"]);
    board.expect("mqtt configured");
    let lines = log_with(&station, "kitchen", "configuration 2 holds");
    assert_eq!(failures(&lines), before, "{lines:#?}");

    let done = station.json(&["send", "kitchen", "led", "on"]);
    assert_eq!(done["state"], "confirmed", "{done:#}");
    let lines = log_with(&station, "kitchen", "command: led on");
    assert_eq!(lines.last().expect("a line")["level"], "info", "{lines:#?}");

    // What happens without a network is told afterwards, with its time.
    board.tell("net off");
    board.expect("mqtt lost");
    let before = chrono::Utc::now();
    board.tell("net on");
    board.expect("mqtt connected");
    let lines = log_with(&station, "kitchen", "connection lost: Silent");
    let lost = lines
        .iter()
        .find(|line| line["text"] == "connection lost: Silent");
    let at = lost.expect("a line")["at"].as_str().expect("a time");
    let at: chrono::DateTime<chrono::Utc> = at.parse().expect("a time");
    assert!(at <= before + chrono::TimeDelta::seconds(1), "{lines:#?}");

    // Only what matters most.
    let grave = station.json(&["node", "log", "kitchen", "--level", "warn"]);
    let grave = grave["lines"].as_array().expect("a list");
    assert!(!grave.is_empty() && grave.iter().all(|line| line["level"] == "warn"));
}

/// Name and password at Mosquitto.
const STATION: (&str, &str) = ("station", "the-stations-secret");
const KITCHEN: (&str, &str) = ("kitchen", "the-kitchens-secret");

#[test]
fn a_refused_order_is_in_the_log_that_comes_through_mosquitto() {
    let broker = Mosquitto::guarded(&[STATION, KITCHEN]);
    let port = broker.port().to_string();
    let station = Station::with(Setup {
        broker: Some(format!("mqtt://{}@127.0.0.1:{port}", STATION.0)),
        environment: vec![(
            "SIGNALBOX_MQTT__BROKER_PASSWORD".to_owned(),
            STATION.1.to_owned(),
        )],
        ..Setup::default()
    });
    // Copied into the folder, instead of `firmware add`.
    let folder = station.data_dir().join("firmware");
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::copy(wanted("SIGNALBOX_FIRMWARE"), folder.join("node.elf")).expect("room");
    let mut board = Board::start(station.home(), KITCHEN.0, KITCHEN.1, &port);
    board.expect("mqtt connected");
    online(&station, "kitchen");
    // The station itself orders nothing that the node does not have.
    let order = r#"{"id":"01ARZ3NDEKTSV4RRFFQ69G5FAV","actuator":"fan","action":"on"}"#;
    let mut publish = tool("mosquitto_pub", broker.home());
    publish.args(["-h", "127.0.0.1", "-p", &port, "-q", "1"]);
    publish.args(["-u", STATION.0, "-P", STATION.1]);
    publish.args(["-t", "signalbox/kitchen/command", "-m", order]);
    run(&mut publish, "").good();
    let lines = log_with(&station, "kitchen", "command refused: NoSuchActuator");
    assert_eq!(lines.last().expect("a line")["level"], "warn", "{lines:#?}");
}
