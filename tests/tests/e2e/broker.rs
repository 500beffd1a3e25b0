//! The embedded broker, with clients that others wrote: mosquitto's and paho's, MQTT 3.1.1 and 5.

use std::time::Duration;

use serde_json::{Value, json};

use crate::helper::{Ended, Running, Script, Station, eventually, never_within, run, tool};

/// Mosquitto's words for the versions.
const VERSIONS: [&str; 2] = ["mqttv311", "mqttv5"];

/// A login.
pub(crate) struct As<'a> {
    pub(crate) name: &'a str,
    pub(crate) password: &'a str,
}

fn publish(station: &Station, login: &As<'_>, version: &str, more: &[&str]) -> Ended {
    let mut command = tool("mosquitto_pub", station.home());
    command.args(["-h", "127.0.0.1", "-p", &station.mqtt_port(), "-V", version]);
    command.args(["-u", login.name, "-P", login.password]);
    run(command.args(more), "")
}

/// A running `mosquitto_sub` that prints whether it was retained, topic and message.
pub(crate) fn subscriber(
    station: &Station,
    login: &As<'_>,
    version: &str,
    more: &[&str],
) -> Running {
    let mut command = tool("mosquitto_sub", station.home());
    command.args(["-h", "127.0.0.1", "-p", &station.mqtt_port(), "-V", version]);
    command.args(["-u", login.name, "-P", login.password, "-q", "1"]);
    command.args(["-F", "%r %t %p"]).args(more);
    Running::start(&mut command)
}

/// The first refused message on a topic.
fn bad(station: &Station, topic: &str) -> Value {
    eventually(topic, || {
        let list = station.get("/api/v1/messages?bad=true&limit=1000");
        let messages = list["messages"].as_array().unwrap();
        messages.iter().find(|m| m["topic"] == topic).cloned()
    })
}

#[test]
fn mosquitto_speaks_for_its_node_in_both_versions() {
    let station = Station::start();
    let password = station.add_node("kitchen");
    let login = As {
        name: "kitchen",
        password: &password,
    };
    for (n, version) in VERSIONS.into_iter().enumerate() {
        let seq = n + 1;
        let body = format!(
            r#"{{"boot":7,"seq":{seq},"samples":[{{"age_ms":0,"values":{{"temperature":2{seq}.5}}}}]}}"#
        );
        let topic = ["-t", "signalbox/kitchen/telemetry", "-q", "1", "-m", &body];
        publish(&station, &login, version, &topic).good();
        // Acknowledged is stored: there is nothing to wait for.
        let values = station.values("kitchen");
        assert_eq!(values.len(), seq, "{version}: {values:?}");
    }
    let values = station.values("kitchen");
    assert_eq!(values[0], ("temperature".to_owned(), 21.5));
    assert_eq!(values[1], ("temperature".to_owned(), 22.5));

    // The same number again is acknowledged, and not stored.
    let again = r#"{"boot":7,"seq":2,"samples":[{"age_ms":0,"values":{"temperature":30}}]}"#;
    let topic = ["-t", "signalbox/kitchen/telemetry", "-q", "1", "-m", again];
    publish(&station, &login, "mqttv5", &topic).good();
    assert_eq!(station.values("kitchen").len(), 2);
    assert_eq!(station.get("/api/v1/station")["counters"]["duplicates"], 1);

    // QoS 0 and 2 are taken as well.
    for (qos, seq) in [("0", 3), ("2", 4)] {
        let body = format!(
            r#"{{"boot":7,"seq":{seq},"samples":[{{"age_ms":0,"values":{{"temperature":2{seq}}}}}]}}"#
        );
        let topic = ["-t", "signalbox/kitchen/telemetry", "-q", qos, "-m", &body];
        publish(&station, &login, "mqttv311", &topic).good();
        eventually("it is stored", || {
            (station.values("kitchen").len() == seq).then_some(())
        });
    }
}

#[test]
fn a_wrong_login_is_refused_in_both_versions() {
    let station = Station::start();
    let password = station.add_node("kitchen");
    for version in VERSIONS {
        for (name, password) in [("kitchen", "wrong"), ("nobody", password.as_str())] {
            let login = As { name, password };
            let done = publish(
                &station,
                &login,
                version,
                &["-t", "/exp/sensor", "-m", "{}"],
            );
            assert_ne!(done.code, 0, "{version} {name}");
            let said = done.err.to_lowercase();
            assert!(
                said.contains("not authorised") || said.contains("bad user name or password"),
                "{version} {name}: {said}"
            );
        }
        // Without a login nobody comes in.
        let mut command = tool("mosquitto_pub", station.home());
        command.args(["-h", "127.0.0.1", "-p", &station.mqtt_port(), "-V", version]);
        let done = run(command.args(["-t", "/exp/sensor", "-m", "{}"]), "");
        assert_ne!(done.code, 0, "{version}");
    }
    assert_eq!(station.values("exp"), []);
}

