//! Every actuator, the schedules with their next runs, and what was ordered by whom and why.

use chrono::TimeDelta;
use ratatui::{buffer::Buffer, layout::Rect, style::Style};
use signalbox_protocol::api::{
    command::{Command, CommandState, Origin},
    node::ActuatorState,
};

use super::{
    Hits, cell,
    columns::{Column, table},
    overview::actuator_text,
    put, tabs,
};
use crate::{
    state::{ActuatorRow, CommandsPage, State},
    theme::Theme,
    words,
};

const ACTUATORS: [Column; 4] = [
    Column::new("NODE", (10, 24), 0),
    Column::new("ACTUATOR", (14, 28), 0),
    Column::new("WANTED", (6, 7), 1),
    Column::new("LAST COMMAND", (20, 200), 2),
];

const SCHEDULES: [Column; 5] = [
    Column::new("NEXT", (11, 13), 0),
    Column::new("IN", (4, 6), 2),
    Column::new("TARGET", (14, 30), 0),
    Column::new("DOES", (6, 14), 1),
    Column::new("WHEN", (14, 200), 3),
];

const HISTORY: [Column; 5] = [
    Column::new("TIME", (8, 12), 2),
    Column::new("TARGET", (12, 30), 0),
    Column::new("DOES", (6, 12), 1),
    Column::new("RESULT", (9, 10), 0),
    Column::new("WHO AND WHY", (14, 200), 3),
];

pub(super) fn draw(state: &State, theme: Theme, area: Rect, buf: &mut Buffer, hits: &mut Hits) {
    let at = CommandsPage::ALL
        .iter()
        .position(|page| *page == state.commands_page);
    let names = ["Actuators", "Schedules", "History"];
    let area = tabs(&names, at.unwrap_or(0), theme, area, buf);
    let out = (area, buf, hits);
    match state.commands_page {
        CommandsPage::Actuators => actuators(state, theme, out),
        CommandsPage::Schedules => schedules(state, theme, out),
        CommandsPage::History => history(state, theme, out),
    }
}

type Out<'a> = (Rect, &'a mut Buffer, &'a mut Hits);

fn actuators(state: &State, theme: Theme, (area, buf, hits): Out<'_>) {
    let rows = state.shown_actuators();
    if rows.is_empty() {
        put(
            buf,
            area,
            1,
            2,
            "no node has told of an actuator",
            theme.dim(),
        );
    }
    table(
        &ACTUATORS,
        &rows,
        state.row(),
        theme,
        (area, buf, hits),
        |row, [node_at, actuator_at, wanted_at, last_at], at, buf| {
            let ActuatorRow {
                node,
                name,
                actuator,
            } = row;
            cell(buf, at, *node_at, 0, &node.name, theme.bold());
            let (text, style) = actuator_text(state, name, actuator, theme);
            cell(buf, at, *actuator_at, 0, &text, style);
            // What was ordered and what is reported can differ for as long as nobody confirms.
            let (wanted, style) = match actuator.desired {
                None => ("-", theme.dim()),
                desired if desired == actuator.reported => ("same", theme.dim()),
                Some(ActuatorState::On) => ("ON", theme.warn()),
                Some(ActuatorState::Off) => ("off", theme.warn()),
            };
            cell(buf, at, *wanted_at, 0, wanted, style);
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
    format!("{at} {verb} by {}: {state_word}", who(command))
}

/// Who asked, and why.
fn who(command: &Command) -> String {
    let who = match &command.origin {
        Origin::User { username } => words::safe(username),
        Origin::Rule { .. } => "a rule".to_owned(),
        Origin::Schedule { .. } => "a schedule".to_owned(),
        Origin::Station => "the station".to_owned(),
    };
    match &command.reason {
        Some(reason) => format!("{who} ({})", words::safe(reason)),
        None => who,
    }
}

fn schedules(state: &State, theme: Theme, (area, buf, hits): Out<'_>) {
    let rows = state.shown_schedules();
    if rows.is_empty() {
        let text = "no schedules: `signalbox send NODE ACTUATOR on --cron …` makes one";
        put(buf, area, 1, 2, text, theme.dim());
    }
    table(
        &SCHEDULES,
        &rows,
        state.row(),
        theme,
        (area, buf, hits),
        |row, [next_at, rest_at, target_at, does_at, when_at], at, buf| {
            let (next, rest) = row.next_at.map_or_else(
                || ("never".to_owned(), String::new()),
                |at| (words::clock(at, state.now), words::short(at - state.now)),
            );
            cell(buf, at, *next_at, 0, &next, theme.bold());
            cell(buf, at, *rest_at, 0, &rest, theme.dim());
            let target = format!("{}/{}", row.node, row.actuator);
            cell(buf, at, *target_at, 0, &target, Style::new());
            let timed = row.duration_s.map_or_else(String::new, |s| {
                format!(" for {}", words::short(TimeDelta::seconds(i64::from(s))))
            });
            let does = format!("{}{timed}", words::verb(row.action));
            cell(buf, at, *does_at, 0, &does, Style::new());
            let by = words::safe(&row.created_by);
            let when = format!("{} ({}) by {by}", row.cron, row.tz);
            cell(buf, at, *when_at, 0, &when, theme.dim());
        },
    );
}

fn history(state: &State, theme: Theme, (area, buf, hits): Out<'_>) {
    let rows = state.shown_commands();
    if rows.is_empty() {
        put(buf, area, 1, 2, "nothing was ordered yet", theme.dim());
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
            let timed = row.for_ms.map_or_else(String::new, |ms| {
                let span = TimeDelta::milliseconds(i64::from(ms));
                format!(" for {}", words::short(span))
            });
            let does = format!("{}{timed}", words::verb(row.action));
            cell(buf, at, *does_at, 0, &does, Style::new());
            let style = match row.state {
                CommandState::Confirmed => theme.good(),
                state if state.is_final() => theme.bad(),
                _ => theme.warn(),
            };
            cell(buf, at, *result_at, 0, words::state(row.state), style);
            let why = match &row.outcome {
                Some(outcome) => format!("{}: {}", who(row), words::safe(outcome)),
                None => who(row),
            };
            cell(buf, at, *who_at, 0, &why, theme.dim());
        },
    );
}
