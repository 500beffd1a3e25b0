//! Nodes, a row each: for many nodes, or a narrow terminal. The metrics of what is on screen are
//! columns, those that most nodes have first.

use std::collections::BTreeMap;

use ratatui::{buffer::Buffer, layout::Rect};
use signalbox_protocol::api::node::{Node, Presence};

use super::{
    Hits, cell,
    overview::{Places, actuators, empty, mark, presence, seen},
    put,
};
use crate::{
    charts::spark,
    event::Target,
    state::{State, spark_index},
    theme::Theme,
    words,
};

/// Below this, columns are as narrow as can be.
const NARROW_COLUMNS: u16 = 60;
/// Of a sparkline, where every metric has room for one.
const SPARK_COLUMNS: u16 = 10;

/// Where the columns are.
struct Columns {
    name: (u16, u16),
    state: (u16, u16),
    seen: (u16, u16),
    /// The first metric's value, with a space behind it.
    metric: (u16, u16),
    /// Of 0 without sparklines.
    spark: u16,
    metrics: Vec<String>,
    places: Places,
    actuators: (u16, u16),
}

impl Columns {
    fn of(width: u16, shown: &[&Node]) -> Self {
        let narrow = width < NARROW_COLUMNS;
        let name = if narrow { 9 } else { (width / 6).clamp(10, 24) };
        let state = if narrow { 3 } else { 7 };
        let seen = if narrow { 0 } else { 5 };
        let least = if narrow { 7 } else { (width / 5).clamp(10, 30) };
        let value = if narrow { 7 } else { 9 };
        let mut x = 1;
        let mut next = |width: u16| {
            let at = (x, width);
            x += width + u16::from(width > 0);
            at
        };
        let (name, state, seen) = (next(name), next(state), next(seen));
        let mut metrics = metrics_of(shown);
        let room = width.saturating_sub(x + least);
        let many = u16::try_from(metrics.len()).unwrap_or(u16::MAX).max(1);
        let with_spark = value + SPARK_COLUMNS + 2;
        let spark = if many.saturating_mul(with_spark) <= room {
            SPARK_COLUMNS + 1
        } else {
            0
        };
        let each = value + 1 + spark;
        metrics.truncate(usize::from(room / each));
        let metric = (x, each);
        let taken = u16::try_from(metrics.len()).unwrap_or(u16::MAX) * each;
        let actuators = (x + taken, width.saturating_sub(x + taken));
        Self {
            name,
            state,
            seen,
            metric,
            spark,
            metrics,
            places: Places::of(shown.iter().copied()),
            actuators,
        }
    }

    fn metrics(&self) -> impl Iterator<Item = (u16, &String)> {
        let (x, each) = self.metric;
        (x..).step_by(usize::from(each.max(1))).zip(&self.metrics)
    }

    fn value(&self) -> u16 {
        self.metric.1 - 1 - self.spark
    }
}

/// Metrics of these nodes, those that most have first.
fn metrics_of(nodes: &[&Node]) -> Vec<String> {
    let mut counts: BTreeMap<&String, usize> = BTreeMap::new();
    for metric in nodes.iter().flat_map(|node| node.latest.keys()) {
        *counts.entry(metric).or_default() += 1;
    }
    let mut metrics: Vec<(&String, usize)> = counts.into_iter().collect();
    metrics.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    metrics.into_iter().map(|(name, _)| name.clone()).collect()
}

pub(super) fn draw(state: &State, theme: Theme, area: Rect, buf: &mut Buffer, hits: &mut Hits) {
    let nodes = state.shown_nodes();
    let rows = usize::from(area.height.saturating_sub(1));
    let selected = state.row();
    let first = (selected + 1).saturating_sub(rows);
    let shown: Vec<&Node> = nodes
        .rows_from(first)
        .take(rows)
        .map(|(_, node)| node)
        .collect();
    let columns = Columns::of(area.width, &shown);
    heads(&columns, theme, area, buf);
    if shown.is_empty() {
        empty(state, theme, area, buf);
        return;
    }
    for ((y, at), node) in (1..).zip(first..).zip(shown) {
        let place = Rect {
            y: area.y + y,
            height: 1,
            ..area
        };
        hits.add(place, Target::Row(at));
        draw_node(state, node, at == selected, &columns, theme, place, buf);
    }
}

fn heads(columns: &Columns, theme: Theme, area: Rect, buf: &mut Buffer) {
    cell(buf, area, columns.name, 0, "NODE", theme.dim());
    if columns.state.1 >= 5 {
        cell(buf, area, columns.state, 0, "STATE", theme.dim());
    }
    cell(buf, area, columns.seen, 0, "SEEN", theme.dim());
    let width = columns.value();
    for (x, metric) in columns.metrics() {
        let name = metric.to_uppercase();
        let wide = usize::from(width);
        let text = format!("{name:>wide$}");
        cell(buf, area, (x, width), 0, &text, theme.dim());
    }
    cell(buf, area, columns.actuators, 0, "ACTUATORS", theme.dim());
}

fn draw_node(
    state: &State,
    node: &Node,
    selected: bool,
    columns: &Columns,
    theme: Theme,
    area: Rect,
    buf: &mut Buffer,
) {
    let style = mark(state, node, selected, theme, area, buf);
    cell(buf, area, columns.name, 0, &node.name, style);
    let (mut text, style) = presence(node.presence, theme);
    if usize::from(columns.state.1) < text.len() {
        text = match node.presence {
            Presence::Online => "on",
            Presence::Offline => "OFF",
            Presence::Unknown => "?",
        };
    }
    cell(buf, area, columns.state, 0, text, style);
    cell(buf, area, columns.seen, 0, &seen(state, node), theme.dim());
    let newest = spark_index(state.now);
    let width = columns.value();
    for (x, metric) in columns.metrics() {
        let Some(latest) = node.latest.get(metric) else {
            continue;
        };
        let (text, style) = columns.places.value(metric, latest, theme);
        let with_unit = format!("{text}{}", words::unit(metric));
        let wide = usize::from(width);
        let text = if with_unit.chars().count() <= wide {
            with_unit
        } else {
            text
        };
        cell(buf, area, (x, width), 0, &format!("{text:>wide$}"), style);
        let key = (node.name.clone(), metric.clone());
        if columns.spark > 0
            && let Some(track) = state.sparks.get(&key)
        {
            let text = spark::text(track, newest, usize::from(SPARK_COLUMNS));
            put(buf, area, x + width + 1, 0, &text, theme.line());
        }
    }
    let place = columns.actuators;
    actuators(state, node, selected, 0, place, theme, (area, buf));
}
