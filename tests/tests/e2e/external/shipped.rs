//! `deploy/mosquitto.conf` and `deploy/mosquitto.acl`, without the station.

use std::process::Command;

use crate::helper::{Mosquitto, Running, run, tool};

fn publish(broker: &Mosquitto, login: [&str; 2], topic: &str, message: &str) {
    let mut command = tool("mosquitto_pub", broker.home());
    command.args(["-h", "127.0.0.1", "-p", &broker.port().to_string()]);
    command.args(["-u", login[0], "-P", login[1], "-q", "1"]);
    run(command.args(["-t", topic, "-m", message]), "").good();
}

/// A client with a session: what comes from now on waits for it.
fn subscribe(broker: &Mosquitto, login: [&str; 2], filter: &str, more: &[&str]) -> Command {
    let mut command = tool("mosquitto_sub", broker.home());
    command.args(["-h", "127.0.0.1", "-p", &broker.port().to_string()]);
    command.args(["-u", login[0], "-P", login[1], "-q", "1"]);
    command.args(["-i", &format!("test-{}", login[0]), "-c", "-t", filter]);
    command.args(["-F", "%t %p"]).args(more);
    command
}

#[test]
fn a_node_writes_only_its_own_topics() {
    let station = ["station", "secret of the station"];
    let (kitchen, cellar) = (["kitchen", "secret 1"], ["cellar", "secret 2"]);
    let logins = [station, kitchen, cellar].map(|[name, password]| (name, password));
    let broker = Mosquitto::guarded(&logins);
    let filter = "signalbox/#";
    run(&mut subscribe(&broker, station, filter, &["-E"]), "").good();
    publish(&broker, kitchen, "signalbox/cellar/telemetry", "forged");
    publish(&broker, kitchen, "signalbox/kitchen/command", "forged");
    publish(&broker, kitchen, "signalbox/kitchen/telemetry", "mine");
    let heard = Running::start(&mut subscribe(&broker, station, filter, &[]));
    assert_eq!(heard.next(), "signalbox/kitchen/telemetry mine");

    let filter = "signalbox/+/command";
    run(&mut subscribe(&broker, kitchen, filter, &["-E"]), "").good();
    publish(&broker, station, "signalbox/cellar/command", "not for it");
    publish(&broker, station, "signalbox/kitchen/command", "for it");
    let heard = Running::start(&mut subscribe(&broker, kitchen, filter, &[]));
    assert_eq!(heard.next(), "signalbox/kitchen/command for it");
}

#[test]
fn what_waits_for_a_client_that_is_away_survives_a_restart() {
    let mut broker = Mosquitto::start();
    let login = ["anyone", "any"];
    run(&mut subscribe(&broker, login, "a", &["-E"]), "").good();
    let lines: String = (0..3_000).map(|n| format!("{n}\n")).collect();
    let mut command = tool("mosquitto_pub", broker.home());
    command.args(["-h", "127.0.0.1", "-p", &broker.port().to_string()]);
    run(command.args(["-q", "1", "-t", "a", "-l"]), &lines).good();
    broker.restart();
    let heard = Running::start(&mut subscribe(&broker, login, "a", &[]));
    for n in 0..3_000 {
        assert_eq!(heard.next(), format!("a {n}"));
    }
}
