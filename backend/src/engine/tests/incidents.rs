//! Threshold rules: what fires, what does not, and what follows.

use serde_json::json;
use signalbox_protocol::api::{
    command::Origin,
    event::Event,
    incident::IncidentState::{Acknowledged, Closed, Firing, Pending},
};

use super::rig::{Rig, at_s, drain};
use crate::{engine::RequestError, store::MailKind};

#[tokio::test]
async fn from_pending_to_closed_with_peak_and_duration() {
    let mut rig = Rig::new().await;
    let rule = json!({"metric": "t", "op": ">", "value": 30, "hysteresis": 2, "hold_s": 60,
        "email": "a@example.org", "command": {"actuator": "fan", "action": "on"},
        "clear_command": {"actuator": "fan", "action": "off"}});
    let rule = rig.rule(rule).await;
    rig.measure("t", 30.0).await;
    assert!(
        rig.incidents().await.is_empty(),
        "at the threshold is not above it"
    );
    for (value, state) in [(31.0, Pending), (33.5, Pending)] {
        rig.turn_ms(20_000);
        rig.measure("t", value).await;
        assert_eq!(rig.incident().await.state, state);
    }
    assert!(rig.mails().await.is_empty() && rig.commands().await.is_empty());

    // 60 s after it began; nobody measured anything since.
    rig.pass_s(39).await;
    assert_eq!(rig.incident().await.state, Pending);
    rig.pass_s(1).await;
    let incident = rig.incident().await;
    assert_eq!(incident.state, Firing);
    assert_eq!(
        (incident.began_at, incident.fired_at),
        (at_s(20), Some(at_s(80)))
    );
    assert_eq!(incident.condition, "t > 30");

    let acknowledged = rig.acknowledge(&incident.id).await.unwrap();
    assert_eq!(acknowledged.state, Acknowledged);
    assert_eq!(acknowledged.acknowledged_by.as_deref(), Some("anna"));
    // Within the hysteresis it goes on; the worst value is kept.
    for value in [36.5, 29.5, 28.1] {
        rig.turn_ms(10_000);
        rig.measure("t", value).await;
        assert_eq!(rig.incident().await.state, Acknowledged);
    }
    rig.turn_ms(10_000);
    rig.measure("t", 28.0).await;
    let closed = rig.incident().await;
    assert_eq!(closed.state, Closed);
    assert_eq!(closed.closed_because.as_deref(), Some("cleared"));
    assert_eq!((closed.peak, closed.peak_at), (36.5, at_s(90)));
    assert_eq!(
        (closed.last_value, closed.closed_at),
        (28.0, Some(at_s(120)))
    );
    assert_eq!(closed.duration_ms, Some(40_000));

    check_reactions(&rig, &rule.id, &closed.id).await;
}

async fn check_reactions(rig: &Rig, rule: &str, incident: &str) {
    let commands = rig.commands().await;
    let orders: Vec<_> = commands
        .iter()
        .map(|c| (c.actuator.as_str(), format!("{:?}", c.action)))
        .collect();
    assert_eq!(
        orders,
        [("fan", "On".to_owned()), ("fan", "Off".to_owned())]
    );
    let origin = Origin::Rule {
        rule: rule.to_owned(),
        incident: incident.to_owned(),
    };
    assert!(commands.iter().all(|command| command.origin == origin));
    let mails = rig.mails().await;
    let kinds: Vec<_> = mails.iter().map(|mail| mail.mail.kind).collect();
    assert_eq!(kinds, [MailKind::Firing, MailKind::Recovery]);
    assert!(mails.iter().all(|mail| mail.mail.incident == incident));
    assert_eq!(mails[0].mail.subject, mails[1].mail.subject);
    assert!(
        mails[1].mail.body.contains("lasted    40 s"),
        "{}",
        mails[1].mail.body
    );
    assert!(
        mails[1].mail.body.contains("09:02:00 CET"),
        "{}",
        mails[1].mail.body
    );
}

