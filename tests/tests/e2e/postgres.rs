//! A station with its store in PostgreSQL.

use std::{collections::BTreeMap, thread, time::Duration};

use serde_json::{Value, json};

use crate::{
    external::tls::certificates,
    helper::{Postgres, Script, Station, eventually, free_port, full, run, signalbox, tool},
};

/// What every test below relies on.
#[test]
fn the_test_server_keeps_what_is_committed_through_kills_and_freezes() {
    let mut server = Postgres::start();
    server.sql("CREATE TABLE kept (n int); INSERT INTO kept VALUES (1)");
    server.kill();
    server.start_again();
    assert_eq!(server.sql("SELECT n FROM kept"), "1");
    server.restart();
    assert_eq!(server.sql("SELECT n FROM kept"), "1");
    server.freeze();
    server.thaw();
    eventually("it answers", || {
        (server.sql("SELECT n FROM kept") == "1").then_some(())
    });
    assert_eq!(server.sql("SHOW fsync"), "on");
}

/// A station on a server.
fn station(server: &Postgres) -> Station {
    Station::configured(&config(&server.url()))
}

fn config(url: &str) -> String {
    format!("[store]\nurl = \"{url}\"\n")
}

#[test]
fn a_station_keeps_everything_in_the_database() {
    let server = Postgres::start();
    let mut station = station(&server);
    let mut node = station.node("kitchen");
    node.tell(&json!({"do": "reading", "values": {"soil": 1, "light": 2.5}}));
    node.expect("acked");
    let done = station.json(&["send", "kitchen", "led", "on"]);
    assert_eq!(done["state"], "confirmed");
    let mut before = station.values("kitchen");
    before.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(
        before,
        [("light".to_owned(), 2.5), ("soil".to_owned(), 1.0)]
    );
    station.kill();
    station.restart();
    let mut after = station.values("kitchen");
    after.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(after, before);
    let commands = station.get("/api/v1/command/all");
    assert_eq!(commands["commands"].as_array().unwrap().len(), 1);
    assert!(!station.database().exists(), "a file was made beside it");
    let log = station.log();
    assert!(!log.contains("s3cret"), "{log}");
    assert_eq!(server.sql("SELECT sum(n) FROM rollup"), "2");
}

#[test]
fn a_station_waits_for_its_database_and_stops_while_it_waits() {
    let mut server = Postgres::start();
    server.stop();
    let url = server.url();
    let back = thread::spawn(move || {
        thread::sleep(Duration::from_secs(2));
        server.start_again();
        server
    });
    let station = Station::configured(&config(&url));
    let log = station.log();
    assert!(log.contains("the station waits for it"), "{log}");
    let _server = back.join().unwrap();
    drop(station);

    let home = tempfile::tempdir().unwrap();
    let nobody = format!("postgres://a:b@127.0.0.1:{}/c", free_port());
    let mut command = signalbox(home.path());
    command.args(["serve", "--data-dir", "data", "--store", &nobody]);
    command.args(["--port", "0", "--mqtt-listen", "127.0.0.1:0"]);
    command.env("SIGNALBOX_LOG__FILE", home.path().join("log"));
    let mut waiting = crate::helper::Running::start(&mut command);
    eventually("it waits", || {
        let log = std::fs::read_to_string(home.path().join("log")).ok()?;
        log.contains("the station waits for it").then_some(())
    });
    assert_eq!(waiting.signal("TERM"), Some(0));
}

#[test]
fn a_database_that_cannot_be_used_is_told_at_once() {
    let server = Postgres::start();
    server.create_database("theirs");
    server.sql_in("theirs", "CREATE TABLE shopping (item text)");
    let station = station(&server);
    let right = server.url();
    for (url, part) in [
        (right.clone(), "is open in another daemon"),
        (server.url_of("theirs"), "has tables of another program"),
        (server.url_of("nowhere"), "does not let us in"),
        (
            right.replace("s3cret", "wr0ng"),
            "password authentication failed",
        ),
        (format!("{right}?sslmode=require"), "does not support TLS"),
    ] {
        let refusal = refusal(&station, &url);
        assert!(refusal.contains(part), "{url}: {refusal}");
    }
}

