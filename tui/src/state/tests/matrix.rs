//! Every screen at every size in every state, whole.

use super::*;

const SIZES: [(u16, u16); 4] = [(40, 12), (80, 24), (120, 40), (220, 60)];

/// The screens, and the keys that lead there from the overview.
const SCREENS: [(&str, &str); 28] = [
    ("nodes", "1"),
    ("rows", ":layout\n"),
    ("cards", "1v"),
    ("node", "\n"),
    ("node_v", "\nv"),
    ("node_vv", "\nvv"),
    ("chart", "c"),
    ("cursor", "cpxHHH"),
    ("rules", "2"),
    ("rule", "2n"),
    ("dry_run", "2r"),
    ("incidents", "3"),
    ("incident", "3\n"),
    ("silences", "3v"),
    ("messages", "4"),
    ("commands", "5"),
    ("schedules", "5v"),
    ("schedule", "5v\n"),
    ("waiting", "5vv"),
    ("history", "5vvv"),
    ("station", "6"),
    ("logins", "6v"),
    ("users", "6vv"),
    ("sessions", "6vvv"),
    ("mails", "6vvvv"),
    ("log", "7"),
    ("help", "?"),
    ("line", ":"),
];

/// What the station answers to what was asked for.
fn reply(state: &mut State, actions: Vec<Action>) {
    for action in actions {
        match action {
            Action::LoadChart(question) => {
                let present = vec![past(question.from, question.to, question.buckets)];
                let history = History {
                    question: *question,
                    present,
                    before: Vec::new(),
                };
                net(
                    state,
                    Net::Answer(Box::new(Answer::Chart(Box::new(history)))),
                );
            }
            Action::LoadIncident { id, from, to, .. } => {
                let facts = IncidentFacts {
                    id,
                    mails: None,
                    values: past(from, to, INCIDENT_BUCKETS),
                };
                net(
                    state,
                    Net::Answer(Box::new(Answer::Incident(Box::new(facts)))),
                );
            }
            Action::DryRun { from, to, .. } => {
                let firing = signalbox_protocol::api::rule::Firing {
                    node: "kitchen".to_owned(),
                    began_at: at(-90_000),
                    fired_at: at(-89_940),
                    cleared_at: Some(at(-86_000)),
                    peak: 31.5,
                    peak_at: at(-88_000),
                };
                let run = signalbox_protocol::api::rule::DryRunReply {
                    from,
                    to,
                    samples: 10_080,
                    firings: vec![firing],
                    truncated: false,
                };
                let answer = Answer::DryRun(Ok((run, past(from, to, 168))));
                net(state, Net::Answer(Box::new(answer)));
            }
            _ => {}
        }
    }
}

/// A wave with a hole.
fn past(from: DateTime<Utc>, to: DateTime<Utc>, buckets: u32) -> BucketsReply {
    let step = (to - from) / i32::try_from(buckets).unwrap();
    let bucket = |n: u32| {
        let mean = 21.5 + 4.0 * (f64::from(n) * 12.0 / f64::from(buckets)).sin();
        Bucket {
            ts: from + step * i32::try_from(n).unwrap(),
            n: 6,
            min: mean - 0.5,
            mean,
            max: mean + 0.5,
        }
    };
    let hole = buckets / 3..buckets / 2;
    BucketsReply {
        from,
        to,
        bucket_ms: u64::try_from(step.num_milliseconds()).unwrap(),
        series: ["humidity", "temperature"]
            .into_iter()
            .map(|metric| SeriesBuckets {
                node: "kitchen".to_owned(),
                metric: metric.to_owned(),
                buckets: (0..buckets)
                    .filter(|n| !hole.contains(n))
                    .map(bucket)
                    .collect(),
            })
            .collect(),
    }
}

