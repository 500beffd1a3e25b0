//! All nodes: state, age, latest values, a sparkline per metric, actuators.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use ratatui::{buffer::Buffer, layout::Rect, style::Style};
use signalbox_protocol::api::{
    node::LatestValue,
    node::{Actuator, ActuatorState, Node, Presence},
};

use super::{Hits, cell, put};
use crate::{
    charts::spark,
    event::Target,
    state::{Link, SPARK_BUCKET_S, SPARK_COLUMNS_MAX, State, spark_index},
    theme::Theme,
    words,
};

/// A node is called fresh for this long, so that its age does not change the screen each second.
const FRESH_S: i64 = 15;

/// Below this many columns some of them are left out.
const NARROW_COLUMNS: u16 = 60;
/// Columns of the shortest actuator with its state.
const ACTUATOR_COLUMNS_MIN: u16 = 5;
/// A shorter sparkline tells nothing.
const SPARK_COLUMNS_MIN: u16 = 8;

/// Where the columns are; one of width 0 is left out.
struct Columns {
    name: (u16, u16),
    state: (u16, u16),
    seen: (u16, u16),
    metric: (u16, u16),
    value: (u16, u16),
    spark: (u16, u16),
    actuators: (u16, u16),
}

impl Columns {
    fn of(width: u16) -> Self {
        let name = (width / 7).clamp(9, 20);
        let metric = (width / 8).clamp(11, 14);
        let value = (width / 12).clamp(7, 9);
        let actuators = (width / 4).clamp(8, 30);
        // In a narrow terminal the values come first.
        let seen = if width < NARROW_COLUMNS { 0 } else { 5 };
        let most = u16::try_from(SPARK_COLUMNS_MAX).unwrap_or(u16::MAX);
        let fixed = [1, name, 7, seen, metric, value, actuators];
        let taken: u16 = fixed.iter().sum::<u16>() + 7;
        let spark = width.saturating_sub(taken).min(most);
        let spark = if spark < SPARK_COLUMNS_MIN { 0 } else { spark };
        let mut x = 1;
        let mut next = |width: u16| {
            let at = (x, width);
            x += width + u16::from(width > 0);
            at
        };
        let (name, state, seen) = (next(name), next(7), next(seen));
        let (metric, value) = (next(metric), next(value));
        let spark = next(spark);
        let mut actuators = next(actuators);
        // The beginning of a name alone tells nothing.
        if actuators.0 + ACTUATOR_COLUMNS_MIN > width {
            actuators.1 = 0;
        }
        Self {
            name,
            state,
            seen,
            metric,
            value,
            spark,
            actuators,
        }
    }
}

pub(super) fn draw(state: &State, theme: Theme, area: Rect, buf: &mut Buffer, hits: &mut Hits) {
    let columns = Columns::of(area.width);
    for (column, head) in [
        (columns.name, "NODE"),
        (columns.state, "STATE"),
        (columns.seen, "SEEN"),
        (columns.metric, "METRIC"),
        (columns.actuators, "ACTUATORS"),
    ] {
        cell(buf, area, column, 0, head, theme.dim());
    }
    let width = usize::from(columns.value.1);
    let head = format!("{:>width$}", "VALUE");
    cell(buf, area, columns.value, 0, &head, theme.dim());
    let shown_s = i64::from(columns.spark.1) * SPARK_BUCKET_S;
    let head = format!("LAST {}", words::short(TimeDelta::seconds(shown_s)));
    cell(buf, area, columns.spark, 0, &head, theme.dim());
    let nodes = state.shown_nodes();
    if nodes.is_empty() {
        empty(state, theme, area, buf);
        return;
    }
    let selected = state.row();
    let rows = area.height.saturating_sub(1);
    // The selected node is wholly on screen, or at least its beginning.
    let mut first = selected;
    let mut taken = nodes.get(selected).map_or(0, height);
    while let Some(before) = first.checked_sub(1).and_then(|at| nodes.get(at)) {
        taken = taken.saturating_add(height(before));
        if taken > rows {
            break;
        }
        first -= 1;
    }
    let on_screen = nodes.rows_from(first).take(usize::from(rows));
    let places = Places::of(on_screen.map(|(_, node)| node));
    let mut y = 1;
    for (at, node) in nodes.rows_from(first) {
        if y > rows {
            break;
        }
        let tall = height(node);
        let place = Rect {
            y: area.y + y,
            height: tall.min(rows + 1 - y),
            ..area
        };
        hits.add(place, Target::Row(at));
        let columns = (&columns, &places);
        draw_node(state, node, at == selected, y, columns, theme, (area, buf));
        y = y.saturating_add(tall);
    }
}

pub(super) fn empty(state: &State, theme: Theme, area: Rect, buf: &mut Buffer) {
    let lines = match state.link {
        Link::Connecting => vec![format!("connecting to {}…", state.endpoint)],
        _ if !state.nodes.is_empty() => vec!["no node fits the filter: `Esc` clears it".to_owned()],
        _ => vec![
            "no nodes yet".to_owned(),
            "6, v and n make a login for one,".to_owned(),
            "so does `signalbox node add NAME`".to_owned(),
        ],
    };
    for (y, line) in (2..).zip(&lines) {
        let width = area.width.saturating_sub(1);
        cell(buf, area, (1, width), y, line, theme.dim());
    }
}

fn height(node: &Node) -> u16 {
    u16::try_from(node.latest.len().max(1)).unwrap_or(u16::MAX)
}

