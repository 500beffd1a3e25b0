//! One node: what is known of it, a chart of one metric, its actuators, its latest commands.

use chrono::{TimeDelta, Utc};
use ratatui::{buffer::Buffer, layout::Rect, style::Style};
use signalbox_protocol::api::{command::Action, node::Node};

use super::{
    overview::{actuator_text, presence, value},
    put, row,
};
use crate::{
    charts::line::LineChart,
    state::{Plot, RANGES, State},
    theme::Theme,
    words,
};

/// Commands that are listed.
const COMMANDS_SHOWN: u16 = 4;

pub(super) fn draw(state: &State, theme: Theme, area: Rect, buf: &mut Buffer) {
    let (Some(node), Some(plot)) = (state.selected_node(), state.plot.as_ref()) else {
        put(buf, area, 1, 1, "this node is gone", theme.dim());
        return;
    };
    facts(state, node, theme, row(area, 0), buf);
    actuators(state, node, theme, row(area, 1), buf);
    let listed = if area.height > 16 { COMMANDS_SHOWN } else { 1 };
    metrics(state, node, theme, row(area, 2), buf);
    let chart = Rect {
        y: area.y + 3,
        height: area.height.saturating_sub(4 + listed),
        ..area
    };
    chart_of(state, node, plot, theme, chart, buf);
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
    put(buf, area, x, 0, &facts.join(" · "), theme.dim());
}

fn actuators(state: &State, node: &Node, theme: Theme, area: Rect, buf: &mut Buffer) {
    if node.actuators.is_empty() {
        put(buf, area, 1, 0, "no actuators told", theme.dim());
    }
    let mut x = 1;
    for (index, (name, actuator)) in node.actuators.iter().enumerate() {
        let (text, style) = actuator_text(state, name, actuator, theme);
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
    let marked = state.selected_metric();
    let mut x = 1;
    for (metric, latest) in &node.latest {
        let style = if Some(metric.as_str()) == marked {
            theme.selected()
        } else {
            Style::new()
        };
        x += put(buf, area, x, 0, &format!(" {metric} "), style) + 1;
        let (text, style) = value(latest, theme);
        x += put(buf, area, x, 0, &text, style) + 2;
    }
}

fn chart_of(state: &State, node: &Node, plot: &Plot, theme: Theme, area: Rect, buf: &mut Buffer) {
    let Some(metric) = state.selected_metric() else {
        put(buf, area, 1, 1, "nothing measured yet", theme.dim());
        return;
    };
    // The right end moves with the range's columns, so that the chart does not redraw all the time.
    let columns = i64::from(area.width.max(20)) * 2;
    let step_ms = (plot.range_s() * 1_000 / columns).max(1_000);
    let now_ms = plot.end(state.now).timestamp_millis();
    let to = chrono::DateTime::<Utc>::from_timestamp_millis((now_ms / step_ms + 1) * step_ms)
        .unwrap_or(state.now);
    let points = plot.points(metric, state.now);
    let chart = LineChart {
        points,
        from: to - TimeDelta::seconds(plot.range_s()),
        to,
        gap_ms: plot.gap_ms(points),
        cursor: plot.cursor,
    };
    legend(
        state,
        node,
        plot,
        metric,
        &chart,
        theme,
        (row(area, 0), buf),
    );
    let below = Rect {
        y: area.y + 1,
        height: area.height.saturating_sub(1),
        ..area
    };
    chart.draw(below, theme, buf);
}

fn legend(
    state: &State,
    node: &Node,
    plot: &Plot,
    metric: &str,
    chart: &LineChart<'_>,
    theme: Theme,
    (area, buf): (Rect, &mut Buffer),
) {
    let mut x = put(buf, area, 1, 0, RANGES[plot.range].1, theme.bold()) + 3;
    if plot.back_s > 0 {
        let until = format!("until {}", words::clock(chart.to, state.now));
        x += put(buf, area, x, 0, &until, theme.warn()) + 2;
    }
    if !plot.loaded {
        put(buf, area, x, 0, "loading…", theme.dim());
        return;
    }
    if let Some(point) = chart.at_cursor() {
        let text = format!(
            "at {}: {}  (min {} max {})",
            words::clock(point.at, state.now),
            words::value(point.mean),
            words::value(point.min),
            words::value(point.max)
        );
        put(buf, area, x, 0, &text, theme.warn());
        return;
    }
    if let Some(latest) = node.latest.get(metric) {
        x += put(buf, area, x, 0, "now ", theme.dim());
        let (text, style) = value(latest, theme);
        x += put(buf, area, x, 0, &text, style) + 2;
    }
    let min = chart.points.iter().map(|point| point.min).reduce(f64::min);
    let max = chart.points.iter().map(|point| point.max).reduce(f64::max);
    if let (Some(min), Some(max)) = (min, max) {
        let text = format!("min {}  max {}", words::value(min), words::value(max));
        put(buf, area, x, 0, &text, theme.dim());
    }
}

fn history(state: &State, node: &Node, theme: Theme, area: Rect, buf: &mut Buffer) {
    let shown = usize::from(area.height);
    for (y, command) in (0..).zip(state.commands_of(&node.name).take(shown)) {
        let action = match command.action {
            Action::On => "on",
            Action::Off => "off",
            Action::Toggle => "toggle",
        };
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
