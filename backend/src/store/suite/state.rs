//! Reading nodes, rules, incidents, commands.

use signalbox_protocol::api::{
    command::{CommandQuery, CommandState},
    incident::{IncidentQuery, IncidentState},
    node::{Actuator, ActuatorState, LatestValue, Node, Presence, SampleFlag, StartedBy},
    silence::{SilenceQuery, SilenceState},
};

use super::{
    Fixture, at_s, exact,
    rows::{actuator, command, config, id, incident, node, rule, schedule, silence},
    samples_of, t0,
};
use crate::{
    ingest::Sample,
    store::{AccountStore as _, Batch, EngineStore as _, StateStore as _, StoreError},
};

pub(in crate::store) async fn nodes_show_latest_values_actuators_and_ages<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    let flagged = Sample {
        out_of_range: true,
        ..exact("soil", at_s(4), 5_000.0)
    };
    let batch = Batch {
        nodes: vec![node("cellar"), node("attic")],
        actuators: vec![actuator("attic", "led"), actuator("attic", "fan")],
        ..samples_of(
            "attic",
            vec![
                exact("rain", at_s(5), 2.0),
                exact("rain", at_s(4), 1.0),
                flagged,
            ],
        )
    };
    store.commit(&batch).await.unwrap();
    store.set_node_password("cellar", "hash").await.unwrap();

    let told = Actuator {
        reported: Some(ActuatorState::On),
        reported_at: Some(at_s(3)),
        desired: Some(ActuatorState::Off),
        off_at: Some(at_s(600)),
        pending_command: Some(id(1)),
    };
    let latest = |s, value, flags: &[SampleFlag]| LatestValue {
        ts: at_s(s),
        value,
        flags: flags.to_vec(),
    };
    let cellar = Node {
        name: "cellar".to_owned(),
        presence: Presence::Online,
        presence_since: Some(at_s(1)),
        last_seen_at: Some(at_s(2)),
        age_ms: Some(8_000),
        boot: Some(u32::MAX),
        firmware: Some("0.1.0".to_owned()),
        uptime_s: Some(12),
        rssi_dbm: Some(-61),
        started_by: Some(StartedBy::Watchdog),
        latest: [].into(),
        actuators: [].into(),
        has_password: true,
    };
    let attic = Node {
        name: "attic".to_owned(),
        latest: [
            ("rain".to_owned(), latest(5, 2.0, &[])),
            (
                "soil".to_owned(),
                latest(4, 5_000.0, &[SampleFlag::OutOfRange]),
            ),
        ]
        .into(),
        actuators: [("fan".to_owned(), told.clone()), ("led".to_owned(), told)].into(),
        has_password: false,
        ..cellar.clone()
    };
    let now = at_s(10);
    let all = store.nodes(now).await.unwrap();
    assert_eq!(all, [attic.clone(), cellar]);
    assert_eq!(store.node("attic", now).await.unwrap(), Some(attic));
    assert_eq!(store.node("nowhere", now).await.unwrap(), None);
    let before = store.node("attic", t0()).await.unwrap().unwrap();
    assert_eq!(before.age_ms, Some(0), "a clock that went back");
}

pub(in crate::store) async fn rules_and_schedules_are_sorted<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    let batch = Batch {
        configs: vec![config("attic", 7)],
        rules: vec![rule(2), rule(1)],
        schedules: vec![
            schedule(3, None),
            schedule(4, Some(9)),
            schedule(5, Some(7)),
        ],
        ..Batch::default()
    };
    store.commit(&batch).await.unwrap();
    assert_eq!(store.rules().await.unwrap(), [rule(1), rule(2)]);
    let kept = store.node_config("attic").await.unwrap();
    assert_eq!(kept, Some(config("attic", 7)));
    assert_eq!(store.node_configs().await.unwrap(), [config("attic", 7)]);
    assert_eq!(store.node_config("cellar").await.unwrap(), None);
    assert_eq!(store.rule(&id(2)).await.unwrap(), Some(rule(2)));
    assert_eq!(
        store.schedules().await.unwrap(),
        [
            schedule(5, Some(7)),
            schedule(4, Some(9)),
            schedule(3, None)
        ],
        "by next run, without one last"
    );
}

pub(in crate::store) async fn incidents_are_paged_open_ones_first<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    let state = |number| match number % 4 {
        0 => IncidentState::Closed,
        1 => IncidentState::Pending,
        2 => IncidentState::Firing,
        _ => IncidentState::Acknowledged,
    };
    let batch = Batch {
        incidents: (0..20).map(|i| incident(i, state(i))).collect(),
        ..Batch::default()
    };
    store.commit(&batch).await.unwrap();
    let ids = async |open: Option<bool>, limit: Option<u32>| -> Vec<String> {
        let mut query = IncidentQuery {
            open,
            limit,
            after: None,
        };
        let mut ids = Vec::new();
        loop {
            let page = store.incidents(&query).await.unwrap();
            assert!(page.incidents.len() <= limit.unwrap_or(100) as usize);
            ids.extend(page.incidents.into_iter().map(|incident| incident.id));
            query.after = page.next;
            if query.after.is_none() {
                return ids;
            }
        }
    };
    let newest_first = |keep: fn(u32) -> bool| (0..20).rev().filter(move |i| keep(*i)).map(id);
    let open: Vec<String> = newest_first(|i| i % 4 != 0).collect();
    let closed: Vec<String> = newest_first(|i| i % 4 == 0).collect();
    let everything = [open.clone(), closed.clone()].concat();
    for limit in [None, Some(1), Some(3), Some(15), Some(20)] {
        assert_eq!(ids(None, limit).await, everything, "{limit:?}");
        assert_eq!(ids(Some(true), limit).await, open, "{limit:?}");
        assert_eq!(ids(Some(false), limit).await, closed, "{limit:?}");
    }
}

