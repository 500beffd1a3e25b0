//! What the engine writes, it gets back at its next start.

use chrono::{DateTime, Utc};
use signalbox_protocol::api::{
    command::CommandState,
    incident::IncidentState,
    message::{Message, Outcome},
    node::{ActuatorState, Presence},
    silence::SilenceState,
};

use super::{
    Fixture, at_s, exact,
    rows::{
        actuator, bad_message, command, config, id, incident, mail, mark, node, rule, schedule,
        silence,
    },
    samples_of,
};
use crate::store::{
    ActuatorFacts, BAD_MESSAGES_MAX, Batch, Committed, EngineStore as _, Latest, Loaded,
    MARKS_PER_NODE_MAX, MailKind, NodeFacts, OutboxStore as _, StateStore as _,
};

fn sorted(mut loaded: Loaded) -> Loaded {
    loaded
        .marks
        .sort_by(|a, b| (&a.node, a.number.boot).cmp(&(&b.node, b.number.boot)));
    loaded.nodes.sort_by(|a, b| a.name.cmp(&b.name));
    loaded
        .actuators
        .sort_by(|a, b| (&a.node, &a.name).cmp(&(&b.node, &b.name)));
    loaded.rules.sort_by(|a, b| a.id.cmp(&b.id));
    loaded.incidents.sort_by(|a, b| a.id.cmp(&b.id));
    loaded
        .commands
        .sort_by(|a, b| a.command.id.cmp(&b.command.id));
    loaded.schedules.sort_by(|a, b| a.id.cmp(&b.id));
    loaded
        .latest
        .sort_by(|a, b| (&a.node, &a.metric).cmp(&(&b.node, &b.metric)));
    loaded
}

pub(in crate::store) async fn an_empty_store_loads_nothing<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    assert_eq!(store.load().await.unwrap(), Loaded::default());
    let done = store.commit(&Batch::default()).await.unwrap();
    assert_eq!(done, Committed::default());
    assert_eq!(store.load().await.unwrap(), Loaded::default());
}

fn latest(node: &str, metric: &str, ts: DateTime<Utc>, value: f64) -> Latest {
    Latest {
        node: node.to_owned(),
        metric: metric.to_owned(),
        ts,
        value,
        flagged: false,
    }
}

/// What the engine loads, with as little and as much in it as there can be.
fn one_of_everything() -> Batch {
    let bare_node = NodeFacts {
        presence: Presence::Unknown,
        presence_since: None,
        last_seen_at: None,
        boot: None,
        firmware: None,
        uptime_s: None,
        rssi_dbm: None,
        started_by: None,
        ..node("bare")
    };
    let bare_actuator = ActuatorFacts {
        reported: None,
        reported_at: None,
        desired: None,
        off_at: None,
        pending_command: None,
        ..actuator("bare", "led")
    };
    let gappy = crate::store::Mark {
        gaps: vec![(1, 7), (9, u32::MAX - 1)],
        ..mark("attic", u32::MAX, u32::MAX, 1)
    };
    Batch {
        marks: vec![gappy, mark("bare", 0, 0, 2)],
        nodes: vec![node("attic"), bare_node],
        actuators: vec![actuator("attic", "fan"), bare_actuator],
        rules: vec![rule(1), rule(2)],
        incidents: vec![
            incident(3, IncidentState::Pending),
            incident(4, IncidentState::Firing),
            incident(5, IncidentState::Acknowledged),
        ],
        commands: vec![
            command(6, CommandState::Requested),
            command(7, CommandState::Sent),
        ],
        schedules: vec![schedule(8, Some(70)), schedule(9, None)],
        silences: vec![
            silence(1, SilenceState::Planned),
            silence(2, SilenceState::Active),
        ],
        configs: vec![config("attic", 1), config("cellar", u32::MAX)],
        ..samples_of(
            "attic",
            vec![exact("soil", at_s(1), -0.5), exact("soil", at_s(2), 1e300)],
        )
    }
}

