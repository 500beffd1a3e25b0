//! Silences and acknowledgements with an end: who is told what, and when.

use serde_json::{Value, json};
use signalbox_protocol::api::{
    event::Event,
    incident::{
        IncidentState::{Acknowledged, Closed, Firing},
        STEPS_MAX, StepKind,
    },
    silence::{SilenceQuery, SilenceState},
};

use super::rig::{Rig, at_s, drain};
use crate::{
    engine::{Request, RequestError, SILENCES_MAX},
    store::{MailKind, OutboxStore as _, StateStore as _},
};

async fn watched() -> Rig {
    let mut rig = Rig::new().await;
    let rule = json!({"name": "too warm", "metric": "t", "op": ">", "value": 30,
        "email": "a@example.org", "command": {"actuator": "fan", "action": "on"}});
    rig.rule(rule).await;
    rig
}

async fn kinds(rig: &Rig) -> Vec<MailKind> {
    rig.mails()
        .await
        .iter()
        .map(|mail| mail.mail.kind)
        .collect()
}

async fn steps(rig: &Rig) -> Vec<StepKind> {
    let incident = rig.incident().await;
    incident.steps.iter().map(|step| step.kind).collect()
}

fn hour(more: &Value) -> Value {
    let mut body = json!({"node": "kit*", "duration_s": 3_600, "comment": "filters are cleaned"});
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

#[tokio::test]
async fn what_fires_under_a_silence_acts_is_shown_and_is_told_when_it_ends() {
    let mut rig = watched().await;
    let mut feed = rig.live.subscribe();
    let silence = rig.silence(hour(&json!({}))).await;
    assert_eq!(
        (silence.state, silence.until_at),
        (SilenceState::Active, at_s(3_600))
    );
    rig.turn_ms(10_000);
    rig.measure("t", 31.0).await;
    let incident = rig.incident().await;
    assert_eq!((incident.state, incident.mail_held), (Firing, true));
    let silenced = incident.silenced.unwrap();
    assert_eq!(
        (silenced.id, silenced.by),
        (silence.id.clone(), "anna".to_owned())
    );
    assert_eq!(
        (silenced.until_at, silenced.comment.as_str()),
        (at_s(3_600), "filters are cleaned")
    );
    assert_eq!(rig.commands().await.len(), 1, "commands run");
    assert_eq!(kinds(&rig).await, []);

    rig.restart().await;
    rig.pass_s(3_589).await;
    assert_eq!(kinds(&rig).await, []);
    rig.pass_s(1).await;
    assert_eq!(kinds(&rig).await, [MailKind::Firing]);
    let incident = rig.incident().await;
    assert_eq!((incident.silenced, incident.mail_held), (None, false));
    let over = rig.store.real.silence(&silence.id).await.unwrap().unwrap();
    assert_eq!(over.state, SilenceState::Over);
    assert_eq!((over.ended_at, over.ended_by), (Some(at_s(3_600)), None));
    use StepKind::{Held, SilenceOver, Silenced, Told};
    assert_eq!(steps(&rig).await, [Silenced, Held, SilenceOver, Told]);

    rig.measure("t", 20.0).await;
    assert_eq!(kinds(&rig).await, [MailKind::Firing, MailKind::Recovery]);
    let states: Vec<_> = drain(&mut feed)
        .into_iter()
        .filter_map(|event| match event {
            Event::Silence { silence } => Some(silence.state),
            _ => None,
        })
        .collect();
    assert_eq!(states, [SilenceState::Active, SilenceState::Over]);
}

#[tokio::test]
async fn what_came_and_went_under_a_silence_is_never_mailed() {
    let mut rig = watched().await;
    rig.silence(hour(&json!({}))).await;
    rig.measure("t", 31.0).await;
    rig.turn_ms(60_000);
    rig.measure("t", 20.0).await;
    assert_eq!(rig.incident().await.state, Closed);
    rig.pass_s(7_200).await;
    assert_eq!(kinds(&rig).await, []);
}

#[tokio::test]
async fn a_recovery_under_a_silence_waits_for_its_end() {
    let mut rig = watched().await;
    rig.measure("t", 31.0).await;
    assert_eq!(kinds(&rig).await, [MailKind::Firing]);
    rig.silence(hour(&json!({}))).await;
    rig.turn_ms(60_000);
    rig.measure("t", 20.0).await;
    let mails = rig.mails().await;
    assert_eq!(
        (mails[1].mail.kind, mails[1].next_try_at),
        (MailKind::Recovery, at_s(3_600))
    );
    assert_eq!(
        rig.store
            .real
            .due_mails(at_s(3_599), 9)
            .await
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn a_person_ends_a_silence_and_what_waited_is_due() {
    let mut rig = watched().await;
    let silence = rig.silence(hour(&json!({}))).await;
    rig.measure("t", 31.0).await;
    rig.turn_ms(60_000);
    let ended = rig.end_silence(&silence.id).await.unwrap();
    assert_eq!(
        (ended.state, ended.ended_at),
        (SilenceState::Over, Some(at_s(60)))
    );
    assert_eq!(ended.ended_by.as_deref(), Some("ben"));
    assert_eq!(kinds(&rig).await, [MailKind::Firing]);
    let again = rig.end_silence(&silence.id).await;
    assert!(
        matches!(again, Err(RequestError::NotFound { .. })),
        "{again:?}"
    );

    let silence = rig.silence(hour(&json!({}))).await;
    rig.measure("t", 20.0).await;
    assert_eq!(rig.mails().await[1].next_try_at, at_s(3_660));
    rig.turn_ms(60_000);
    rig.end_silence(&silence.id).await.unwrap();
    assert_eq!(rig.mails().await[1].next_try_at, at_s(120));
}

#[tokio::test]
async fn the_last_of_several_silences_decides() {
    let mut rig = watched().await;
    rig.silence(hour(&json!({"duration_s": 600}))).await;
    let long = rig
        .silence(hour(&json!({"node": "*", "rule": "too*"})))
        .await;
    rig.measure("t", 31.0).await;
    assert_eq!(rig.incident().await.silenced.unwrap().id, long.id);
    rig.pass_s(601).await;
    assert_eq!(kinds(&rig).await, []);
    rig.pass_s(3_000).await;
    assert_eq!(kinds(&rig).await, [MailKind::Firing]);
}

#[tokio::test]
async fn a_recovery_waits_for_the_last_silence_that_covers_it() {
    let mut rig = watched().await;
    rig.measure("t", 31.0).await;
    assert_eq!(kinds(&rig).await, [MailKind::Firing]);
    rig.silence(hour(&json!({"duration_s": 600}))).await;
    let longest = rig.silence(hour(&json!({}))).await;
    rig.turn_ms(10_000);
    rig.measure("t", 20.0).await;
    rig.restart().await;
    let due = async |rig: &Rig| rig.store.real.due_mails(rig.now(), 10).await.unwrap().len();
    assert_eq!(due(&rig).await, 1, "that it fired");
    rig.pass_s(60).await;
    rig.ask(|reply| Request::EndSilence {
        id: longest.id,
        by: "ben".to_owned(),
        reply,
    })
    .await
    .unwrap();
    assert_eq!(due(&rig).await, 1, "the shorter silence covers it still");
    // One that is made later holds it longer.
    rig.silence(hour(&json!({"duration_s": 1_200}))).await;
    rig.pass_s(600).await;
    assert_eq!(due(&rig).await, 1);
    rig.pass_s(700).await;
    assert_eq!(due(&rig).await, 2, "none is left");
}

#[tokio::test]
async fn a_planned_silence_begins_by_itself_and_others_are_not_hit() {
    let mut rig = watched().await;
    for more in [
        json!({"metric": "humidity"}),
        json!({"rule": "too cold"}),
        json!({"node": "cellar"}),
    ] {
        rig.silence(hour(&more)).await;
    }
    let planned = rig.silence(hour(&json!({"from_at": at_s(600)}))).await;
    assert_eq!(
        (planned.state, planned.until_at),
        (SilenceState::Planned, at_s(4_200))
    );
    rig.measure("t", 31.0).await;
    assert_eq!(kinds(&rig).await, [MailKind::Firing]);
    assert_eq!(rig.incident().await.silenced, None);
    rig.restart().await;
    rig.pass_s(600).await;
    assert_eq!(rig.incident().await.silenced.unwrap().id, planned.id);
    let query = SilenceQuery {
        open: Some(true),
        ..SilenceQuery::default()
    };
    let open = rig.store.real.silences(&query).await.unwrap().silences;
    assert_eq!(open.len(), 4);
    assert!(
        open.iter()
            .all(|silence| silence.state == SilenceState::Active)
    );
    rig.turn_ms(4_000_000);
    rig.restart().await;
    rig.tick().await;
    assert_eq!(rig.store.real.silences(&query).await.unwrap().silences, []);
    assert_eq!(kinds(&rig).await, [MailKind::Firing], "it was told before");
}

#[tokio::test]
async fn silences_are_bounded() {
    let mut rig = watched().await;
    for _ in 0..SILENCES_MAX {
        rig.silence(hour(&json!({"node": "cellar"}))).await;
    }
    let new = serde_json::from_value(hour(&json!({}))).unwrap();
    let by = "anna".to_owned();
    let refused = rig
        .ask(|reply| Request::AddSilence { new, by, reply })
        .await;
    assert!(
        matches!(refused, Err(RequestError::TooMany { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn an_acknowledgement_ends_at_its_time_and_what_still_holds_is_told_again() {
    let mut rig = watched().await;
    rig.measure("t", 31.0).await;
    let id = rig.incident().await.id;
    let ack = json!({"duration_s": 7_200, "note": "on my way"});
    let acked = rig.acknowledge_with(&id, ack).await.unwrap();
    assert_eq!(
        (acked.state, acked.acknowledged_until),
        (Acknowledged, Some(at_s(7_200)))
    );
    assert_eq!(acked.acknowledged_note.as_deref(), Some("on my way"));
    assert_eq!(
        rig.acknowledge(&id).await.unwrap(),
        acked,
        "saying it again changes nothing"
    );
    rig.restart().await;
    rig.pass_s(7_199).await;
    assert_eq!(rig.incident().await.state, Acknowledged);
    rig.pass_s(1).await;
    let again = rig.incident().await;
    assert_eq!((again.state, again.acknowledged_by), (Firing, None));
    assert_eq!(kinds(&rig).await, [MailKind::Firing, MailKind::Reminder(1)]);

    // Until a time; and once more.
    let ack = json!({"until_at": at_s(10_000)});
    rig.acknowledge_with(&id, ack).await.unwrap();
    rig.pass_s(2_800).await;
    let all = [
        MailKind::Firing,
        MailKind::Reminder(1),
        MailKind::Reminder(2),
    ];
    assert_eq!(kinds(&rig).await, all);
    use StepKind::{AckOver, Acknowledged as Acked, Told};
    assert_eq!(
        steps(&rig).await,
        [Told, Acked, AckOver, Told, Acked, AckOver, Told]
    );

    let past = rig
        .acknowledge_with(&id, json!({"until_at": at_s(5)}))
        .await;
    assert!(
        matches!(
            past,
            Err(RequestError::Invalid {
                field: "until_at",
                ..
            })
        ),
        "{past:?}"
    );
    rig.measure("t", 20.0).await;
    assert_eq!(kinds(&rig).await.last(), Some(&MailKind::Recovery));
    assert_eq!(rig.incident().await.state, Closed);
    rig.pass_s(100_000).await;
    assert_eq!(kinds(&rig).await.len(), 4);
}

#[tokio::test]
async fn an_acknowledgement_that_ends_under_a_silence_is_told_after_it() {
    let mut rig = watched().await;
    rig.measure("t", 31.0).await;
    let id = rig.incident().await.id;
    rig.acknowledge_with(&id, json!({"duration_s": 60}))
        .await
        .unwrap();
    rig.silence(hour(&json!({}))).await;
    rig.pass_s(60).await;
    let incident = rig.incident().await;
    assert_eq!((incident.state, incident.mail_held), (Firing, true));
    assert_eq!(kinds(&rig).await, [MailKind::Firing]);
    rig.pass_s(3_540).await;
    assert_eq!(kinds(&rig).await, [MailKind::Firing, MailKind::Reminder(1)]);
}

#[tokio::test]
async fn the_history_of_an_incident_is_bounded() {
    let mut rig = watched().await;
    rig.measure("t", 31.0).await;
    let id = rig.incident().await.id;
    for n in 0..STEPS_MAX + 5 {
        let ack = json!({"note": n.to_string()});
        rig.acknowledge_with(&id, ack).await.unwrap();
    }
    let steps = rig.incident().await.steps;
    assert_eq!(steps.len(), STEPS_MAX);
    assert_eq!(steps.last().unwrap().note.as_deref(), Some("54"));
}
