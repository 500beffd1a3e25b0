//! Commands: every state, every way into it, and the truth about late answers.

use std::sync::{Arc, atomic::Ordering::SeqCst};

use serde_json::json;
use signalbox_protocol::api::{
    command::CommandState::{Cancelled, Confirmed, Expired, Refused, Requested, Sent, TimedOut},
    event::Event,
    message::Outcome::{Bad, Duplicate, Stored},
    node::ActuatorState::{Off, On},
};

use super::rig::{Rig, at_s, drain};
use crate::{commands::OPEN_COMMANDS_PER_NODE_MAX, config::Config, engine::RequestError};

async fn ready() -> Rig {
    let mut rig = Rig::new().await;
    rig.online(json!({"led": "off", "pump": "off"})).await;
    rig
}

#[tokio::test]
async fn sent_and_confirmed() {
    let mut rig = ready().await;
    let made = rig.order("on").await;
    assert_eq!((made.state, made.sent_at), (Sent, Some(at_s(0))));
    let sent = rig.link.take();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0]["topic"], "signalbox/kitchen/command");
    assert_eq!(
        (&sent[0]["id"], &sent[0]["action"]),
        (&json!(made.id), &json!("on"))
    );
    let led = rig.kitchen().await.actuators["led"].clone();
    assert_eq!(
        (led.reported, led.desired),
        (Some(Off), Some(On)),
        "not optimistic"
    );
    assert_eq!(led.pending_command, Some(made.id.clone()));

    rig.turn_ms(1_500);
    let answer = json!({"actuators": {"led": "on", "pump": "off"}});
    assert_eq!(rig.ack(&made.id, "applied", answer.clone()).await, Stored);
    let done = rig.command(&made.id).await;
    assert_eq!(
        (done.state, done.outcome, done.off_at),
        (Confirmed, None, None)
    );
    assert_eq!(done.finished_at, Some(rig.now()));
    let led = rig.kitchen().await.actuators["led"].clone();
    assert_eq!(
        (led.reported, led.desired, led.pending_command),
        (Some(On), Some(On), None)
    );
    // The same answer again is no news, and nothing bad either.
    assert_eq!(rig.ack(&made.id, "applied", answer).await, Duplicate);
    rig.pass_s(3_600).await;
    assert_eq!(rig.command(&made.id).await.state, Confirmed);
    assert!(rig.link.take().is_empty());
}

#[tokio::test]
async fn refused_with_the_reason_of_the_node() {
    let mut rig = ready().await;
    let made = rig.order("on").await;
    let answer = json!({"reason": "the tank is empty", "actuators": {"led": "off"}});
    assert_eq!(rig.ack(&made.id, "refused", answer).await, Stored);
    let done = rig.command(&made.id).await;
    assert_eq!(
        (done.state, done.outcome.as_deref()),
        (Refused, Some("the tank is empty"))
    );
    assert_eq!(
        rig.led().await,
        (Some(Off), Some(Off)),
        "nobody waits for it any more"
    );
}

#[tokio::test]
async fn another_configuration_holds_for_what_comes_next() {
    let mut rig = ready().await;
    let first = rig.order("on").await;
    rig.config.send_modify(|config| {
        let mut changed = Config::clone(config);
        changed.command.ack_timeout_s = 30;
        *config = Arc::new(changed);
    });
    let second = rig.order("off").await;
    rig.pass_s(10).await;
    let first = rig.command(&first.id).await;
    assert_ne!(first.state, Sent, "its time was set when it was sent");
    assert_eq!(rig.command(&second.id).await.state, Sent);
    rig.pass_s(20).await;
    let second = rig.command(&second.id).await;
    assert_eq!(second.outcome.as_deref(), Some("no answer within 30 s"));
}

#[tokio::test]
async fn timed_out_and_answered_late() {
    let mut rig = ready().await;
    let made = rig.order("on").await;
    rig.pass_s(9).await;
    assert_eq!(rig.command(&made.id).await.state, Sent);
    rig.pass_s(1).await;
    let done = rig.command(&made.id).await;
    assert_eq!(
        (done.state, done.outcome.as_deref()),
        (TimedOut, Some("no answer within 10 s"))
    );
    assert_eq!(rig.led().await, (Some(Off), Some(Off)));
    rig.turn_ms(60_000);
    let answer = json!({"actuators": {"led": "on"}});
    assert_eq!(rig.ack(&made.id, "applied", answer.clone()).await, Stored);
    let late = rig.command(&made.id).await;
    assert_eq!(late.state, TimedOut, "what was told is not taken back");
    assert_eq!(
        late.outcome.as_deref(),
        Some("no answer within 10 s; answered too late: the node applied it")
    );
    assert_eq!(rig.led().await.0, Some(On), "but the truth is shown");
    assert_eq!(rig.ack(&made.id, "applied", answer).await, Duplicate);
}