#[test]
fn a_node_keeps_to_its_own_topics() {
    let station = Station::start();
    let password = station.add_node("kitchen");
    station.add_node("cellar");
    let login = As {
        name: "kitchen",
        password: &password,
    };
    let status = r#"{"online":true}"#;
    for (topic, why) in [
        (
            "signalbox/cellar/status",
            "may not publish for another node",
        ),
        ("signalbox/kitchen/command", "only the station does"),
        (
            "signalbox/kitchen/other",
            "not a topic of the node protocol",
        ),
        ("somewhere/else", "no `[[mapping]]` takes this topic"),
    ] {
        let args = ["-t", topic, "-q", "1", "-m", status];
        // MQTT 5 tells the client, 3.1.1 has no word for it.
        let done = publish(&station, &login, "mqttv5", &args);
        assert!(
            done.err.contains("Not authorized"),
            "{topic}: {} {}",
            done.code,
            done.err
        );
        publish(&station, &login, "mqttv311", &args).good();
        let message = eventually(topic, || {
            let message = bad(&station, topic);
            (message["count"] == 2).then_some(message)
        });
        assert_eq!(message["outcome"], "denied");
        let reason = message["reason"].as_str().unwrap();
        assert!(
            reason.contains(why) && reason.contains("kitchen"),
            "{reason}"
        );
    }
    let cellar = station.get("/api/v1/nodes/cellar");
    assert_eq!(cellar["presence"], "unknown");

    // Nor does it listen to others.
    for (version, filter) in [
        ("mqttv5", "signalbox/cellar/command"),
        ("mqttv311", "#"),
        ("mqttv5", "signalbox/+/command"),
    ] {
        let mut command = tool("mosquitto_sub", station.home());
        command.args(["-h", "127.0.0.1", "-p", &station.mqtt_port(), "-V", version]);
        command.args(["-u", "kitchen", "-P", &password, "-q", "1", "-t", filter]);
        let done = run(command.args(["-W", "20"]), "");
        assert!(
            done.err.contains("All subscription requests were denied"),
            "{filter}: {} {}",
            done.code,
            done.err
        );
    }
}

#[test]
fn a_status_is_retained_and_the_last_will_tells_the_end() {
    let station = Station::start();
    let password = station.add_node("kitchen");
    let login = As {
        name: "kitchen",
        password: &password,
    };
    let status = "signalbox/kitchen/status";
    let online = r#"{"online":true,"boot":7,"firmware":"0.1.0","actuators":{"led":"off"}}"#;
    let presence = |wanted: &str| {
        eventually(wanted, || {
            let node = station.get("/api/v1/nodes/kitchen");
            (node["presence"] == wanted).then_some(node)
        })
    };
    for version in VERSIONS {
        let will = [
            "--will-topic",
            status,
            "--will-payload",
            r#"{"online":false}"#,
            "--will-qos",
            "1",
            "--will-retain",
            "-i",
            "kitchen-board",
            "-t",
            "signalbox/kitchen/#",
        ];
        let mut node = subscriber(&station, &login, version, &will);
        let args = ["-t", status, "-q", "1", "-r", "-m", online];
        // Not one that was kept from before it came: then the node itself would be silent.
        let live = format!("0 {status} {online}");
        eventually("the node has come", || {
            publish(&station, &login, version, &args).good();
            let line = node.next_within(Duration::from_millis(100));
            line.is_some_and(|line| line == live).then_some(())
        });
        let node_now = presence("online");
        assert_eq!(node_now["firmware"], "0.1.0");
        assert_eq!(node_now["actuators"]["led"]["reported"], "off");

        // Who comes later is told, and that it was kept.
        let later = subscriber(&station, &login, version, &["-t", status]);
        assert_eq!(later.next(), format!("1 {status} {online}"));

        node.kill();
        assert_eq!(later.next(), format!("0 {status} {{\"online\":false}}"));
        // The listener has the node's login too, but is not the node.
        presence("offline");
    }
}

