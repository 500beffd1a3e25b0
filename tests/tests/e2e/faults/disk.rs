//! The disk is full: on a small disk of the test's own, which holds the daemon's files, the
//! database's and the broker's.

use std::{fs, io::Write as _, time::Duration};

use super::{
    machine::{disk, of_its_own},
    rig::{Link, Rig, Store, last},
};
use crate::helper::eventually;

const DISK_MIB: u32 = 400;

/// Takes all the room there is; given back with the value.
struct Ballast(std::path::PathBuf);

impl Ballast {
    fn take() -> Self {
        let path = disk().join("ballast");
        let mut file = fs::File::create(&path).unwrap();
        for block in [vec![0; 1 << 20], vec![0; 1 << 10]] {
            while file.write_all(&block).is_ok() {}
        }
        Self(path)
    }
}

impl Drop for Ballast {
    fn drop(&mut self) {
        fs::remove_file(&self.0).unwrap();
    }
}

fn fills(store: Store, link: Link) {
    let mut rig = Rig::start(store, link);
    rig.flows();
    let ballast = Ballast::take();
    rig.is_well(false);
    last(Duration::from_secs(3));
    drop(ballast);
    if let Some(postgres) = &mut rig.postgres {
        // PostgreSQL may have ended itself over it; whoever runs it starts it again then.
        postgres.kill();
        postgres.start_again();
    }
    eventually("the station takes readings again", || {
        let reply = rig.station.ask("GET", "/health", None);
        (reply.status == 200).then_some(())
    });
    rig.flows();
    rig.assert_all_stored_once();
}

#[test]
fn full_with_sqlite() {
    of_its_own("faults::disk::full_with_sqlite", DISK_MIB, || {
        fills(Store::Sqlite, Link::Embedded);
    });
}

#[test]
fn full_with_postgresql() {
    of_its_own("faults::disk::full_with_postgresql", DISK_MIB, || {
        fills(Store::Postgres, Link::Embedded);
    });
}
