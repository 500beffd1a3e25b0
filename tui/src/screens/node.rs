//! One node: what is known of it, charts of its metrics, its actuators, its latest commands.

use chrono::TimeDelta;
use ratatui::{buffer::Buffer, layout::Rect, style::Style};
use signalbox_protocol::api::node::{ActuatorState, Node};

use super::{
    Hits, chart,
    overview::{actuator_text, presence, value},
    put, row,
};
use crate::{state::State, theme::Theme, words};

/// Commands that are listed.
const COMMANDS_SHOWN: u16 = 4;

/// Rows of a chart among others.
const STACKED_ROWS_MIN: u16 = 5;

pub(super) fn draw(state: &State, theme: Theme, area: Rect, buf: &mut Buffer, hits: &mut Hits) {
    let (Some(node), Some(shown)) = (state.selected_node(), state.chart.as_ref()) else {
        put(buf, area, 1, 1, "this node is gone", theme.dim());
        return;
    };
    facts(state, node, theme, row(area, 0), buf);
    actuators(state, node, theme, row(area, 1), buf);
    let listed = match area.height {
        0..=9 => 0,
        10..=16 => 1,
        _ => COMMANDS_SHOWN,
    };
    metrics(state, node, theme, row(area, 2), buf);
    let charts = Rect {
        y: area.y + 3,
        height: area.height.saturating_sub(3 + listed),
        ..area
    };
    let names = state.metrics();
    let many = u16::try_from(names.len()).unwrap_or(u16::MAX).max(1);
    let each = charts.height / many;
    if shown.stacked && each >= STACKED_ROWS_MIN {
        for (at, metric) in (0..).zip(&names) {
            let place = Rect {
                y: charts.y + at * each,
                height: each,
                ..charts
            };
            let series = (node.name.clone(), metric.clone());
            chart::draw_series(state, &series, true, theme, place, buf, hits);
        }
    } else if let Some(series) = state.series() {
        chart::draw_series(state, &series, false, theme, charts, buf, hits);
    } else {
        put(buf, charts, 1, 1, "nothing measured yet", theme.dim());
    }
    let commands = Rect {
        y: area.y + area.height - listed,
        height: listed,
        ..area
    };
    history(state, node, theme, commands, buf);
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
    if let Some(rssi) = node.rssi_dbm {
        facts.push(format!("{rssi} dBm"));
    }
    let firing = state
        .incidents
        .iter()
        .filter(|incident| incident.node == node.name && incident.closed_at.is_none())
        .count();
    if firing > 0 {
        x += put(
            buf,
            area,
            x,
            0,
            &format!("{firing} open incident(s)"),
            theme.bad(),
        ) + 2;
    }
    put(buf, area, x, 0, &facts.join(" · "), theme.dim());
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

fn history(state: &State, node: &Node, theme: Theme, area: Rect, buf: &mut Buffer) {
    let shown = usize::from(area.height);
    for (y, command) in (0..).zip(state.commands_of(&node.name).take(shown)) {
        let action = words::verb(command.action);
        let timed = command.for_ms.map_or_else(String::new, |ms| {
            format!(
                " for {}",
                words::short(TimeDelta::milliseconds(i64::from(ms)))
            )
        });
        let at = words::clock(command.requested_at, state.now);
        let text = format!("{at}  {} {action}{timed}: ", command.actuator);
        let x = put(buf, area, 1, y, &text, theme.dim()) + 1;
        let style = match command.state {
            signalbox_protocol::api::command::CommandState::Confirmed => theme.good(),
            state if state.is_final() => theme.bad(),
            _ => theme.warn(),
        };
        let x = x + put(buf, area, x, y, words::state(command.state), style) + 1;
        if let Some(outcome) = &command.outcome {
            put(buf, area, x, y, &words::safe(outcome), theme.dim());
        }
    }
}