#[test]
fn the_classic_topic_and_a_mapped_one_are_stored() {
    let station = Station::configured(
        r#"
        [[mapping]]
        topic = "tele/+/SENSOR"
        node = "{1}"
        login = "board"
        metrics = { temperature = "$.DHT11.Temperature", humidity = "$.DHT11.Humidity" }
        "#,
    );
    let password = station.add_node("board");
    let login = As {
        name: "board",
        password: &password,
    };
    let sent = |topic: &str, body: &str| {
        let args = ["-t", topic, "-q", "1", "-m", body];
        publish(&station, &login, "mqttv311", &args).good();
    };
    sent(
        "/exp/sensor",
        r#"{"temperature":21,"humidity":40,"soil":512}"#,
    );
    let exp = station.get("/api/v1/nodes/exp");
    assert_eq!(exp["latest"]["temperature"]["value"], 21.0);
    assert_eq!(exp["latest"]["humidity"]["value"], 40.0);
    assert_eq!(exp["latest"]["soil"]["value"], 512.0);

    sent("/exp/sensor", r#"{"device":"ESP-01","temperature":60}"#);
    let named = station.get("/api/v1/nodes/ESP-01");
    // No DHT11 measures 60 °C.
    assert_eq!(
        named["latest"]["temperature"]["flags"],
        json!(["out_of_range"])
    );

    sent(
        "tele/garden/SENSOR",
        r#"{"Time":"2026-01-31T07:00:00","DHT11":{"Temperature":7.5,"Humidity":81.0}}"#,
    );
    let garden = station.get("/api/v1/nodes/garden");
    assert_eq!(garden["latest"]["temperature"]["value"], 7.5);
    assert_eq!(garden["latest"]["humidity"]["value"], 81.0);

    // The same by the verb.
    let shown = station.json(&["data", "--node", "garden"]);
    assert_eq!(shown["samples"].as_array().unwrap().len(), 2);
}

#[test]
fn what_cannot_be_understood_is_listed_with_its_reason() {
    let station = Station::start();
    let password = station.add_node("kitchen");
    let login = As {
        name: "kitchen",
        password: &password,
    };
    let telemetry = "signalbox/kitchen/telemetry";
    let long = format!(r#"{{"temperature":{}1}}"#, " ".repeat(70_000));
    std::fs::write(station.home().join("long"), long).unwrap();
    std::fs::write(station.home().join("bytes"), [0xff, 0x00, 0x1b, b'[']).unwrap();
    let cases: [(&str, &[&str], &str); 7] = [
        ("/exp/sensor", &["-m", "not json"], "expected"),
        ("/exp/sensor", &["-m", r#"{"temperature":NaN}"#], "expected"),
        (
            "/exp/sensor",
            &["-m", r#"{"temperature":1e999}"#],
            "out of range",
        ),
        (
            "/exp/sensor",
            &["-m", r#"{"temperature":"warm"}"#],
            "`temperature` is not a number",
        ),
        (
            "/exp/sensor",
            &["-m", r#"{"node":"../etc","temperature":1}"#],
            "letters",
        ),
        ("/exp/sensor", &["-f", "long"], "bytes"),
        (telemetry, &["-f", "bytes"], ""),
    ];
    for (n, (topic, message, why)) in cases.into_iter().enumerate() {
        let mut args = vec!["-t", topic, "-q", "1"];
        args.extend(message);
        publish(&station, &login, "mqttv5", &args).good();
        let list = station.get("/api/v1/messages?bad=true");
        let newest = &list["messages"][0];
        assert_eq!(newest["topic"], topic, "{message:?}");
        assert_eq!(newest["outcome"], "bad", "{message:?}");
        let reason = newest["reason"].as_str().unwrap();
        assert!(reason.contains(why), "{message:?}: {reason}");
        assert!(newest["head"].as_str().unwrap().len() <= 1024, "{newest}");
        assert!(!newest["head"].as_str().unwrap().contains('\u{1b}'));
        let counters = &station.get("/api/v1/station")["counters"];
        assert_eq!(counters["bad_messages"], n + 1);
    }
    assert_eq!(station.get("/api/v1/nodes/kitchen")["latest"], json!({}));
    assert_eq!(station.get("/health")["status"], "ok");
}

#[test]
fn paho_is_a_node_in_both_versions() {
    let station = Station::start();
    let password = station.add_node("kitchen");
    for version in ["311", "5"] {
        let mut refused = station.node_with("kitchen", "wrong", &["--mqtt", version]);
        let said = refused.expect("connected");
        let said = said["rc"].as_str().unwrap();
        assert!(
            ["Bad user name or password", "Not authorized"].contains(&said),
            "{said}"
        );

        let boot = if version == "5" { "5" } else { "311" };
        let more = ["--mqtt", version, "--boot", boot];
        let mut node = station.node_with("kitchen", &password, &more);
        node.expect("subscribed");
        let before = station.values("kitchen").len();
        for n in 1..=20 {
            node.tell(&json!({"do": "reading", "values": {"soil": n}}));
        }
        for n in 1..=20 {
            node.expect_where("acked", |event| event["seq"] == n);
        }
        assert_eq!(station.values("kitchen").len(), before + 20);
        node.tell(&json!({"do": "leave"}));
        node.expect("left");
        eventually("it says goodbye", || {
            let node = station.get("/api/v1/nodes/kitchen");
            (node["presence"] == "offline").then_some(())
        });
    }
}

/// While another program has the database, nothing can be committed: then nothing may be
/// acknowledged either.
#[test]
fn an_acknowledgement_means_committed() {
    let station = Station::start();
    let mut node = station.node("kitchen");
    let database = station.database().display().to_string();
    let mut lock = Script::start("lock.py", &[&database], station.home());
    lock.expect("locked");
    node.tell(&json!({"do": "reading", "values": {"soil": 1}}));
    node.expect_none("acked", Duration::from_millis(1_500));
    never_within(Duration::ZERO, "it is stored already", || {
        (!station.values("kitchen").is_empty()).then_some(())
    });
    lock.tell(&json!({"do": "unlock"}));
    assert_eq!(node.expect("acked")["seq"], 1);
    assert_eq!(station.values("kitchen"), [("soil".to_owned(), 1.0)]);
}
