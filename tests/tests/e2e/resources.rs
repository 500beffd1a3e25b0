//! Memory and disk: what the daemon takes, and what it does when there is no more.

use std::{fs, time::Duration};

use serde_json::json;

use crate::helper::{Script, Setup, Station, eventually, run, tool};

/// Resident memory of a daemon built for debugging, at most: idle, and the most ever.
const IDLE_KIB_MAX: u64 = 48 * 1024;
const PEAK_KIB_MAX: u64 = 96 * 1024;
/// Messages, and samples in each: 50,000 samples.
const MESSAGES: u64 = 10_000;
const SAMPLES: u64 = 5;

/// A line of `/proc/PID/status`, in KiB.
fn memory_kib(station: &Station, key: &str) -> u64 {
    let path = format!("/proc/{}/status", station.pid());
    let status = fs::read_to_string(path).unwrap();
    let line = status.lines().find(|line| line.starts_with(key)).unwrap();
    let number = line.split_whitespace().nth(1).unwrap();
    number.parse().unwrap()
}

#[test]
fn fifty_thousand_samples_leave_the_memory_as_it_was() {
    let station = Station::start();
    let idle = memory_kib(&station, "VmRSS");
    assert!(idle < IDLE_KIB_MAX, "{idle} KiB");
    let password = station.add_node("kitchen");
    let port = station.mqtt_port();
    let (messages, samples) = (MESSAGES.to_string(), SAMPLES.to_string());
    let args = [
        "127.0.0.1",
        &port,
        "kitchen",
        &password,
        "--limit",
        &messages,
    ];
    let mut all = args.to_vec();
    all.extend(["--samples", &samples, "--window", "500"]);
    let mut publisher = Script::start("publisher.py", &all, station.home());
    assert_eq!(publisher.expect("done")["published"], MESSAGES);
    let rows = station.sql("SELECT count(*) FROM sample");
    assert_eq!(rows, (MESSAGES * SAMPLES).to_string());
    let (now, peak) = (memory_kib(&station, "VmRSS"), memory_kib(&station, "VmHWM"));
    println!("resident: {idle} KiB idle, {now} KiB after, {peak} KiB at most");
    assert!(peak < PEAK_KIB_MAX, "{peak} KiB");

    // An export of everything is streamed.
    let csv = station.verb(&["data", "--all", "--csv"]).good();
    assert_eq!(csv.lines().count() as u64, MESSAGES * SAMPLES + 1);
    let exported = memory_kib(&station, "VmHWM");
    println!("resident: {exported} KiB at most with an export");
    assert!(exported < PEAK_KIB_MAX, "{exported} KiB");
}

/// No file of the daemon can grow, as on a full disk: nothing is acknowledged, the station says
/// what is wrong, and goes on by itself when there is room again. The limit on the size of files
/// (with its signal ignored) needs no rights that a test may not have.
#[test]
fn a_full_disk_stops_acknowledgements_and_nothing_else() {
    let ignore = ["sh", "-c", r#"trap "" XFSZ; exec "$@""#, "sh"];
    let station = Station::with(Setup {
        wrapper: ignore.map(str::to_owned).to_vec(),
        ..Setup::default()
    });
    let mut node = station.node("kitchen");
    node.tell(&json!({"do": "reading", "values": {"soil": 1}}));
    node.expect("acked");

    let limit = |bytes: &str| {
        let mut prlimit = tool("prlimit", station.home());
        prlimit.args(["--pid", &station.pid().to_string()]);
        run(prlimit.arg(format!("--fsize={bytes}:")), "").good();
    };
    limit("4096");
    node.tell(&json!({"do": "reading", "values": {"soil": 2}}));
    node.expect_none("acked", Duration::from_millis(1_500));
    let health = eventually("the station says so", || {
        let reply = station.ask_tcp(None, "GET", "/health", None);
        (reply.status == 503).then_some(reply.body)
    });
    assert_eq!(health["status"], "degraded");
    assert_ne!(health["store"], "ok");
    // What is stored can still be read, and who wants to write is told.
    assert_eq!(station.values("kitchen"), [("soil".to_owned(), 1.0)]);
    let refused = station.verb(&["send", "kitchen", "led", "on"]);
    assert_eq!(refused.code, 1);
    assert!(!refused.err.is_empty());

    limit("unlimited");
    assert_eq!(
        node.expect_where("acked", |event| event["seq"] == 2)["seq"],
        2
    );
    eventually("all is well again", || {
        let reply = station.ask_tcp(None, "GET", "/health", None);
        (reply.status == 200).then_some(())
    });
    let soils = [("soil".to_owned(), 1.0), ("soil".to_owned(), 2.0)];
    assert_eq!(station.values("kitchen"), soils);
    assert_eq!(station.sql("PRAGMA integrity_check"), "ok");
    station.verb(&["send", "kitchen", "led", "on"]).good();
}
