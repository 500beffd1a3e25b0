//! Schedules and waiting commands by keys.

use signalbox_protocol::api::command::{Command, NewTimedCommand, SchedulePatch};

use super::*;
use crate::{
    event::{Mouse, Target},
    state::WAITING_MAX,
};

fn clear(state: &mut State) {
    let ctrl_u = KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL);
    state.on(Event::Key(ctrl_u), at(0));
}

fn live(state: &mut State, event: Live) {
    net(state, Net::Live(vec![event]));
}

#[test]
fn a_schedule_is_typed_and_says_when_it_will_run() {
    let mut state = connected();
    press(&mut state, "5↓");
    press(&mut state, "n");
    let text = screen(&state, 100, 24);
    assert!(
        text.contains("New schedule") && text.contains("kitchen"),
        "{text}"
    );
    assert!(text.contains("it runs: when?"), "{text}");
    press(&mut state, "\t\t\t10m\t61 * * * *");
    let text = screen(&state, 100, 24);
    assert!(text.contains("`61 * * * *`: "), "{text}");
    clear(&mut state);
    // 2027-01-15 08:00 UTC is a Friday, 09:00 in Paris.
    press(&mut state, "30 7 * * 1-5");
    assert_screen!("schedule_form_100x24", screen(&state, 100, 24));
    let text = screen(&state, 100, 24);
    for run in [
        "Mon 2027-01-18 07:30 CET  in 2d  (Mon 06:30 here)",
        "Tue 2027-01-19 07:30 CET",
        "Wed 2027-01-20 07:30 CET",
    ] {
        assert!(text.contains(run), "{text}");
    }
    let asked = press(&mut state, "\t\tlight\n");
    let new = NewTimedCommand {
        node: "kitchen".to_owned(),
        actuator: "led".to_owned(),
        action: Order::On,
        reason: Some("light".to_owned()),
        duration_s: Some(600),
        at: None,
        cron: Some("30 7 * * 1-5".to_owned()),
        tz: Some("Europe/Paris".to_owned()),
    };
    assert_eq!(asked, [Action::AddTimed(Box::new(new))]);
    let failed = Answer::Failed {
        text: "there are already 1000 schedules".to_owned(),
        field: Some("tz".to_owned()),
    };
    net(&mut state, Net::Answer(Box::new(failed)));
    assert!(screen(&state, 100, 24).contains("already 1000"));
    assert!(matches!(&state.modal, Some(Modal::Schedule(form)) if form.form.is_at("tz")));
    press(&mut state, "\u{1b}");
    assert!(state.modal.is_none());
}

#[test]
fn a_command_at_a_time_is_typed_into_the_same_form() {
    let mut state = connected();
    press(&mut state, "5n\t\t\t\tsoon");
    let text = screen(&state, 100, 24);
    assert!(text.contains("write `0 7 * * 1-5`"), "{text}");
    clear(&mut state);
    press(&mut state, "2h");
    assert!(screen(&state, 100, 24).contains("it runs once:"));
    let asked = press(&mut state, "\t\t\n");
    let [Action::AddTimed(new)] = &asked[..] else {
        panic!("{asked:?}");
    };
    assert_eq!(
        (new.at, &new.cron, &new.tz),
        (Some(at(7_200)), &None, &None)
    );
    // What repeats does not become something that happens once.
    press(&mut state, "\u{1b}v\n\t\t\t\t");
    clear(&mut state);
    press(&mut state, "2h\t\t\n");
    assert!(matches!(&state.modal, Some(Modal::Schedule(form)) if form.form.is_at("cron")));
}

#[test]
fn a_schedule_is_changed_paused_copied_and_deleted() {
    let mut state = connected();
    press(&mut state, "5p");
    assert!(screen(&state, 80, 12).contains("no schedule is marked"));
    press(&mut state, "v");
    let pause = |paused| SchedulePatch {
        paused: Some(paused),
        ..SchedulePatch::default()
    };
    let change = |patch, back| Action::PatchSchedule {
        id: "S".to_owned(),
        patch: Box::new(patch),
        back: Box::new(back),
    };
    for key in ["p", " "] {
        let asked = press(&mut state, key);
        assert_eq!(asked, [change(pause(true), pause(false))]);
    }
    let mut paused = schedule();
    (paused.paused, paused.next_at) = (true, None);
    live(&mut state, Live::Schedule { schedule: paused });
    assert!(screen(&state, 80, 12).contains(" paused"));
    assert_eq!(press(&mut state, "p"), [change(pause(false), pause(true))]);

    press(&mut state, "e\t\t\t\t");
    assert!(screen(&state, 80, 24).contains("it is paused"));
    clear(&mut state);
    let asked = press(&mut state, "0 8 * * *\t\t\n");
    let [Action::PatchSchedule { id, patch, back }] = &asked[..] else {
        panic!("{asked:?}");
    };
    assert_eq!(id, "S");
    assert_eq!(patch.cron.as_deref(), Some("0 8 * * *"));
    assert_eq!(back.cron.as_deref(), Some("0 7 * * *"));
    assert_eq!((patch.paused, patch.duration_s), (None, Some(Some(600))));
    let done = Answer::Done {
        text: "schedule changed".to_owned(),
        undo: Some(Undo {
            text: "the change".to_owned(),
            action: Box::new(asked[0].clone()),
        }),
    };
    net(&mut state, Net::Answer(Box::new(done)));
    assert!(state.modal.is_none());
    assert_eq!(press(&mut state, "u"), asked);

    let asked = press(&mut state, "c\t\t\t\t\t\t\n");
    assert!(matches!(&asked[..], [Action::AddTimed(new)] if new.duration_s == Some(600)));
    assert_eq!(press(&mut state, "\u{1b}d"), []);
    let text = screen(&state, 80, 24);
    assert!(
        text.contains("Delete the schedule kitchen/led on for 10m at 0 7 * * *?"),
        "{text}"
    );
    let asked = press(&mut state, "y");
    assert!(matches!(&asked[..], [Action::DeleteSchedule(old)] if old.id == "S"));
    live(&mut state, Live::ScheduleDeleted { id: "S".to_owned() });
    assert!(screen(&state, 80, 24).contains("nothing repeats yet: `n` makes a schedule"));
}