fn admin() -> Answer {
    use signalbox_protocol::api::{
        fingerprint::Fingerprint,
        session::{Session, Way},
        station::{BrokerFacts, BrokerKind, Station, StoreFacts, StoreKind},
        user::User,
    };
    let user = |name: &str, role| User {
        username: name.to_owned(),
        email: format!("{name}@example.org"),
        role,
        created_at: at(-9_000),
        last_login_at: Some(at(-60)),
    };
    Answer::Admin(Box::new(Admin {
        station: Station {
            id: "4b1b".to_owned(),
            version: "0.1.0".to_owned(),
            started_at: at(-7_200),
            uptime_s: 7_200,
            mail_configured: true,
            outbox_depth: 2,
            outbox_oldest_age_s: Some(90),
            counters: signalbox_protocol::api::station::Counters::default(),
            store_bytes: 5_000_000,
            tz: Some("Europe/Paris".to_owned()),
            fingerprint: Some(Fingerprint([0xa7; 32])),
            broker: Some(BrokerFacts {
                kind: BrokerKind::Embedded,
                address: "0.0.0.0:1883".to_owned(),
                connected: true,
                clients: Some(3),
                connects: 0,
            }),
            store: Some(StoreFacts {
                kind: StoreKind::Sqlite,
                oldest_sample_at: Some(at(-90_000)),
                last_sealed_at: None,
                raw_retention_days: 400,
                rollup_retention_days: 0,
                seal_after_days: 2,
            }),
        },
        health: Health {
            warnings: Vec::new(),
            status: "ok".to_owned(),
            store: "ok".to_owned(),
            broker: "ok".to_owned(),
        },
        users: Some(vec![
            user("anna", Role::Administrator),
            user("ben", Role::Viewer),
        ]),
        sessions: Some(vec![Session {
            id: "ab12".to_owned(),
            username: "anna".to_owned(),
            role: Role::Administrator,
            created_at: at(-4_000),
            expires_at: Some(at(600_000)),
            last_seen_at: Some(at(-30)),
            way: Some(Way::Tls),
            from: Some("192.0.2.7".to_owned()),
            client: Some("signalbox/0.1.0 (tls)".to_owned()),
            streams: 1,
            own: true,
        }]),
        mails: Some(Vec::new()),
    }))
}

fn fresh() -> State {
    State::new("unix:///run/s.sock".to_owned(), Settings::default(), at(0))
}

fn empty() -> State {
    let mut state = fresh();
    state.link = Link::Online;
    state
}

fn normal() -> State {
    let mut state = connected();
    net(&mut state, Net::Answer(Box::new(admin())));
    state.say("kitchen/led confirmed", false);
    state
}

fn thousands() -> State {
    let mut state = normal();
    for n in 0..2_000 {
        let name = format!("room-{n}");
        let presence = if n % 7 == 0 {
            Presence::Offline
        } else {
            Presence::Online
        };
        state.nodes.insert(name.clone(), node(&name, presence));
    }
    state
}

type Make = fn() -> State;

const STATES: [(&str, Make); 5] = [
    ("loading", fresh),
    ("empty", empty),
    ("normal", normal),
    ("thousands", thousands),
    ("disconnected", normal),
];

#[test]
fn every_screen_at_every_size_in_every_state() {
    for (name, keys) in SCREENS {
        for (width, height) in SIZES {
            let mut all = String::new();
            for (word, make) in STATES {
                let mut state = make();
                state.size = (width, height);
                for key in keys.chars() {
                    let asked = press(&mut state, &key.to_string());
                    if word != "loading" {
                        reply(&mut state, asked);
                    }
                }
                if word == "disconnected" {
                    net(&mut state, Net::Lost("connection refused".to_owned()));
                    state.on(Event::Tick, at(12));
                }
                let text = screen(&state, width, height);
                assert!(
                    text.lines().all(|line| {
                        unicode_width::UnicodeWidthStr::width(line) <= usize::from(width)
                    }),
                    "{name} {word}"
                );
                // The way out is never cut off.
                let foot = text.lines().last().unwrap_or_default();
                let covered =
                    ["help", "rule", "schedule", "dry_run", "line", "incident"].contains(&name);
                assert!(
                    covered || foot.contains("q quit"),
                    "{name} {word} {width}: {foot}"
                );
                all.push_str(&format!("--- {word}\n{text}\n"));
            }
            let file = format!("matrix_{name}_{width}x{height}");
            insta::with_settings!({filters => vec![
                (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d\d:\d\d", "YYYY-MM-DD hh:mm:ss +zz:zz"),
                (r"\d\d-\d\d \d\d:\d\d", "MM-DD hh:mm"),
                (r"\d\d:\d\d:\d\d", "hh:mm:ss"),
                (r"\d\d:\d\d", "hh:mm"),
            ]}, { insta::assert_snapshot!(file, all) });
        }
    }
}

#[test]
fn ascii_alone_is_ascii_alone() {
    for (name, keys) in SCREENS {
        let mut state = normal();
        state.settings.marks = crate::settings::Marks::Ascii;
        press(&mut state, keys);
        let text = screen(&state, 120, 40);
        assert!(text.is_ascii(), "{name}\n{text}");
        assert!(!text.contains("??"), "{name}\n{text}");
    }
}

#[test]
fn ten_thousand_nodes_are_drawn_row_by_row() {
    let mut state = thousands();
    for n in 2_000..10_000 {
        let name = format!("room-{n}");
        state
            .nodes
            .insert(name.clone(), node(&name, Presence::Online));
    }
    press(&mut state, "G");
    assert!(screen(&state, 120, 40).contains("room-9999"));
    assert_eq!(state.row(), 10_001);
}
