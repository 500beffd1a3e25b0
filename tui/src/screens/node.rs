//! One node: what is known of it, charts of its metrics, its actuators, its latest commands and
//! messages.

use chrono::TimeDelta;
use ratatui::{buffer::Buffer, layout::Rect, style::Style};
use signalbox_protocol::{
    api::{
        command::{Command, CommandState},
        config::ConfigState,
        message::Message,
        node::{ActuatorState, Node, StartedBy},
    },
    payload::log::LogLevel,
};

use super::{
    Hits, cell, chart, overlaid,
    overview::{actuator_text, presence, value},
    put, row,
};
use crate::{
    node_settings,
    state::{NodeCharts, State},
    theme::Theme,
    words,
};

/// Rows of commands and messages.
const RECENT_SHOWN: usize = 4;
/// Rows of log lines.
const LOG_SHOWN: usize = 4;
/// From here on messages stand beside commands.
const BESIDE_COLUMNS: u16 = 100;
/// A counter of starts stays below this.
const STARTS_MAX: u32 = 1_000_000;

/// Rows of a chart among others.
const STACKED_ROWS_MIN: u16 = 5;

pub(super) fn draw(state: &State, theme: Theme, area: Rect, buf: &mut Buffer, hits: &mut Hits) {
    let Some(node) = state.selected_node().filter(|_| state.chart.is_some()) else {
        put(buf, area, 1, 1, "this node is gone", theme.dim());
        return;
    };
    facts(state, node, theme, row(area, 0), buf);
    actuators(state, node, theme, row(area, 1), buf);
    let recent = Recent::of(state, node, area);
    let logged = log_rows(state, area);
    let listed = recent.rows() + logged;
    metrics(state, node, theme, row(area, 2), buf);
    let charts = Rect {
        y: area.y + 3,
        height: area.height.saturating_sub(3 + listed),
        ..area
    };
    let names = state.metrics();
    let many = u16::try_from(names.len()).unwrap_or(u16::MAX).max(1);
    let each = charts.height / many;
    let layout = state.node_charts();
    if layout == NodeCharts::Stacked && each >= STACKED_ROWS_MIN {
        for (at, metric) in (0..).zip(&names) {
            let place = Rect {
                y: charts.y + at * each,
                height: each,
                ..charts
            };
            let series = (node.name.clone(), metric.clone());
            chart::draw_series(state, &series, true, theme, place, buf, hits);
        }
    } else if layout == NodeCharts::Overlaid
        && let Some(series) = state.series()
    {
        overlaid::draw(state, &series, theme, charts, buf, hits);
    } else if let Some(series) = state.series() {
        chart::draw_series(state, &series, false, theme, charts, buf, hits);
    } else {
        put(buf, charts, 1, 1, "nothing measured yet", theme.dim());
    }
    let place = Rect {
        y: area.y + area.height - listed,
        height: listed - logged,
        ..area
    };
    recent.draw(state, theme, place, buf);
    let place = Rect {
        y: area.y + area.height - logged,
        height: logged,
        ..area
    };
    draw_log(state, theme, place, buf);
}

fn facts(state: &State, node: &Node, theme: Theme, area: Rect, buf: &mut Buffer) {
    let mut x = put(buf, area, 1, 0, &node.name, theme.bold()) + 3;
    let (text, style) = presence(node.presence, theme);
    x += put(buf, area, x, 0, text, style) + 2;
    let mut facts = Vec::new();
    if let Some(since) = node.presence_since {
        facts.push(format!("for {}", words::short(state.now - since)));
    }
    if let Some(at) = node.last_seen_at {
        facts.push(format!("seen {}", words::clock(at, state.now)));
    }
    if let Some(firmware) = &node.firmware {
        facts.push(format!("firmware {}", words::safe(firmware)));
    }
    if let Some(uptime_s) = node.uptime_s {
        let uptime = words::short(TimeDelta::seconds(i64::from(uptime_s)));
        // As of its last status, which may be some minutes old.
        facts.push(format!("up {uptime}+"));
    }
    // Others tell random bits that differ at each start.
    let counted = node.boot.filter(|boot| *boot < STARTS_MAX);
    match (counted, node.started_by.map(StartedBy::as_str)) {
        (Some(boot), Some(by)) => facts.push(format!("start {boot} by {by}")),
        (Some(boot), None) => facts.push(format!("start {boot}")),
        (None, Some(by)) => facts.push(format!("started by {by}")),
        (None, None) => {}
    }
    if let Some(rssi) = node.rssi_dbm {
        facts.push(format!("{rssi} dBm"));
    }
    let firing = state
        .incidents
        .iter()
        .filter(|incident| incident.node == node.name && incident.closed_at.is_none())
        .count();
    if firing > 0 {
        let text = match firing {
            1 => "INCIDENT".to_owned(),
            n => format!("{n} INCIDENTS"),
        };
        x += put(buf, area, x, 0, &text, theme.bad()) + 2;
    }
    if let Some((text, is_bad)) = config_stands(state, node) {
        let style = if is_bad { theme.bad() } else { theme.warn() };
        x += put(buf, area, x, 0, &text, style) + 2;
    } else if let Some(version) = state.configs.get(&node.name).and_then(|known| {
        let told = known.reported.as_ref()?;
        told.version
    }) {
        facts.push(format!("configuration {version}"));
    }
    let rest = area.width.saturating_sub(x);
    cell(buf, area, (x, rest), 0, &facts.join(" · "), theme.dim());
}

