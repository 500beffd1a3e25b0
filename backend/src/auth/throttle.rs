//! Slows down failed logins, per account and per address, with pauses that double. Fed by
//! [`super::Accounts::log_in`]; decides from the injected time only.
//!
//! An attempt counts as failed from its beginning and is taken back when it succeeds, so that
//! a burst of parallel guesses cannot slip through while the first is still being verified.
//! While a pause lasts, no password is looked at, not even the right one.

use std::{
    collections::HashMap,
    hash::Hash,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};

use super::Peer;

/// Failures of an account without a pause.
pub const ACCOUNT_FAILURES_FREE: u32 = 5;
/// Failures of an address without a pause; more, because many people can share one.
pub const ADDRESS_FAILURES_FREE: u32 = 20;
/// Longest pause of an account. Short, because strangers can cause it.
const ACCOUNT_PAUSE_S_MAX: i64 = 60;
/// Longest pause of an address.
const ADDRESS_PAUSE_S_MAX: i64 = 900;
/// Failures are forgotten after this long without another.
const FORGET_S: i64 = 3_600;
/// Accounts, and as many addresses, that are remembered; the one that failed longest ago goes
/// first.
pub const THROTTLE_ENTRIES_MAX: usize = 4_096;

/// The caller has to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttled {
    /// Whole seconds until the next attempt is looked at, at least 1.
    pub retry_after_s: u64,
}

/// Where failures are counted: an IPv4 address, the /64 of an IPv6 address, or a local user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Origin {
    Address(IpAddr),
    Uid(u32),
}

impl From<Peer> for Origin {
    fn from(peer: Peer) -> Self {
        match peer {
            Peer::Unix { uid } => Self::Uid(uid),
            Peer::Tcp(address) | Peer::Tls(address) => {
                Self::Address(match address.ip().to_canonical() {
                    IpAddr::V4(v4) => v4.into(),
                    // One customer usually holds a whole /64.
                    IpAddr::V6(v6) => {
                        std::net::Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into()
                    }
                })
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    failures: u32,
    last_at: DateTime<Utc>,
    pause_until: DateTime<Utc>,
}

/// One table of counted failures.
#[derive(Debug)]
struct Table<K> {
    entries: HashMap<K, Entry>,
    free: u32,
    pause_s_max: i64,
}

impl<K: Eq + Hash + Clone> Table<K> {
    fn new(free: u32, pause_s_max: i64) -> Self {
        Self {
            entries: HashMap::new(),
            free,
            pause_s_max,
        }
    }

    /// Seconds still to wait.
    fn wait_s(&self, key: &K, now: DateTime<Utc>) -> Option<u64> {
        let left = self.entries.get(key)?.pause_until - now;
        let whole_s = u64::try_from((left.num_milliseconds() + 999).div_euclid(1_000)).ok()?;
        (whole_s > 0).then_some(whole_s)
    }

    fn failed(&mut self, key: &K, now: DateTime<Utc>) {
        if !self.entries.contains_key(key) && self.entries.len() >= THROTTLE_ENTRIES_MAX {
            self.make_room(now);
        }
        let entry = self.entries.entry(key.clone()).or_insert(Entry {
            failures: 0,
            last_at: now,
            pause_until: now,
        });
        if now - entry.last_at > TimeDelta::seconds(FORGET_S) {
            entry.failures = 0;
        }
        entry.failures = entry.failures.saturating_add(1);
        entry.last_at = now;
        if entry.failures >= self.free {
            let doublings = (entry.failures - self.free).min(30);
            let pause_s = (1_i64 << doublings).min(self.pause_s_max);
            entry.pause_until = now + TimeDelta::seconds(pause_s);
        }
    }

    /// Takes one failure back.
    fn undo(&mut self, key: &K) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.failures = entry.failures.saturating_sub(1);
            if entry.failures < self.free {
                entry.pause_until = entry.last_at;
            }
            if entry.failures == 0 {
                self.entries.remove(key);
            }
        }
    }

    fn make_room(&mut self, now: DateTime<Utc>) {
        let forget = now - TimeDelta::seconds(FORGET_S);
        self.entries.retain(|_, entry| entry.last_at >= forget);
        if self.entries.len() < THROTTLE_ENTRIES_MAX {
            return;
        }
        let oldest = self
            .entries
            .iter()
            .min_by_key(|(_, entry)| entry.last_at)
            .map(|(key, _)| key.clone());
        if let Some(key) = oldest {
            self.entries.remove(&key);
        }
    }
}

#[derive(Debug)]
struct Tables {
    accounts: Table<String>,
    origins: Table<Origin>,
}

/// Counts failed logins in bounded memory.
#[derive(Debug)]
pub struct Throttle {
    tables: Mutex<Tables>,
}

impl Default for Throttle {
    fn default() -> Self {
        Self {
            tables: Mutex::new(Tables {
                accounts: Table::new(ACCOUNT_FAILURES_FREE, ACCOUNT_PAUSE_S_MAX),
                origins: Table::new(ADDRESS_FAILURES_FREE, ADDRESS_PAUSE_S_MAX),
            }),
        }
    }
}

impl Throttle {
    /// Begins an attempt and counts it as failed.
    ///
    /// # Errors
    /// [`Throttled`] while a pause lasts; such an attempt does not count.
    pub fn begin(&self, account: &str, peer: Peer, now: DateTime<Utc>) -> Result<(), Throttled> {
        self.with(|tables| {
            let (account, origin) = (account.to_owned(), Origin::from(peer));
            let waits = [
                tables.accounts.wait_s(&account, now),
                tables.origins.wait_s(&origin, now),
            ];
            if let Some(retry_after_s) = waits.into_iter().flatten().max() {
                return Err(Throttled { retry_after_s });
            }
            tables.accounts.failed(&account, now);
            tables.origins.failed(&origin, now);
            Ok(())
        })
    }

