//! The daemon is killed at random moments.

use std::time::Duration;

use super::rig::{Link, Rig, Store, last, spread, usually_or_full};

/// Longest life of a daemon between two kills.
const LIFE_MS_MAX: u64 = 900;

fn kills(store: Store, link: Link) {
    let mut rig = Rig::start(store, link);
    let mut seed = 7;
    for _ in 0..usually_or_full(4, 100) {
        // Something came through since the start, so every life of the daemon counts.
        rig.flows();
        last(Duration::from_millis(spread(&mut seed, LIFE_MS_MAX)));
        rig.station.kill();
        rig.station.restart();
    }
    rig.assert_all_stored_once();
}

// SQLite with the embedded broker is in `durability.rs`, with rules and mails.

#[test]
fn killed_with_mosquitto() {
    kills(Store::Sqlite, Link::Mosquitto);
}

#[test]
fn killed_with_postgresql() {
    kills(Store::Postgres, Link::Embedded);
}

#[test]
fn killed_with_postgresql_and_mosquitto() {
    kills(Store::Postgres, Link::Mosquitto);
}

/// The end that a service manager asks for takes along what is under way.
#[test]
fn stopped_with_mosquitto() {
    let mut rig = Rig::start(Store::Sqlite, Link::Mosquitto);
    for _ in 0..usually_or_full(2, 10) {
        rig.flows();
        assert_eq!(rig.station.signal("TERM"), Some(0));
        rig.station.restart();
    }
    rig.assert_all_stored_once();
}
