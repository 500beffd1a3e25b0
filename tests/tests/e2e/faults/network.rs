//! The network is cut: packets are lost without a word, in a network of the test's own.

use std::time::Duration;

use super::{
    machine::{cut, mend, of_its_own},
    rig::{Link, Rig, Store, last, usually_or_full},
};

const DISK_MIB: u32 = 1_024;

/// Cuts off who listens at a port, for as long as the document says.
fn cut_off(mut rig: Rig, port: &str) {
    rig.flows();
    cut(port);
    // What was on the way has arrived.
    last(Duration::from_secs(2));
    rig.nothing_flows(Duration::from_secs(usually_or_full(6, 28)));
    mend();
    rig.is_well(true);
    rig.flows();
    rig.assert_all_stored_once();
}

#[test]
fn between_the_station_and_postgresql() {
    of_its_own(
        "faults::network::between_the_station_and_postgresql",
        DISK_MIB,
        || {
            let rig = Rig::start(Store::Postgres, Link::Embedded);
            let port = rig.postgres.as_ref().unwrap().port().to_string();
            cut_off(rig, &port);
        },
    );
}

/// The nodes lose it as well.
#[test]
fn between_the_station_and_mosquitto() {
    of_its_own(
        "faults::network::between_the_station_and_mosquitto",
        DISK_MIB,
        || {
            let rig = Rig::start(Store::Sqlite, Link::Mosquitto);
            let port = rig.mosquitto.as_ref().unwrap().port().to_string();
            cut_off(rig, &port);
        },
    );
}

#[test]
fn between_the_nodes_and_the_embedded_broker() {
    let name = "faults::network::between_the_nodes_and_the_embedded_broker";
    of_its_own(name, DISK_MIB, || {
        let rig = Rig::start(Store::Sqlite, Link::Embedded);
        let port = rig.station.mqtt_port();
        cut_off(rig, &port);
    });
}