pub(in crate::store) async fn what_a_batch_wrote_is_loaded_after_reopening<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    let batch = one_of_everything();
    store.commit(&batch).await.unwrap();
    let finished = command(5, CommandState::TimedOut);
    let over = Batch {
        commands: vec![finished.clone()],
        silences: vec![silence(3, SilenceState::Over)],
        ..Batch::default()
    };
    store.commit(&over).await.unwrap();
    let expected = sorted(Loaded {
        marks: batch.marks.clone(),
        nodes: batch.nodes.clone(),
        actuators: batch.actuators.clone(),
        rules: batch.rules.clone(),
        incidents: batch.incidents.clone(),
        commands: batch.commands.clone(),
        schedules: batch.schedules.clone(),
        silences: batch.silences.clone(),
        configs: batch.configs.clone(),
        held: Vec::new(),
        finished: vec![finished.command],
        latest: vec![latest("attic", "soil", at_s(2), 1e300)],
    });
    assert_eq!(sorted(store.load().await.unwrap()), expected);
    F::close(store).await;
    let store = fixture.open().await;
    assert_eq!(sorted(store.load().await.unwrap()), expected);
}

pub(in crate::store) async fn rows_are_replaced_and_deleted<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    let first = Batch {
        nodes: vec![node("attic")],
        actuators: vec![actuator("attic", "led")],
        rules: vec![rule(1), rule(2)],
        incidents: vec![
            incident(3, IncidentState::Pending),
            incident(4, IncidentState::Pending),
        ],
        schedules: vec![schedule(5, Some(1)), schedule(6, Some(2))],
        configs: vec![config("attic", 1)],
        ..Batch::default()
    };
    store.commit(&first).await.unwrap();
    let mut changed_rule = rule(2);
    changed_rule.enabled = false;
    changed_rule.spec.email = None;
    let second = Batch {
        nodes: vec![NodeFacts {
            presence: Presence::Offline,
            boot: None,
            ..node("attic")
        }],
        actuators: vec![ActuatorFacts {
            reported: Some(ActuatorState::Off),
            desired: None,
            pending_command: None,
            off_at: None,
            ..actuator("attic", "led")
        }],
        rules: vec![changed_rule],
        rules_deleted: vec![id(1), "no such rule".to_owned()],
        incidents: vec![incident(4, IncidentState::Firing)],
        incidents_dropped: vec![id(3)],
        schedules: vec![schedule(6, Some(99))],
        configs: vec![config("attic", 2)],
        schedules_deleted: vec![id(5)],
        ..Batch::default()
    };
    store.commit(&second).await.unwrap();
    let expected = Loaded {
        nodes: second.nodes.clone(),
        actuators: second.actuators.clone(),
        rules: second.rules.clone(),
        incidents: second.incidents.clone(),
        schedules: second.schedules.clone(),
        configs: second.configs.clone(),
        ..Loaded::default()
    };
    assert_eq!(store.load().await.unwrap(), expected);
    assert_eq!(store.rule(&id(1)).await.unwrap(), None);
    assert_eq!(store.incident(&id(3)).await.unwrap(), None);
}

pub(in crate::store) async fn what_is_over_is_not_loaded<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    let mut verify = command(3, CommandState::Confirmed);
    verify.verify_off_at = Some(at_s(700));
    let open = Batch {
        incidents: vec![incident(1, IncidentState::Firing)],
        commands: vec![command(2, CommandState::Sent), verify.clone()],
        ..Batch::default()
    };
    store.commit(&open).await.unwrap();
    assert_eq!(store.load().await.unwrap().commands.len(), 2);

    let over = Batch {
        incidents: vec![incident(1, IncidentState::Closed)],
        commands: vec![command(2, CommandState::Refused)],
        ..Batch::default()
    };
    store.commit(&over).await.unwrap();
    let loaded = store.load().await.unwrap();
    assert_eq!(loaded.incidents, []);
    assert_eq!(loaded.commands, [verify], "its end is still to be seen");
    assert_eq!(loaded.finished, [over.commands[0].command.clone()]);
    let kept = store.incident(&id(1)).await.unwrap();
    assert_eq!(kept.as_ref(), over.incidents.first());
    let kept = store.command(&id(2)).await.unwrap();
    assert_eq!(kept, Some(over.commands[0].command.clone()));
}

