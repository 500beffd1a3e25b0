//! What keys and events do to the state, and how the screens look then.

use std::collections::BTreeMap;

use ratatui::{
    buffer::Buffer,
    crossterm::event::{KeyCode, KeyEvent, KeyModifiers},
    layout::Rect,
};
use signalbox_protocol::api::{
    auth::Whoami,
    command::{Action as Order, CommandState, Origin, Schedule},
    data::{Bucket, BucketsReply, Sample, SeriesBuckets},
    event::Event as Live,
    incident::{Acknowledge, IncidentState, Silenced},
    message::Outcome,
    node::{Actuator, ActuatorState, LatestValue, Presence, SampleFlag, StartedBy},
    rule::{Comparison, RuleSpec, Severity},
    silence::{NewSilence, SilenceState},
    user::Role,
};

use super::*;

use crate::{
    event::{Answer, Net, Snapshot},
    screens,
    theme::Theme,
};

fn at(s: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + s, 0).unwrap()
}

fn node(name: &str, presence: Presence) -> Node {
    let latest = |value, flags| LatestValue {
        ts: at(-3),
        value,
        flags,
    };
    let led = Actuator {
        reported: Some(ActuatorState::Off),
        reported_at: Some(at(-10)),
        desired: None,
        off_at: None,
        pending_command: None,
    };
    Node {
        name: name.to_owned(),
        presence,
        presence_since: Some(at(-300)),
        last_seen_at: Some(at(-3)),
        age_ms: Some(3_000),
        boot: Some(1),
        firmware: Some("0.1.0".to_owned()),
        uptime_s: Some(7_300),
        rssi_dbm: Some(-61),
        started_by: Some(StartedBy::Watchdog),
        latest: BTreeMap::from([
            (
                "humidity".to_owned(),
                latest(99.0, vec![SampleFlag::OutOfRange]),
            ),
            ("temperature".to_owned(), latest(21.5, Vec::new())),
        ]),
        actuators: BTreeMap::from([("led".to_owned(), led)]),
        has_password: true,
    }
}

fn recent() -> BucketsReply {
    let bucket = |n: i32| Bucket {
        ts: at(i64::from(n) * 15 - 900),
        n: 1,
        min: f64::from(n),
        mean: f64::from(n * n % 17),
        max: f64::from(n),
    };
    BucketsReply {
        from: at(-900),
        to: at(0),
        bucket_ms: 15_000,
        series: vec![SeriesBuckets {
            node: "kitchen".to_owned(),
            metric: "temperature".to_owned(),
            buckets: (0..60)
                .filter(|n| !(20..30).contains(n))
                .map(bucket)
                .collect(),
        }],
    }
}

fn rule(id: &str) -> Rule {
    Rule {
        id: id.to_owned(),
        enabled: true,
        created_by: "anna".to_owned(),
        created_at: at(-1_000),
        spec: RuleSpec {
            name: "too warm".to_owned(),
            node: Some("kitchen".to_owned()),
            metric: "temperature".to_owned(),
            op: Comparison::Above,
            value: 30.0,
            hysteresis: 1.0,
            hold_s: 60,
            command: Some(crate::words::order("fan=on:10m").unwrap()),
            clear_command: None,
            email: Some("anna@example.org".to_owned()),
            severity: Severity::Warning,
        },
    }
}

fn incident(state: IncidentState) -> Incident {
    Incident {
        id: "I".to_owned(),
        rule: "R".to_owned(),
        rule_name: "too warm".to_owned(),
        node: "kitchen".to_owned(),
        metric: "temperature".to_owned(),
        condition: "temperature > 30".to_owned(),
        severity: Severity::Warning,
        state,
        began_at: at(-200),
        fired_at: (state != IncidentState::Pending).then(|| at(-140)),
        acted_at: None,
        acknowledged_at: None,
        acknowledged_by: None,
        acknowledged_until: None,
        acknowledged_note: None,
        silenced: None,
        mail_held: false,
        mails_told: 0,
        steps: Vec::new(),
        closed_at: None,
        closed_because: None,
        peak: 31.5,
        peak_at: at(-60),
        last_value: 31.0,
        duration_ms: None,
    }
}

