//! Killed and started again in every state: nothing forgotten, nothing done twice.

use serde_json::json;
use signalbox_protocol::api::{
    command::CommandState::{Confirmed, Requested, Sent, TimedOut},
    incident::IncidentState::{Acknowledged, Closed, Firing, Pending},
    message::Outcome::{Bad, Duplicate, Stored},
    node::{
        ActuatorState::{Off, On},
        Presence,
    },
};

use super::rig::{Rig, at_s};

async fn hot(hold_s: u32) -> Rig {
    let mut rig = Rig::new().await;
    rig.rule(
        json!({"metric": "t", "op": ">", "value": 30, "hold_s": hold_s, "email": "a@example.org",
        "command": {"actuator": "fan", "action": "on"}}),
    )
    .await;
    rig.measure("t", 31.0).await;
    rig
}

#[tokio::test]
async fn a_pending_incident_keeps_its_time_and_its_peak() {
    let mut rig = hot(60).await;
    rig.turn_ms(10_000);
    rig.measure("t", 44.0).await;
    rig.turn_ms(10_000);
    rig.measure("t", 32.0).await;
    rig.restart().await;
    rig.pass_s(39).await;
    assert_eq!(rig.incident().await.state, Pending);
    rig.restart().await;
    rig.pass_s(1).await;
    let incident = rig.incident().await;
    assert_eq!(
        (incident.state, incident.fired_at),
        (Firing, Some(at_s(60)))
    );
    assert_eq!((incident.peak, incident.peak_at), (44.0, at_s(10)));
    assert_eq!(rig.mails().await.len(), 1);
}

#[tokio::test]
async fn one_that_was_due_while_the_station_was_away_fires_at_its_time() {
    let mut rig = hot(60).await;
    rig.turn_ms(100_000);
    rig.restart().await;
    // The first message after the start ends it; until then it held.
    rig.measure("t", 20.0).await;
    let incident = rig.incident().await;
    assert_eq!(
        (incident.state, incident.fired_at),
        (Closed, Some(at_s(60)))
    );
    assert_eq!(rig.mails().await.len(), 2);
    assert_eq!(
        rig.commands().await.len(),
        1,
        "as it would have at its time"
    );
}

#[tokio::test]
async fn what_fires_is_neither_mailed_nor_ordered_again() {
    let mut rig = hot(0).await;
    for state in [Firing, Acknowledged] {
        rig.restart().await;
        rig.tick().await;
        rig.turn_ms(1_000);
        rig.measure("t", 33.0).await;
        let incident = rig.incident().await;
        assert_eq!(incident.state, state);
        assert_eq!(
            (rig.mails().await.len(), rig.commands().await.len()),
            (1, 1)
        );
        rig.acknowledge(&incident.id).await.unwrap();
    }
    rig.restart().await;
    rig.turn_ms(1_000);
    rig.measure("t", 20.0).await;
    assert_eq!(rig.incident().await.state, Closed);
    rig.restart().await;
    rig.tick().await;
    assert_eq!(
        (rig.mails().await.len(), rig.commands().await.len()),
        (2, 1)
    );
}

#[tokio::test]
async fn nobody_is_connected_after_a_start_and_what_was_sent_waits() {
    let mut rig = Rig::new().await;
    rig.online(json!({"led": "off"})).await;
    let command = rig.order("on").await;
    assert_eq!(rig.link.take().len(), 1);
    rig.restart().await;
    rig.tick().await;
    assert_eq!(rig.kitchen().await.presence, Presence::Offline);
    assert_eq!(rig.command(&command.id).await.state, Requested);
    rig.turn_ms(20_000);
    rig.online(json!({"led": "off"})).await;
    let sent = rig.link.take();
    assert_eq!(
        (sent.len(), sent[0]["id"].as_str()),
        (1, Some(command.id.as_str()))
    );
    // It had been executed already; the node says so.
    let on = json!({"actuators": {"led": "on"}});
    assert_eq!(rig.ack(&command.id, "duplicate", on).await, Stored);
    assert_eq!(rig.command(&command.id).await.state, Confirmed);
    assert_eq!(rig.led().await, (Some(On), Some(On)));
}

#[tokio::test]
async fn a_kill_between_commit_and_publish_loses_no_command() {
    let mut rig = Rig::new().await;
    // Never said whether it is there: a start does not change that.
    rig.measure("t", 1.0).await;
    let command = rig.order("on").await;
    assert_eq!(command.state, Sent);
    // As if the process had ended before the publish.
    assert_eq!(rig.link.take().len(), 1);
    rig.turn_ms(1_000);
    rig.restart().await;
    rig.tick().await;
    assert_eq!(rig.link.take()[0]["id"], command.id.as_str());
    rig.tick().await;
    assert!(rig.link.take().is_empty());
    // The time for the answer has been running all along.
    rig.pass_s(9).await;
    assert_eq!(rig.command(&command.id).await.state, TimedOut);
}

#[tokio::test]
async fn answers_that_come_again_or_late_are_known_after_a_start() {
    let mut rig = Rig::new().await;
    rig.online(json!({"led": "off"})).await;
    let answered = rig.order("on").await;
    let on = json!({"actuators": {"led": "on"}});
    assert_eq!(rig.ack(&answered.id, "applied", on.clone()).await, Stored);
    let late = rig.order("off").await;
    rig.pass_s(10).await;
    assert_eq!(rig.command(&late.id).await.state, TimedOut);
    rig.restart().await;
    assert_eq!(rig.ack(&answered.id, "applied", on).await, Duplicate);
    let off = json!({"actuators": {"led": "off"}});
    assert_eq!(rig.ack(&late.id, "applied", off.clone()).await, Stored);
    let outcome = rig.command(&late.id).await.outcome.unwrap();
    assert_eq!(
        outcome,
        "no answer within 10 s; answered too late: the node applied it"
    );
    assert_eq!(rig.kitchen().await.actuators["led"].reported, Some(Off));
    assert_eq!(rig.ack(&late.id, "applied", off.clone()).await, Duplicate);
    assert_eq!(
        rig.ack("01JD3Z8XK4T6Q9V2B7N5M1H0CE", "applied", off).await,
        Bad
    );
}
