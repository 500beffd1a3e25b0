//! A broker of one's own is restarted, killed, and hangs. With `deploy/mosquitto.conf` a restart
//! loses nothing; a kill loses at most what came in the two seconds since it last wrote its queue.

use std::time::Duration;

use super::rig::{Link, Rig, Store, last, usually_or_full};

/// As often as the shipped configuration has it written (`autosave_interval`, which is up to two
/// seconds, because whole seconds are compared), with room for a busy machine.
const WRITTEN_WITHIN: Duration = Duration::from_millis(2_500);

fn restarts(store: Store) {
    let mut rig = Rig::start(store, Link::Mosquitto);
    for _ in 0..usually_or_full(2, 10) {
        rig.flows();
        rig.mosquitto.as_mut().unwrap().restart();
        rig.is_well(true);
    }
    rig.assert_all_stored_once();
}

#[test]
fn restarted_with_sqlite() {
    restarts(Store::Sqlite);
}

#[test]
fn restarted_with_postgresql() {
    restarts(Store::Postgres);
}

/// What waits for a station that is away survives the broker's restart.
#[test]
fn restarted_while_the_station_is_away() {
    let mut rig = Rig::start(Store::Sqlite, Link::Mosquitto);
    for _ in 0..usually_or_full(1, 5) {
        rig.flows();
        rig.station.kill();
        rig.flows();
        rig.mosquitto.as_mut().unwrap().restart();
        rig.station.restart();
    }
    rig.assert_all_stored_once();
}

/// The worst case: everything is in the broker's queue alone when it is killed.
#[test]
fn killed_while_the_station_is_away() {
    let mut rig = Rig::start(Store::Sqlite, Link::Mosquitto);
    rig.flows();
    rig.station.kill();
    rig.flows();
    let surely = rig.acknowledged();
    last(WRITTEN_WITHIN);
    rig.mosquitto.as_mut().unwrap().kill();
    rig.mosquitto.as_mut().unwrap().start_again();
    rig.station.restart();
    rig.flows();
    let missing = rig.assert_stored_up_to(&surely);
    println!("{missing} messages were lost with the broker's last two seconds");
}

#[test]
fn killed_with_the_station_there() {
    let mut rig = Rig::start(Store::Sqlite, Link::Mosquitto);
    rig.flows();
    let surely = rig.acknowledged();
    last(WRITTEN_WITHIN);
    rig.mosquitto.as_mut().unwrap().kill();
    rig.mosquitto.as_mut().unwrap().start_again();
    rig.is_well(true);
    rig.flows();
    let missing = rig.assert_stored_up_to(&surely);
    println!("{missing} messages were lost with the broker's last two seconds");
}

/// It takes connections and bytes, and says nothing.
#[test]
fn hanging() {
    let mut rig = Rig::start(Store::Sqlite, Link::Mosquitto);
    rig.flows();
    rig.mosquitto.as_ref().unwrap().freeze();
    last(Duration::from_secs(usually_or_full(6, 40)));
    rig.mosquitto.as_ref().unwrap().thaw();
    rig.is_well(true);
    rig.flows();
    rig.assert_all_stored_once();
}