fn command(state: CommandState) -> Command {
    Command {
        id: "C".to_owned(),
        node: "kitchen".to_owned(),
        actuator: "led".to_owned(),
        action: Order::On,
        for_ms: Some(600_000),
        state,
        origin: Origin::Station,
        reason: None,
        requested_at: at(-20),
        not_before: None,
        expires_at: at(3_600),
        sent_at: None,
        finished_at: None,
        outcome: None,
        off_at: None,
    }
}

fn schedule() -> Schedule {
    Schedule {
        id: "S".to_owned(),
        node: "kitchen".to_owned(),
        actuator: "led".to_owned(),
        action: Order::On,
        duration_s: Some(600),
        cron: "0 7 * * *".to_owned(),
        tz: "Europe/Paris".to_owned(),
        reason: Some("the plants want light".to_owned()),
        paused: false,
        created_by: "anna".to_owned(),
        created_at: at(-9_000),
        next_at: Some(at(7_200)),
    }
}

fn silence(state: SilenceState) -> Silence {
    Silence {
        id: "Z".to_owned(),
        rule: None,
        node: Some("cellar*".to_owned()),
        metric: None,
        from_at: at(-600),
        until_at: at(3_000),
        comment: "new pump".to_owned(),
        created_by: "anna".to_owned(),
        created_at: at(-600),
        state,
        ended_at: None,
        ended_by: None,
    }
}

fn connected() -> State {
    let mut state = State::new("unix:///run/s.sock".to_owned(), Settings::default(), at(0));
    let snapshot = Snapshot {
        configs: Vec::new(),
        mail_configured: false,
        hello: Hello {
            id: "x".to_owned(),
            version: "0.1.0".to_owned(),
            api_min: 1,
            api_max: 1,
        },
        me: Whoami {
            username: "anna".to_owned(),
            role: Role::Operator,
            expires_at: None,
        },
        nodes: vec![
            node("cellar", Presence::Offline),
            node("kitchen", Presence::Online),
        ],
        rules: vec![rule("R")],
        incidents: vec![incident(IncidentState::Firing)],
        commands: vec![command(CommandState::TimedOut)],
        messages: vec![message(Outcome::Stored), message(Outcome::Bad)],
        open: Vec::new(),
        schedules: vec![schedule()],
        tz: Some("Europe/Paris".to_owned()),
        silences: vec![silence(SilenceState::Active)],
        recent: Some(recent()),
    };
    net(&mut state, Net::Connected(Box::new(snapshot)));
    state
}

fn message(outcome: Outcome) -> Message {
    let bad = outcome == Outcome::Bad;
    Message {
        id: 1,
        received_at: at(-5),
        topic: "signalbox/kitchen/telemetry".to_owned(),
        node: Some("kitchen".to_owned()),
        outcome,
        reason: bad.then(|| "not JSON".to_owned()),
        payload_bytes: 7,
        head: "rubbish\u{1b}[2J".to_owned(),
        says: None,
        count: 1,
        first_at: at(-5),
    }
}

fn net(state: &mut State, net: Net) -> Vec<Action> {
    state.on(Event::Net(net), at(0))
}

fn press(state: &mut State, keys: &str) -> Vec<Action> {
    let mut actions = Vec::new();
    for c in keys.chars() {
        let code = match c {
            '\n' => KeyCode::Enter,
            '\t' => KeyCode::Tab,
            '\u{1b}' => KeyCode::Esc,
            '↓' => KeyCode::Down,
            '←' => KeyCode::Left,
            c => KeyCode::Char(c),
        };
        actions.extend(state.on(Event::Key(KeyEvent::from(code)), at(0)));
    }
    actions
}

fn screen(state: &State, width: u16, height: u16) -> String {
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    let _ = screens::draw(state, Theme::new(true), &mut buffer);
    let rows = buffer.content().chunks(usize::from(width));
    let text = rows.map(|row| {
        let row: String = row.iter().map(ratatui::buffer::Cell::symbol).collect();
        row.trim_end().to_owned()
    });
    text.collect::<Vec<_>>().join("\n")
}

