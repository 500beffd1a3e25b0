//! Timed commands: whatever happens, the actuator goes off, and the station looks.

use std::sync::atomic::Ordering::SeqCst;

use serde_json::json;
use signalbox_protocol::api::{
    command::{
        Action,
        CommandState::{Confirmed, Expired, Requested, Sent, TimedOut},
        Origin,
    },
    node::ActuatorState::{Off, On},
};

use super::rig::{Rig, at_s};
use crate::store::EngineStore as _;

/// ON for a minute, confirmed at once; the command's id.
async fn minute(rig: &mut Rig) -> String {
    rig.online(json!({"led": "off"})).await;
    let id = rig.timed("on", json!({"duration_s": 60})).await;
    assert_eq!(rig.link.take()[0]["for_ms"], 60_000);
    let answer = json!({"actuators": {"led": "on"}, "off_in_ms": 60_000});
    rig.ack(&id, "applied", answer).await;
    id
}

async fn watched(rig: &Rig) -> usize {
    let loaded = rig.store.load().await.unwrap();
    assert_eq!(loaded.commands.len(), rig.engine.state.commands.len());
    loaded.commands.len()
}

#[tokio::test]
async fn the_node_switches_off_and_says_so() {
    let mut rig = Rig::new().await;
    let id = minute(&mut rig).await;
    let done = rig.command(&id).await;
    assert_eq!((done.state, done.off_at), (Confirmed, Some(at_s(60))));
    assert_eq!(rig.kitchen().await.actuators["led"].off_at, Some(at_s(60)));
    assert_eq!(watched(&rig).await, 1);
    rig.turn_ms(60_000);
    rig.online(json!({"led": "off"})).await;
    assert_eq!(rig.led().await, (Some(Off), Some(Off)));
    assert_eq!(rig.kitchen().await.actuators["led"].off_at, None);
    assert_eq!(watched(&rig).await, 0);
    rig.pass_s(3_600).await;
    assert!(rig.link.take().is_empty());
}

#[tokio::test]
async fn one_that_does_not_is_switched_off_until_it_is() {
    let mut rig = Rig::new().await;
    minute(&mut rig).await;
    rig.pass_s(61).await;
    assert!(rig.link.take().is_empty(), "within the grace of 2 s");
    rig.pass_s(1).await;
    let off = &rig.commands().await[1];
    assert_eq!(
        (off.action, &off.origin, off.state),
        (Action::Off, &Origin::Station, Sent)
    );
    assert!(off.reason.as_ref().unwrap().contains("still on"));
    assert_eq!(rig.link.take().len(), 1);
    rig.pass_s(14).await;
    assert!(rig.link.take().is_empty());
    rig.pass_s(1).await;
    assert_eq!(rig.link.take().len(), 1, "again after 15 s");
    rig.restart().await;
    rig.online(json!({"led": "on"})).await;
    rig.link.take();
    // The pauses grow: 15, 17, 34, 68 s ... up to 15 min.
    let mut tries = 0;
    for _ in 0..86_400 / 5 {
        rig.pass_s(5).await;
        tries += rig.link.take().len();
    }
    assert!((90..=130).contains(&tries), "{tries} in a day");
    // An answer ends it.
    let last = rig.timed("on", json!({"duration_s": 1})).await;
    rig.ack(&last, "applied", json!({"actuators": {"led": "off"}}))
        .await;
    assert_eq!(watched(&rig).await, 0);
}

#[tokio::test]
async fn one_that_is_away_at_the_time_is_told_when_it_comes_back_on() {
    let mut rig = Rig::new().await;
    minute(&mut rig).await;
    rig.offline().await;
    rig.pass_s(7_200).await;
    assert_eq!(rig.commands().await.len(), 1);
    rig.restart().await;
    rig.tick().await;
    rig.online(json!({"led": "on"})).await;
    assert_eq!(rig.link.take()[0]["action"], "off");
}

#[tokio::test]
async fn a_node_that_starts_again_in_between_is_believed() {
    let mut rig = Rig::new().await;
    minute(&mut rig).await;
    rig.turn_ms(20_000);
    let body = json!({"online": true, "boot": 2, "actuators": {"led": "off"}});
    rig.receive("signalbox/kitchen/status", body).await;
    assert_eq!(rig.led().await, (Some(Off), Some(Off)));
    assert_eq!(watched(&rig).await, 0);

    // Another one comes back with the actuator on, but without its timer.
    minute(&mut rig).await;
    rig.turn_ms(20_000);
    let body = json!({"online": true, "boot": 3, "actuators": {"led": "on"}});
    rig.receive("signalbox/kitchen/status", body).await;
    rig.pass_s(42).await;
    assert_eq!(rig.link.take()[0]["action"], "off");
}