pub(in crate::store) async fn silences_are_paged_open_ones_first<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    let state = |number| match number % 3 {
        0 => SilenceState::Over,
        1 => SilenceState::Planned,
        _ => SilenceState::Active,
    };
    let all: Vec<_> = (0..9).map(|i| silence(i, state(i))).collect();
    let batch = Batch {
        silences: all.clone(),
        ..Batch::default()
    };
    store.commit(&batch).await.unwrap();
    let mut query = SilenceQuery {
        limit: Some(2),
        ..SilenceQuery::default()
    };
    let mut found = Vec::new();
    loop {
        let page = store.silences(&query).await.unwrap();
        found.extend(page.silences.into_iter().map(|silence| silence.id));
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    let expected = [8, 7, 5, 4, 2, 1, 6, 3, 0].map(id);
    assert_eq!(found, expected);
    let over = SilenceQuery {
        open: Some(false),
        ..SilenceQuery::default()
    };
    assert_eq!(store.silences(&over).await.unwrap().silences.len(), 3);
    assert_eq!(store.silence(&id(4)).await.unwrap().as_ref(), Some(&all[4]));
    assert_eq!(store.silence("none").await.unwrap(), None);
    let foreign = SilenceQuery {
        after: Some("i.1.X".to_owned()),
        ..SilenceQuery::default()
    };
    let refused = store.silences(&foreign).await;
    assert!(matches!(refused, Err(StoreError::BadCursor { .. })));
}

pub(in crate::store) async fn commands_are_paged_newest_first<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    let batch = Batch {
        commands: (0..250)
            .map(|i| {
                let state = match i % 3 {
                    0 => CommandState::Requested,
                    _ => CommandState::Confirmed,
                };
                let mut row = command(i, state);
                if i % 5 == 0 {
                    row.command.node = "cellar".to_owned();
                }
                row
            })
            .collect(),
        ..Batch::default()
    };
    store.commit(&batch).await.unwrap();
    for (node, open, limit) in [
        (None, None, Some(99)),
        (None, Some(true), Some(9)),
        (None, Some(false), Some(9)),
        (Some("cellar"), None, Some(7)),
        (Some("attic"), None, None),
        (Some("attic"), Some(true), None),
    ] {
        let mut query = CommandQuery {
            node: node.map(str::to_owned),
            open,
            limit,
            after: None,
        };
        let mut found = Vec::new();
        let mut pages = 0;
        loop {
            let page = store.commands(&query).await.unwrap();
            found.extend(page.commands);
            pages += 1;
            query.after = page.next;
            if query.after.is_none() {
                break;
            }
        }
        let mut expected: Vec<_> = batch
            .commands
            .iter()
            .filter(|row| open.is_none_or(|open| row.is_open() == open))
            .map(|row| row.command.clone())
            .filter(|command| node.is_none_or(|node| command.node == node))
            .collect();
        expected.reverse();
        assert_eq!(
            pages,
            expected.len().div_ceil(limit.unwrap_or(100) as usize)
        );
        assert_eq!(found, expected);
    }
    let one = store.command(&id(7)).await.unwrap();
    assert_eq!(one.as_ref(), Some(&batch.commands[7].command));
    assert_eq!(store.command("none").await.unwrap(), None);
}

pub(in crate::store) async fn a_query_page_refuses_a_foreign_cursor<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    let batch = Batch {
        commands: (0..3).map(|i| command(i, CommandState::Sent)).collect(),
        incidents: (0..3).map(|i| incident(i, IncidentState::Firing)).collect(),
        ..samples_of("attic", vec![exact("a", t0(), 1.0), exact("b", t0(), 1.0)])
    };
    store.commit(&batch).await.unwrap();
    let commands = |after: Option<String>| CommandQuery {
        after,
        limit: Some(1),
        ..CommandQuery::default()
    };
    let incidents = |after: Option<String>| IncidentQuery {
        after,
        limit: Some(1),
        ..IncidentQuery::default()
    };
    let of_commands = store.commands(&commands(None)).await.unwrap().next;
    let of_incidents = store.incidents(&incidents(None)).await.unwrap().next;
    assert!(of_commands.is_some() && of_incidents.is_some());
    let strange = ["", "x", "é", "' OR 1 --", "i.", "c."];
    let strange = strange.map(|text| Some(text.to_owned()));
    for cursor in [of_incidents].iter().chain(&strange) {
        let result = store.commands(&commands(cursor.clone())).await;
        assert!(
            matches!(result, Err(StoreError::BadCursor { .. })),
            "{cursor:?}: {result:?}"
        );
    }
    for cursor in [of_commands].iter().chain(&strange) {
        let result = store.incidents(&incidents(cursor.clone())).await;
        assert!(
            matches!(result, Err(StoreError::BadCursor { .. })),
            "{cursor:?}: {result:?}"
        );
    }
}

pub(in crate::store) async fn the_size_grows<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    let before = store.size_bytes().await.unwrap();
    let samples = (0..50_000)
        .map(|i| exact("soil", at_s(i), i as f64))
        .collect();
    store.commit(&samples_of("attic", samples)).await.unwrap();
    let after = store.size_bytes().await.unwrap();
    assert!(after > before + 500_000, "{before} then {after}");
}