/// What is wanted of the node, while it does not work by it, and whether it has said no.
fn config_stands(state: &State, node: &Node) -> Option<(String, bool)> {
    let config = state.configs.get(&node.name)?;
    let is_bad = match config.state {
        ConfigState::Unset | ConfigState::Applied => return None,
        ConfigState::Pending => false,
        ConfigState::Refused => true,
    };
    let wanted = config.desired.as_ref()?.version;
    let told = config.reported.as_ref().and_then(|told| told.version);
    let works_by = told.map_or_else(|| "its own".to_owned(), |version| version.to_string());
    let stands = words::safe(&node_settings::state_text(config));
    Some((
        format!("configuration {wanted} {stands} (works by {works_by})"),
        is_bad,
    ))
}

fn actuators(state: &State, node: &Node, theme: Theme, area: Rect, buf: &mut Buffer) {
    if node.actuators.is_empty() {
        put(buf, area, 1, 0, "no actuators told", theme.dim());
    }
    let mut x = 1;
    for (index, (name, actuator)) in node.actuators.iter().enumerate() {
        let (mut text, style) = actuator_text(state, name, actuator, theme);
        // What was ordered differs from what is reported: it drifted.
        if actuator.pending_command.is_none()
            && let (Some(desired), Some(reported)) = (actuator.desired, actuator.reported)
            && desired != reported
        {
            let wanted = if desired == ActuatorState::On {
                "ON"
            } else {
                "off"
            };
            text = format!("{text} (wanted {wanted})");
        }
        let marked = index == state.actuator % node.actuators.len();
        let text = if marked {
            format!("[{text}]")
        } else {
            format!(" {text} ")
        };
        x += put(buf, area, x, 0, &text, style) + 1;
    }
}

fn metrics(state: &State, node: &Node, theme: Theme, area: Rect, buf: &mut Buffer) {
    let marked = state.series().map(|(_, metric)| metric);
    let mut x = 1;
    for (metric, latest) in &node.latest {
        let style = if Some(metric) == marked.as_ref() {
            theme.selected()
        } else {
            Style::new()
        };
        x += put(buf, area, x, 0, &format!(" {metric} "), style) + 1;
        let (text, style) = value(latest, theme);
        x += put(buf, area, x, 0, &text, style) + 2;
    }
}

/// What came and went lately: commands, and messages beside or below them.
struct Recent<'a> {
    commands: Vec<&'a Command>,
    messages: Vec<&'a Message>,
    beside: bool,
}

impl<'a> Recent<'a> {
    fn of(state: &'a State, node: &'a Node, area: Rect) -> Self {
        let rows = match area.height {
            0..=9 => 0,
            10..=16 => 1,
            _ => RECENT_SHOWN,
        };
        let beside = area.width >= BESIDE_COLUMNS;
        // Below each other they share the rows.
        let of_commands = if beside { rows } else { rows.div_ceil(2) };
        let commands: Vec<&Command> = state.commands_of(&node.name).take(of_commands).collect();
        let left = if beside { rows } else { rows - commands.len() };
        let messages = state.messages_of(&node.name).take(left).collect();
        Self {
            commands,
            messages,
            beside,
        }
    }

