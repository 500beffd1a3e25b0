//! The whole way through Mosquitto, with the settings that we ship.

use serde_json::json;

use super::helper::{
    KITCHEN, STATION, command_becomes, guarded, healthy, kitchen, order, presence, says, station_at,
};
use crate::helper::{Mosquitto, Setup, Station, eventually, never_within, run, tool};

/// Publishes as the kitchen.
fn publish(broker: &Mosquitto, topic: &str, message: &str, more: &[&str]) {
    let mut command = tool("mosquitto_pub", broker.home());
    command.args(["-h", "127.0.0.1", "-p", &broker.port().to_string()]);
    command.args(["-u", KITCHEN.0, "-P", KITCHEN.1, "-t", topic, "-m", message]);
    run(command.args(more), "").good();
}

fn numbered(seq: usize) -> String {
    format!(
        r#"{{"boot":7,"seq":{seq},"samples":[{{"age_ms":0,"values":{{"temperature":2{seq}}}}}]}}"#
    )
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
        command_becomes(station, &order(station, "on"), "confirmed");
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

#[test]
fn every_level_of_delivery_works_both_ways() {
    for version in ["3.1.1", "5"] {
        for qos in 0..=2 {
            let broker = guarded();
            let config =
                format!("[mqtt]\nversion = \"{version}\"\nqos = {qos}\ncommand_qos = {qos}\n");
            let station = station_at(&broker, &config);
            healthy(&station);
            for (at, level) in ["0", "1", "2"].into_iter().enumerate() {
                let topic = "signalbox/kitchen/telemetry";
                publish(&broker, topic, &numbered(at + 1), &["-q", level]);
            }
            eventually("all are stored", || {
                (station.values("kitchen").len() == 3).then_some(())
            });
            let _node = kitchen(&station);
            command_becomes(&station, &order(&station, "on"), "confirmed");
            assert_eq!(
                station.get("/api/v1/station")["counters"]["bad_messages"],
                0
            );
        }
    }
}

#[test]
fn what_the_broker_keeps_is_not_taken_for_news() {
    let broker = guarded();
    let station_login = ["-u", STATION.0, "-P", STATION.1, "-r", "-q", "1"];
    let topic = "signalbox/kitchen/command";
    publish(&broker, topic, r#"{"id":"forged"}"#, &station_login);
    let retained = ["-r", "-q", "1"];
    publish(
        &broker,
        "signalbox/kitchen/telemetry",
        &numbered(1),
        &retained,
    );
    let status = r#"{"online":true,"boot":7,"uptime_s":3,"actuators":{"led":"off"}}"#;
    publish(&broker, "signalbox/kitchen/status", status, &retained);

    let station = station_at(&broker, "");
    presence(&station, "online");
    says(&station, "the broker keeps an order");
    let reasons = eventually("both are listed", || {
        let bad = station.get("/api/v1/messages?bad=true");
        let bad = bad["messages"].as_array().unwrap();
        let reasons: Vec<String> = bad.iter().map(|m| m["reason"].to_string()).collect();
        (reasons.len() == 2).then_some(reasons.join("\n"))
    });
    assert!(reasons.contains("a retained order"), "{reasons}");
    assert!(reasons.contains("nobody knows how old it is"), "{reasons}");
    assert!(station.values("kitchen").is_empty());
    // What comes while we listen is news, retained or not.
    publish(
        &broker,
        "signalbox/kitchen/telemetry",
        &numbered(2),
        &retained,
    );
    eventually("it is stored", || {
        (station.values("kitchen").len() == 1).then_some(())
    });
}

#[test]
fn the_station_does_not_hear_itself() {
    let broker = guarded();
    let config = "[[mapping]]\ntopic = \"+/+/#\"\nnode = \"{2}\"\nmetrics = { t = \"$.t\" }\n";
    let station = station_at(&broker, config);
    healthy(&station);
    let _node = kitchen(&station);
    command_becomes(&station, &order(&station, "on"), "confirmed");
    let bad = || {
        let bad = station.get("/api/v1/messages?bad=true");
        let bad = bad["messages"].as_array().unwrap().clone();
        bad.into_iter().find(|message| {
            let topic = message["topic"].as_str().unwrap();
            topic.contains("_station") || topic.ends_with("/command")
        })
    };
    let while_ = std::time::Duration::from_millis(300);
    never_within(while_, "it took its own words for a node's", bad);
}

#[test]
fn a_message_that_is_too_large_is_reported_and_holds_nothing_up() {
    for version in ["3.1.1", "5"] {
        let broker = guarded();
        let station = station_at(&broker, &format!("[mqtt]\nversion = \"{version}\"\n"));
        healthy(&station);
        let topic = "signalbox/kitchen/telemetry";
        let large = broker.home().join("large");
        std::fs::write(&large, vec![b' '; 300_000]).unwrap();
        let mut command = tool("mosquitto_pub", broker.home());
        command.args(["-h", "127.0.0.1", "-p", &broker.port().to_string()]);
        command.args(["-u", KITCHEN.0, "-P", KITCHEN.1, "-q", "1", "-t", topic]);
        run(command.arg("-f").arg(large), "").good();
        publish(&broker, topic, &numbered(1), &["-q", "1"]);
        eventually("what came after it is stored", || {
            (station.values("kitchen").len() == 1).then_some(())
        });
        // With MQTT 5 the broker is told the limit, and does not send it.
        let refused = if version == "5" { 0 } else { 1 };
        let counters = &station.get("/api/v1/station")["counters"];
        assert_eq!(counters["bad_messages"], refused);
        assert_eq!(station.log().matches("connected to the broker").count(), 2);
    }
}

#[test]
fn stations_of_a_group_share_what_nodes_measure() {
    let broker = Mosquitto::start();
    let stations = ["first", "second"].map(|id| {
        let station = Station::with(Setup {
            config: format!("[mqtt]\nclient_id = \"{id}\"\nshare_group = \"stations\"\n"),
            broker: Some(broker.url()),
            ..Setup::default()
        });
        healthy(&station);
        station
    });
    for seq in 1..=20 {
        let topic = "signalbox/kitchen/telemetry";
        publish(&broker, topic, &numbered(seq), &["-q", "1"]);
    }
    eventually("each is stored once", || {
        let [first, second] = stations.each_ref().map(|s| s.values("kitchen").len());
        (first + second == 20 && first > 0 && second > 0).then_some(())
    });
    // Of who is there, both hear.
    publish(
        &broker,
        "signalbox/kitchen/status",
        r#"{"online":true}"#,
        &["-q", "1"],
    );
    for station in &stations {
        presence(station, "online");
    }
}
