//! The API, with curl and with schemathesis, which makes requests up from its description.

use serde_json::{Value, json};

use crate::helper::{Station, bin, full, run, tool};

/// Requests made up for each operation and phase, in a usual run and in a full one.
const EXAMPLES: [&str; 2] = ["8", "100"];

/// Left out: `logout` ends the session that all requests use, and `ws` is no request.
const LEFT_OUT: [&str; 2] = ["/api/v1/auth/logout", "/ws"];

/// No made-up request, good or bad, may end in a server error, in a reply that the description
/// does not have, or in a bad value that is taken. The one check left out wants every request
/// that fits the schema to succeed, which a time in the past does not.
#[test]
fn the_api_is_as_its_description_says() {
    let station = Station::start();
    add_user(&station, "ada");
    station.add_node("kitchen");
    let token = station.login("ada", "correct horse");
    let mut schemathesis = tool(bin("schemathesis"), station.home());
    schemathesis.args(["--no-color", "run", "--seed", "1", "--warnings", "off"]);
    schemathesis.args(["--max-examples", EXAMPLES[usize::from(full())]]);
    schemathesis.args(["--exclude-checks", "positive_data_acceptance"]);
    for path in LEFT_OUT {
        schemathesis.args(["--exclude-path", path]);
    }
    schemathesis.args(["--request-timeout", "10", "--header"]);
    schemathesis.arg(format!("Authorization: Bearer {token}"));
    let url = format!("http://{}/api/v1/openapi.json", station.http_address());
    let done = run(schemathesis.arg(url), "");
    assert_eq!(done.code, 0, "{}\n{}", done.out, done.err);
    assert!(done.out.contains("No issues found"), "{}", done.out);

    assert_eq!(station.get("/health")["status"], "ok");
    let log = station.log();
    assert!(!log.contains("ERROR") && !log.contains("panicked"), "{log}");
}

fn add_user(station: &Station, name: &str) {
    let args = [
        "user",
        "add",
        name,
        "--email",
        "ada@example.org",
        "--password-stdin",
    ];
    station.verb_with(&args, "correct horse\n").good();
}

#[test]
fn the_index_tells_a_new_id_each_start() {
    let mut station = Station::start();
    let id = |station: &Station| {
        let reply = station.ask_tcp(None, "GET", "/", None);
        assert_eq!(reply.status, 200);
        let id = reply.text.strip_prefix("My id is ").unwrap().to_owned();
        assert_eq!(id.len(), 36, "{id}");
        assert!(station.log().contains(&format!("ready id={id} ")));
        id
    };
    let first = id(&station);
    assert_eq!(id(&station), first);
    station.kill();
    station.restart();
    assert_ne!(id(&station), first);
}

#[test]
fn without_a_session_almost_nothing_is_answered() {
    let station = Station::start();
    add_user(&station, "ada");
    let description = station.get("/api/v1/openapi.json");
    let mut asked = 0;
    for (path, operations) in description["paths"].as_object().unwrap() {
        let open = ["/", "/health", "/api/v1/auth/login", "/api/v1/auth/signup"];
        if open.contains(&path.as_str()) {
            continue;
        }
        for method in operations.as_object().unwrap().keys() {
            let method = method.to_uppercase();
            let path = path.replace(['{', '}'], "x");
            for token in [None, Some("sbx_made-up")] {
                let reply = station.ask_tcp(token, &method, &path, Some(&json!({})));
                assert_eq!(reply.status, 401, "{method} {path}");
                assert_eq!(reply.body["error"]["code"], "unauthorized");
                asked += 1;
            }
        }
    }
    assert!(asked > 60, "only {asked} requests");

    // A session ends at once.
    let token = station.login("ada", "correct horse");
    let get = |path: &str| station.ask_tcp(Some(&token), "GET", path, None).status;
    assert_eq!(get("/api/v1/nodes"), 200);
    assert_eq!(get("/users"), 200);
    assert_eq!(get("/api/v1/auth/logout"), 204);
    assert_eq!(get("/api/v1/nodes"), 401);
}

#[test]
fn samples_come_as_pages_csv_lines_and_statistics() {
    let station = Station::start();
    let mut node = station.node("kitchen");
    for n in 1..=25 {
        node.tell(&json!({"do": "reading", "values": {"soil": n}}));
        node.expect_where("acked", |event| event["seq"] == n);
    }
    // Pages.
    let (mut soils, mut after) = (Vec::new(), String::new());
    loop {
        let page = station.get(&format!("/api/v1/data/all?metric=soil&limit=10{after}"));
        let samples = page["samples"].as_array().unwrap();
        soils.extend(
            samples
                .iter()
                .map(|sample| sample["value"].as_f64().unwrap()),
        );
        match &page["next"] {
            Value::String(next) => after = format!("&after={next}"),
            _ => break,
        }
    }
    let wanted: Vec<f64> = (1..=25).map(f64::from).collect();
    assert_eq!(soils, wanted);

    // The verb's CSV, and its objects a line.
    let csv = station.verb(&["data", "--all", "--csv"]).good();
    assert_eq!(csv.lines().next(), Some("ts,node,metric,value,flags"));
    assert_eq!(csv.lines().count(), 26);
    let lines = station.verb(&["data", "--all", "--json"]).good();
    let first: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(first["value"], 1.0);
    assert_eq!(lines.lines().count(), 25);

    // Statistics, and the newest first.
    let reply = station.get("/api/v1/data/all?metric=soil&from=2020-01-01T00:00:00Z&buckets=1");
    let bucket = &reply["series"][0]["buckets"][0];
    assert_eq!(bucket["n"], 25);
    assert_eq!(
        (&bucket["min"], &bucket["max"]),
        (&json!(1.0), &json!(25.0))
    );
    assert_eq!(bucket["mean"], 13.0);
    let last = station.get("/api/v1/data/last?n=2&metric=soil");
    assert_eq!(last["samples"][0]["value"], 25.0);
    assert_eq!(last["samples"][1]["value"], 24.0);
}