#[tokio::test]
async fn a_condition_that_does_not_hold_leaves_no_trace() {
    let mut rig = Rig::new().await;
    let mut feed = rig.live.subscribe();
    rig.rule(
        json!({"metric": "t", "op": ">", "value": 30, "hold_s": 60, "email": "a@example.org"}),
    )
    .await;
    rig.measure("t", 31.0).await;
    rig.turn_ms(59_999);
    rig.measure("t", 30.0).await;
    rig.pass_s(3_600).await;
    assert!(rig.incidents().await.is_empty());
    assert!(rig.mails().await.is_empty());
    let states: Vec<_> = drain(&mut feed)
        .into_iter()
        .filter_map(|event| match event {
            Event::Incident { incident } => Some((incident.state, incident.fired_at)),
            _ => None,
        })
        .collect();
    assert_eq!(
        states,
        [(Pending, None), (Closed, None)],
        "who saw it pending sees it end"
    );
}

#[tokio::test]
async fn without_hold_time_it_fires_at_once_and_orders_once() {
    let mut rig = Rig::new().await;
    rig.rule(json!({"metric": "t", "op": ">=", "value": 30,
        "command": {"actuator": "fan", "action": "on"}}))
        .await;
    for value in [30.0, 31.0, 32.0] {
        rig.turn_ms(1_000);
        rig.measure("t", value).await;
    }
    assert_eq!(rig.incident().await.fired_at, Some(at_s(1)));
    assert_eq!(rig.commands().await.len(), 1);
    rig.turn_ms(1_000);
    rig.measure("t", 29.9).await;
    rig.turn_ms(1_000);
    rig.measure("t", 30.5).await;
    assert_eq!(rig.incidents().await.len(), 2);
    assert_eq!(rig.commands().await.len(), 2);
}

#[tokio::test]
async fn samples_of_a_message_are_judged_in_the_order_of_time() {
    let mut rig = Rig::new().await;
    rig.rule(json!({"metric": "t", "op": ">", "value": 30}))
        .await;
    rig.turn_ms(10_000);
    let body = json!({"samples": [{"age_ms": 0, "values": {"t": 20}},
        {"age_ms": 4_000, "values": {"t": 31}}]});
    rig.receive("signalbox/kitchen/telemetry", body).await;
    assert_eq!(rig.incident().await.duration_ms, Some(4_000));
}

#[tokio::test]
async fn a_rule_over_all_nodes_has_an_incident_for_each() {
    let mut rig = Rig::new().await;
    rig.rule(json!({"metric": "t", "op": "<", "value": 5}))
        .await;
    rig.rule(json!({"metric": "t", "op": "<", "value": 4, "node": "cellar"}))
        .await;
    rig.rule(json!({"metric": "soil", "op": "<", "value": 9}))
        .await;
    for node in ["kitchen", "cellar", "attic"] {
        let body = json!({"samples": [{"age_ms": 0, "values": {"t": 3}}]});
        rig.receive(&format!("signalbox/{node}/telemetry"), body)
            .await;
    }
    let mut found: Vec<_> = rig
        .incidents()
        .await
        .into_iter()
        .map(|i| (i.node, i.condition))
        .collect();
    found.sort();
    let expected = [
        ("attic", "t < 5"),
        ("cellar", "t < 4"),
        ("cellar", "t < 5"),
        ("kitchen", "t < 5"),
    ];
    assert_eq!(
        found,
        expected.map(|(node, text)| (node.to_owned(), text.to_owned()))
    );
}

#[tokio::test]
async fn what_is_late_flagged_or_out_of_order_does_not_fire() {
    let mut rig = Rig::new().await;
    rig.rule(json!({"metric": "temperature", "op": ">", "value": 30, "email": "a@example.org"}))
        .await;
    rig.measure("temperature", 21.0).await;
    rig.turn_ms(3_600_000);
    for (age_ms, value) in [
        // Buffered while the node was cut off: history.
        (300_001, 35.0),
        // Out of the plausible range.
        (2_000, 51.0),
        // Fresh, but not hot.
        (1_000, 21.0),
        // Older than what came before it.
        (1_500, 36.0),
        // With a time that cannot be.
        (20 * 365 * 86_400_000_u64, 37.0),
    ] {
        let body = json!({"samples": [{"age_ms": age_ms, "values": {"temperature": value}}]});
        rig.receive("signalbox/kitchen/telemetry", body).await;
        rig.tick().await;
        assert!(rig.incidents().await.is_empty(), "{value}");
    }
    assert_eq!(rig.samples().await.len(), 6, "all is stored");
    // A new rule is judged by what is known, but not by a flagged value.
    rig.rule(json!({"metric": "temperature", "op": ">", "value": 36}))
        .await;
    assert!(rig.incidents().await.is_empty());
    rig.turn_ms(300_000);
    let body = json!({"samples": [{"age_ms": 300_000, "values": {"temperature": 31}}]});
    rig.receive("signalbox/kitchen/telemetry", body).await;
    assert_eq!(rig.incident().await.state, Firing, "just fresh enough");
}