pub(in crate::store) async fn the_newest_marks_of_each_node_are_kept<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    let over = MARKS_PER_NODE_MAX as u32 + 5;
    // Boot ids are random: the order is that of time. The last one comes with a clock that
    // went back, and must stay all the same, since its messages are arriving now.
    for i in 0..over {
        let back = if i == over - 1 { -1_000 } else { i64::from(i) };
        let batch = Batch {
            marks: vec![mark("attic", 1_000 - i, i, back)],
            ..Batch::default()
        };
        store.commit(&batch).await.unwrap();
    }
    let other = Batch {
        marks: vec![mark("cellar", 1, 1, -5_000)],
        ..Batch::default()
    };
    store.commit(&other).await.unwrap();
    let marks = store.load().await.unwrap().marks;
    let mut attic: Vec<u32> = marks
        .iter()
        .filter(|mark| mark.node == "attic")
        .map(|mark| mark.number.seq)
        .collect();
    attic.sort_unstable();
    assert_eq!(attic, (5..over).collect::<Vec<_>>());
    assert_eq!(marks.len(), MARKS_PER_NODE_MAX + 1);
}

pub(in crate::store) async fn a_forgotten_mark_can_be_raised_anew<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    let raise = |seq| Batch {
        marks: vec![mark("attic", 7, seq, i64::from(seq))],
        ..Batch::default()
    };
    store.commit(&raise(500)).await.unwrap();
    store.commit(&raise(501)).await.unwrap();
    let anew = Batch {
        marks_forgotten: vec![("attic".to_owned(), 7), ("attic".to_owned(), 8)],
        ..raise(1)
    };
    store.commit(&anew).await.unwrap();
    assert_eq!(store.load().await.unwrap().marks, anew.marks);
    let forget = Batch {
        marks_forgotten: vec![("attic".to_owned(), 7)],
        ..Batch::default()
    };
    store.commit(&forget).await.unwrap();
    assert_eq!(store.load().await.unwrap().marks, []);
}

pub(in crate::store) async fn bad_messages_are_grouped<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    let denied = Message {
        outcome: Outcome::Denied,
        node: None,
        ..bad_message("b", "not yours", 4)
    };
    for bad in [
        vec![
            bad_message("a", "not JSON", 1),
            bad_message("b", "not JSON", 2),
        ],
        vec![bad_message("a", "not JSON", 3), denied.clone()],
        vec![bad_message("a", "not JSON", 5)],
    ] {
        let batch = Batch {
            bad_messages: bad,
            ..Batch::default()
        };
        store.commit(&batch).await.unwrap();
    }
    let mut kept = store.bad_messages(10).await.unwrap();
    assert!(kept.iter().all(|message| message.id > 0));
    for message in &mut kept {
        message.id = 0;
    }
    let expected = [
        Message {
            count: 3,
            first_at: at_s(1),
            ..bad_message("a", "not JSON", 5)
        },
        denied,
        bad_message("b", "not JSON", 2),
    ];
    assert_eq!(kept, expected);
    assert_eq!(store.bad_messages(1).await.unwrap().len(), 1);
}

pub(in crate::store) async fn bad_messages_are_bounded<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    let batch = Batch {
        bad_messages: (0..BAD_MESSAGES_MAX as i64 + 10)
            .map(|i| bad_message(&format!("topic/{i}"), "not JSON", i))
            .collect(),
        ..Batch::default()
    };
    store.commit(&batch).await.unwrap();
    let kept = store.bad_messages(10_000).await.unwrap();
    assert_eq!(kept.len(), BAD_MESSAGES_MAX);
    assert_eq!(kept.last().unwrap().topic, "topic/10", "the oldest went");
}

pub(in crate::store) async fn a_mail_is_written_once<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    let batch = Batch {
        mails: vec![
            mail(1, MailKind::Firing, "anna@example.org"),
            mail(2, MailKind::Firing, "ben@example.org"),
            mail(3, MailKind::Recovery, "anna@example.org"),
        ],
        ..Batch::default()
    };
    store.commit(&batch).await.unwrap();
    // The same event again, as after a replay: with the same ids and with new ones.
    store.commit(&batch).await.unwrap();
    let again = Batch {
        mails: vec![mail(4, MailKind::Firing, "anna@example.org")],
        ..Batch::default()
    };
    store.commit(&again).await.unwrap();
    let mut kept: Vec<_> = store
        .mails(None, 10)
        .await
        .unwrap()
        .into_iter()
        .map(|mail| mail.mail)
        .collect();
    kept.reverse();
    assert_eq!(kept, batch.mails);
}
