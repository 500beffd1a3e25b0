//! PostgreSQL is killed, stopped, and hangs: nothing is acknowledged meanwhile, whoever asks is
//! told, and it goes on by itself.

use std::time::{Duration, Instant};

use super::rig::{Link, Rig, Store, last, usually_or_full};

/// Whoever asks for something while the database is away is answered within this time.
const ANSWERED_WITHIN: Duration = Duration::from_secs(15);

fn kills(link: Link) {
    let mut rig = Rig::start(Store::Postgres, link);
    for _ in 0..usually_or_full(2, 20) {
        rig.flows();
        let postgres = rig.postgres.as_mut().unwrap();
        postgres.kill();
        postgres.start_again();
        rig.is_well(true);
    }
    rig.assert_all_stored_once();
}

#[test]
fn killed() {
    kills(Link::Embedded);
}

#[test]
fn killed_with_mosquitto() {
    kills(Link::Mosquitto);
}

fn stopped(link: Link) {
    let mut rig = Rig::start(Store::Postgres, link);
    rig.flows();
    rig.postgres.as_mut().unwrap().stop();
    let away = Duration::from_secs(usually_or_full(5, 30));
    let began = Instant::now();
    rig.is_well(false);
    assert_told(&rig);
    last(away.saturating_sub(began.elapsed()));
    rig.postgres.as_mut().unwrap().start_again();
    rig.is_well(true);
    rig.flows();
    rig.assert_all_stored_once();
}

/// Orders and questions are answered with what is wrong, and soon.
fn assert_told(rig: &Rig) {
    let began = Instant::now();
    for args in [
        &["send", "node0", "led", "on"][..],
        &["nodes"],
        &["data", "--last", "1"],
    ] {
        let told = rig.station.verb(args);
        assert_ne!(told.code, 0, "{args:?}: {}", told.out);
        assert!(!told.err.is_empty(), "{args:?}");
    }
    assert!(
        began.elapsed() < 3 * ANSWERED_WITHIN,
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn stopped_for_a_while() {
    stopped(Link::Embedded);
}

#[test]
fn stopped_for_a_while_with_mosquitto() {
    stopped(Link::Mosquitto);
}

/// Its processes stand still with their connections open.
#[test]
fn hanging() {
    let mut rig = Rig::start(Store::Postgres, Link::Embedded);
    rig.flows();
    rig.postgres.as_ref().unwrap().freeze();
    last(Duration::from_secs(usually_or_full(8, 60)));
    rig.postgres.as_ref().unwrap().thaw();
    rig.is_well(true);
    rig.flows();
    rig.assert_all_stored_once();
}

/// The daemon comes first, as it may after a power cut: it waits.
#[test]
fn absent_at_the_start_of_the_daemon() {
    let mut rig = Rig::start(Store::Postgres, Link::Mosquitto);
    rig.flows();
    rig.station.kill();
    rig.postgres.as_mut().unwrap().stop();
    let (station, postgres) = (&mut rig.station, rig.postgres.as_mut().unwrap());
    std::thread::scope(|scope| {
        let starting = scope.spawn(|| station.restart());
        last(Duration::from_secs(2));
        postgres.start_again();
        starting.join().unwrap();
    });
    rig.flows();
    rig.assert_all_stored_once();
}
