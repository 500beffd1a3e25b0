//! Accounts, as people meet them: sign-up, roles, wrong passwords, the session of the verbs.

use serde_json::json;

use crate::helper::{Station, run, signalbox};

const PASSWORD: &str = "correct horse";

fn signup(station: &Station, name: &str) -> crate::helper::Reply {
    let body = json!({"username": name, "email": "a@example.org", "password": PASSWORD});
    station.ask_tcp(None, "POST", "/api/v1/auth/signup", Some(&body))
}

fn add(station: &Station, name: &str, role: &[&str]) {
    let mut args = vec![
        "user",
        "add",
        name,
        "--email",
        "a@example.org",
        "--password-stdin",
    ];
    args.extend(role);
    station.verb_with(&args, &format!("{PASSWORD}\n")).good();
}

fn role(station: &Station, name: &str) -> String {
    let users = station.json(&["user", "list"]);
    let users = users["users"].as_array().unwrap();
    let user = users.iter().find(|user| user["username"] == name).unwrap();
    user["role"].as_str().unwrap().to_owned()
}

#[test]
fn the_first_account_is_the_administrator_and_the_door_closes_behind_it() {
    let station = Station::start();
    assert_eq!(signup(&station, "ada").status, 201);
    assert_eq!(role(&station, "ada"), "administrator");
    let second = signup(&station, "eve");
    assert_eq!(second.status, 403, "{}", second.text);

    let open = Station::configured("[account]\nsignup = \"open\"");
    assert_eq!(signup(&open, "ada").status, 201);
    assert_eq!(signup(&open, "eve").status, 201);
    assert_eq!(role(&open, "eve"), "viewer");
    assert_eq!(signup(&open, "eve").status, 409);

    let closed = Station::configured("[account]\nsignup = \"closed\"");
    add(&closed, "ada", &[]);
    assert_eq!(role(&closed, "ada"), "administrator");
    assert_eq!(signup(&closed, "eve").status, 403);
}

/// The verbs over TCP, where a login is needed, with a session that outlives the daemon.
#[test]
fn a_viewer_sees_and_an_operator_acts() {
    let mut station = Station::start();
    let mut node = station.node("kitchen");
    add(&station, "ada", &[]);
    add(&station, "vic", &["--role", "viewer"]);
    add(&station, "oscar", &["--role", "operator"]);
    let host = format!("http://{}", station.http_address());
    let home = station.home().to_owned();
    let verb = |args: &[&str], input: &str| {
        run(signalbox(&home).args(args).args(["--host", &host]), input)
    };

    let before = verb(&["nodes"], "");
    assert_eq!(before.code, 1);
    assert!(before.err.contains("signalbox login"), "{}", before.err);

    verb(&["login", "vic", "--password-stdin"], PASSWORD).good();
    assert!(verb(&["nodes"], "").good().contains("kitchen"));
    let denied = verb(&["send", "kitchen", "led", "on"], "");
    assert_eq!(denied.code, 1);
    assert!(denied.err.contains("operator"), "{}", denied.err);
    let denied = verb(&["user", "list"], "");
    assert_eq!(denied.code, 1);
    assert!(denied.err.contains("administrator"), "{}", denied.err);
    let none = station.json(&["commands"]);
    assert_eq!(none["commands"], json!([]));

    verb(&["login", "oscar", "--password-stdin"], PASSWORD).good();
    station.kill();
    station.restart();
    node.expect("subscribed");
    verb(&["send", "kitchen", "led", "on", "--wait", "30s"], "").good();
    let who = station.json(&["commands"]);
    assert_eq!(who["commands"][0]["origin"]["username"], "oscar");
    assert_eq!(verb(&["user", "list"], "").code, 1);

    verb(&["logout"], "").good();
    assert_eq!(verb(&["nodes"], "").code, 1);
}

#[test]
fn guessing_passwords_is_slowed_down() {
    let station = Station::start();
    add(&station, "ada", &[]);
    let guess = |password: &str| {
        let body = json!({"username": "ada", "password": password});
        station.ask_tcp(None, "POST", "/api/v1/auth/login", Some(&body))
    };
    let mut wrong = 0;
    let throttled = loop {
        let reply = guess("wrong password");
        match reply.status {
            401 => wrong += 1,
            429 => break reply,
            other => panic!("{other} {}", reply.text),
        }
        assert!(wrong < 20, "nothing slows it down");
    };
    assert!(wrong >= 5, "already after {wrong}");
    let wait: u64 = throttled.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait} s");
    // While the pause lasts, not even the right one is looked at.
    assert_eq!(guess(PASSWORD).status, 429);
}
