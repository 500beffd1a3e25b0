//! The clock of the station's machine is stepped by an hour, forth and back, as a Raspberry Pi's
//! is that has no clock of its own.

use std::{fs, path::PathBuf};

use chrono::{DateTime, Utc};

use super::rig::{Link, Rig, Store};
use crate::helper::Setup;

/// Steps, one after the other.
const STEPS: [&str; 4] = ["+3600", "+0", "-3600", "+0"];
/// Where Debian puts it, below a folder for the kind of processor.
const LIBRARY: &str = "faketime/libfaketime.so.1";

fn library() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").unwrap();
    let mut found = folders.map(|folder| folder.unwrap().path().join(LIBRARY));
    found
        .find(|path| path.exists())
        .expect("libfaketime; hint: `cargo xtask test` installs what tests need")
}

fn stepped(store: Store, link: Link) {
    let offset = tempfile::NamedTempFile::new().unwrap();
    fs::write(offset.path(), "+0").unwrap();
    let wrapper = [
        "env",
        &format!("LD_PRELOAD={}", library().display()),
        &format!("FAKETIME_TIMESTAMP_FILE={}", offset.path().display()),
        "FAKETIME_CACHE_DURATION=1",
        "FAKETIME_DONT_FAKE_MONOTONIC=1",
    ];
    let setup = Setup {
        wrapper: wrapper.map(str::to_owned).to_vec(),
        ..Setup::default()
    };
    let mut rig = Rig::with(store, link, setup);
    rig.flows();
    for step in STEPS {
        fs::write(offset.path(), step).unwrap();
        rig.flows();
        // A daemon that starts with a wrong clock is one that finds it changed.
        rig.station.kill();
        rig.station.restart();
        assert_clock(&rig, step);
        rig.flows();
    }
    rig.assert_all_stored_once_at_some_time();
}

/// The daemon's clock is wrong by so many seconds.
#[track_caller]
fn assert_clock(rig: &Rig, step: &str) {
    let station = rig.station.get("/api/v1/station");
    let started_at = station["started_at"].as_str().unwrap();
    let started_at = DateTime::parse_from_rfc3339(started_at).unwrap();
    let wrong_by = (started_at.to_utc() - Utc::now()).num_seconds();
    let step: i64 = step.parse().unwrap();
    assert!((wrong_by - step).abs() < 60, "{wrong_by} s, not {step} s");
}

#[test]
fn stepped_with_sqlite() {
    stepped(Store::Sqlite, Link::Embedded);
}

#[test]
fn stepped_with_postgresql_and_mosquitto() {
    stepped(Store::Postgres, Link::Mosquitto);
}
