//! Commands, with a node that somebody else could have written (`python/node.py`).

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::helper::{Script, Station, eventually};

/// A timed command may end this much late or early: the node and the station may round, and a
/// loaded machine is slow.
const OFF_TIME_MS: i64 = 1_000;

fn command(station: &Station, id: &str) -> Value {
    station.get(&format!("/api/v1/command/{id}"))
}

#[track_caller]
fn in_state(station: &Station, id: &str, state: &str) -> Value {
    eventually(state, || {
        let command = command(station, id);
        let is = command["state"].as_str().unwrap().to_owned();
        let other = !["requested", "sent", state].contains(&is.as_str());
        assert!(!other, "not {state}: {command:#}");
        (is == state).then_some(command)
    })
}

#[track_caller]
fn presence(station: &Station, node: &str, wanted: &str) {
    eventually(wanted, || {
        let node = station.get(&format!("/api/v1/nodes/{node}"));
        (node["presence"] == wanted).then_some(())
    });
}

/// Asks for a command without waiting for the node; its id.
#[track_caller]
fn ask(station: &Station, args: &[&str]) -> String {
    let mut all = vec!["send", "kitchen", "led"];
    all.extend(args);
    all.push("--no-wait");
    let accepted = station.json(&all);
    accepted["id"].as_str().unwrap().to_owned()
}

fn switched(node: &mut Script, state: &str) -> i64 {
    let event = node.expect_where("switched", |event| event["actuator"] == "led");
    assert_eq!(event["state"], state);
    event["at_ms"].as_i64().unwrap()
}

fn measured(node: &mut Script, temperature: f64) {
    node.tell(&json!({"do": "reading", "values": {"temperature": temperature}}));
    node.expect("acked");
}

fn off_at_ms(command: &Value) -> i64 {
    let sent = millis(&command["sent_at"]);
    sent + command["for_ms"].as_i64().unwrap()
}

fn millis(time: &Value) -> i64 {
    let time: DateTime<Utc> = time.as_str().unwrap().parse().unwrap();
    time.timestamp_millis()
}

#[test]
fn a_node_does_what_it_is_told_and_says_so() {
    let station = Station::start();
    let mut node = station.node("kitchen");
    for (action, state) in [("on", "on"), ("off", "off"), ("toggle", "on")] {
        let done = station.json(&["send", "kitchen", "led", action, "--reason", "a test"]);
        assert_eq!(done["state"], "confirmed");
        assert_eq!(done["reason"], "a test");
        assert!(done["origin"]["username"].is_string(), "{done}");
        let told = node.expect("command");
        assert_eq!(told["retain"], false);
        assert_eq!(told["body"]["id"], done["id"]);
        assert_eq!(told["body"]["action"], action);
        switched(&mut node, state);
        let shown = station.get("/api/v1/nodes/kitchen");
        assert_eq!(shown["actuators"]["led"]["reported"], state);
        assert_eq!(shown["actuators"]["pump"]["reported"], "off");
    }

    let wrong = station.verb(&["send", "kitchen", "lamp", "on"]);
    assert_eq!(wrong.code, 1);
    assert!(
        wrong.err.contains("has no actuator `lamp`"),
        "{}",
        wrong.err
    );

    node.tell(&json!({"do": "refuse"}));
    let refused = station.verb(&["send", "kitchen", "pump", "on", "--json"]);
    assert_eq!(refused.code, 1);
    let refused: Value = serde_json::from_str(&refused.out).unwrap();
    assert_eq!(refused["state"], "refused");
    assert_eq!(refused["outcome"], "the tank is empty");

    let all = station.json(&["commands"]);
    assert_eq!(all["commands"].as_array().unwrap().len(), 4);
}

#[test]
fn a_command_waits_for_a_node_that_is_away() {
    let station = Station::start();
    let mut node = station.node("kitchen");
    node.tell(&json!({"do": "off"}));
    presence(&station, "kitchen", "offline");
    let kept = ask(&station, &["on"]);
    let taken_back = ask(&station, &["toggle"]);
    assert_eq!(command(&station, &kept)["state"], "requested");
    let done = station.json(&["commands", "cancel", &taken_back]);
    assert_eq!(done["state"], "cancelled");

    node.tell(&json!({"do": "on"}));
    assert_eq!(node.expect("command")["body"]["id"], kept.as_str());
    in_state(&station, &kept, "confirmed");
    switched(&mut node, "on");
    node.expect_none("switched", Duration::from_millis(300));
    assert_eq!(command(&station, &taken_back)["state"], "cancelled");
}

