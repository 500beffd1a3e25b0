//! A station on a store and a link, with publishers that keep account of what was acknowledged.

use std::{
    collections::HashSet,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::helper::{
    DEADLINE, Mosquitto, Postgres, Script, Setup, Station, eventually, full, look_for, run, tool,
};

/// Nodes that publish at the same time.
const NODES: usize = 3;
/// The one of them whose messages overtake each other after a break.
const CARELESS: usize = 2;
/// Numbers a second of each: a broker queues what comes while the station is away.
const RATE: &str = "300";
/// Longest wait for what a broker has queued.
const CATCH_UP: Duration = Duration::from_secs(90);

/// Where samples go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Store {
    Sqlite,
    Postgres,
}

/// Whom the nodes publish to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    Embedded,
    Mosquitto,
}

/// All of it; ended with the value.
pub(super) struct Rig {
    publishers: Vec<Script>,
    pub(super) station: Station,
    pub(super) postgres: Option<Postgres>,
    pub(super) mosquitto: Option<Mosquitto>,
}

/// What one publisher has sent, and what of it was acknowledged.
struct Account {
    node: String,
    published: u64,
}

impl Rig {
    pub(super) fn start(store: Store, link: Link) -> Self {
        Self::with(store, link, Setup::default())
    }

    /// With a daemon of a special kind; its configuration is added to.
    pub(super) fn with(store: Store, link: Link, setup: Setup) -> Self {
        let postgres = (store == Store::Postgres).then(Postgres::start);
        let mosquitto = (link == Link::Mosquitto).then(Mosquitto::start);
        let mut config = setup.config.clone();
        if let Some(postgres) = &postgres {
            config.push_str(&format!("[store]\nurl = \"{}\"\n", postgres.url()));
        }
        let station = Station::with(Setup {
            config,
            broker: mosquitto.as_ref().map(Mosquitto::url),
            ..setup
        });
        let mut rig = Self {
            publishers: Vec::new(),
            station,
            postgres,
            mosquitto,
        };
        rig.publishers = (0..NODES).map(|n| rig.publisher(n)).collect();
        rig
    }

    fn publisher(&self, n: usize) -> Script {
        let name = format!("node{n}");
        let (port, password) = match &self.mosquitto {
            Some(mosquitto) => (mosquitto.port().to_string(), String::new()),
            None => (self.station.mqtt_port(), self.station.add_node(&name)),
        };
        let mut args = vec!["127.0.0.1", &port, &name, &password, "--rate", RATE];
        if n == CARELESS {
            args.extend(["--careless", "--window", "400"]);
        }
        Script::start("publisher.py", &args, self.station.home())
    }

    /// Waits until something of every publisher was acknowledged after now.
    #[track_caller]
    pub(super) fn flows(&mut self) {
        for publisher in &mut self.publishers {
            publisher.come("acked");
        }
        for publisher in &mut self.publishers {
            publisher.expect("acked");
        }
    }

    /// Asserts that nothing of any publisher is acknowledged for this long.
    #[track_caller]
    pub(super) fn nothing_flows(&mut self, time: Duration) {
        for publisher in &mut self.publishers {
            publisher.come("acked");
        }
        last(time);
        for publisher in &mut self.publishers {
            assert_eq!(publisher.come("acked"), Vec::<Value>::new());
        }
    }

    /// Of each publisher, a number that was acknowledged by now: the last that it told of.
    pub(super) fn acknowledged(&mut self) -> Vec<u64> {
        let told = |publisher: &mut Script| {
            let last = publisher.expect("acked");
            let later = publisher.come("acked");
            later.last().unwrap_or(&last)["n"].as_u64().unwrap()
        };
        self.publishers.iter_mut().map(told).collect()
    }

    /// Waits until the station says that all is well with it, or that it is not.
    #[track_caller]
    pub(super) fn is_well(&self, well: bool) {
        let status = if well { 200 } else { 503 };
        eventually("health", || {
            let reply = self.station.ask("GET", "/health", None);
            (reply.status == status).then_some(())
        });
    }

    /// Stops the publishers when all that they have sent is acknowledged, and compares.
    #[track_caller]
    pub(super) fn assert_all_stored_once(mut self) {
        let mut total = 0;
        for account in self.stop_publishing() {
            let stored = self.caught_up(&account);
            assert_each_once(&account, &stored);
            total += account.published;
        }
        // Statistics are kept in the same transaction: a number counted twice would show here.
        assert_eq!(
            self.sql("SELECT CAST(sum(n) AS BIGINT) FROM rollup"),
            total.to_string()
        );
        println!("{total} messages, all stored once");
    }

    /// The same where the station's clock was wrong: what comes from its future gets the time of
    /// receipt and a flag, and does not count in the statistics.
    #[track_caller]
    pub(super) fn assert_all_stored_once_at_some_time(mut self) {
        let mut total = 0;
        for account in self.stop_publishing() {
            let mut stored = self.caught_up(&account);
            stored.sort_unstable();
            assert_each_once(&account, &stored);
            total += account.published;
        }
        println!("{total} messages, all stored once");
    }

