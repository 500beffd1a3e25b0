//! What Mosquitto acknowledged to a node is stored, once: with the settings that we ship, whatever
//! ends the daemon, and when the broker is stopped and started.

use serde_json::json;

use super::helper::healthy;
use crate::{
    durability::{assert_stored_once, numbers},
    helper::{Mosquitto, Script, Setup, Station, eventually},
};

/// Nodes that publish at the same time.
const NODES: usize = 3;
/// What each of them publishes at least before anything happens to it.
const ROUNDS: u32 = 4;

struct Bench {
    broker: Mosquitto,
    station: Station,
    publishers: Vec<Script>,
}

impl Bench {
    fn new(version: &str, qos: u8) -> Self {
        let broker = Mosquitto::start();
        let station = Station::with(Setup {
            config: format!("[mqtt]\nversion = \"{version}\"\nqos = {qos}\n"),
            broker: Some(broker.url()),
            ..Setup::default()
        });
        healthy(&station);
        let port = broker.port().to_string();
        let publishers = (0..NODES).map(|n| {
            let name = format!("node{n}");
            let args = ["127.0.0.1", &port, &name, "none", "--window", "400"];
            Script::start("publisher.py", &args, station.home())
        });
        Self {
            publishers: publishers.collect(),
            broker,
            station,
        }
    }

    /// Waits until every publisher has got something acknowledged from now on.
    fn let_pass(&mut self) {
        for publisher in &mut self.publishers {
            publisher.come("acked");
            publisher.expect("acked");
        }
    }

    fn assert_nothing_lost(mut self) {
        for publisher in &mut self.publishers {
            publisher.tell(&json!({"do": "stop"}));
        }
        for (n, publisher) in self.publishers.iter_mut().enumerate() {
            let done = publisher.expect("done");
            let published = done["published"].as_u64().unwrap();
            assert_eq!(numbers(&done["acked"]).len() as u64, published);
            let node = format!("node{n}");
            // The broker had acknowledged it; the station may still be about to get it.
            let newest = format!("/api/v1/nodes/{node}");
            eventually("the last one is stored", || {
                let page = self.station.get(&newest);
                let last = page["latest"]["n"]["value"].as_f64()?;
                #[expect(clippy::cast_precision_loss, reason = "small")]
                let wanted = published as f64;
                (last >= wanted).then_some(())
            });
            assert_stored_once(&self.station, &node, published);
        }
    }
}

#[test]
fn kills_of_the_daemon_lose_nothing() {
    for (version, qos) in [("3.1.1", 1), ("5", 2)] {
        let mut bench = Bench::new(version, qos);
        for _ in 0..ROUNDS {
            bench.let_pass();
            bench.station.kill();
            // Meanwhile it waits in the session.
            bench.let_pass();
            bench.station.restart();
        }
        bench.assert_nothing_lost();
    }
}

#[test]
fn orderly_stops_of_the_daemon_lose_nothing() {
    let mut bench = Bench::new("3.1.1", 1);
    for _ in 0..ROUNDS {
        bench.let_pass();
        assert_eq!(bench.station.signal("TERM"), Some(0));
        bench.let_pass();
        bench.station.restart();
    }
    bench.assert_nothing_lost();
}

/// A daemon that is halted takes nothing: what comes is more than may be on its way to it.
#[test]
fn a_slow_daemon_loses_nothing() {
    let mut bench = Bench::new("3.1.1", 1);
    bench.let_pass();
    bench.station.halt();
    for _ in 0..ROUNDS {
        bench.let_pass();
    }
    bench.station.go_on();
    bench.let_pass();
    bench.assert_nothing_lost();
}

#[test]
fn restarts_of_the_broker_lose_nothing() {
    for (version, qos) in [("3.1.1", 2), ("5", 1)] {
        let mut bench = Bench::new(version, qos);
        for _ in 0..ROUNDS {
            bench.let_pass();
            bench.broker.restart();
        }
        bench.let_pass();
        bench.assert_nothing_lost();
    }
}