/// Answers the chart's last question with these buckets of kitchen's temperature.
fn answer(state: &mut State, buckets: Vec<Bucket>) {
    let chart = state.chart.as_mut().unwrap();
    chart.forget_asking();
    let question = chart.wish(state.size.0, at(0)).unwrap();
    let reply = BucketsReply {
        from: question.from,
        to: question.to,
        bucket_ms: 60_000,
        series: vec![SeriesBuckets {
            node: "kitchen".to_owned(),
            metric: "temperature".to_owned(),
            buckets,
        }],
    };
    let history = History {
        question,
        present: vec![reply],
        before: Vec::new(),
    };
    net(
        state,
        Net::Answer(Box::new(Answer::Chart(Box::new(history)))),
    );
}

/// Compares a screen; times depend on the zone of the machine.
macro_rules! assert_screen {
    ($name:literal, $screen:expr) => {
        insta::with_settings!({filters => vec![
            (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d\d:\d\d", "YYYY-MM-DD hh:mm:ss +zz:zz"),
            (r"\d\d-\d\d \d\d:\d\d", "MM-DD hh:mm"),
            (r"\d\d:\d\d:\d\d", "hh:mm:ss"),
            (r"\d\d:\d\d", "hh:mm"),
        ]}, { insta::assert_snapshot!($name, $screen) });
    };
}

mod charts;
mod handling;
mod logs;
mod many;
mod matrix;
mod silences;
mod timed;

#[test]
fn the_overview_at_two_sizes() {
    let state = connected();
    assert_screen!("overview_120x40", screen(&state, 120, 40));
    assert_screen!("overview_80x24", screen(&state, 80, 24));
    assert_eq!(screen(&state, 30, 5).trim(), "too small");
}

#[test]
fn a_node_with_a_gap_in_its_chart() {
    let mut state = connected();
    press(&mut state, "\n");
    assert_eq!(state.place, Place::Node);
    press(&mut state, "m");
    let bucket = |n: i32| Bucket {
        ts: at(i64::from(n) * 60 - 3_600),
        n: 1,
        min: f64::from(20 + n % 5),
        mean: f64::from(20 + n % 5),
        max: f64::from(20 + n % 5),
    };
    let asked = state.chart.as_mut().unwrap().wish(80, at(0));
    assert_eq!(asked, None, "it was asked for when the page opened");
    answer(
        &mut state,
        (0..60)
            .filter(|n| !(20..35).contains(n))
            .map(bucket)
            .collect(),
    );
    assert_screen!("node_80x24", screen(&state, 80, 24));
    press(&mut state, "←←");
    assert_screen!("node_cursor_120x40", screen(&state, 120, 40));
    press(&mut state, "\u{1b}");
    assert_eq!(state.place, Place::Node);
    press(&mut state, "\u{1b}");
    assert_eq!(state.place, Place::Overview);
}

#[test]
fn lists_forms_and_windows() {
    let mut state = connected();
    press(&mut state, "2");
    assert_screen!("rules", screen(&state, 100, 12));
    press(&mut state, "e");
    assert_screen!("rule_form", screen(&state, 100, 24));
    press(&mut state, "\u{1b}3");
    assert_screen!("incidents", screen(&state, 100, 12));
    press(&mut state, "4");
    assert_screen!("messages", screen(&state, 100, 12));
    press(&mut state, "?filt");
    assert_screen!("help", screen(&state, 80, 16));
    net(&mut state, Net::LoginNeeded);
    assert_screen!("login", screen(&state, 80, 16));
}

#[test]
fn a_lost_connection_keeps_the_screen_and_says_since_when() {
    let mut state = connected();
    net(&mut state, Net::Lost("connection refused".to_owned()));
    state.on(Event::Tick, at(12));
    let text = screen(&state, 100, 20);
    assert!(
        text.contains("NO CONNECTION for 12s: connection refused"),
        "{text}"
    );
    assert!(text.contains("kitchen"), "{text}");
    net(&mut state, Net::Lost("again".to_owned()));
    assert!(matches!(&state.link, Link::Lost(since, _) if *since == at(0)));
}

#[test]
fn a_station_without_its_store_or_broker_says_what_cannot_be_done() {
    let mut state = connected();
    let health = |store: &str, broker: &str| {
        let well = (store, broker) == ("ok", "ok");
        Net::Live(vec![Live::Health {
            health: Health {
                warnings: Vec::new(),
                status: if well { "ok" } else { "degraded" }.to_owned(),
                store: store.to_owned(),
                broker: broker.to_owned(),
            },
        }])
    };
    net(&mut state, health("ok", "connection refused"));
    state.on(Event::Tick, at(12));
    let text = screen(&state, 110, 20);
    assert!(
        text.contains("NO BROKER for 12s: connection refused — nothing comes in, commands wait"),
        "{text}"
    );
    net(&mut state, health("unavailable", "connection refused"));
    state.on(Event::Tick, at(15));
    let text = screen(&state, 110, 20);
    assert!(
        text.contains("STORE AWAY for 15s: unavailable — nothing is taken in or changed"),
        "{text}"
    );
    assert!(text.contains("kitchen"), "{text}");
    net(&mut state, health("ok", "ok"));
    let text = screen(&state, 110, 20);
    assert!(
        !text.contains("STORE") && !text.contains("BROKER"),
        "{text}"
    );
}

#[test]
fn space_toggles_the_marked_node_and_o_asks_for_how_long() {
    let mut state = connected();
    let asked = press(&mut state, " ");
    let switch = |order, for_s| Action::Switch {
        node: "kitchen".to_owned(),
        actuator: "led".to_owned(),
        order,
        for_s,
    };
    assert_eq!(asked, [switch(Order::Toggle, None)]);
    assert_eq!(press(&mut state, "o\n"), [switch(Order::On, Some(600))]);
    assert!(state.modal.is_none());
}

#[test]
fn a_command_is_told_when_it_ends_and_never_before() {
    let mut state = connected();
    state.notice = None;
    let tell = |state: &mut State, command_state| {
        let command = command(command_state);
        net(state, Net::Live(vec![Live::Command { command }]));
        state
            .notice
            .as_ref()
            .map(|notice| (notice.text.clone(), notice.bad))
    };
    assert_eq!(tell(&mut state, CommandState::Sent), None);
    let confirmed = tell(&mut state, CommandState::Confirmed);
    assert_eq!(confirmed, Some(("kitchen/led confirmed".to_owned(), false)));
    let late = tell(&mut state, CommandState::TimedOut);
    assert_eq!(late, Some(("kitchen/led timed out".to_owned(), true)));
    assert_eq!(state.commands.len(), 1);
    state.on(Event::Tick, at(60));
    assert!(state.notice.is_none());
}

#[test]
fn pasted_text_triggers_no_keys() {
    let mut state = connected();
    assert_eq!(state.on(Event::Paste("q q\n".to_owned()), at(0)), []);
    assert_eq!(state.place, Place::Overview);
    press(&mut state, "/");
    state.on(Event::Paste("kit".to_owned()), at(0));
    assert_eq!(state.shown_nodes().len(), 1);
    press(&mut state, "\u{1b}");
    assert_eq!(state.shown_nodes().len(), 2);
}

#[test]
fn samples_move_the_latest_value_and_late_or_flagged_ones_do_no_harm() {
    let mut state = connected();
    let sample = |s, value, flags| Sample {
        node: "kitchen".to_owned(),
        metric: "temperature".to_owned(),
        ts: at(s),
        value,
        flags,
    };
    let samples = vec![
        sample(-1, 22.0, Vec::new()),
        sample(-50, 5.0, Vec::new()),
        sample(0, 99.0, vec![SampleFlag::OutOfRange]),
    ];
    net(&mut state, Net::Live(vec![Live::Samples { samples }]));
    let latest = &state.nodes["kitchen"].latest["temperature"];
    assert_eq!((latest.value, latest.flags.len()), (99.0, 1));
    let key = ("kitchen".to_owned(), "temperature".to_owned());
    let mean = state.sparks[&key].mean(spark_index(at(-1))).unwrap();
    assert!(mean < 99.0);
    // A status has no values of its own: ours stay.
    let mut bare = node("kitchen", Presence::Offline);
    bare.latest.clear();
    net(&mut state, Net::Live(vec![Live::Status { node: bare }]));
    assert_eq!(state.nodes["kitchen"].latest.len(), 2);
    assert_eq!(state.nodes["kitchen"].presence, Presence::Offline);
}

#[test]
fn the_form_waits_for_the_station_and_shows_its_refusal() {
    let mut state = connected();
    press(&mut state, "2n");
    let save = KeyEvent::new(KeyCode::Char('s'), KeyModifiers::CONTROL);
    press(&mut state, "\t\t25");
    let asked = state.on(Event::Key(save), at(0));
    assert!(
        matches!(&asked[..], [Action::AddRule(new)] if new.value == 25.0),
        "{asked:?}"
    );
    assert_eq!(state.on(Event::Key(save), at(0)), []);
    let refused = Answer::Failed {
        text: "no such metric".to_owned(),
        field: Some("metric".to_owned()),
    };
    net(&mut state, Net::Answer(Box::new(refused)));
    assert!(screen(&state, 80, 24).contains("no such metric"));
    assert_eq!(state.on(Event::Key(save), at(0)).len(), 1);
    let (text, undo) = ("rule made".to_owned(), None);
    let done = Answer::Done { text, undo };
    net(&mut state, Net::Answer(Box::new(done)));
    assert!(state.modal.is_none());
}

#[test]
fn a_rule_is_deleted_only_after_a_yes() {
    let mut state = connected();
    assert_eq!(press(&mut state, "2dn"), []);
    assert_eq!(
        press(&mut state, "dy"),
        [Action::DeleteRule(Box::new(rule("R")))]
    );
    assert_eq!(
        press(&mut state, "3a"),
        [Action::Acknowledge {
            id: "I".to_owned(),
            ack: Acknowledge::default(),
        }]
    );
}

/// Span of a question without the bucket that is not over yet, to the minute.
fn span_s(question: &Question) -> i64 {
    let whole_ms = (question.to - question.from).num_milliseconds();
    let buckets = i64::from(question.buckets);
    (whole_ms * (buckets - 1) / buckets + 30_000) / 60_000 * 60
}

#[test]
fn a_node_page_asks_for_its_history_once_a_while() {
    let mut state = connected();
    let asked = press(&mut state, "\n");
    assert!(
        matches!(&asked[..], [Action::LoadChart(q), Action::LoadLog(_)] if span_s(q) == 3_600),
        "{asked:?}"
    );
    assert_eq!(state.on(Event::Tick, at(1)), []);
    assert_eq!(state.on(Event::Tick, at(30)).len(), 1);
    let asked = press(&mut state, "+");
    assert!(
        matches!(&asked[..], [Action::LoadChart(q)] if span_s(q) == 900),
        "{asked:?}"
    );
}

#[test]
fn lists_are_bounded() {
    let mut state = connected();
    for id in 100..MESSAGES_MAX as u64 + 110 {
        let mut message = message(Outcome::Stored);
        message.id = id;
        net(&mut state, Net::Live(vec![Live::Message { message }]));
    }
    assert_eq!(state.messages.len(), MESSAGES_MAX);
    for n in 0..COMMANDS_MAX + 10 {
        let mut command = command(CommandState::Sent);
        command.id = n.to_string();
        net(&mut state, Net::Live(vec![Live::Command { command }]));
    }
    assert_eq!(state.commands.len(), COMMANDS_MAX);
    for n in 0..INCIDENTS_MAX + 10 {
        let mut incident = incident(IncidentState::Closed);
        incident.id = n.to_string();
        net(&mut state, Net::Live(vec![Live::Incident { incident }]));
    }
    assert_eq!(state.incidents.len(), INCIDENTS_MAX);
}

#[test]
fn the_login_hides_the_password_and_q_is_a_letter_there() {
    let mut state = connected();
    net(&mut state, Net::LoginNeeded);
    assert_eq!(press(&mut state, "quinn\tsecret"), []);
    let text = screen(&state, 80, 20);
    assert!(text.contains("quinn") && !text.contains("secret"), "{text}");
    let asked = press(&mut state, "\n");
    let log_in = Action::LogIn {
        username: "quinn".to_owned(),
        password: "secret".to_owned(),
    };
    assert_eq!(asked, [log_in]);
}