/// Why another station does not start with a database.
fn refusal(station: &Station, url: &str) -> String {
    let mut command = signalbox(station.home());
    command.args(["serve", "--data-dir", "other", "--store", url]);
    command.args(["--port", "0", "--mqtt-listen", "127.0.0.1:0"]);
    let refused = run(&mut command, "");
    assert_eq!(refused.code, 1, "{url}: {}", refused.err);
    assert!(refused.err.contains("hint:"), "{}", refused.err);
    for secret in ["s3cret", "wr0ng"] {
        assert!(!refused.err.contains(secret), "{}", refused.err);
    }
    refused.err
}

#[test]
fn the_way_to_the_database_can_be_encrypted_and_checked() {
    let dir = tempfile::tempdir().unwrap();
    certificates(dir.path());
    let file = |name: &str| dir.path().join(name);
    let server = Postgres::with_tls(&file("server.crt"), &file("server.key"));
    let (url, root) = (server.url(), file("ca.crt").display().to_string());
    let named = url.replace("127.0.0.1", "localhost");
    let station = Station::configured(&config(&format!(
        "{url}?sslmode=verify-full&sslrootcert={root}"
    )));
    assert_eq!(station.get("/api/v1/nodes")["nodes"], json!([]));
    let plain = server.sql(
        "SELECT count(*) > 1, count(*) FILTER (WHERE NOT ssl) FROM pg_stat_ssl \
         JOIN pg_stat_activity USING (pid) WHERE application_name LIKE 'signalbox%'",
    );
    assert_eq!(plain, "t|0", "all connections are encrypted");
    // The certificate is for 127.0.0.1, and its authority is known to nobody else.
    for (url, part) in [
        (format!("{url}?sslmode=verify-full"), "UnknownIssuer"),
        (format!("{url}?sslmode=verify-ca"), "UnknownIssuer"),
        (
            format!("{named}?sslmode=verify-full&sslrootcert={root}"),
            "not valid for name",
        ),
        (
            format!("{named}?sslmode=verify-ca&sslrootcert={root}"),
            "is open in another daemon",
        ),
        (
            format!("{named}?sslmode=require"),
            "is open in another daemon",
        ),
        (
            format!("{url}?sslmode=verify-full&sslrootcert=/nowhere"),
            "`/nowhere`",
        ),
    ] {
        let refusal = refusal(&station, &url);
        assert!(refusal.contains(part), "{url}: {refusal}");
    }
}

/// Nodes that publish at the same time.
const NODES: usize = 3;

fn publishers(station: &Station) -> Vec<Script> {
    (0..NODES)
        .map(|n| {
            let name = format!("node{n}");
            let password = station.add_node(&name);
            let port = station.mqtt_port();
            let args = ["127.0.0.1", &port, &name, &password];
            Script::start("publisher.py", &args, station.home())
        })
        .collect()
}

/// Lets them end, and looks whether each number is stored once.
fn assert_all_stored_once(server: &Postgres, publishers: &mut [Script]) {
    let mut counted = BTreeMap::new();
    for (n, publisher) in publishers.iter_mut().enumerate() {
        publisher.tell(&json!({"do": "stop"}));
        let published = publisher.expect("done")["published"].as_u64().unwrap();
        counted.insert(format!("node{n}"), published);
    }
    for (node, published) in &counted {
        let stored = server.sql(&format!(
            "SELECT count(*), count(DISTINCT value), min(value), max(value) FROM sample \
             JOIN series ON id = series_id WHERE node = '{node}' AND metric = 'n'"
        ));
        assert_eq!(stored, format!("{published}|{published}|1|{published}"));
    }
    let total: u64 = counted.values().sum();
    assert_eq!(server.sql("SELECT sum(n) FROM rollup"), total.to_string());
    println!("{total} messages, all stored once");
}

#[test]
fn nothing_is_lost_or_doubled_when_the_database_is_killed() {
    let mut server = Postgres::start();
    let station = station(&server);
    let mut publishers = publishers(&station);
    for _ in 0..if full() { 30 } else { 4 } {
        for publisher in &mut publishers {
            publisher.come("acked");
        }
        publishers[0].expect("acked");
        server.kill();
        server.start_again();
    }
    server.restart();
    for publisher in &mut publishers {
        publisher.come("acked");
        publisher.expect("acked");
    }
    assert_all_stored_once(&server, &mut publishers);
}

