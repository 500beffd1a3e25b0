//! Mail, with a real server (aiosmtpd) that takes it, puts it off, refuses it, or goes away.

use std::{path::Path, time::Duration};

use serde_json::{Value, json};

use crate::helper::{Script, Station, eventually, free_port, run, tool};

/// How long no second mail may come before it is believed that none will; retries are due every
/// second.
const QUIET: Duration = Duration::from_millis(2_500);

fn server(more: &[&str]) -> (Script, String) {
    server_at(&free_port().to_string(), more)
}

fn server_at(port: &str, more: &[&str]) -> (Script, String) {
    let mut args = vec![port];
    args.extend(more);
    let mut smtp = Script::start("smtp.py", &args, &std::env::temp_dir());
    let port = smtp.expect("listening")["port"].to_string();
    (smtp, port)
}

fn mode(smtp: &mut Script, mode: &str) {
    smtp.tell(&json!({"mode": mode}));
    smtp.expect("now");
}

fn config(port: &str, tls: &str) -> String {
    format!(
        "[mail]\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"{tls}\"\nretry_s = 1\n\
         from = \"Station <station@example.org>\"\n"
    )
}

/// A station with a rule that mails Anna about the kitchen, and its node.
fn watched(port: &str, tls: &str) -> (Station, Script) {
    let station = Station::configured(&config(port, tls));
    let node = station.node("kitchen");
    station.json(&[
        "rules",
        "add",
        "temperature",
        "gt",
        "30",
        "--name",
        "too hot",
        "--node",
        "kitchen",
        "--email",
        "anna@example.org",
        "--severity",
        "critical",
    ]);
    (station, node)
}

fn measured(node: &mut Script, temperature: f64) {
    node.tell(&json!({"do": "reading", "values": {"temperature": temperature}}));
    node.expect("acked");
}

fn header<'a>(mail: &'a Value, name: &str) -> &'a str {
    let value = &mail["headers"][name];
    value
        .as_str()
        .unwrap_or_else(|| panic!("no {name}: {mail:#}"))
}

/// The outbox, newest first, when its newest row has this state.
#[track_caller]
fn newest(station: &Station, state: &str) -> Value {
    eventually(state, || {
        let mails = station.get("/api/v1/mails");
        let newest = mails["mails"][0].clone();
        (newest["state"] == state).then_some(newest)
    })
}

#[test]
fn an_alert_and_its_recovery_are_one_thread() {
    let (mut smtp, port) = server(&[]);
    let (station, mut node) = watched(&port, "none");
    measured(&mut node, 35.0);
    let alert = smtp.expect("mail");
    assert_eq!(alert["to"], json!(["anna@example.org"]));
    assert_eq!(alert["sender"], "station@example.org");
    assert_eq!(
        header(&alert, "subject"),
        "[signalbox] CRITICAL kitchen: too hot"
    );
    assert_eq!(header(&alert, "auto-submitted"), "auto-generated");
    assert_eq!(header(&alert, "x-signalbox-state"), "firing");
    let incident = station.get("/api/v1/incidents")["incidents"][0].clone();
    let id = format!("<{}.firing@example.org>", incident["id"].as_str().unwrap());
    assert_eq!(header(&alert, "message-id"), id);
    let body = alert["body"].as_str().unwrap();
    assert!(
        body.contains("temperature > 30") && body.contains("35"),
        "{body}"
    );

    // It goes on, and nobody is told twice.
    measured(&mut node, 38.0);
    measured(&mut node, 20.0);
    let over = smtp.expect("mail");
    assert_eq!(header(&over, "x-signalbox-state"), "recovery");
    assert_eq!(header(&over, "subject"), header(&alert, "subject"));
    assert_eq!(header(&over, "in-reply-to"), id);
    assert_eq!(header(&over, "references"), id);
    assert_ne!(header(&over, "message-id"), id);
    let body = over["body"].as_str().unwrap();
    assert!(body.contains("lasted") && body.contains("38"), "{body}");
    newest(&station, "sent");
    smtp.expect_none("mail", QUIET);
}

