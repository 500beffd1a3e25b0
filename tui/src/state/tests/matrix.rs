//! Every screen at every size in every state, whole.

use super::*;

const SIZES: [(u16, u16); 4] = [(40, 12), (80, 24), (120, 40), (220, 60)];

/// The screens, and the keys that lead there from the overview.
const SCREENS: [(&str, &str); 12] = [
    ("nodes", "1"),
    ("node", "\n"),
    ("chart", "c"),
    ("rules", "2"),
    ("incidents", "3"),
    ("messages", "4"),
    ("commands", "5"),
    ("schedules", "5v"),
    ("history", "5vv"),
    ("users", "6vv"),
    ("log", "7"),
    ("help", "?"),
];

fn admin() -> Answer {
    use signalbox_protocol::api::{station::Station, user::User};
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

fn lost() -> State {
    let mut state = normal();
    net(&mut state, Net::Lost("connection refused".to_owned()));
    state
}

type Make = fn() -> State;

const STATES: [(&str, Make); 5] = [
    ("loading", fresh),
    ("empty", empty),
    ("normal", normal),
    ("thousands", thousands),
    ("disconnected", lost),
];

#[test]
fn every_screen_at_every_size_in_every_state() {
    for (name, keys) in SCREENS {
        for (width, height) in SIZES {
            let mut all = String::new();
            for (word, make) in STATES {
                let mut state = make();
                state.size = (width, height);
                press(&mut state, keys);
                if word == "disconnected" {
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
                let covered = name == "help";
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
