//! Confirmation, read-only, undo, the command line, the palette, the mouse, copying.

use signalbox_protocol::api::rule::RulePatch;

use signalbox_protocol::api::config::{DesiredConfig, NodeConfig, NodeSettings};

use super::*;
use crate::{
    event::{Mouse, Target, Undo},
    keymap::{Cmd, Keymap},
    settings::Confirm,
};

fn line(state: &mut State, text: &str) -> Vec<Action> {
    press(state, ":");
    press(state, text);
    press(state, "\n")
}

fn line_error(state: &State) -> &str {
    match &state.modal {
        Some(Modal::Line(line)) => line.error.as_deref().unwrap_or("no error"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_asks_first_is_a_policy() {
    let mut state = connected();
    state.settings.confirm = Confirm::All;
    assert_eq!(press(&mut state, " "), []);
    assert!(screen(&state, 80, 24).contains("Switch kitchen/led (toggle)?"));
    assert_eq!(press(&mut state, "n"), []);
    assert_eq!(press(&mut state, " y").len(), 1);
    state.settings.confirm = Confirm::Off;
    let deleted = Action::DeleteRule(Box::new(rule("R")));
    assert_eq!(press(&mut state, "2d"), [deleted]);
}

#[test]
fn a_terminal_that_only_looks_changes_nothing() {
    let mut state = connected();
    state.settings.read_only = true;
    state.settings.confirm = Confirm::Off;
    for keys in ["1 ", "1o\n", "2d", "2 ", "3a", "5 ", "6\td", "u"] {
        let asked = press(&mut state, keys);
        let changes = |action: &Action| action.weight() > crate::event::Weight::Nothing;
        assert!(!asked.iter().any(changes), "{keys}: {asked:?}");
    }
    press(&mut state, "2e");
    let save = KeyEvent::new(KeyCode::Char('s'), KeyModifiers::CONTROL);
    assert_eq!(state.on(Event::Key(save), at(0)), []);
    assert!(
        state
            .log
            .iter()
            .any(|told| told.text.contains("only looks"))
    );
    assert!(screen(&state, 140, 20).contains("read-only"));
}

#[test]
fn an_edit_can_be_taken_back() {
    let mut state = connected();
    assert_eq!(press(&mut state, "u"), []);
    let asked = press(&mut state, "2 ");
    let [Action::PatchRule { id, patch, back }] = &asked[..] else {
        panic!("{asked:?}");
    };
    assert_eq!((patch.enabled, back.enabled), (Some(false), Some(true)));
    let undo = Action::PatchRule {
        id: id.clone(),
        patch: back.clone(),
        back: patch.clone(),
    };
    let done = Answer::Done {
        text: "rule changed".to_owned(),
        undo: Some(Undo {
            text: "the change".to_owned(),
            action: Box::new(undo.clone()),
        }),
    };
    net(&mut state, Net::Answer(Box::new(done)));
    assert_eq!(press(&mut state, "u"), [undo]);
    assert_eq!(press(&mut state, "u"), []);
    // The form keeps the rule as it was.
    press(&mut state, "e\t\t5");
    let asked = state.on(
        Event::Key(KeyEvent::new(KeyCode::Char('s'), KeyModifiers::CONTROL)),
        at(0),
    );
    assert!(
        matches!(&asked[..], [Action::PatchRule { back, .. }]
            if **back != RulePatch::default() && back.value == Some(30.0)),
        "{asked:?}"
    );
}

#[test]
fn what_can_be_taken_back_and_what_was_told_is_bounded() {
    let mut state = connected();
    for n in 0..tell::LOG_MAX + 10 {
        state.say(n.to_string(), false);
        let done = Answer::Done {
            text: String::new(),
            undo: Some(Undo {
                text: n.to_string(),
                action: Box::new(Action::LoadAdmin),
            }),
        };
        net(&mut state, Net::Answer(Box::new(done)));
    }
    assert_eq!(state.log.len(), tell::LOG_MAX);
    assert_eq!(state.undos.len(), tell::UNDOS_MAX);
    for n in 0..line::LINES_MAX + 10 {
        line(&mut state, &format!("nothing{n}"));
        press(&mut state, "\u{1b}");
    }
    assert_eq!(state.lines.len(), line::LINES_MAX);
}

#[test]
fn lines_run_and_their_errors_are_told() {
    let mut state = connected();
    let switch = Action::Switch {
        node: "kitchen".to_owned(),
        actuator: "led".to_owned(),
        order: Order::On,
        for_s: Some(600),
    };
    assert_eq!(line(&mut state, "on kitchen/led 10m"), [switch]);
    assert!(state.modal.is_none());
    line(&mut state, "on nowhere/led");
    assert_eq!(line_error(&state), "there is no node `nowhere`");
    press(&mut state, "\u{1b}");
    line(&mut state, "off kitchen/led 10m");
    assert_eq!(line_error(&state), "only `on` takes a duration");
    press(&mut state, "\u{1b}");
    line(&mut state, "fly");
    assert_eq!(line_error(&state), "`fly` is no command; Tab shows them");
    press(&mut state, "\u{1b}");
    line(&mut state, "rules");
    assert_eq!(state.place, Place::Rules);
    line(&mut state, "chart kitchen temperature");
    assert_eq!(state.place, Place::Chart);
    assert_eq!(state.series().unwrap().1, "temperature");
    line(&mut state, "scale 10 30");
    line(&mut state, "compare week");
    line(&mut state, "range yesterday");
    let chart = state.chart.as_ref().unwrap();
    assert_eq!(chart.scale, Scale::Fixed(10.0, 30.0));
    assert_eq!(chart.compare, Compare::LastWeek);
    assert!(!chart.follows());
    line(&mut state, "scale 30 10");
    assert!(line_error(&state).contains("low end"));
    press(&mut state, "\u{1b}");
    assert_eq!(
        line(&mut state, "theme light"),
        [Action::Theme("light".to_owned())]
    );
    line(&mut state, "theme pink");
    assert!(line_error(&state).contains("`pink` is none of"));
    press(&mut state, "\u{1b}");
    line(&mut state, "sort age");
    assert_eq!(state.sort, SortBy::Age);
    // Up finds what was typed before.
    press(&mut state, ":");
    state.on(Event::Key(KeyEvent::from(KeyCode::Up)), at(0));
    match &state.modal {
        Some(Modal::Line(line)) => assert_eq!(line.input.value(), "sort age"),
        other => panic!("{other:?}"),
    }
    press(&mut state, "\u{1b}");
    assert_eq!(line(&mut state, "q"), [Action::Quit]);
}

#[test]
fn tab_completes_words_nodes_and_actuators() {
    let mut state = connected();
    let typed = |state: &mut State, keys: &str| {
        press(state, ":");
        press(state, keys);
        let found = match &state.modal {
            Some(Modal::Line(line)) => (line.input.value().to_owned(), line.choices.len()),
            other => panic!("{other:?}"),
        };
        press(state, "\u{1b}");
        found
    };
    assert_eq!(typed(&mut state, "mess\t"), ("messages ".to_owned(), 0));
    assert_eq!(
        typed(&mut state, "on k\t"),
        ("on kitchen/led ".to_owned(), 0)
    );
    assert_eq!(
        typed(&mut state, "chart kitchen t\t"),
        ("chart kitchen temperature ".to_owned(), 0)
    );
    let (text, choices) = typed(&mut state, "co\t");
    assert!(text == "com" || choices > 1, "{text} {choices}");
    assert_eq!(
        typed(&mut state, "scale a\t"),
        ("scale auto ".to_owned(), 0)
    );
    assert_eq!(typed(&mut state, "xyz\t"), ("xyz".to_owned(), 0));
}

#[test]
fn the_palette_finds_an_action_anywhere_and_runs_it() {
    let mut state = connected();
    let palette = KeyEvent::new(KeyCode::Char('p'), KeyModifiers::CONTROL);
    state.on(Event::Key(palette), at(0));
    press(&mut state, "acknow");
    let text = screen(&state, 100, 30);
    assert!(
        text.contains("incidents") && text.contains("acknowledge"),
        "{text}"
    );
    assert_eq!(
        press(&mut state, "\n"),
        [Action::Acknowledge {
            id: "I".to_owned(),
            ack: Acknowledge::default(),
        }]
    );
    assert_eq!(state.place, Place::Incidents);
    state.on(Event::Key(palette), at(0));
    press(&mut state, "zoomout");
    press(&mut state, "\n");
    assert_eq!(state.place, Place::Chart);
}

#[test]
fn keys_of_a_file_are_shown_and_hold() {
    let mut state = connected();
    state.settings.keymap = Keymap::from_toml("[nodes]\ntoggle = \"T\"\n").unwrap();
    assert_eq!(press(&mut state, " "), []);
    assert_eq!(press(&mut state, "T").len(), 1);
    assert!(screen(&state, 120, 20).contains("T toggle"));
}

#[test]
fn the_mouse_does_what_the_key_beside_it_does() {
    let mut state = connected();
    let click = |state: &mut State, target| state.on(Event::Mouse(Mouse::Click(target)), at(0));
    let mut buffer = Buffer::empty(Rect::new(0, 0, 120, 20));
    let hits = screens::draw(&state, Theme::new(true), &mut buffer);
    assert_eq!(hits.at(1, 0), Some(Target::Tab(Place::Overview)));
    assert_eq!(hits.at(15, 0), Some(Target::Tab(Place::Rules)));
    assert_eq!(hits.at(1, 19), Some(Target::Cmd(Cmd::Open)));
    assert_eq!(hits.at(5, 2), Some(Target::Row(0)));
    click(&mut state, Target::Tab(Place::Messages));
    assert_eq!(state.place, Place::Messages);
    click(&mut state, Target::Row(1));
    assert_eq!(state.row(), 1);
    state.on(
        Event::Mouse(Mouse::Wheel {
            up: true,
            over: None,
        }),
        at(0),
    );
    assert_eq!(state.row(), 0);
    // What is in front has to be answered first.
    press(&mut state, "?");
    click(&mut state, Target::Tab(Place::Rules));
    assert_eq!(state.place, Place::Messages);
}

#[test]
fn filters_turn_around_and_guess() {
    let mut state = connected();
    for (typed, names) in [
        ("kit", vec!["kitchen"]),
        ("!kit", vec!["cellar"]),
        ("~ktn", vec!["kitchen"]),
        ("offline", vec!["cellar"]),
    ] {
        press(&mut state, "/");
        press(&mut state, typed);
        press(&mut state, "\n");
        let shown: Vec<&str> = state
            .shown_nodes()
            .iter()
            .map(|n| n.name.as_str())
            .collect();
        assert_eq!(shown, names, "{typed}");
        press(&mut state, "\u{1b}");
    }
}

#[test]
fn copying_says_only_what_is_known() {
    let mut state = connected();
    assert_eq!(press(&mut state, "Y"), [Action::Copy("kitchen".to_owned())]);
    let told = &state.notice.as_ref().unwrap().text;
    assert!(
        told.contains("given to the terminal") && !told.contains("copied"),
        "{told}"
    );
}

#[test]
fn messages_can_be_paused_and_go_on() {
    let mut state = connected();
    press(&mut state, "4 ");
    for id in 101..=103 {
        let mut message = message(Outcome::Stored);
        message.id = id;
        net(&mut state, Net::Live(vec![Live::Message { message }]));
    }
    assert_eq!(state.shown_messages().len(), 2);
    assert!(screen(&state, 80, 24).contains("paused"));
    press(&mut state, " ");
    assert_eq!(state.shown_messages().len(), 5);
}

#[test]
fn messages_come_only_while_they_are_looked_at_and_each_once() {
    let mut state = connected();
    assert!(!state.wants_messages());
    press(&mut state, "4");
    assert!(state.wants_messages());
    let numbered = |id| {
        let mut message = message(Outcome::Stored);
        message.id = id;
        message
    };
    let ids =
        |state: &State| -> Vec<u64> { state.messages.iter().map(|message| message.id).collect() };
    // The answer holds what came while it was on its way, and that comes again behind it.
    let answer = Answer::Messages(vec![numbered(12), numbered(11)]);
    net(&mut state, Net::Answer(Box::new(answer)));
    for id in [11, 12, 13] {
        let message = numbered(id);
        net(&mut state, Net::Live(vec![Live::Message { message }]));
    }
    assert_eq!(ids(&state), [13, 12, 11]);
    press(&mut state, "1");
    assert!(!state.wants_messages());
    press(&mut state, "\n");
    assert!(state.wants_messages());
}

#[test]
fn a_filter_is_for_its_list_and_hides_no_notice() {
    let mut state = connected();
    press(&mut state, "/kit\n");
    state.say("it worked", false);
    let text = screen(&state, 80, 24);
    assert!(
        text.contains("/kit") && text.contains("it worked"),
        "{text}"
    );
    // On a node's page Esc leads back to the list, which is as it was.
    press(&mut state, "\n");
    assert!(!screen(&state, 80, 24).contains("/kit"));
    press(&mut state, "\u{1b}");
    assert_eq!(state.place, Place::Overview);
    assert!(screen(&state, 80, 24).contains("/kit"));
    press(&mut state, "3");
    assert!(state.filter.value().is_empty());
}

#[test]
fn another_version_is_named_once() {
    let mut state = connected();
    assert!(
        state.notice.is_none(),
        "the same version is nothing to tell"
    );
    state.on_version("9.9.9");
    let told = state.notice.take().unwrap().text;
    assert!(told.contains("9.9.9") && told.contains(env!("CARGO_PKG_VERSION")));
    state.hello.as_mut().unwrap().version = "9.9.9".to_owned();
    state.on_version("9.9.9");
    assert!(state.notice.is_none(), "connecting again tells nothing new");
}

#[test]
fn a_configuration_is_edited_whole_and_remembers_the_one_before() {
    let mut state = connected();
    let mut known = NodeConfig::unset("kitchen");
    let settings = NodeSettings {
        interval_ms: Some(30_000),
        ..NodeSettings::default()
    };
    known.desired = Some(DesiredConfig {
        version: 3,
        settings: settings.clone(),
        set_by: "anna".to_owned(),
        set_at: at(-100),
    });
    state.configs.insert("kitchen".to_owned(), known);
    // On the node's page the present settings are there to be changed.
    press(&mut state, "\ne");
    assert!(screen(&state, 80, 24).contains("config interval=30s"));
    press(&mut state, "\u{1b}");
    let asked = press(&mut state, ":config interval=1m\n");
    let [Action::SetConfig { node, new, back }] = &asked[..] else {
        panic!("{asked:?}");
    };
    assert_eq!((node.as_str(), new.replaces), ("kitchen", 3));
    assert_eq!(new.settings.interval_ms, Some(60_000));
    assert_eq!(**back, settings);
}
