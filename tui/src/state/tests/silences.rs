//! Acknowledging and silencing by keys.

use super::*;

fn type_over(state: &mut State, text: &str) -> Vec<Action> {
    for _ in 0..8 {
        state.on(Event::Key(KeyEvent::from(KeyCode::Backspace)), at(0));
    }
    press(state, text)
}

#[test]
fn an_incident_is_acknowledged_until_a_time_with_a_note() {
    let mut state = connected();
    press(&mut state, "3A");
    assert_screen!("ack_until", screen(&state, 80, 14));
    let wrong = type_over(&mut state, "soon\n");
    assert_eq!(wrong, []);
    assert!(screen(&state, 80, 14).contains("`soon` is no end"));
    let asked = type_over(&mut state, "1h30m on my way\n");
    let ack = Acknowledge {
        until_at: Some(at(5_400)),
        duration_s: None,
        note: Some("on my way".to_owned()),
    };
    let id = "I".to_owned();
    assert_eq!(asked, [Action::Acknowledge { id, ack }]);
}

#[test]
fn an_incident_and_a_node_are_silenced_by_a_key() {
    let mut state = connected();
    let mut of = incident(IncidentState::Firing);
    of.rule = "R[1]".to_owned();
    state.incidents = vec![of];
    press(&mut state, "3s");
    let asked = press(&mut state, " new pump\n");
    let new = |rule: Option<&str>, node: &str| NewSilence {
        rule: rule.map(str::to_owned),
        node: Some(node.to_owned()),
        until_at: Some(at(7_200)),
        comment: "new pump".to_owned(),
        ..NewSilence::default()
    };
    let expected = new(Some("R[[]1[]]"), "kitchen");
    assert_eq!(asked, [Action::AddSilence(Box::new(expected))]);
    press(&mut state, "1\ns");
    let asked = press(&mut state, " new pump\n");
    let node = state.chart.as_ref().unwrap().node.clone();
    assert_eq!(asked, [Action::AddSilence(Box::new(new(None, &node)))]);
    press(&mut state, ":silence node=cellar* 2h new pump");
    let asked = press(&mut state, "\n");
    assert_eq!(asked, [Action::AddSilence(Box::new(new(None, "cellar*")))]);
}

#[test]
fn silences_are_listed_and_ended() {
    let mut state = connected();
    let silenced = Some(Silenced {
        id: "Z".to_owned(),
        by: "anna".to_owned(),
        until_at: at(3_000),
        comment: "new pump".to_owned(),
    });
    state.incidents[0].silenced = silenced;
    let end = Action::EndSilence(Box::new(silence(SilenceState::Active)));
    assert_eq!(press(&mut state, "3d"), std::slice::from_ref(&end));
    let text = screen(&state, 140, 12);
    assert!(
        text.contains("silent") && text.contains("silenced by anna until"),
        "{text}"
    );
    press(&mut state, "v");
    assert_screen!("silences", screen(&state, 100, 12));
    assert_eq!(press(&mut state, "d"), [end]);
    let mut over = silence(SilenceState::Over);
    over.ended_at = Some(at(-5));
    over.ended_by = Some("ben".to_owned());
    let live = Live::Silence { silence: over };
    net(&mut state, Net::Live(vec![live]));
    assert_eq!(press(&mut state, "d"), []);
    assert!(screen(&state, 140, 12).contains("anna, ended by ben: new pump"));
    for n in 0..SILENCES_MAX + 10 {
        let mut silence = silence(SilenceState::Planned);
        silence.id = n.to_string();
        net(&mut state, Net::Live(vec![Live::Silence { silence }]));
    }
    assert_eq!(state.silences.len(), SILENCES_MAX);
}

#[test]
fn an_incident_tells_its_story_with_mails_and_the_samples_around_it() {
    use signalbox_protocol::api::{
        incident::{Step, StepKind},
        mail::{Mail, MailKind, MailState},
    };
    let mut state = connected();
    state.incidents[0].note(Step {
        at: at(-100),
        kind: StepKind::Acknowledged,
        by: Some("ben".to_owned()),
        until_at: None,
        note: Some("on my way".to_owned()),
    });
    let asked = press(&mut state, "3\n");
    let [Action::LoadIncident { id, from, to, .. }] = &asked[..] else {
        panic!("{asked:?}");
    };
    assert_eq!((id.as_str(), *from, *to), ("I", at(-800), at(0)));
    let mail = Mail {
        id: "M".to_owned(),
        incident: "I".to_owned(),
        kind: MailKind::Firing,
        recipient: "anna@example.org".to_owned(),
        subject: String::new(),
        state: MailState::Failed,
        created_at: at(-140),
        tries: 1,
        next_try_at: None,
        last_error: Some("550 no such user".to_owned()),
    };
    let facts = |id: &str| {
        Net::Answer(Box::new(Answer::Incident(Box::new(IncidentFacts {
            id: id.to_owned(),
            mails: Some(vec![mail.clone()]),
            values: recent(),
        }))))
    };
    net(&mut state, facts("another"));
    assert!(
        !screen(&state, 120, 40).contains("550"),
        "not of this incident"
    );
    net(&mut state, facts("I"));
    assert_screen!("incident_80x24", screen(&state, 80, 24));
    assert_screen!("incident_120x40", screen(&state, 120, 40));
    let text = screen(&state, 120, 40);
    assert!(text.contains("ben acknowledged it: on my way"), "{text}");
    press(&mut state, "↓↓\u{1b}");
    assert!(state.modal.is_none());
}
