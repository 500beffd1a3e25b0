//! The node's firmware on an emulated ESP8266 processor, joined to a real station. A test is the
//! world around the node: it sets what sensors measure, sees the pins, pulls plugs.

mod config;
mod logs;
mod memory;
mod network;
mod orders;
mod readings;

use crate::helper::{Board, Station, eventually};

/// Measured and told times may differ by this much: an interval, and a loaded machine.
const TIME_MS: i64 = 2_000;

/// A node that has joined a station with the embedded broker.
#[track_caller]
fn joined(station: &Station, name: &str) -> Board {
    let password = station.add_node(name);
    let mut board = Board::start(station.home(), name, &password, &station.mqtt_port());
    board.expect("mqtt connected");
    online(station, name);
    board
}

#[track_caller]
fn online(station: &Station, name: &str) {
    eventually("the node is online", || {
        let nodes = station.get("/api/v1/nodes");
        let mut nodes = nodes["nodes"].as_array().expect("a list").iter();
        let node = nodes.find(|node| node["name"] == name)?;
        (node["presence"] == "online").then_some(())
    });
}

/// Why the node started, as the station was told.
#[track_caller]
fn started_by(station: &Station, node: &str, by: &str) {
    eventually("the station knows why the node started", || {
        let node = station.get(&format!("/api/v1/nodes/{node}"));
        (node["started_by"] == by).then_some(())
    });
}

/// What the station knows of an actuator.
#[track_caller]
fn reported(station: &Station, node: &str, actuator: &str, state: &str) {
    eventually("the station knows the actuator's state", || {
        let node = station.get(&format!("/api/v1/nodes/{node}"));
        (node["actuators"][actuator]["reported"] == state).then_some(())
    });
}

/// Waits until a value of a metric is stored; its time, in milliseconds since 1970.
#[track_caller]
fn stored(station: &Station, node: &str, metric: &str, value: f64) -> i64 {
    eventually("the value is stored", || {
        let path = format!("/api/v1/data/all?node={node}&metric={metric}&limit=10000");
        let page = station.get(&path);
        let mut samples = page["samples"].as_array().expect("a list").iter();
        let found = samples.find(|sample| sample["value"] == value)?;
        let time = found["ts"].as_str().expect("a time");
        let time: chrono::DateTime<chrono::Utc> = time.parse().expect("a time");
        Some(time.timestamp_millis())
    })
}