#[tokio::test]
async fn a_clock_that_was_set_back_does_not_stop_the_rules() {
    let mut rig = Rig::new().await;
    rig.rule(json!({"metric": "t", "op": ">", "value": 30}))
        .await;
    rig.turn_ms(86_400_000);
    rig.measure("t", 20.0).await;
    rig.turn_ms(-86_400_000);
    rig.measure("t", 31.0).await;
    assert_eq!(rig.incident().await.state, Firing);
}

#[tokio::test]
async fn what_cleared_before_it_fired_lasts_no_negative_time() {
    let mut rig = Rig::new().await;
    rig.rule(json!({"metric": "t", "op": ">", "value": 30, "hold_s": 60}))
        .await;
    rig.measure("t", 31.0).await;
    rig.pass_s(100).await;
    // Measured 30 s after it began, but held up on its way.
    let body = json!({"samples": [{"age_ms": 70_000, "values": {"t": 20}}]});
    rig.receive("signalbox/kitchen/telemetry", body).await;
    let incident = rig.incident().await;
    assert_eq!(
        (incident.fired_at, incident.closed_at),
        (Some(at_s(60)), Some(at_s(60)))
    );
    assert_eq!(incident.duration_ms, Some(0));
}

#[tokio::test]
async fn only_what_fires_can_be_acknowledged() {
    let mut rig = Rig::new().await;
    rig.rule(json!({"metric": "t", "op": ">", "value": 30, "hold_s": 60}))
        .await;
    rig.measure("t", 35.0).await;
    let id = rig.incident().await.id;
    let early = rig.acknowledge(&id).await;
    assert!(
        matches!(early, Err(RequestError::Conflict { .. })),
        "{early:?}"
    );
    rig.pass_s(60).await;
    let first = rig.acknowledge(&id).await.unwrap();
    rig.turn_ms(1_000);
    assert_eq!(
        rig.acknowledge(&id).await.unwrap(),
        first,
        "the first one counts"
    );
    let unknown = rig.acknowledge("01JD3Z8XK4T6Q9V2B7N5M1H0CE").await;
    assert!(
        matches!(unknown, Err(RequestError::NotFound { .. })),
        "{unknown:?}"
    );
}

#[tokio::test]
async fn without_mail_settings_alerts_show_and_nothing_waits_to_be_mailed() {
    let mut rig = Rig::without_mail().await;
    rig.rule(json!({"metric": "t", "op": ">", "value": 30, "email": "a@example.org"}))
        .await;
    rig.measure("t", 35.0).await;
    assert_eq!(rig.incident().await.state, Firing);
    assert!(rig.mails().await.is_empty());
}

#[tokio::test]
async fn many_incidents_at_once_are_all_there() {
    let mut rig = Rig::new().await;
    rig.rule(json!({"metric": "t", "op": ">", "value": 30, "email": "a@example.org", "hold_s": 5}))
        .await;
    let messages = (0..500).map(|i| {
        let body = json!({"samples": [{"age_ms": 0, "values": {"t": 31}}]});
        rig.message(&format!("signalbox/n{i}/telemetry"), &body)
    });
    let messages = messages.collect();
    rig.batch(messages).await;
    rig.pass_s(5).await;
    assert_eq!(
        rig.incidents()
            .await
            .iter()
            .filter(|i| i.state == Firing)
            .count(),
        500
    );
    assert_eq!(rig.mails().await.len(), 500);
}