#[test]
fn a_mail_that_is_put_off_is_sent_later_and_once() {
    let (mut smtp, port) = server(&[]);
    mode(&mut smtp, "later");
    let (station, mut node) = watched(&port, "none");
    measured(&mut node, 35.0);
    smtp.expect("tried");
    let waiting = newest(&station, "queued");
    assert!(
        waiting["last_error"].is_null() || waiting["last_error"].as_str().unwrap().contains("451")
    );
    smtp.expect("tried");
    mode(&mut smtp, "accept");
    smtp.expect("mail");
    let sent = newest(&station, "sent");
    assert!(sent["tries"].as_u64().unwrap() >= 3, "{sent}");
    smtp.expect_none("mail", QUIET);
}

#[test]
fn a_refused_mail_is_given_up_and_shown_and_the_next_one_goes() {
    let (mut smtp, port) = server(&[]);
    mode(&mut smtp, "refuse");
    let (station, mut node) = watched(&port, "none");
    measured(&mut node, 35.0);
    smtp.expect("tried");
    let failed = newest(&station, "failed");
    assert_eq!(failed["tries"], 1);
    assert_eq!(failed["recipient"], "anna@example.org");
    let why = failed["last_error"].as_str().unwrap();
    assert!(why.contains("550") || why.contains("no such user"), "{why}");
    smtp.expect_none("tried", QUIET);
    let unsent = station.json(&["mail", "list", "--unsent"]);
    assert_eq!(unsent["mails"], json!([failed]));
    let tested = station.verb(&["mail", "test", "ben@example.org"]);
    assert_eq!(tested.code, 1, "{}", tested.err);
    assert!(tested.out.contains("did not go out"), "{}", tested.out);
    smtp.expect("tried");
    mode(&mut smtp, "accept");
    let id = failed["id"].as_str().unwrap();
    station.verb(&["mail", "retry", id]).good();
    assert_eq!(header(&smtp.expect("mail"), "x-signalbox-state"), "firing");
    measured(&mut node, 20.0);
    assert_eq!(
        header(&smtp.expect("mail"), "x-signalbox-state"),
        "recovery"
    );
}

#[test]
fn a_connection_that_breaks_in_the_mail_costs_nothing() {
    let (mut smtp, port) = server(&[]);
    mode(&mut smtp, "drop");
    let (station, mut node) = watched(&port, "none");
    measured(&mut node, 35.0);
    smtp.expect("tried");
    newest(&station, "queued");
    mode(&mut smtp, "accept");
    smtp.expect("mail");
    newest(&station, "sent");
    smtp.expect_none("mail", QUIET);
}

#[test]
fn what_fired_and_cleared_while_the_server_was_down_is_one_mail() {
    let (mut smtp, port) = server(&[]);
    smtp.kill();
    let (station, mut node) = watched(&port, "none");
    measured(&mut node, 35.0);
    eventually("it was tried", || {
        let mails = station.get("/api/v1/mails");
        mails["mails"][0]["last_error"].is_string().then_some(())
    });
    measured(&mut node, 20.0);
    let depth = station.get("/api/v1/station")["outbox_depth"].clone();
    assert_eq!(depth, 2);
    let (mut smtp, _) = server_at(&port, &[]);
    let both = smtp.expect("mail");
    assert_eq!(header(&both, "x-signalbox-state"), "firing and recovery");
    let body = both["body"].as_str().unwrap();
    assert!(body.contains("lasted") && body.contains("35"), "{body}");
    newest(&station, "merged");
    smtp.expect_none("mail", QUIET);
}

/// Killed while the mail waits, and killed after the mail was handed over but before the answer.
#[test]
fn a_mail_survives_the_death_of_the_daemon() {
    for dies_in in ["later", "hold"] {
        let (mut smtp, port) = server(&[]);
        mode(&mut smtp, dies_in);
        let (mut station, mut node) = watched(&port, "none");
        measured(&mut node, 35.0);
        smtp.expect("tried");
        station.kill();
        mode(&mut smtp, "accept");
        station.restart();
        let mail = smtp.expect("mail");
        let incident = station.get("/api/v1/incidents")["incidents"][0].clone();
        let id = format!("<{}.firing@example.org>", incident["id"].as_str().unwrap());
        assert_eq!(header(&mail, "message-id"), id, "{dies_in}");
        newest(&station, "sent");
        smtp.expect_none("mail", QUIET);
    }
}

