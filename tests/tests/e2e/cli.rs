//! What the command line says: help, errors with what to do next, exit codes.

use std::path::Path;

use crate::helper::{Ended, Station, run, signalbox};

/// Pages that people read; each is a snapshot.
const PAGES: [&[&str]; 13] = [
    &["serve"],
    &["login"],
    &["nodes"],
    &["node", "add"],
    &["data"],
    &["send"],
    &["commands"],
    &["rules", "add"],
    &["incidents"],
    &["store", "copy"],
    &["user", "add"],
    &["pub"],
    &["sub"],
];
/// What clap says about a wrong command line; everything else that fails is 1.
const USAGE: i32 = 2;

fn said(home: &Path, args: &[&str]) -> Ended {
    run(signalbox(home).args(args), "")
}

/// Code and complaint, without what differs from run to run.
fn snapshot(name: &str, ended: &Ended, secret: &[(&str, &str)]) {
    let mut text = format!("exit code {}\n{}{}", ended.code, ended.out, ended.err);
    for (from, to) in secret {
        text = text.replace(from, to);
    }
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ \+00:00", "[time]");
    settings.bind(|| insta::assert_snapshot!(name, text));
}

#[test]
fn every_page_of_help_is_as_it_was_meant() {
    let dir = tempfile::tempdir().unwrap();
    for page in PAGES {
        let mut args = page.to_vec();
        args.push("--help");
        let ended = said(dir.path(), &args);
        assert_eq!(ended.code, 0);
        snapshot(&format!("help {}", page.join(" ")), &ended, &[]);
    }
}

#[test]
fn every_verb_has_a_page_of_help() {
    let dir = tempfile::tempdir().unwrap();
    let all = said(dir.path(), &["--help"]).good();
    let verbs = all.lines().skip_while(|line| *line != "Commands:").skip(1);
    let mut n = 0;
    for line in verbs.take_while(|line| !line.is_empty()) {
        let verb = line.split_whitespace().next().unwrap();
        if verb == "help" {
            continue;
        }
        let page = said(dir.path(), &[verb, "--help"]).good();
        assert!(page.contains(&format!("Usage: signalbox {verb}")), "{page}");
        n += 1;
    }
    assert!(n >= 14, "{all}");
    let version = said(dir.path(), &["--version"]).good();
    assert_eq!(
        version.trim(),
        concat!("signalbox ", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn a_wrong_command_line_is_told_apart_from_a_failure() {
    let dir = tempfile::tempdir().unwrap();
    for args in [
        &["blink"][..],
        &["send", "kitchen"],
        &["send", "kitchen", "led", "blink"],
        &["serve", "--port", "many"],
        &["data", "--from", "yesterday"],
        &["pub", "--topic", "x", "--message", "y", "--qos", "3"],
        &["nodes", "--host", "ftp://example.org"],
    ] {
        assert_eq!(said(dir.path(), args).code, USAGE, "{args:?}");
    }
    for args in [
        &["nodes"][..],
        &["nodes", "--host", "tcp://127.0.0.1:1"],
        &["config", "check", "--config", "missing.toml"],
    ] {
        assert_eq!(said(dir.path(), args).code, 1, "{args:?}");
    }
}

#[test]
fn who_cannot_be_reached_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().display().to_string();
    let secret = [(home.as_str(), "[home]")];
    let snap = |name: &str, args: &[&str]| snapshot(name, &said(dir.path(), args), &secret);
    snap("no daemon at the local socket", &["nodes"]);
    snap(
        "no daemon at a socket",
        &["nodes", "--host", "unix:///nowhere/signalbox.sock"],
    );
    snap(
        "no daemon at an address",
        &["nodes", "--host", "tcp://127.0.0.1:1"],
    );
    snap("a host of another kind", &["nodes", "--host", "ftp://a:1"]);
    snap(
        "no broker",
        &["pub", "--port", "1", "--topic", "x", "--message", "y"],
    );
}

#[test]
fn a_bad_configuration_is_refused_with_file_line_and_key() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().display().to_string();
    let secret = [(home.as_str(), "[home]")];
    for (name, text) in [
        (
            "an unknown key",
            "[api]\naddress = \"127.0.0.1\"\nprot = 8080\n",
        ),
        ("a value of the wrong kind", "[mqtt]\nlisten = 1883\n"),
        (
            "a value that makes no sense",
            "# mine\n[account]\nsession_h = 0\n",
        ),
        ("not TOML", "[api\n"),
        (
            "mail without a sender",
            "[mail]\nhost = \"mail.example.org\"\n",
        ),
        (
            "a mapping without a node",
            "[[mapping]]\ntopic = \"a/+\"\nmetrics = { t = \"$.t\" }\n",
        ),
    ] {
        std::fs::write(dir.path().join("bad.toml"), text).unwrap();
        let file = format!("{home}/bad.toml");
        let served = said(
            dir.path(),
            &["serve", "--config", &file, "--data-dir", "data"],
        );
        snapshot(&format!("configuration {name}"), &served, &secret);
        // The check says the same, and nothing was made.
        let checked = said(dir.path(), &["config", "check", "--config", &file]);
        assert_eq!((checked.code, &checked.err), (1, &served.err), "{name}");
        assert!(!dir.path().join("data").exists());
    }
    let mut by_environment = signalbox(dir.path());
    by_environment.args(["config", "check"]);
    let ended = run(by_environment.env("SIGNALBOX_API__PORT", "many"), "");
    snapshot("configuration a bad variable", &ended, &secret);

    // The example that it prints is good.
    let example = said(dir.path(), &["config"]).good();
    std::fs::write(dir.path().join("good.toml"), example).unwrap();
    said(dir.path(), &["config", "check", "--config", "good.toml"]).good();
}

#[test]
fn what_another_daemon_has_is_not_taken() {
    let station = Station::start();
    let home = station.home().display().to_string();
    let (http, mqtt) = (station.http_address(), station.mqtt_port());
    let secret = [
        (home.as_str(), "[home]"),
        (http.as_str(), "127.0.0.1:[http]"),
        (mqtt.as_str(), "[mqtt]"),
    ];
    let serve = |more: &[&str]| {
        let mut args = vec!["serve"];
        args.extend(more);
        said(station.home(), &args)
    };
    let port = http.rsplit(':').next().unwrap();
    let other = ["--data-dir", "other", "--mqtt-listen", "127.0.0.1:0"];
    let mut taken = vec!["--port", port];
    taken.extend(other);
    snapshot("the API's port is taken", &serve(&taken), &secret);

    let listen = format!("127.0.0.1:{mqtt}");
    let broker = [
        "--port",
        "0",
        "--data-dir",
        "other",
        "--mqtt-listen",
        &listen,
    ];
    snapshot("the broker's port is taken", &serve(&broker), &secret);

    let free = ["--port", "0", "--mqtt-listen", "127.0.0.1:0"];
    let mut same = vec!["--data-dir", "data"];
    same.extend(free);
    snapshot("the socket is taken", &serve(&same), &secret);
    same.extend(["--socket", "other.sock"]);
    snapshot("the database is taken", &serve(&same), &secret);

    // All of that left the first one alone.
    assert_eq!(station.get("/health")["status"], "ok");
}

#[test]
fn a_node_gets_its_password_once() {
    let station = Station::start();
    station.add_node("kitchen");
    let home = station.home().display().to_string();
    let secret = [(home.as_str(), "[home]")];
    let again = station.verb(&["node", "add", "kitchen"]);
    snapshot("a node that has a password", &again, &secret);
    let bad = station.verb(&["node", "add", "../etc"]);
    snapshot("a node with a bad name", &bad, &secret);
}
