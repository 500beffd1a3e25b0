//! What rules order: once, at once, and whatever comes together in a batch.

use serde_json::json;
use signalbox_protocol::api::{
    command::Action::{Off, On},
    incident::IncidentState::{Closed, Firing},
    node::Presence,
};

use super::{fakes::Failure, rig::Rig};

async fn with_rule(hold_s: u32) -> Rig {
    let mut rig = Rig::new().await;
    rig.online(json!({"fan": "off"})).await;
    rig.rule(
        json!({"metric": "t", "op": ">", "value": 30, "hold_s": hold_s, "email": "a@example.org",
        "command": {"actuator": "fan", "action": "on"},
        "clear_command": {"actuator": "fan", "action": "off"}}),
    )
    .await;
    rig
}

async fn orders(rig: &Rig) -> Vec<signalbox_protocol::api::command::Action> {
    let all = rig.commands().await;
    all.iter().map(|command| command.action).collect()
}

#[tokio::test]
async fn what_fires_and_clears_in_one_batch_is_ordered_in_turn() {
    let mut rig = with_rule(0).await;
    rig.turn_ms(10_000);
    let body = json!({"samples": [{"age_ms": 2_000, "values": {"t": 31}},
        {"age_ms": 0, "values": {"t": 20}}]});
    rig.receive("signalbox/kitchen/telemetry", body).await;
    assert_eq!(rig.incident().await.state, Closed);
    assert_eq!(orders(&rig).await, [On, Off]);
    let sent: Vec<_> = rig
        .link
        .take()
        .iter()
        .map(|body| body["action"].clone())
        .collect();
    assert_eq!(sent, ["on", "off"]);
    assert_eq!(rig.mails().await.len(), 2);
}

#[tokio::test]
async fn a_silent_node_that_is_there_is_acted_on_and_one_that_is_gone_is_not() {
    let mut rig = with_rule(600).await;
    rig.measure("t", 31.0).await;
    rig.pass_s(600).await;
    assert_eq!(
        orders(&rig).await,
        [On],
        "nothing changed, so nothing was said"
    );

    let mut rig = with_rule(600).await;
    rig.measure("t", 31.0).await;
    rig.offline().await;
    rig.pass_s(600).await;
    assert_eq!(rig.incident().await.state, Firing);
    assert!(orders(&rig).await.is_empty(), "what it measured is history");
    // Over a restart too: as soon as it is known that it still holds.
    rig.restart().await;
    rig.tick().await;
    assert_eq!(rig.kitchen().await.presence, Presence::Offline);
    rig.online(json!({"fan": "off"})).await;
    rig.turn_ms(1_000);
    rig.measure("t", 32.0).await;
    assert_eq!(orders(&rig).await, [On]);
    assert_eq!(rig.incident().await.acted_at, Some(rig.now()));
    rig.turn_ms(1_000);
    rig.measure("t", 33.0).await;
    assert_eq!(orders(&rig).await, [On]);
    rig.turn_ms(1_000);
    rig.measure("t", 20.0).await;
    assert_eq!(orders(&rig).await, [On, Off]);
}

#[tokio::test]
async fn what_was_never_acted_on_is_not_undone() {
    let mut rig = with_rule(600).await;
    rig.measure("t", 31.0).await;
    rig.offline().await;
    rig.pass_s(600).await;
    rig.measure("t", 20.0).await;
    let incident = rig.incident().await;
    assert_eq!((incident.state, incident.acted_at), (Closed, None));
    assert!(orders(&rig).await.is_empty());
}

#[tokio::test]
async fn what_was_due_long_ago_is_acted_on_only_when_it_still_holds() {
    for (value, expected) in [(31.0, vec![On]), (20.0, vec![])] {
        let mut rig = with_rule(60).await;
        rig.measure("t", 31.0).await;
        // The station is away over the time when it fires, and much longer.
        rig.turn_ms(3_600_000);
        rig.restart().await;
        rig.measure("t", value).await;
        assert_eq!(orders(&rig).await, expected, "{value}");
        assert_eq!(rig.mails().await.len(), if value > 30.0 { 1 } else { 2 });
    }
}

#[tokio::test]
async fn what_was_done_is_undone_however_late_that_is_known() {
    let mut rig = with_rule(0).await;
    rig.measure("t", 31.0).await;
    let body = json!({"samples": [{"age_ms": 0, "values": {"t": 20}}]});
    let cleared = rig.message("signalbox/kitchen/telemetry", &body);
    rig.turn_ms(3_600_000);
    rig.store.fail([Failure::Lost]);
    rig.batch(vec![cleared]).await;
    assert_eq!(orders(&rig).await, [On, Off]);
}