/// What openssl makes the certificate from; it is not an authority, as no server's should be.
const REQUEST: &str = "[req]\ndistinguished_name = name\nx509_extensions = more\nprompt = no\n\
                       [name]\nCN = 127.0.0.1\n\
                       [more]\nsubjectAltName = IP:127.0.0.1\nbasicConstraints = CA:FALSE\n";

/// A certificate for 127.0.0.1 that only itself vouches for, and its key.
fn certificate(dir: &Path) -> [String; 2] {
    std::fs::write(dir.join("request.cnf"), REQUEST).unwrap();
    let mut openssl = tool("openssl", dir);
    openssl.args([
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
    ]);
    openssl.args([
        "-config",
        "request.cnf",
        "-keyout",
        "key.pem",
        "-out",
        "cert.pem",
    ]);
    run(&mut openssl, "").good();
    ["cert.pem", "key.pem"].map(|name| dir.join(name).display().to_string())
}

#[test]
fn starttls_is_required_and_verified() {
    let dir = tempfile::tempdir().unwrap();
    let [cert, key] = certificate(dir.path());
    let (mut smtp, port) = server(&["--certificate", &cert, "--key", &key]);
    let (mut station, mut node) = watched(&port, "starttls");
    measured(&mut node, 35.0);
    let why = |station: &Station, words: &[&str]| {
        eventually(words[0], || {
            let mails = station.get("/api/v1/mails");
            let error = mails["mails"][0]["last_error"].as_str()?.to_lowercase();
            words.iter().any(|word| error.contains(word)).then_some(())
        });
    };
    // Nobody vouches for this server.
    why(&station, &["certificate", "unknownissuer"]);
    smtp.expect_none("mail", Duration::ZERO);

    // A server that does not offer it at all is not spoken to either.
    let (mut plain, plain_port) = server(&[]);
    station.kill();
    station.restart_with(&config(&plain_port, "starttls"));
    why(&station, &["starttls"]);
    plain.expect_none("mail", Duration::ZERO);

    // The one that the configuration vouches for gets it.
    station.kill();
    let trusted = format!("ca_file = {cert:?}\n");
    station.restart_with(&(config(&port, "starttls") + &trusted));
    smtp.expect("mail");
    newest(&station, "sent");
}

#[test]
fn a_silence_holds_the_mail_and_its_end_sends_it() {
    let (mut smtp, port) = server(&[]);
    let (station, mut node) = watched(&port, "none");
    let silence = station.json(&[
        "silence",
        "add",
        "--node",
        "kit*",
        "--for",
        "1h",
        "--comment",
        "new pump",
    ]);
    assert_eq!(silence["state"], "active");
    measured(&mut node, 35.0);
    let incident = eventually("silenced", || {
        let incident = station.get("/api/v1/incidents?open=true")["incidents"][0].clone();
        (incident["mail_held"] == true).then_some(incident)
    });
    assert_eq!(incident["state"], "firing");
    assert_eq!(incident["silenced"]["comment"], "new pump");
    smtp.expect_none("mail", QUIET);
    assert_eq!(station.get("/api/v1/mails")["mails"], json!([]));

    let ended = station.json(&["silence", "end", silence["id"].as_str().unwrap()]);
    assert_eq!(ended["state"], "over");
    let alert = smtp.expect("mail");
    assert_eq!(header(&alert, "x-signalbox-state"), "firing");

    // Acknowledged until a moment from now: then people are told again, in the same thread.
    let id = incident["id"].as_str().unwrap();
    let acked = station.json(&["incidents", "ack", id, "--for", "1s", "--note", "on my way"]);
    assert_eq!(acked["acknowledged_note"], "on my way");
    let again = smtp.expect("mail");
    assert_eq!(header(&again, "x-signalbox-state"), "reminder");
    assert_eq!(header(&again, "in-reply-to"), header(&alert, "message-id"));
    let listed = station.json(&["silence", "list", "--all"]);
    assert_eq!(listed["silences"][0]["id"], silence["id"]);
    let open = station.json(&["silence", "list"]);
    assert_eq!(open["silences"], json!([]));
}