fn draw_node(
    state: &State,
    node: &Node,
    selected: bool,
    y: u16,
    (columns, places): (&Columns, &Places),
    theme: Theme,
    (area, buf): (Rect, &mut Buffer),
) {
    let line = Rect {
        y: area.y + y,
        height: 1,
        ..area
    };
    let name_style = mark(state, node, selected, theme, line, buf);
    cell(buf, area, columns.name, y, &node.name, name_style);
    let (text, style) = presence(node.presence, theme);
    cell(buf, area, columns.state, y, text, style);
    cell(buf, area, columns.seen, y, &seen(state, node), theme.dim());
    actuators(
        state,
        node,
        selected,
        y,
        columns.actuators,
        theme,
        (area, buf),
    );
    let newest = spark_index(state.now);
    for (line, (metric, latest)) in (y..).zip(&node.latest) {
        cell(buf, area, columns.metric, line, metric, Style::new());
        let (text, style) = places.value(metric, latest, theme);
        let width = usize::from(columns.value.1);
        let with_unit = format!("{text}{}", words::unit(metric));
        let text = if with_unit.chars().count() <= width {
            with_unit
        } else {
            text
        };
        cell(
            buf,
            area,
            columns.value,
            line,
            &format!("{text:>width$}"),
            style,
        );
        let key = (node.name.clone(), metric.clone());
        if let Some(track) = state.sparks.get(&key) {
            let text = spark::text(track, newest, usize::from(columns.spark.1));
            put(buf, area, columns.spark.0, line, &text, theme.line());
        }
    }
}

/// Marks a node at its left, also without colours; gives the style of its name.
pub(super) fn mark(
    state: &State,
    node: &Node,
    selected: bool,
    theme: Theme,
    area: Rect,
    buf: &mut Buffer,
) -> Style {
    let firing = state.is_firing(&node.name);
    if selected {
        put(buf, area, 0, 0, "▌", theme.line());
    }
    if firing {
        put(buf, area, 0, 0, "!", theme.bad());
    }
    match (selected, firing) {
        (true, _) => theme.selected(),
        (false, true) => theme.bad(),
        (false, false) => theme.bold(),
    }
}

pub(super) fn presence(presence: Presence, theme: Theme) -> (&'static str, Style) {
    match presence {
        Presence::Online => ("online", theme.good()),
        Presence::Offline => ("OFFLINE", theme.bad()),
        Presence::Unknown => ("?", theme.dim()),
    }
}

pub(super) fn seen(state: &State, node: &Node) -> String {
    match node.last_seen_at {
        None => "never".to_owned(),
        Some(at) if (state.now - at).num_seconds() < FRESH_S => "now".to_owned(),
        Some(at) => words::short(state.now - at),
    }
}

/// Decimals of each metric: as many as the value on screen that has most.
#[derive(Debug, Default)]
pub(super) struct Places(BTreeMap<String, usize>);

impl Places {
    pub(super) fn of<'a>(nodes: impl IntoIterator<Item = &'a Node>) -> Self {
        let mut places = Self::default();
        for (metric, latest) in nodes.into_iter().flat_map(|node| &node.latest) {
            let own = words::decimals(&words::value(latest.value));
            match places.0.get_mut(metric) {
                Some(most) => *most = own.max(*most),
                None => {
                    places.0.insert(metric.clone(), own);
                }
            }
        }
        places
    }

    /// A value, marked when it is not to be trusted.
    pub(super) fn value(&self, metric: &str, of: &LatestValue, theme: Theme) -> (String, Style) {
        let places = self.0.get(metric).copied().unwrap_or(0);
        marked(words::value_with(of.value, places), of, theme)
    }
}

/// A value that stands alone, marked when it is not to be trusted.
pub(super) fn value(latest: &LatestValue, theme: Theme) -> (String, Style) {
    marked(words::value(latest.value), latest, theme)
}

fn marked(text: String, latest: &LatestValue, theme: Theme) -> (String, Style) {
    if latest.flags.is_empty() {
        (text, theme.bold())
    } else {
        (format!("{text}?"), theme.warn())
    }
}

pub(super) fn actuators(
    state: &State,
    node: &Node,
    selected: bool,
    y: u16,
    (x, width): (u16, u16),
    theme: Theme,
    (area, buf): (Rect, &mut Buffer),
) {
    let end = (x + width).min(area.width);
    let mut at = x;
    for (index, (name, actuator)) in node.actuators.iter().enumerate() {
        let (text, mut style) = actuator_text(state, name, actuator, theme);
        let marked = index == state.actuator % node.actuators.len();
        if selected && marked && node.actuators.len() > 1 {
            style = style.patch(theme.selected());
        }
        if at < end {
            cell(buf, area, (at, end - at), y, &text, style);
        }
        at += u16::try_from(text.chars().count() + 1).unwrap_or(u16::MAX);
    }
}

/// Name and state of an actuator.
pub(super) fn actuator_text(
    state: &State,
    name: &str,
    actuator: &Actuator,
    theme: Theme,
) -> (String, Style) {
    let (text, style) = actuator_state(state, actuator, theme);
    (format!("{name} {text}"), style)
}

/// State of an actuator; `…` while a command is not confirmed; the rest of its timer.
pub(super) fn actuator_state(state: &State, actuator: &Actuator, theme: Theme) -> (String, Style) {
    let pending = if actuator.pending_command.is_some() {
        "…"
    } else {
        ""
    };
    let (word, style) = match actuator.reported {
        Some(ActuatorState::On) => ("ON", theme.good().patch(theme.bold())),
        Some(ActuatorState::Off) => ("off", theme.dim()),
        None => ("?", theme.warn()),
    };
    let timer = actuator
        .off_at
        .filter(|at| *at > state.now)
        .map_or_else(String::new, |at| {
            format!(" {}", words::rest(at - state.now))
        });
    let style = if pending.is_empty() {
        style
    } else {
        theme.warn()
    };
    (format!("{word}{pending}{timer}"), style)
}
