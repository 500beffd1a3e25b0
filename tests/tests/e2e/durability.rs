//! What was acknowledged is stored, once, whatever ends the daemon.

use std::{
    collections::{BTreeMap, HashSet},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::helper::{Script, Station, full, run, tool};

/// Nodes that publish at the same time.
const NODES: usize = 3;
/// The one of them whose messages overtake each other after a break.
const CARELESS: usize = 2;
/// Kills in a usual run, and in a full one.
const KILLS: [u32; 2] = [5, 100];
/// A rule of its own fires each time the numbers have come this far: its mails must be neither
/// lost nor doubled.
const MILESTONES: [u32; 3] = [300, 900, 1_500];
/// Longest life of a daemon between two kills.
const LIFE_MS_MAX: u64 = 900;

/// Numbers from 0 to `below` that look random and are the same in every run.
fn spread(seed: &mut u64, below: u64) -> u64 {
    // Knuth's MMIX generator.
    *seed = seed
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) % below
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled_by_kills() {
    let mut smtp = Script::start("smtp.py", &["0"], &std::env::temp_dir());
    let port = smtp.expect("listening")["port"].clone();
    let mut station = Station::configured(&format!(
        "[mail]\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\nretry_s = 1\n\
         from = \"station@example.org\"\n"
    ));
    for at in MILESTONES {
        let rule = json!({"node": "node0", "metric": "n", "op": ">=", "value": at,
                          "name": format!("beyond {at}"), "email": "anna@example.org"});
        station.post("/api/v1/rules", &rule);
    }
    let mqtt = station.mqtt_port();
    let mut publishers: Vec<Script> = (0..NODES)
        .map(|n| {
            let name = format!("node{n}");
            let password = station.add_node(&name);
            let mut args = vec!["127.0.0.1", &mqtt, &name, &password];
            if n == CARELESS {
                args.extend(["--careless", "--window", "400"]);
            }
            Script::start("publisher.py", &args, station.home())
        })
        .collect();

    let kills = KILLS[usize::from(full())];
    let mut seed = 4;
    for _ in 0..kills {
        // Something came through since the start, so every life of the daemon counts.
        for publisher in &mut publishers {
            publisher.come("acked");
        }
        publishers[0].expect("acked");
        thread::sleep(Duration::from_millis(spread(&mut seed, LIFE_MS_MAX)));
        station.kill();
        station.restart();
    }

    let mut total = 0;
    for (n, publisher) in publishers.iter_mut().enumerate() {
        publisher.tell(&json!({"do": "stop"}));
        let done = publisher.expect("done");
        let published = done["published"].as_u64().unwrap();
        assert_eq!(numbers(&done["acked"]).len() as u64, published);
        assert_stored_once(&station, &format!("node{n}"), published);
        total += published;
    }
    assert!(
        total > u64::from(kills) * 100,
        "only {total} were published"
    );
    // Statistics are kept in the same transaction: a number counted twice would show here.
    assert_eq!(station.sql("SELECT sum(n) FROM rollup"), total.to_string());
    assert_eq!(station.sql("PRAGMA integrity_check"), "ok");
    assert_each_mail_came(&station, &mut smtp);
    println!("{kills} kills, {total} messages, all stored once");
}

pub(crate) fn numbers(ranges: &Value) -> Vec<u64> {
    let mut all = Vec::new();
    for range in ranges.as_array().unwrap() {
        all.extend(range[0].as_u64().unwrap()..=range[1].as_u64().unwrap());
    }
    all.sort_unstable();
    all
}

/// Every number from 1 on is a row of the CSV export, at its own time, once.
pub(crate) fn assert_stored_once(station: &Station, node: &str, published: u64) {
    let path = format!("http://station/api/v1/data/all?node={node}&metric=n");
    let mut curl = tool("curl", station.home());
    curl.args(["--silent", "--fail", "--header", "Accept: text/csv"]);
    curl.arg("--unix-socket").arg(station.socket());
    let csv = run(curl.arg(path), "").good();
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("ts,node,metric,value,flags"));
    let stored: Vec<u64> = lines
        .map(|line| {
            let number: f64 = line.split(',').nth(3).unwrap().parse().unwrap();
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "whole"
            )]
            let number = number as u64;
            number
        })
        .collect();
    let unique: HashSet<u64> = stored.iter().copied().collect();
    let missing = (1..=published).filter(|n| !unique.contains(n));
    assert!(
        (1..=published).eq(stored.iter().copied()),
        "{node}: {} rows of {published}, the first missing are {:?}",
        stored.len(),
        missing.take(10).collect::<Vec<_>>()
    );
}

/// One incident for each rule, and its mail; a mail that came twice has the same Message-ID.
fn assert_each_mail_came(station: &Station, smtp: &mut Script) {
    let page = station.get("/api/v1/incidents");
    assert_eq!(
        page["incidents"].as_array().unwrap().len(),
        MILESTONES.len()
    );
    let mut mails = BTreeMap::new();
    while mails.len() < MILESTONES.len() {
        let mail = smtp.expect("mail");
        let header = |name: &str| mail["headers"][name].as_str().unwrap().to_owned();
        let other = mails.insert(header("message-id"), header("subject"));
        assert!(other.is_none_or(|subject| subject == header("subject")));
    }
    let subjects: Vec<String> = mails.into_values().collect();
    for at in MILESTONES {
        let subject = format!("[signalbox] node0: beyond {at}");
        let n = subjects.iter().filter(|s| **s == subject).count();
        assert_eq!(n, 1, "{subject}: {subjects:?}");
    }
}