#[tokio::test]
async fn held_for_a_node_that_is_away_until_it_comes_or_the_time_is_over() {
    let mut rig = ready().await;
    rig.offline().await;
    let first = rig.order("on").await;
    assert_eq!((first.state, first.expires_at), (Requested, at_s(3_600)));
    rig.pass_s(1_800).await;
    let second = rig.order("off").await;
    rig.pass_s(1_799).await;
    assert_eq!(rig.command(&first.id).await.state, Requested);
    assert!(rig.link.take().is_empty());
    rig.pass_s(1).await;
    let expired = rig.command(&first.id).await;
    assert_eq!((expired.state, expired.sent_at), (Expired, None));
    rig.online(json!({"led": "on"})).await;
    let sent = rig.link.take();
    assert_eq!((sent.len(), &sent[0]["id"]), (1, &json!(second.id)));
    assert_eq!(rig.command(&second.id).await.state, Sent);
}

#[tokio::test]
async fn a_node_that_comes_at_the_very_end_of_the_time_is_too_late() {
    let mut rig = ready().await;
    rig.offline().await;
    let made = rig.order("on").await;
    rig.turn_ms(3_600_000);
    rig.online(json!({"led": "off"})).await;
    assert_eq!(rig.command(&made.id).await.state, Expired);
    assert!(rig.link.take().is_empty());
}

#[tokio::test]
async fn taken_back_before_it_is_sent_and_not_after() {
    let mut rig = ready().await;
    let sent = rig.order("on").await;
    let refused = rig.cancel(&sent.id).await;
    assert!(
        matches!(refused, Err(RequestError::Conflict { .. })),
        "{refused:?}"
    );
    rig.ack(&sent.id, "applied", json!({"actuators": {"led": "on"}}))
        .await;
    rig.offline().await;
    let first = rig.order("off").await;
    let second = rig.order("toggle").await;
    assert_eq!(rig.led().await.1, Some(Off));
    let done = rig.cancel(&second.id).await.unwrap();
    assert_eq!(
        (done.state, done.outcome.as_deref()),
        (Cancelled, Some("taken back by anna"))
    );
    let led = rig.kitchen().await.actuators["led"].clone();
    assert_eq!(
        (led.pending_command, led.desired),
        (Some(first.id.clone()), Some(Off))
    );
    rig.cancel(&first.id).await.unwrap();
    assert_eq!(rig.led().await, (Some(On), Some(On)));
    for gone in [&first.id, &sent.id] {
        let again = rig.cancel(gone).await;
        assert!(
            matches!(again, Err(RequestError::NotFound { .. })),
            "{again:?}"
        );
    }
    rig.online(json!({"led": "on"})).await;
    assert_eq!(rig.link.take().len(), 1, "only the first one ever went out");
}

#[tokio::test]
async fn one_that_was_taken_back_and_executed_all_the_same_says_so() {
    let mut rig = ready().await;
    let id = rig.timed("on", json!({"duration_s": 60})).await;
    // It went away before it could answer.
    rig.offline().await;
    assert_eq!(rig.command(&id).await.state, Requested);
    rig.cancel(&id).await.unwrap();
    rig.turn_ms(30_000);
    rig.online(json!({"led": "on"})).await;
    let answer = json!({"actuators": {"led": "on"}, "off_in_ms": 30_000});
    assert_eq!(rig.ack(&id, "applied", answer).await, Stored);
    let done = rig.command(&id).await;
    assert_eq!(done.state, Cancelled);
    assert_eq!(
        done.outcome.as_deref(),
        Some("taken back by anna; answered too late: the node applied it")
    );
    assert_eq!(done.off_at, Some(at_s(60)));
    rig.link.take();
    rig.pass_s(32).await;
    assert_eq!(
        rig.link.take()[0]["action"],
        "off",
        "and it is made sure that it ends"
    );
}

#[tokio::test]
async fn answers_to_what_was_never_asked_are_bad_messages() {
    let mut rig = ready().await;
    let made = rig.order("on").await;
    let answer = json!({"id": made.id, "result": "applied", "actuators": {"led": "on"}});
    let outcome = rig.receive("signalbox/cellar/ack", answer).await;
    assert_eq!(outcome, Bad, "another node cannot confirm it");
    assert_eq!(rig.command(&made.id).await.state, Sent);
    let unknown = "01JD3Z8XK4T6Q9V2B7N5M1H0CE";
    assert_eq!(rig.ack(unknown, "applied", json!({})).await, Bad);
}

#[tokio::test]
async fn toggle_wants_the_opposite_of_what_is_reported() {
    let mut rig = ready().await;
    let first = rig.order("toggle").await;
    assert_eq!(rig.led().await, (Some(Off), Some(On)));
    rig.ack(&first.id, "applied", json!({"actuators": {"led": "on"}}))
        .await;
    rig.order("toggle").await;
    assert_eq!(rig.led().await, (Some(On), Some(Off)));
}

