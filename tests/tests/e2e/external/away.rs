//! A broker that is not there, or does not let us in.

use serde_json::json;

use super::helper::{
    command_becomes, guarded, healthy, kitchen, order, presence, says, station_at, trouble,
};
use crate::helper::{Mosquitto, Setup, Station, eventually};

#[test]
fn the_station_is_ready_without_its_broker_and_uses_it_when_it_comes() {
    let mut broker = guarded();
    broker.stop();
    // `Station::start` waits for the ready line.
    let station = station_at(&broker, "");
    let reply = station.ask("GET", "/health", None);
    assert_eq!(reply.status, 503, "{}", reply.text);
    eventually("it says why", || {
        trouble(&station)
            .contains("Connection refused")
            .then_some(())
    });
    let metrics = station.ask("GET", "/metrics", None).text;
    assert!(metrics.contains("signalbox_broker_up 0"), "{metrics}");
    broker.start_again();
    healthy(&station);
    let metrics = station.ask("GET", "/metrics", None).text;
    assert!(metrics.contains("signalbox_broker_up 1"), "{metrics}");
    assert!(
        metrics.contains("signalbox_broker_connects_total 2"),
        "{metrics}"
    );
    // Each reason once, however often it was tried.
    assert_eq!(
        station.log().matches("no connection to the broker").count(),
        2
    );
}

#[test]
fn commands_wait_for_the_broker_and_presence_is_unknown_meanwhile() {
    let mut broker = guarded();
    let station = station_at(&broker, "");
    healthy(&station);
    let mut node = kitchen(&station);
    broker.kill();
    presence(&station, "unknown");
    let id = order(&station, "on");
    let shown = station.get(&format!("/api/v1/command/{id}"));
    assert_eq!(shown["state"], "requested");
    broker.start_again();
    node.expect_where("switched", |event| event["state"] == "on");
    command_becomes(&station, &id, "confirmed");
    presence(&station, "online");
    node.tell(&json!({"do": "reading", "values": {"temperature": 20}}));
    node.expect("acked");
    eventually("it is stored", || {
        (station.values("kitchen").len() == 1).then_some(())
    });
}

#[test]
fn a_broker_that_hangs_is_noticed() {
    let broker = guarded();
    let station = station_at(&broker, "[mqtt]\nkeep_alive_s = 5\n");
    healthy(&station);
    broker.freeze();
    eventually("it is noticed", || {
        trouble(&station).contains("keep-alive").then_some(())
    });
    broker.thaw();
    healthy(&station);
}

#[test]
fn a_wrong_password_is_explained_and_shown_to_nobody() {
    for version in ["3.1.1", "5"] {
        let broker = guarded();
        let station = Station::with(Setup {
            config: format!("[mqtt]\nversion = \"{version}\"\n"),
            broker: Some(format!("mqtt://station:wr0ng@127.0.0.1:{}", broker.port())),
            ..Setup::default()
        });
        eventually("it is explained", || {
            trouble(&station).contains("password").then_some(())
        });
        says(&station, "SIGNALBOX_MQTT__BROKER_PASSWORD");
        assert!(!station.log().contains("wr0ng"), "{}", station.log());
    }
}

#[test]
fn a_broker_that_forgets_or_drops_is_reported() {
    let mut broker = Mosquitto::with_defaults();
    let station = Station::with(Setup {
        broker: Some(broker.url()),
        ..Setup::default()
    });
    healthy(&station);
    broker.restart();
    says(&station, "persistence true");
    healthy(&station);
    let health = station.get("/health");
    let warning = health["warnings"][0].as_str().unwrap();
    assert!(
        warning.contains("forgotten the station's session"),
        "{warning}"
    );
    let metrics = station.ask("GET", "/metrics", None).text;
    assert!(metrics.contains("signalbox_broker_warnings 1"), "{metrics}");
}