    /// Compares where the broker may lose what it took last: up to `surely` of each publisher
    /// all must be there, and nothing twice. How many are missing.
    #[track_caller]
    pub(super) fn assert_stored_up_to(mut self, surely: &[u64]) -> usize {
        let accounts = self.stop_publishing();
        // When nothing has come for a while, nothing more is on the way.
        let mut stored = Vec::new();
        eventually("the queue is empty", || {
            let now: Vec<usize> = accounts
                .iter()
                .map(|account| self.stored(&account.node).len())
                .collect();
            let same = now == stored;
            stored = now;
            thread::sleep(Duration::from_millis(500));
            same.then_some(())
        });
        let mut missing = 0;
        for (account, surely) in accounts.iter().zip(surely) {
            let numbers = self.stored(&account.node);
            let unique: HashSet<u64> = numbers.iter().copied().collect();
            assert_eq!(
                unique.len(),
                numbers.len(),
                "{}: stored twice",
                account.node
            );
            let lost: Vec<u64> = (1..=account.published)
                .filter(|n| !unique.contains(n))
                .collect();
            let early: Vec<&u64> = lost.iter().filter(|n| *n <= surely).collect();
            assert!(
                early.is_empty(),
                "{}: lost {early:?}, surely {surely}",
                account.node
            );
            missing += lost.len();
        }
        missing
    }

    fn stop_publishing(&mut self) -> Vec<Account> {
        for publisher in &mut self.publishers {
            publisher.tell(&json!({"do": "stop"}));
        }
        let stopped = self
            .publishers
            .iter_mut()
            .enumerate()
            .map(|(n, publisher)| {
                let until = Instant::now() + CATCH_UP;
                let done = loop {
                    if let Some(done) = publisher.come("done").pop() {
                        break done;
                    }
                    assert!(Instant::now() < until, "node{n} waits for acknowledgements");
                    thread::sleep(Duration::from_millis(20));
                };
                let published = done["published"].as_u64().unwrap();
                assert_eq!(count(&done["acked"]), published);
                assert!(published > 0);
                Account {
                    node: format!("node{n}"),
                    published,
                }
            });
        stopped.collect()
    }

    /// A broker of one's own acknowledges before the station has it: what is there when all is,
    /// or when the time for that is over.
    fn caught_up(&self, account: &Account) -> Vec<u64> {
        let all = look_for(CATCH_UP, || {
            let stored = self.stored(&account.node);
            (stored.len() as u64 >= account.published).then_some(stored)
        });
        all.unwrap_or_else(|| self.stored(&account.node))
    }

    /// The numbers of a node in the CSV export, in the order of their times.
    fn stored(&self, node: &str) -> Vec<u64> {
        let path = format!("http://station/api/v1/data/all?node={node}&metric=n");
        let csv = look_for(DEADLINE, || {
            let mut curl = tool("curl", self.station.home());
            curl.args(["--silent", "--fail", "--header", "Accept: text/csv"]);
            curl.arg("--unix-socket").arg(self.station.socket());
            let done = run(curl.arg(&path), "");
            (done.code == 0).then_some(done.out)
        });
        let csv = csv.expect("an export");
        let mut lines = csv.lines();
        assert_eq!(lines.next(), Some("ts,node,metric,value,flags"));
        lines
            .map(|line| {
                let value = line.split(',').nth(3).unwrap();
                value.strip_suffix(".0").unwrap_or(value).parse().unwrap()
            })
            .collect()
    }

    /// Asks the database itself, past the daemon.
    #[track_caller]
    pub(super) fn sql(&self, query: &str) -> String {
        match &self.postgres {
            Some(postgres) => postgres.sql(query).trim().to_owned(),
            None => self.station.sql(query),
        }
    }
}

/// Every number from 1 on, at its own time, once.
#[track_caller]
fn assert_each_once(account: &Account, stored: &[u64]) {
    let unique: HashSet<u64> = stored.iter().copied().collect();
    let missing = (1..=account.published).filter(|n| !unique.contains(n));
    assert!(
        (1..=account.published).eq(stored.iter().copied()),
        "{}: {} rows of {}, the first missing are {:?}",
        account.node,
        stored.len(),
        account.published,
        missing.take(10).collect::<Vec<_>>()
    );
}

/// How many numbers a list of `[first, last]` has.
fn count(ranges: &Value) -> u64 {
    let ranges = ranges.as_array().unwrap().iter();
    ranges
        .map(|range| range[1].as_u64().unwrap() + 1 - range[0].as_u64().unwrap())
        .sum()
}

/// The one for a usual run, or the other for a full one.
pub(super) fn usually_or_full<T>(usually: T, in_full: T) -> T {
    if full() { in_full } else { usually }
}

/// Lets things go on as they are: the time that a fault takes is part of what is tested.
pub(super) fn last(time: Duration) {
    thread::sleep(time);
}

/// Numbers from 0 to `below` that look random and are the same in every run.
pub(super) fn spread(seed: &mut u64, below: u64) -> u64 {
    // Knuth's MMIX generator.
    *seed = seed
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) % below
}