#[tokio::test]
async fn what_is_not_there_cannot_be_ordered() {
    let mut rig = ready().await;
    for (node, actuator, field) in [
        ("kitchen", "lamp", "actuator"),
        ("kitchen", "a b", "actuator"),
        ("a/b", "led", "node"),
    ] {
        let json = json!({"node": node, "actuator": actuator, "action": "on"});
        let (new, by) = (serde_json::from_value(json).unwrap(), "anna".to_owned());
        let refused = rig
            .ask(|reply| crate::engine::Request::AddCommand { new, by, reply })
            .await;
        assert!(
            matches!(refused, Err(RequestError::Invalid { field: f, .. }) if f == field),
            "{refused:?}"
        );
    }
    let json = json!({"node": "cellar", "actuator": "led", "action": "on"});
    let (new, by) = (serde_json::from_value(json).unwrap(), "anna".to_owned());
    let refused = rig
        .ask(|reply| crate::engine::Request::AddCommand { new, by, reply })
        .await;
    assert!(
        matches!(refused, Err(RequestError::NotFound { what: "node", .. })),
        "{refused:?}"
    );
    assert!(rig.commands().await.is_empty());
}

#[tokio::test]
async fn open_commands_of_a_node_are_bounded() {
    let mut rig = ready().await;
    rig.offline().await;
    for _ in 0..OPEN_COMMANDS_PER_NODE_MAX {
        rig.order("on").await;
    }
    let json = json!({"node": "kitchen", "actuator": "led", "action": "on"});
    let (new, by) = (serde_json::from_value(json).unwrap(), "anna".to_owned());
    let refused = rig
        .ask(|reply| crate::engine::Request::AddCommand { new, by, reply })
        .await;
    assert!(
        matches!(refused, Err(RequestError::TooMany { .. })),
        "{refused:?}"
    );
    let oldest = rig.commands().await[0].id.clone();
    rig.cancel(&oldest).await.unwrap();
    rig.order("on").await;
    rig.online(json!({"led": "off"})).await;
    let sent = rig.link.take();
    let ids: Vec<_> = sent
        .iter()
        .map(|body| body["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), OPEN_COMMANDS_PER_NODE_MAX);
    assert!(ids.is_sorted(), "in the order in which they were asked for");
}

#[tokio::test]
async fn what_the_link_cannot_take_is_tried_again() {
    let mut rig = ready().await;
    let mut feed = rig.live.subscribe();
    rig.link.down.store(true, SeqCst);
    let made = rig.order("on").await;
    let waits = rig.command(&made.id).await;
    assert_eq!((waits.state, waits.sent_at), (Requested, None));
    let mut told = drain(&mut feed)
        .into_iter()
        .filter_map(|event| match event {
            Event::Command { command } => Some(command.state),
            _ => None,
        });
    assert_eq!(
        told.next_back(),
        Some(Requested),
        "who watches knows that it waits"
    );
    for _ in 0..3 {
        rig.pass_s(1).await;
        assert_eq!(rig.command(&made.id).await.state, Requested);
    }
    rig.link.down.store(false, SeqCst);
    rig.pass_s(1).await;
    assert_eq!(rig.command(&made.id).await.state, Sent);
    assert_eq!(rig.link.take().len(), 1);
    rig.pass_s(10).await;
    assert_eq!(
        rig.command(&made.id).await.state,
        TimedOut,
        "counted from when it went out"
    );
}

#[tokio::test]
async fn a_node_that_starts_again_unseen_gets_what_was_on_its_way() {
    let mut rig = ready().await;
    let made = rig.order("on").await;
    assert_eq!(rig.link.take().len(), 1);
    rig.turn_ms(4_000);
    let body = json!({"online": true, "boot": 2, "actuators": {"led": "off"}});
    rig.receive("signalbox/kitchen/status", body.clone()).await;
    assert_eq!(rig.link.take()[0]["id"], made.id.as_str());
    // The same start again is only a report.
    rig.receive("signalbox/kitchen/status", body).await;
    assert!(rig.link.take().is_empty());
    rig.pass_s(9).await;
    assert_eq!(rig.command(&made.id).await.state, Sent);
    rig.pass_s(1).await;
    assert_eq!(rig.command(&made.id).await.state, TimedOut);
}

#[tokio::test]
async fn an_actuator_that_goes_off_by_itself_shows_as_drift() {
    let mut rig = ready().await;
    let made = rig.order("on").await;
    rig.ack(&made.id, "applied", json!({"actuators": {"led": "on"}}))
        .await;
    let body = json!({"online": true, "boot": 2, "actuators": {"led": "off"}});
    rig.receive("signalbox/kitchen/status", body).await;
    assert_eq!(rig.led().await, (Some(Off), Some(On)));
}
