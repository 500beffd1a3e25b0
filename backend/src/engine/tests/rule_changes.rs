//! Rules that change, go, or are switched off while something fires.

use serde_json::json;
use signalbox_protocol::api::incident::IncidentState::Firing;

use super::rig::Rig;
use crate::engine::Request;

#[tokio::test]
async fn a_changed_rule_starts_anew() {
    let mut rig = Rig::new().await;
    let rule = rig
        .rule(
            json!({"metric": "t", "op": ">", "value": 30, "email": "a@example.org",
        "clear_command": {"actuator": "fan", "action": "off"}}),
        )
        .await;
    rig.measure("t", 35.0).await;
    rig.turn_ms(1_000);
    // What is not part of the condition changes nothing about the incident.
    rig.patch(&rule.id, json!({"name": "hot", "severity": "critical"}))
        .await;
    assert_eq!(rig.incident().await.state, Firing);
    rig.patch(&rule.id, json!({"value": 34})).await;
    let all = rig.incidents().await;
    assert_eq!(all[0].closed_because.as_deref(), Some("rule changed"));
    assert_eq!(
        (all.len(), all[1].state),
        (2, Firing),
        "what is known still violates it"
    );
    rig.patch(&rule.id, json!({"value": 40})).await;
    assert_eq!(rig.incidents().await.len(), 2);
    assert!(rig.commands().await.is_empty(), "not cleared by itself");
    assert_eq!(rig.mails().await.len(), 4);
}

#[tokio::test]
async fn a_disabled_or_deleted_rule_closes_what_fires_and_drops_what_is_pending() {
    let mut rig = Rig::new().await;
    let firing = rig
        .rule(json!({"metric": "t", "op": ">", "value": 30}))
        .await;
    let pending = rig
        .rule(json!({"metric": "t", "op": ">", "value": 30, "hold_s": 60}))
        .await;
    rig.measure("t", 35.0).await;
    assert_eq!(rig.incidents().await.len(), 2);
    rig.patch(&firing.id, json!({"enabled": false})).await;
    rig.patch(&pending.id, json!({"enabled": false})).await;
    assert_eq!(
        rig.incident().await.closed_because.as_deref(),
        Some("rule disabled")
    );
    rig.turn_ms(1_000);
    rig.measure("t", 36.0).await;
    rig.pass_s(120).await;
    assert_eq!(
        rig.incidents().await.len(),
        1,
        "a disabled rule sees nothing"
    );
    rig.patch(&firing.id, json!({"enabled": true})).await;
    assert_eq!(
        rig.incidents().await[1].state,
        Firing,
        "the last value is 121 s old"
    );
    let (id, by) = (firing.id.clone(), "anna".to_owned());
    rig.ask(|reply| Request::DeleteRule { id, by, reply })
        .await
        .unwrap();
    let all = rig.incidents().await;
    assert_eq!(all[1].closed_because.as_deref(), Some("rule deleted"));
    rig.measure("t", 37.0).await;
    assert_eq!(rig.incidents().await.len(), 2);
}