#[test]
fn an_outage_acknowledges_nothing_and_is_got_over() {
    let mut server = Postgres::start();
    let station = station(&server);
    let mut publishers = publishers(&station);
    publishers[0].expect("acked");
    server.stop();
    eventually("the station tells", || {
        let health = station.ask("GET", "/health", None);
        (health.status == 503).then_some(())
    });
    for publisher in &mut publishers {
        publisher.come("acked");
        publisher.expect_none("acked", Duration::from_secs(1));
    }
    server.start_again();
    publishers[0].expect("acked");
    eventually("the station is well again", || {
        let health = station.ask("GET", "/health", None);
        (health.status == 200).then_some(())
    });

    // A network that swallows everything: who waits is told after a while, and it goes on.
    server.freeze();
    let asked = std::time::Instant::now();
    let page = station.ask("GET", "/api/v1/data/all", None);
    assert_eq!(page.status, 503, "{}", page.text);
    assert!(asked.elapsed() < Duration::from_secs(25));
    server.thaw();
    publishers[0].come("acked");
    publishers[0].expect("acked");
    assert_all_stored_once(&server, &mut publishers);
}

/// A real station moves into a database and back into a file, and its nodes never notice.
#[test]
fn a_station_moves_into_a_database_and_back() {
    let server = Postgres::start();
    let mut station = Station::start();
    let mut publishers = publishers(&station);
    for publisher in &mut publishers {
        publisher.expect("acked");
    }
    station.post(
        "/api/v1/rules",
        &json!({"node": "node0", "metric": "n", "op": ">=", "value": 5, "name": "many"}),
    );
    let file = format!("sqlite:{}", station.database().display());
    let back = format!("sqlite:{}", station.home().join("back.db").display());
    let copy = |station: &Station, from: &str, to: &str| {
        let mut command = signalbox(station.home());
        run(command.args(["store", "copy", "--json", from, to]), "")
    };
    let refused = copy(&station, &file, &server.url());
    assert_eq!(refused.code, 1);
    assert!(
        refused.err.contains("is open in another daemon"),
        "{}",
        refused.err
    );
    assert_eq!(
        server.sql("SELECT to_regclass('sample')"),
        "",
        "nothing was made"
    );

    // The nodes go on publishing; what is not acknowledged they send again.
    station.kill();
    let copied: Value = serde_json::from_str(&copy(&station, &file, &server.url()).good()).unwrap();
    assert!(copied["tables"]["sample"].as_u64().unwrap() > 0, "{copied}");
    station.restart_with(&config(&server.url()));
    for publisher in &mut publishers {
        publisher.come("acked");
        publisher.expect("acked");
    }
    assert_eq!(
        station.json(&["rules"])["rules"].as_array().unwrap().len(),
        1
    );
    let refused = copy(&station, &server.url(), &back);
    assert!(
        refused.err.contains("is open in another daemon"),
        "{}",
        refused.err
    );
    station.kill();
    copy(&station, &server.url(), &back).good();
    let refused = copy(&station, &server.url(), &back);
    assert!(refused.err.contains("is not empty"), "{}", refused.err);
    station.restart_with(&config(&back));
    for (n, publisher) in publishers.iter_mut().enumerate() {
        publisher.come("acked");
        publisher.expect("acked");
        publisher.tell(&json!({"do": "stop"}));
        let published = publisher.expect("done")["published"].as_u64().unwrap();
        let path = station.home().join("back.db");
        let mut sqlite = tool("sqlite3", station.home());
        let query = format!(
            "SELECT count(*), count(DISTINCT value), max(value) FROM sample \
             JOIN series ON id = series_id WHERE node = 'node{n}' AND metric = 'n'"
        );
        let file = format!("file:{}?mode=ro", path.display());
        let stored = run(sqlite.args(["-cmd", ".timeout 5000", &file, &query]), "").good();
        assert_eq!(
            stored.trim(),
            format!("{published}|{published}|{published}.0")
        );
    }
}