fn planned(id: usize) -> Command {
    Command {
        id: format!("C{id:05}"),
        not_before: Some(at(600)),
        ..command(CommandState::Requested)
    }
}

#[test]
fn waiting_commands_are_listed_and_taken_back() {
    let mut state = connected();
    live(
        &mut state,
        Live::Command {
            command: planned(1),
        },
    );
    press(&mut state, "5");
    let text = screen(&state, 140, 12);
    let row = text.lines().find(|line| line.contains("kitchen")).unwrap();
    assert!(row.contains(" on "), "the next run of its actuator: {row}");
    press(&mut state, "vv");
    assert_screen!("waiting", screen(&state, 100, 12));
    let asked = press(&mut state, "d");
    assert!(matches!(&asked[..], [Action::CancelCommand(command)] if command.id == "C00001"));
    press(&mut state, "\n");
    let text = screen(&state, 100, 24);
    assert!(text.contains("not before"), "{text}");
    let mut sent = planned(1);
    sent.state = CommandState::Sent;
    press(&mut state, "\u{1b}");
    live(&mut state, Live::Command { command: sent });
    assert!(screen(&state, 100, 12).contains("nothing waits"));
    assert_eq!(press(&mut state, " "), [], "no actuator is marked here");
    for id in 0..WAITING_MAX + 10 {
        live(
            &mut state,
            Live::Command {
                command: planned(id),
            },
        );
    }
    assert_eq!(state.shown_waiting().len(), WAITING_MAX);
    press(&mut state, "/ben\n");
    assert_eq!(state.shown_waiting().len(), 0, "who asked is searched too");
}

#[test]
fn the_mark_stays_on_what_it_is_on() {
    let mut state = connected();
    press(&mut state, "5v");
    let mut earlier = schedule();
    (earlier.id, earlier.next_at) = ("T".to_owned(), Some(at(60)));
    live(&mut state, Live::Schedule { schedule: earlier });
    let asked = press(&mut state, "p");
    assert!(
        matches!(&asked[..], [Action::PatchSchedule { id, .. }] if id == "S"),
        "{asked:?}"
    );
    press(&mut state, "3");
    let mut newer = incident(IncidentState::Firing);
    (newer.id, newer.began_at) = ("J".to_owned(), at(-1));
    live(&mut state, Live::Incident { incident: newer });
    let asked = press(&mut state, "a");
    assert!(
        matches!(&asked[..], [Action::Acknowledge { id, .. }] if id == "I"),
        "{asked:?}"
    );
}

#[test]
fn an_empty_list_says_that_the_filter_hides_its_rows() {
    let mut state = connected();
    press(&mut state, "5v/nowhere\n");
    let text = screen(&state, 80, 12);
    assert!(
        text.contains("nothing fits the filter `nowhere`: `Esc` clears it"),
        "{text}"
    );
    press(&mut state, "vvvv");
    assert!(screen(&state, 80, 12).contains("kitchen/led"));
    let mut buffer = Buffer::empty(Rect::new(0, 0, 80, 24));
    let hits = screens::draw(&state, Theme::new(true), &mut buffer);
    let page = hits.at(30, 1);
    assert_eq!(page, Some(Target::Page(2)));
    let click = Mouse::Click(page.unwrap());
    state.on(Event::Mouse(click), at(0));
    assert!(screen(&state, 80, 12).contains("nothing waits"));
}

#[test]
fn a_schedule_is_typed_as_one_line() {
    let mut state = connected();
    press(&mut state, ":schedule kitchen/led=on:10m 0 7 * * 1-5");
    let asked = press(&mut state, "\n");
    let [Action::AddTimed(new)] = &asked[..] else {
        panic!("{asked:?}");
    };
    assert_eq!(new.cron.as_deref(), Some("0 7 * * 1-5"));
    assert_eq!(
        (new.duration_s, new.tz.as_deref()),
        (Some(600), Some("Europe/Paris"))
    );
    press(&mut state, ":schedule kitchen/led=off 2h");
    let asked = press(&mut state, "\n");
    assert!(matches!(&asked[..], [Action::AddTimed(new)] if new.at == Some(at(7_200))));
    for bad in [
        "kitchen/led=on",
        "led=on 2h",
        "kitchen/led=blink 2h",
        "kitchen/led=on soon",
    ] {
        press(&mut state, &format!(":schedule {bad}"));
        assert_eq!(press(&mut state, "\n"), [], "{bad}");
        assert!(
            matches!(&state.modal, Some(Modal::Line(line)) if line.error.is_some()),
            "{bad}"
        );
        press(&mut state, "\u{1b}");
    }
}
