//! Failed logins of nodes: who fails again and again is refused unheard for a while, and is
//! logged once. Nothing can be guessed here (see [`super::credentials`]): this keeps a
//! misconfigured board, or a flood, from costing a query and a log line for every attempt.
//!
//! Refusal goes by address *and* name, so that one bad board never keeps the other nodes behind
//! the same address outside.

use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    sync::Mutex,
    time::{Duration, Instant},
};

use super::lock;

/// Failures of a name at an address within [`WINDOW`] before it is refused unheard.
pub(super) const FAILURES_MAX: u32 = 5;
/// Failures of an address within [`WINDOW`] that are logged.
const LOGGED_MAX: u32 = 20;
/// How long failures are held against someone.
const WINDOW: Duration = Duration::from_secs(30);
/// Pairs, and as many addresses, that are remembered; the oldest goes first.
const ENTRIES_MAX: usize = 4_096;

#[derive(Debug, Clone, Copy)]
struct Failures {
    since: Instant,
    count: u32,
}

#[derive(Debug)]
struct Table<K>(HashMap<K, Failures>);

impl<K: Eq + Hash + Clone> Table<K> {
    fn count(&self, key: &K, now: Instant) -> u32 {
        self.0
            .get(key)
            .filter(|failures| now.duration_since(failures.since) < WINDOW)
            .map_or(0, |failures| failures.count)
    }

    /// Gives the number of failures so far, with this one.
    fn add(&mut self, key: K, now: Instant) -> u32 {
        if !self.0.contains_key(&key) && self.0.len() >= ENTRIES_MAX {
            self.make_room(now);
        }
        let entry = self.0.entry(key).or_insert(Failures {
            since: now,
            count: 0,
        });
        if now.duration_since(entry.since) >= WINDOW {
            *entry = Failures {
                since: now,
                count: 0,
            };
        }
        entry.count = entry.count.saturating_add(1);
        entry.count
    }

    fn make_room(&mut self, now: Instant) {
        self.0
            .retain(|_, failures| now.duration_since(failures.since) < WINDOW);
        if self.0.len() < ENTRIES_MAX {
            return;
        }
        let oldest = self.0.iter().min_by_key(|(_, failures)| failures.since);
        if let Some(key) = oldest.map(|(key, _)| key.clone()) {
            self.0.remove(&key);
        }
    }
}

/// Counts failed logins in bounded memory.
#[derive(Debug)]
pub(super) struct Throttle {
    pairs: Mutex<Table<(IpAddr, String)>>,
    addresses: Mutex<Table<IpAddr>>,
}

impl Default for Throttle {
    fn default() -> Self {
        Self {
            pairs: Mutex::new(Table(HashMap::new())),
            addresses: Mutex::new(Table(HashMap::new())),
        }
    }
}

impl Throttle {
    /// Whether this name is refused unheard at this address.
    pub(super) fn refuses(&self, address: IpAddr, name: &str, now: Instant) -> bool {
        let key = (network(address), name.to_owned());
        lock(&self.pairs).count(&key, now) >= FAILURES_MAX
    }

    /// A login failed; true when that is worth a log line.
    pub(super) fn failed(&self, address: IpAddr, name: &str, now: Instant) -> bool {
        let address = network(address);
        let of_pair = lock(&self.pairs).add((address, name.to_owned()), now);
        let of_address = lock(&self.addresses).add(address, now);
        of_pair == 1 && of_address <= LOGGED_MAX
    }
}

/// One customer usually holds a whole IPv6 /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn who_fails_often_is_refused_for_a_while_and_nobody_else_is() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for _ in 0..FAILURES_MAX {
            assert!(!throttle.refuses(HERE, "a", now));
            throttle.failed(HERE, "a", now);
        }
        assert!(throttle.refuses(HERE, "a", now));
        assert!(!throttle.refuses(HERE, "b", now));
        assert!(!throttle.refuses([10, 0, 0, 1].into(), "a", now));
        assert!(!throttle.refuses(HERE, "a", now + WINDOW));
    }

    #[test]
    fn a_flood_is_logged_a_few_times_only() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        let logged = (0..1_000).filter(|n| throttle.failed(HERE, &n.to_string(), now));
        assert_eq!(logged.count(), usize::try_from(LOGGED_MAX).unwrap());
        let later = now + WINDOW;
        assert!(throttle.failed(HERE, "a", later));
        assert!(!throttle.failed(HERE, "a", later));
    }

    #[test]
    fn memory_is_bounded() {
        let (throttle, start) = (Throttle::default(), Instant::now());
        for n in 0..u32::try_from(ENTRIES_MAX).unwrap() + 9 {
            throttle.failed(
                HERE,
                &n.to_string(),
                start + Duration::from_millis(n.into()),
            );
        }
        assert_eq!(lock(&throttle.pairs).0.len(), ENTRIES_MAX);
        let key = (HERE, "0".to_owned());
        assert!(!lock(&throttle.pairs).0.contains_key(&key));
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for host in 0..FAILURES_MAX {
            let address = format!("2001:db8::{host}").parse().unwrap();
            throttle.failed(address, "a", now);
        }
        assert!(throttle.refuses("2001:db8::ffff".parse().unwrap(), "a", now));
        assert!(!throttle.refuses("2001:db8:0:1::1".parse().unwrap(), "a", now));
    }
}
