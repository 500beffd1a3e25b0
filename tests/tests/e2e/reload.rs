//! Another configuration without a restart: SIGHUP.

use std::fs;

use serde_json::json;

use crate::helper::{Script, Station, eventually, free_port};

const MAPPING: &str = "[[mapping]]\ntopic = \"shed/+/air\"\nnode = \"{1}\"\n\
                       metrics = { temperature = \"$.t\" }\n";

/// Writes the file, sends the signal, and waits for what the daemon says of it.
#[track_caller]
fn reload(station: &Station, config: &str, says: &[&str]) {
    let before = station.log().len();
    fs::write(station.home().join("signalbox.toml"), config).unwrap();
    station.tell("HUP");
    eventually(&format!("{says:?}"), || {
        let log = station.log();
        let new = &log[before..];
        says.iter().all(|say| new.contains(say)).then_some(())
    });
}

#[test]
fn what_can_holds_at_once_and_the_rest_is_named() {
    let station = Station::start();
    let mut node = station.node("attic");
    let publish = |node: &mut Script| {
        node.tell(&json!({"do": "raw", "topic": "shed/attic/air", "payload": "{\"t\": 12}"}));
    };
    publish(&mut node);
    eventually("nobody knows the topic yet", || {
        let messages = station.get("/api/v1/messages?bad=true&limit=10");
        (!messages["messages"].as_array().unwrap().is_empty()).then_some(())
    });

    let config = format!("[api]\nport = 1\n[log]\nlevel = \"debug\"\n{MAPPING}");
    reload(
        &station,
        &config,
        &[
            "changed `mapping`",
            "changed `log.level` from \"info\" to \"debug\"",
        ],
    );
    eventually("the topic is known", || {
        publish(&mut node);
        let node = station.get("/api/v1/nodes/attic");
        (node["latest"]["temperature"]["value"] == 12.0).then_some(())
    });

    // Something is wrong: all stays as it was.
    reload(
        &station,
        "[command]\nack_timeout_s = 0\n",
        &[
            "refused, the old one stays",
            "signalbox.toml:2: `command.ack_timeout_s`",
        ],
    );
    assert_eq!(station.ask("GET", "/health", None).status, 200);
    reload(&station, &config, &["is the same"]);
}

#[test]
fn a_key_that_needs_a_restart_is_named_and_changes_nothing() {
    let station = Station::start();
    reload(
        &station,
        "[mqtt]\nclients_max = 7\n",
        &["needs a restart: `mqtt.clients_max` from 10000 to 7"],
    );
    station.node("attic");
}

#[test]
fn a_mail_server_can_be_named_and_changed_while_the_station_runs() {
    let start = || {
        let port = free_port().to_string();
        let mut smtp = Script::start("smtp.py", &[&port], &std::env::temp_dir());
        smtp.expect("listening");
        (smtp, port)
    };
    let config = |port: &str| {
        format!(
            "[mail]\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\nretry_s = 1\n\
             from = \"station@example.org\"\n"
        )
    };
    let station = Station::start();
    let mut node = station.node("kitchen");
    for metric in ["temperature", "humidity"] {
        station.json(&[
            "rules",
            "add",
            metric,
            "gt",
            "30",
            "--email",
            "anna@example.org",
        ]);
    }
    for metric in ["temperature", "humidity"] {
        let (mut smtp, port) = start();
        reload(&station, &config(&port), &["changed `mail.port`"]);
        node.tell(&json!({"do": "reading", "values": {metric: 45}}));
        node.expect("acked");
        smtp.expect("mail");
    }
}