    /// The attempt succeeded: the account starts anew. The address keeps its other failures,
    /// or else an own account would buy free guesses at others.
    pub fn succeeded(&self, account: &str, peer: Peer) {
        self.with(|tables| {
            tables.accounts.entries.remove(account);
            tables.origins.undo(&peer.into());
        });
    }

    /// The attempt ended without a verdict, for a reason of ours.
    pub fn undecided(&self, account: &str, peer: Peer) {
        self.with(|tables| {
            tables.accounts.undo(&account.to_owned());
            tables.origins.undo(&peer.into());
        });
    }

    fn with<T>(&self, work: impl FnOnce(&mut Tables) -> T) -> T {
        // No code under the lock can leave the tables half changed, so poison means nothing.
        work(&mut self.tables.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(n: u8) -> Peer {
        Peer::Tcp(([192, 0, 2, n], 1).into())
    }

    fn at(s: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + s, 0).unwrap()
    }

    #[test]
    fn an_account_is_paused_for_doubling_times_up_to_a_limit() {
        let throttle = Throttle::default();
        let mut now_s = 0;
        for _ in 0..ACCOUNT_FAILURES_FREE {
            // Another address each time, so that only the account counts.
            throttle.begin("anna", peer(1), at(now_s)).unwrap();
        }
        for pause_s in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert_eq!(
                throttle.begin("anna", peer(2), at(now_s)),
                Err(Throttled {
                    retry_after_s: pause_s
                }),
            );
            now_s += i64::try_from(pause_s).unwrap();
            throttle.begin("anna", peer(2), at(now_s)).unwrap();
        }
        throttle.begin("berta", peer(3), at(now_s)).unwrap();
    }

    #[test]
    fn an_address_is_paused_whatever_accounts_it_tries() {
        let throttle = Throttle::default();
        for n in 0..ADDRESS_FAILURES_FREE {
            throttle.begin(&format!("user{n}"), peer(1), at(0)).unwrap();
        }
        assert!(throttle.begin("anna", peer(1), at(0)).is_err());
        throttle.begin("anna", peer(2), at(0)).unwrap();
    }

    #[test]
    fn a_success_clears_the_account_but_not_the_address() {
        let throttle = Throttle::default();
        for n in 0..ADDRESS_FAILURES_FREE - 1 {
            throttle.begin(&format!("user{n}"), peer(1), at(0)).unwrap();
        }
        for _ in 0..10 {
            throttle.begin("own", peer(1), at(10)).unwrap();
            throttle.succeeded("own", peer(1));
        }
        throttle.begin("anna", peer(1), at(20)).unwrap();
        assert!(throttle.begin("anna", peer(1), at(20)).is_err());
    }

    #[test]
    fn an_attempt_without_a_verdict_does_not_count() {
        let throttle = Throttle::default();
        for _ in 0..100 {
            throttle.begin("anna", peer(1), at(0)).unwrap();
            throttle.undecided("anna", peer(1));
        }
    }

    #[test]
    fn failures_are_forgotten_after_an_hour() {
        let throttle = Throttle::default();
        for _ in 0..ACCOUNT_FAILURES_FREE - 1 {
            throttle.begin("anna", peer(1), at(0)).unwrap();
        }
        for _ in 0..ACCOUNT_FAILURES_FREE - 1 {
            throttle.begin("anna", peer(1), at(FORGET_S + 1)).unwrap();
        }
    }

    #[test]
    fn neighbours_in_an_ipv6_prefix_count_as_one() {
        let v6 = |text: &str| Peer::Tcp((text.parse::<IpAddr>().unwrap(), 1).into());
        let throttle = Throttle::default();
        for n in 0..ADDRESS_FAILURES_FREE {
            throttle
                .begin(&format!("user{n}"), v6(&format!("2001:db8::{n:x}")), at(0))
                .unwrap();
        }
        assert!(throttle.begin("anna", v6("2001:db8::ffff"), at(0)).is_err());
        throttle
            .begin("anna", v6("2001:db8:0:1::1"), at(0))
            .unwrap();
        assert_eq!(Origin::from(v6("::ffff:192.0.2.7")), Origin::from(peer(7)),);
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_failure_is_forgotten_first() {
        let throttle = Throttle::default();
        let address = |n: usize| {
            let n = u32::try_from(n).unwrap();
            Peer::Tcp((std::net::Ipv4Addr::from_bits(n), 1).into())
        };
        for n in 0..THROTTLE_ENTRIES_MAX + 10 {
            let s = i64::try_from(n / 10).unwrap();
            throttle
                .begin(&format!("user{n}"), address(n), at(s))
                .unwrap();
        }
        let (accounts, origins, first) = throttle.with(|tables| {
            (
                tables.accounts.entries.len(),
                tables.origins.entries.len(),
                tables.accounts.entries.contains_key("user0"),
            )
        });
        assert_eq!(
            (accounts, origins),
            (THROTTLE_ENTRIES_MAX, THROTTLE_ENTRIES_MAX)
        );
        assert!(!first);
    }
}