#[test]
fn a_command_that_waits_too_long_expires_and_is_never_sent() {
    let station = Station::configured("[command]\nexpiry_s = 1");
    let mut node = station.node("kitchen");
    node.tell(&json!({"do": "off"}));
    presence(&station, "kitchen", "offline");
    let id = ask(&station, &["on"]);
    in_state(&station, &id, "expired");
    node.tell(&json!({"do": "on"}));
    presence(&station, "kitchen", "online");
    node.expect_none("command", Duration::from_millis(300));
}

#[test]
fn a_node_that_does_not_answer_is_not_believed() {
    let station = Station::configured("[command]\nack_timeout_s = 1");
    let mut node = station.node("kitchen");
    node.tell(&json!({"do": "silence"}));
    let done = station.verb(&["send", "kitchen", "led", "on", "--json"]);
    assert_eq!(done.code, 1);
    let done: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(done["state"], "timed_out");
    assert_eq!(done["outcome"], "no answer within 1 s");
    // What the node last said stands.
    let shown = station.get("/api/v1/nodes/kitchen");
    assert_eq!(shown["actuators"]["led"]["reported"], "off");
    assert_eq!(shown["actuators"]["led"]["pending_command"], Value::Null);
}

/// The answer is lost with the connection: the command comes again, and is executed once.
#[test]
fn a_command_that_comes_twice_is_executed_once() {
    let station = Station::configured("[command]\nack_timeout_s = 30");
    let mut node = station.node("kitchen");
    node.tell(&json!({"do": "silence"}));
    let id = ask(&station, &["toggle"]);
    switched(&mut node, "on");
    node.tell(&json!({"do": "off"}));
    presence(&station, "kitchen", "offline");
    node.tell(&json!({"do": "speak"}));
    node.tell(&json!({"do": "on"}));
    let done = in_state(&station, &id, "confirmed");
    assert_eq!(done["outcome"], "the node had executed it before");
    let answer = node.expect("answered");
    assert_eq!(answer["result"], "duplicate");
    node.expect_none("switched", Duration::from_millis(300));
    let shown = station.get("/api/v1/nodes/kitchen");
    assert_eq!(shown["actuators"]["led"]["reported"], "on");
}

#[test]
fn a_timed_command_ends_by_itself() {
    let station = Station::start();
    let mut node = station.node("kitchen");
    let done = station.json(&["send", "kitchen", "led", "on", "--for", "2s"]);
    assert_eq!(done["state"], "confirmed");
    assert_eq!(done["for_ms"], 2_000);
    assert!(done["off_at"].is_string(), "{done}");
    switched(&mut node, "on");
    let off = switched(&mut node, "off");
    assert!((off - off_at_ms(&done)).abs() < OFF_TIME_MS, "{off} {done}");
    eventually("the station knows", || {
        let shown = station.get("/api/v1/nodes/kitchen");
        (shown["actuators"]["led"]["reported"] == "off").then_some(())
    });
    // It had nothing to add.
    node.expect("command");
    node.expect_none("command", Duration::from_secs(3));
}

#[test]
fn a_timed_command_ends_in_time_while_the_daemon_is_dead() {
    let mut station = Station::start();
    let mut node = station.node("kitchen");
    let done = station.json(&["send", "kitchen", "led", "on", "--for", "3s"]);
    switched(&mut node, "on");
    station.kill();
    let off = switched(&mut node, "off");
    assert!((off - off_at_ms(&done)).abs() < OFF_TIME_MS, "{off} {done}");
    station.restart();
    eventually("the station knows", || {
        let shown = station.get("/api/v1/nodes/kitchen");
        let led = &shown["actuators"]["led"];
        (led["reported"] == "off" && led["off_at"].is_null()).then_some(())
    });
    node.expect("command");
    node.expect_none("command", Duration::from_secs(3));
}

/// Both sides are ended while the LED is on, and the node that comes back has forgotten its
/// timer, with its relay still closed: the station sees to it.
#[test]
fn a_timed_command_that_the_node_forgot_is_ended_by_the_station() {
    let mut station = Station::configured("[command]\noff_check_grace_s = 0");
    let password = station.add_node("kitchen");
    let mut node = station.node_with("kitchen", &password, &[]);
    node.expect("subscribed");
    presence(&station, "kitchen", "online");
    let done = station.json(&["send", "kitchen", "led", "on", "--for", "4s"]);
    node.kill();
    station.kill();
    station.restart();
    let more = ["--boot", "2", "--led", "on"];
    let mut node = station.node_with("kitchen", &password, &more);
    node.expect("subscribed");
    let off = switched(&mut node, "off");
    assert!((off - off_at_ms(&done)).abs() < OFF_TIME_MS, "{off} {done}");
    let told = node.expect("command");
    let id = told["body"]["id"].as_str().unwrap();
    let by_station = in_state(&station, id, "confirmed");
    assert_eq!(by_station["origin"]["kind"], "station");
}

