//! The program's other faces: how the daemon ends, `pub` and `sub`, simulated nodes, the demo.

use std::{io::Write as _, time::Duration};

use serde_json::{Value, json};

use crate::{
    broker::{As, subscriber},
    helper::{Running, Station, eventually, run, signalbox, tool},
};

#[test]
fn the_daemon_ends_when_asked_and_leaves_nothing_half_done() {
    let mut station = Station::start();
    let mut node = station.node("kitchen");
    for (n, signal) in ["TERM", "INT"].into_iter().enumerate() {
        let seq = n + 1;
        node.tell(&json!({"do": "reading", "values": {"soil": seq}}));
        node.expect_where("acked", |event| event["seq"] == seq);
        assert_eq!(station.signal(signal), Some(0), "{signal}");
        assert!(!station.socket().exists(), "{signal}: the socket stays");
        let log = station.log();
        assert!(log.trim_end().ends_with("stopped"), "{log}");
        node.expect("lost");
        station.restart();
        assert_eq!(station.values("kitchen").len(), seq);
        node.expect_where("connected", |event| event["rc"] == "Success");
    }
}

/// Port 0 picks free ones, and the line that says so is all that is needed to reach the daemon.
#[test]
fn the_ready_line_tells_how_to_reach_the_daemon() {
    let home = tempfile::tempdir().unwrap();
    let mut command = signalbox(home.path());
    command.args([
        "serve",
        "--data-dir",
        "data",
        "--port",
        "0",
        "--mqtt-listen",
        "127.0.0.1:0",
    ]);
    // A file is easier to read than standard error here, and also tested by it.
    let log = home.path().join("station.log");
    let mut daemon = Running::start(command.env("SIGNALBOX_LOG__FILE", &log));
    let line = eventually("ready", || {
        let log = std::fs::read_to_string(&log).ok()?;
        let line = log.lines().find(|line| line.contains(" ready id="))?;
        Some(line.to_owned())
    });
    let field = |key: &str| {
        let mut words = line.split(' ');
        words.find_map(|word| word.strip_prefix(key)).unwrap()
    };
    let mut curl = tool("curl", home.path());
    let index = run(curl.args(["--silent", field("api=")]), "").good();
    assert_eq!(index, format!("My id is {}", field("id=")));
    let host = format!("unix://{}", home.path().join(field("socket=")).display());
    run(signalbox(home.path()).args(["nodes", "--host", &host]), "").good();
    let (mqtt_host, mqtt_port) = field("mqtt=").split_once(':').unwrap();
    let mut publish = tool("mosquitto_pub", home.path());
    publish.args(["-h", mqtt_host, "-p", mqtt_port, "-t", "x", "-m", "y"]);
    let refused = run(&mut publish, "");
    assert!(
        refused.err.contains("connection was refused"),
        "{}",
        refused.err
    );
    assert_eq!(daemon.signal("TERM"), Some(0));
}

/// A station that lets anyone in, for clients of all kinds.
fn open_station() -> Station {
    let station = Station::configured("[mqtt]\nanonymous = true");
    let log = station.log();
    assert!(
        log.contains("WARN") && log.contains("clients without a login are let in"),
        "{log}"
    );
    station
}

fn client(station: &Station, args: &[&str]) -> std::process::Command {
    let mut command = signalbox(station.home());
    command.args(args).args(["--port", &station.mqtt_port()]);
    command
}

const NOBODY: As<'_> = As {
    name: "",
    password: "",
};

