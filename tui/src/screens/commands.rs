//! Every actuator, the schedules with their next runs, and what was ordered by whom and why.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};
use signalbox_protocol::api::{
    command::{Command, CommandState},
    node::ActuatorState,
};

use super::{
    Hits, cell,
    columns::{Column, table},
    empty,
    overview::actuator_state,
    tabs,
};
use crate::{
    state::{ActuatorRow, CommandsPage, State},
    theme::Theme,
    words,
};

const ACTUATORS: [Column; 7] = [
    Column::new("NODE", (10, 20), 0),
    Column::new("ACTUATOR", (8, 14), 0),
    Column::new("STATE", (9, 12), 0),
    Column::new("AGE", (4, 5), 3),
    Column::new("WANTED", (6, 7), 1),
    Column::new("NEXT", (11, 14), 2),
    Column::new("LAST COMMAND", (20, 200), 4),
];

const SCHEDULES: [Column; 7] = [
    Column::new("NEXT", (11, 13), 0),
    Column::new("IN", (4, 6), 2),
    Column::new("TARGET", (12, 22), 0),
    Column::new("DOES", (6, 12), 1),
    Column::new("WHEN", (14, 18), 3),
    Column::new("ZONE", (12, 16), 5),
    Column::new("WHO AND WHY", (14, 200), 4),
];

const WAITING: [Column; 6] = [
    Column::new("AT", (11, 14), 0),
    Column::new("IN", (4, 6), 1),
    Column::new("TARGET", (12, 22), 0),
    Column::new("DOES", (6, 12), 1),
    Column::new("WAITS FOR", (9, 20), 3),
    Column::new("WHO AND WHY", (14, 200), 2),
];

const HISTORY: [Column; 5] = [
    Column::new("TIME", (8, 12), 2),
    Column::new("TARGET", (12, 30), 0),
    Column::new("DOES", (6, 12), 1),
    Column::new("RESULT", (9, 10), 0),
    Column::new("WHO AND WHY", (14, 200), 3),
];

pub(super) fn draw(state: &State, theme: Theme, area: Rect, buf: &mut Buffer, hits: &mut Hits) {
    let names = ["Actuators", "Schedules", "Waiting", "History"];
    let area = tabs(&names, state.page(), theme, area, (buf, hits));
    let out = (area, buf, hits);
    match state.commands_page {
        CommandsPage::Actuators => actuators(state, theme, out),
        CommandsPage::Schedules => schedules(state, theme, out),
        CommandsPage::Waiting => waiting(state, theme, out),
        CommandsPage::History => history(state, theme, out),
    }
}

type Out<'a> = (Rect, &'a mut Buffer, &'a mut Hits);

fn actuators(state: &State, theme: Theme, (area, buf, hits): Out<'_>) {
    let rows = state.shown_actuators();
    if rows.is_empty() {
        let text = "no node has told of an actuator yet; its status message does";
        empty(state, text, theme, area, buf);
    }
    table(
        &ACTUATORS,
        &rows,
        state.row(),
        theme,
        (area, buf, hits),
        |row,
         [
            node_at,
            actuator_at,
            state_at,
            age_at,
            wanted_at,
            next_at,
            last_at,
        ],
         at,
         buf| {
            let ActuatorRow {
                node,
                name,
                actuator,
            } = row;
            cell(buf, at, *node_at, 0, &node.name, theme.bold());
            cell(buf, at, *actuator_at, 0, name, Style::new());
            let (text, style) = actuator_state(state, actuator, theme);
            cell(buf, at, *state_at, 0, &text, style);
            let age = actuator
                .reported_at
                .map_or_else(|| "-".to_owned(), |told| words::short(state.now - told));
            cell(buf, at, *age_at, 0, &age, theme.dim());
            // What was ordered and what is reported can differ for as long as nobody confirms.
            let (wanted, style) = match actuator.desired {
                None => ("-", theme.dim()),
                desired if desired == actuator.reported => ("same", theme.dim()),
                Some(ActuatorState::On) => ("ON", theme.warn()),
                Some(ActuatorState::Off) => ("off", theme.warn()),
            };
            cell(buf, at, *wanted_at, 0, wanted, style);
            let next = state.next_run_of(&node.name, name).map_or_else(
                || "-".to_owned(),
                |(run, action)| format!("{} {}", words::verb(action), words::clock(run, state.now)),
            );
            cell(buf, at, *next_at, 0, &next, theme.dim());
            let last = state
                .commands_of(&node.name)
                .find(|command| command.actuator == *name);
            if let Some(command) = last {
                cell(buf, at, *last_at, 0, &told(state, command), theme.dim());
            }
        },
    );
}

/// A command in one line: when, what, who, what became of it.
fn told(state: &State, command: &Command) -> String {
    let at = words::clock(command.requested_at, state.now);
    let verb = words::verb(command.action);
    let state_word = words::state(command.state);
    format!("{at} {verb} by {}: {state_word}", who(state, command))
}