/// A command that is out when the daemon dies is not forgotten.
#[test]
fn a_command_survives_the_death_of_the_daemon() {
    let mut station = Station::start();
    let mut node = station.node("kitchen");
    node.tell(&json!({"do": "silence"}));
    let out = ask(&station, &["on"]);
    switched(&mut node, "on");
    node.tell(&json!({"do": "off"}));
    presence(&station, "kitchen", "offline");
    let held = ask(&station, &["off"]);
    station.kill();
    station.restart();
    node.tell(&json!({"do": "speak"}));
    node.tell(&json!({"do": "on"}));
    assert_eq!(
        in_state(&station, &out, "confirmed")["outcome"],
        "the node had executed it before"
    );
    in_state(&station, &held, "confirmed");
    switched(&mut node, "off");
}

#[test]
fn a_command_for_a_time_and_a_schedule_run_over_a_restart() {
    let mut station = Station::start();
    let mut node = station.node("kitchen");
    let cron = ["--cron", "* * * * *", "--tz", "Europe/Paris"];
    let mut args = vec!["toggle"];
    args.extend(cron);
    let schedule = ask(&station, &args);
    let at = (Utc::now() + TimeDelta::seconds(3)).to_rfc3339_opts(SecondsFormat::Millis, true);
    let once = ask(&station, &["on", "--at", &at]);
    assert_eq!(command(&station, &once)["state"], "requested");
    station.kill();
    station.restart();

    let told = node.expect_where("command", |event| event["body"]["id"] == once.as_str());
    assert_eq!(told["body"]["action"], "on");
    let done = in_state(&station, &once, "confirmed");
    let late = millis(&done["sent_at"]) - millis(&json!(at));
    assert!((0..OFF_TIME_MS).contains(&late), "{late} ms late");

    // Within the minute, the schedule: at a full minute, and nobody asked again.
    let run = eventually_within_a_minute(&station, &schedule);
    let into_minute = millis(&run["requested_at"]) % 60_000;
    assert!(
        into_minute < OFF_TIME_MS,
        "{into_minute} ms into the minute"
    );
    let paused = station.json(&["commands", "pause", &schedule]);
    assert_eq!(
        (&paused["paused"], &paused["next_at"]),
        (&json!(true), &json!(null))
    );
    let listed = station.verb(&["commands", "schedules"]).good();
    assert!(listed.contains("paused"), "{listed}");
    let edit = [
        "commands", "edit", &schedule, "--action", "off", "--reason", "late",
    ];
    let edited = station.json(&edit);
    assert_eq!(
        (&edited["action"], &edited["reason"]),
        (&json!("off"), &json!("late"))
    );
    let resumed = station.json(&["commands", "resume", &schedule]);
    assert_eq!(resumed["paused"], false);
    assert!(resumed["next_at"].is_string(), "{resumed}");
    station.verb(&["commands", "unschedule", &schedule]).good();
    let left = station.json(&["commands", "schedules"]);
    assert_eq!(left["schedules"], json!([]));
}

fn eventually_within_a_minute(station: &Station, schedule: &str) -> Value {
    let look = || {
        let all = station.get("/api/v1/command/all");
        let all = all["commands"].as_array().unwrap();
        let ours = |command: &&Value| command["origin"]["schedule"] == schedule;
        all.iter().find(ours).cloned()
    };
    // Two waits of half a minute each at most, because a deadline is half a minute.
    let minute = 2;
    for _ in 0..minute {
        if let Some(found) = crate::helper::look_for(crate::helper::DEADLINE, look) {
            return found;
        }
    }
    panic!("the schedule did not run within a minute");
}

#[test]
fn a_rule_switches_on_and_off_again() {
    let station = Station::start();
    let mut node = station.node("kitchen");
    let rule = station.json(&[
        "rules",
        "add",
        "temperature",
        "gt",
        "30",
        "--hysteresis",
        "2",
        "--node",
        "kitchen",
        "--command",
        "led=on",
        "--clear-command",
        "led=off",
    ]);
    measured(&mut node, 29.0);
    measured(&mut node, 31.0);
    switched(&mut node, "on");
    // Between threshold and hysteresis nothing changes.
    measured(&mut node, 29.0);
    node.expect_none("switched", Duration::from_millis(300));
    measured(&mut node, 27.0);
    switched(&mut node, "off");
    let page = station.json(&["commands"]);
    for command in page["commands"].as_array().unwrap() {
        assert_eq!(command["origin"]["rule"], rule["id"]);
    }
    let incidents = station.json(&["incidents"]);
    let incident = &incidents["incidents"][0];
    assert_eq!(incident["state"], "closed");
    assert_eq!(incident["peak"], 31.0);
    assert_eq!(incident["last_value"], 27.0);
}