#[test]
fn pub_and_sub_speak_with_mosquitto() {
    let station = open_station();
    let status = "signalbox/lamp/status";
    let filters = ["-t", "some/#", "-t", status];
    let mut theirs = subscriber(&station, &NOBODY, "mqttv5", &filters);
    let mut args = vec!["sub", "--qos", "1", "--json"];
    args.extend(filters);
    let mut ours = Running::start(&mut client(&station, &args));
    let say = |topic: &str, message: &str, more: &[&str]| {
        let mut args = vec!["pub", "--topic", topic, "--message", message];
        args.extend(more);
        run(&mut client(&station, &args), "").good();
    };
    // The station keeps only statuses. Who has heard of one listens.
    let online = r#"{"online":true}"#;
    say(status, online, &["--qos", "1", "--retain"]);
    assert!(theirs.next().ends_with(&format!("{status} {online}")));
    let heard: Value = serde_json::from_str(&ours.next()).unwrap();
    assert_eq!(
        (&heard["topic"], &heard["payload"]),
        (&json!(status), &json!(online))
    );

    for qos in ["0", "1", "2"] {
        say("some/more", qos, &["--qos", qos]);
        assert_eq!(theirs.next(), format!("0 some/more {qos}"));
        let heard: Value = serde_json::from_str(&ours.next()).unwrap();
        assert_eq!(heard["payload"], qos);
    }

    // A line of input, a message; and the last will of one that is ended without a word.
    let args = [
        "pub",
        "--topic",
        "some/lines",
        "--lines",
        "--qos",
        "1",
        "--will-topic",
        "some/will",
        "--will-message",
        "gone",
    ];
    let mut publisher = Running::start(&mut client(&station, &args));
    let mut stdin = publisher.stdin.take().unwrap();
    writeln!(stdin, "first").unwrap();
    assert_eq!(theirs.next(), "0 some/lines first");
    publisher.kill();
    assert_eq!(theirs.next(), "0 some/will gone");

    // One that says goodbye leaves no will.
    let mut publisher = Running::start(&mut client(&station, &args));
    drop(publisher.stdin.take());
    assert!(theirs.next_within(Duration::from_millis(500)).is_none());
    assert_eq!(ours.signal("INT"), Some(0));
    theirs.kill();
}

#[test]
fn simulated_nodes_are_nodes() {
    let station = open_station();
    let broker = format!("mqtt://127.0.0.1:{}", station.mqtt_port());
    let mut command = signalbox(station.home());
    command.args([
        "sim",
        "--nodes",
        "3",
        "--broker",
        &broker,
        "--interval",
        "100ms",
    ]);
    let mut sim = Running::start(command.args(["--speed", "60"]));
    for n in 1..=3 {
        eventually("it is online and measures", || {
            let nodes = station.get("/api/v1/nodes");
            let nodes = nodes["nodes"].as_array().unwrap();
            let name = format!("sim-{n}");
            let node = nodes.iter().find(|node| node["name"] == name.as_str())?;
            let measures = node["latest"]["temperature"]["value"].is_number();
            (node["presence"] == "online" && measures).then_some(())
        });
    }
    let node = station.get("/api/v1/nodes/sim-2");
    let actuator = node["actuators"]
        .as_object()
        .unwrap()
        .keys()
        .next()
        .unwrap();
    let done = station.json(&["send", "sim-2", actuator, "on", "--for", "1s"]);
    assert_eq!(done["state"], "confirmed");
    eventually("it switches off by itself", || {
        let node = station.get("/api/v1/nodes/sim-2");
        (node["actuators"][actuator]["reported"] == "off").then_some(())
    });
    assert_eq!(sim.signal("INT"), Some(0));
    eventually("they say goodbye", || {
        let node = station.get("/api/v1/nodes/sim-2");
        (node["presence"] == "offline").then_some(())
    });
    let counters = &station.get("/api/v1/station")["counters"];
    assert_eq!(counters["bad_messages"], 0);
}

#[test]
fn the_demo_runs_without_a_terminal_and_leaves_nothing_behind() {
    let home = tempfile::tempdir().unwrap();
    let without = run(signalbox(home.path()).arg("demo"), "");
    assert_eq!(without.code, 1);
    assert!(without.err.contains("--headless"), "{}", without.err);

    let mut command = signalbox(home.path());
    command.env("TMPDIR", home.path());
    let mut demo = Running::start(command.args(["demo", "--headless"]));
    let host = loop {
        let line = demo.next();
        if let Some((_, host)) = line.split_once("signalbox nodes --host ") {
            break host.to_owned();
        }
    };
    let verb = |args: &[&str]| -> Value {
        let mut command = signalbox(home.path());
        let ended = run(command.args(args).args(["--json", "--host", &host]), "");
        serde_json::from_str(&ended.good()).unwrap()
    };
    for name in ["greenhouse", "kitchen", "cellar"] {
        eventually("it is online", || {
            let nodes = verb(&["nodes"]);
            let nodes = nodes["nodes"].as_array().unwrap();
            let node = nodes.iter().find(|node| node["name"] == name)?;
            (node["presence"] == "online").then_some(())
        });
        let past = verb(&["data", "--node", name, "-n", "10000"]);
        assert!(past["samples"].as_array().unwrap().len() > 100, "{name}");
    }
    assert_eq!(verb(&["rules"])["rules"].as_array().unwrap().len(), 1);
    assert_eq!(demo.signal("INT"), Some(0));
    let left: Vec<_> = std::fs::read_dir(home.path()).unwrap().flatten().collect();
    assert!(left.is_empty(), "{left:?}");
}