#[tokio::test]
async fn a_node_that_does_not_tell_its_timer_is_watched_all_the_same() {
    let mut rig = Rig::new().await;
    rig.online(json!({"led": "off"})).await;
    let id = rig.timed("on", json!({"duration_s": 60})).await;
    rig.ack(&id, "applied", json!({})).await;
    assert_eq!(rig.led().await, (Some(On), Some(On)), "applied means done");
    assert_eq!(rig.command(&id).await.off_at, Some(at_s(60)));
    rig.link.take();
    rig.pass_s(62).await;
    assert_eq!(rig.link.take()[0]["action"], "off");
}

#[tokio::test]
async fn one_that_never_answered_is_watched_too() {
    let mut rig = Rig::new().await;
    rig.online(json!({"led": "off"})).await;
    let id = rig.timed("on", json!({"duration_s": 60})).await;
    rig.pass_s(10).await;
    assert_eq!(rig.command(&id).await.state, TimedOut);
    assert_eq!(watched(&rig).await, 1);
    rig.restart().await;
    // It had executed it: only the answer was lost, and its timer with it.
    rig.online(json!({"led": "on"})).await;
    rig.link.take();
    rig.pass_s(52).await;
    assert_eq!(rig.link.take()[0]["action"], "off");
}

#[tokio::test]
async fn a_later_order_replaces_the_watch() {
    let mut rig = Rig::new().await;
    minute(&mut rig).await;
    let stays = rig.order("on").await;
    rig.ack(&stays.id, "applied", json!({"actuators": {"led": "on"}}))
        .await;
    assert_eq!(rig.kitchen().await.actuators["led"].off_at, None);
    rig.link.take();
    rig.pass_s(120).await;
    assert!(rig.link.take().is_empty());

    minute(&mut rig).await;
    let longer = rig.timed("on", json!({"duration_s": 600})).await;
    let answer = json!({"actuators": {"led": "on"}, "off_in_ms": 600_000});
    rig.ack(&longer, "applied", answer).await;
    rig.link.take();
    rig.pass_s(601).await;
    assert!(rig.link.take().is_empty());
    rig.pass_s(1).await;
    assert_eq!(rig.link.take().len(), 1);
}

#[tokio::test]
async fn a_duplicate_says_how_much_is_left() {
    let mut rig = Rig::new().await;
    rig.online(json!({"led": "off"})).await;
    let id = rig.timed("on", json!({"duration_s": 60})).await;
    rig.turn_ms(5_000);
    let answer = json!({"actuators": {"led": "on"}, "off_in_ms": 55_000});
    rig.ack(&id, "duplicate", answer).await;
    assert_eq!(rig.command(&id).await.off_at, Some(at_s(60)));

    // Over before the node could say anything.
    let id = rig.timed("on", json!({"duration_s": 1})).await;
    rig.turn_ms(5_000);
    rig.ack(&id, "duplicate", json!({"actuators": {"led": "off"}}))
        .await;
    let done = rig.command(&id).await;
    assert_eq!((done.state, done.off_at), (Confirmed, None));
    assert_eq!(rig.led().await, (Some(Off), Some(Off)));
    assert_eq!(watched(&rig).await, 0);
}

#[tokio::test]
async fn one_for_a_time_waits_for_it_and_for_the_node() {
    let mut rig = Rig::new().await;
    rig.online(json!({"led": "off"})).await;
    let id = rig
        .timed("on", json!({"at": at_s(600), "duration_s": 60}))
        .await;
    assert_eq!(rig.led().await, (Some(Off), None), "not wanted yet");
    rig.pass_s(599).await;
    assert!(rig.link.take().is_empty());
    rig.restart().await;
    rig.online(json!({"led": "off"})).await;
    assert!(rig.link.take().is_empty());
    rig.pass_s(1).await;
    assert_eq!(rig.link.take()[0]["for_ms"], 60_000);
    assert_eq!(rig.led().await.1, Some(On));
    assert_eq!(rig.command(&id).await.state, Sent);

    // The station is away at the time: it is late, and expires an hour after.
    let late = rig.timed("off", json!({"at": at_s(1_200)})).await;
    let never = rig.timed("off", json!({"at": at_s(1_300)})).await;
    rig.offline().await;
    rig.turn_ms(4_500_000 - 600_000);
    rig.restart().await;
    rig.tick().await;
    assert_eq!(rig.command(&late).await.state, Requested);
    rig.pass_s(300).await;
    assert_eq!(rig.command(&late).await.state, Expired);
    rig.online(json!({"led": "on"})).await;
    assert!(
        rig.link
            .take()
            .iter()
            .any(|body| body["id"] == never.as_str())
    );
}

#[tokio::test]
async fn a_link_that_is_down_at_the_time_is_waited_for() {
    let mut rig = Rig::new().await;
    rig.online(json!({"led": "off"})).await;
    rig.link.down.store(true, SeqCst);
    let id = rig.timed("on", json!({"at": at_s(10)})).await;
    rig.pass_s(10).await;
    rig.pass_s(10).await;
    assert_eq!(rig.command(&id).await.state, Requested);
    rig.link.down.store(false, SeqCst);
    rig.pass_s(1).await;
    assert_eq!(rig.link.take().len(), 1);
}
