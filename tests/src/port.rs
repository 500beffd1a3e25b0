//! Ports that stay free while their server is away.
//!
//! A port that the system picks can be picked again for any other connection while a daemon that
//! was killed has not started anew. Those from here are below the range that it picks from, and
//! each is given to one test only.

use std::{
    net::{Ipv4Addr, TcpListener},
    process,
    sync::atomic::{AtomicU16, Ordering},
};

/// Above what services have, below what Linux picks from (32,768 on).
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A port on loopback that nobody has.
///
/// # Panics
/// All are taken.
#[must_use]
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Two runs at the same time begin at different places.
    let place = (process::id().wrapping_mul(331) % u32::from(COUNT)) as u16;
    (0..COUNT)
        .map(|_| {
            let next = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
            FIRST + (place + next) % COUNT
        })
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("a free port")
}