/// Who asked, and why.
fn who(state: &State, command: &Command) -> String {
    let who = state.who_asked(command);
    match State::why_asked(command) {
        Some(reason) => format!("{who} ({reason})"),
        None => who,
    }
}

fn schedules(state: &State, theme: Theme, (area, buf, hits): Out<'_>) {
    let rows = state.shown_schedules();
    if rows.is_empty() {
        let text = "nothing repeats yet: `n` makes a schedule";
        empty(state, text, theme, area, buf);
    }
    table(
        &SCHEDULES,
        &rows,
        state.row(),
        theme,
        (area, buf, hits),
        |row,
         [
            next_at,
            rest_at,
            target_at,
            does_at,
            when_at,
            zone_at,
            who_at,
        ],
         at,
         buf| {
            let (next, rest, style) = match row.next_at {
                _ if row.paused => ("paused".to_owned(), String::new(), theme.warn()),
                None => ("never".to_owned(), String::new(), theme.dim()),
                Some(at) => (
                    words::clock(at, state.now),
                    words::short(at - state.now),
                    theme.bold(),
                ),
            };
            cell(buf, at, *next_at, 0, &next, style);
            cell(buf, at, *rest_at, 0, &rest, theme.dim());
            let target = format!("{}/{}", row.node, row.actuator);
            cell(buf, at, *target_at, 0, &target, Style::new());
            let does = words::does(row.action, row.duration_s);
            cell(buf, at, *does_at, 0, &does, Style::new());
            cell(buf, at, *when_at, 0, &row.cron, Style::new());
            cell(buf, at, *zone_at, 0, &row.tz, theme.dim());
            let by = words::safe(&row.created_by);
            let who = match &row.reason {
                Some(reason) => format!("{by} ({})", words::safe(reason)),
                None => by,
            };
            cell(buf, at, *who_at, 0, &who, theme.dim());
        },
    );
}

/// Commands whose time, or whose node, has not come.
fn waiting(state: &State, theme: Theme, (area, buf, hits): Out<'_>) {
    let rows = state.shown_waiting();
    if rows.is_empty() {
        let text = "nothing waits: `n` plans a command, once or again and again";
        empty(state, text, theme, area, buf);
    }
    table(
        &WAITING,
        &rows,
        state.row(),
        theme,
        (area, buf, hits),
        |row, [time_at, rest_at, target_at, does_at, what_at, who_at], at, buf| {
            let later = row.not_before.filter(|time| *time > state.now);
            let (time, rest) = later.map_or_else(
                || ("now".to_owned(), String::new()),
                |time| {
                    (
                        words::clock(time, state.now),
                        words::short(time - state.now),
                    )
                },
            );
            cell(buf, at, *time_at, 0, &time, theme.bold());
            cell(buf, at, *rest_at, 0, &rest, theme.dim());
            let target = format!("{}/{}", row.node, row.actuator);
            cell(buf, at, *target_at, 0, &target, Style::new());
            let does = words::does(row.action, row.for_ms.map(|ms| ms / 1_000));
            cell(buf, at, *does_at, 0, &does, Style::new());
            let left = words::short(row.expires_at - state.now);
            let what = match later {
                Some(_) => "its time".to_owned(),
                None => format!("the node, {left} more"),
            };
            cell(buf, at, *what_at, 0, &what, theme.dim());
            cell(buf, at, *who_at, 0, &who(state, row), theme.dim());
        },
    );
}

fn history(state: &State, theme: Theme, (area, buf, hits): Out<'_>) {
    let rows = state.shown_commands();
    if rows.is_empty() {
        let text = "nothing was ordered yet: `Space` toggles an actuator";
        empty(state, text, theme, area, buf);
    }
    table(
        &HISTORY,
        &rows,
        state.row(),
        theme,
        (area, buf, hits),
        |row, [time_at, target_at, does_at, result_at, who_at], at, buf| {
            let time = words::clock(row.requested_at, state.now);
            cell(buf, at, *time_at, 0, &time, theme.dim());
            let target = format!("{}/{}", row.node, row.actuator);
            cell(buf, at, *target_at, 0, &target, theme.bold());
            let does = words::does(row.action, row.for_ms.map(|ms| ms / 1_000));
            cell(buf, at, *does_at, 0, &does, Style::new());
            let style = match row.state {
                CommandState::Confirmed => theme.good(),
                state if state.is_final() => theme.bad(),
                _ => theme.warn(),
            };
            cell(buf, at, *result_at, 0, words::state(row.state), style);
            let why = match &row.outcome {
                Some(outcome) => format!("{}: {}", who(state, row), words::safe(outcome)),
                None => who(state, row),
            };
            cell(buf, at, *who_at, 0, &why, theme.dim());
        },
    );
}