    fn rows(&self) -> u16 {
        let (commands, messages) = (self.commands.len(), self.messages.len());
        let rows = if self.beside {
            commands.max(messages)
        } else {
            commands + messages
        };
        u16::try_from(rows).unwrap_or(u16::MAX)
    }

    fn draw(&self, state: &State, theme: Theme, area: Rect, buf: &mut Buffer) {
        let (left, right) = if self.beside {
            let width = area.width / 2;
            let right = Rect {
                x: area.x + width,
                width: area.width - width,
                ..area
            };
            (Rect { width, ..area }, right)
        } else {
            let taken = u16::try_from(self.commands.len()).unwrap_or(u16::MAX);
            let below = Rect {
                y: area.y + taken,
                height: area.height.saturating_sub(taken),
                ..area
            };
            (area, below)
        };
        for (y, command) in (0..).zip(&self.commands) {
            draw_command(state, command, theme, row(left, y), buf);
        }
        for (y, message) in (0..).zip(&self.messages) {
            draw_message(state, message, theme, row(right, y), buf);
        }
    }
}

/// Rows for the newest log lines.
fn log_rows(state: &State, area: Rect) -> u16 {
    let most = match area.height {
        0..=9 => 0,
        10..=16 => 1,
        _ => LOG_SHOWN,
    };
    let known = state.node_log.as_ref().map_or(0, |log| log.lines.len());
    u16::try_from(known.min(most)).unwrap_or(u16::MAX)
}

/// The newest log lines, newest first as commands and messages are.
fn draw_log(state: &State, theme: Theme, area: Rect, buf: &mut Buffer) {
    let lines = state.node_log.iter().flat_map(|log| &log.lines);
    for (y, line) in (0..area.height).zip(lines) {
        let area = row(area, y);
        let at = words::clock(line.at, state.now);
        let x = put(buf, area, 1, 0, &format!("{at}  log "), theme.dim()) + 1;
        let (level, style) = match line.level {
            Some(LogLevel::Error) => ("error ", theme.bad()),
            Some(LogLevel::Warn) => ("warn ", theme.warn()),
            Some(LogLevel::Info) => ("info ", theme.dim()),
            Some(LogLevel::Debug) => ("debug ", theme.dim()),
            Some(LogLevel::Trace) => ("trace ", theme.dim()),
            Some(LogLevel::Off) | None => ("", theme.dim()),
        };
        let x = x + put(buf, area, x, 0, level, style);
        let rest = area.width.saturating_sub(x);
        let text = words::safe(&line.text);
        cell(buf, area, (x, rest), 0, &text, Style::new());
    }
}

fn draw_command(state: &State, command: &Command, theme: Theme, area: Rect, buf: &mut Buffer) {
    let action = words::verb(command.action);
    let timed = command.for_ms.map_or_else(String::new, |ms| {
        let span = TimeDelta::milliseconds(i64::from(ms));
        format!(" for {}", words::short(span))
    });
    let at = words::clock(command.requested_at, state.now);
    let text = format!("{at}  {} {action}{timed}: ", command.actuator);
    let x = put(buf, area, 1, 0, &text, theme.dim()) + 1;
    let style = match command.state {
        CommandState::Confirmed => theme.good(),
        state if state.is_final() => theme.bad(),
        _ => theme.warn(),
    };
    let x = x + put(buf, area, x, 0, words::state(command.state), style) + 1;
    if let Some(outcome) = &command.outcome {
        let rest = area.width.saturating_sub(x);
        cell(buf, area, (x, rest), 0, &words::safe(outcome), theme.dim());
    }
}

fn draw_message(state: &State, message: &Message, theme: Theme, area: Rect, buf: &mut Buffer) {
    let at = words::clock(message.received_at, state.now);
    let name = message.topic.rsplit('/').next().unwrap_or_default();
    let text = format!("{at}  {}: ", words::safe(name));
    let x = put(buf, area, 1, 0, &text, theme.dim()) + 1;
    let (text, style) = match &message.reason {
        Some(reason) => (format!("refused, {}", words::safe(reason)), theme.bad()),
        None => (words::gist(message), theme.dim()),
    };
    let rest = area.width.saturating_sub(x);
    cell(buf, area, (x, rest), 0, &text, style);
}
