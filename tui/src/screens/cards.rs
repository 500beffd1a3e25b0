//! Nodes as cards, where there is room: a box each, with values, sparklines and actuators.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    widgets::{Block, Widget as _},
};
use signalbox_protocol::api::node::Node;

use super::{
    Hits, cell,
    overview::{Places, actuator_text, empty, presence, seen},
    put,
};
use crate::{
    charts::spark,
    event::Target,
    state::{State, spark_index},
    theme::Theme,
};

/// Columns of a card, with its border.
const CARD_COLUMNS: u16 = 44;
/// Metrics of a card; more are counted.
const METRICS_MAX: u16 = 5;

pub(super) fn draw(state: &State, theme: Theme, area: Rect, buf: &mut Buffer, hits: &mut Hits) {
    let nodes = state.shown_nodes();
    if nodes.is_empty() {
        empty(state, theme, area, buf);
        return;
    }
    // Few nodes share the width: longer sparklines tell more than an empty place.
    let nodes_across = u16::try_from(nodes.len()).unwrap_or(u16::MAX);
    let across = (area.width / CARD_COLUMNS).clamp(1, nodes_across);
    let width = area.width / across;
    let most = nodes
        .iter()
        .map(|node| node.latest.len())
        .max()
        .unwrap_or(0);
    let metrics = u16::try_from(most)
        .unwrap_or(METRICS_MAX)
        .clamp(1, METRICS_MAX);
    // Border, values, actuators.
    let height = metrics + 3;
    let down = usize::from((area.height / height).max(1));
    let selected = state.row();
    let line = selected / usize::from(across);
    let first = (line + 1).saturating_sub(down) * usize::from(across);
    let cards = down * usize::from(across);
    let shown = || nodes.rows_from(first).take(cards);
    let places = Places::of(shown().map(|(_, node)| node));
    for (place, (at, node)) in shown().enumerate() {
        let (x, y) = (place % usize::from(across), place / usize::from(across));
        let (x, y) = (
            u16::try_from(x).unwrap_or(0) * width,
            u16::try_from(y).unwrap_or(0) * height,
        );
        let card = Rect {
            x: area.x + x,
            y: area.y + y,
            width,
            height: height.min(area.height.saturating_sub(y)),
        };
        hits.add(card, Target::Row(at));
        draw_card(state, node, at == selected, (&places, theme), card, buf);
    }
}

fn draw_card(
    state: &State,
    node: &Node,
    selected: bool,
    (places, theme): (&Places, Theme),
    area: Rect,
    buf: &mut Buffer,
) {
    let firing = state.is_firing(&node.name);
    let border = match (selected, firing) {
        (_, true) => theme.bad(),
        (true, false) => theme.line(),
        (false, false) => theme.dim(),
    };
    let block = Block::bordered().border_style(border);
    let inside = block.inner(area);
    block.render(area, buf);
    let style = if selected {
        theme.selected()
    } else {
        theme.bold()
    };
    let mut x = 2 + put(buf, area, 2, 0, &format!(" {} ", node.name), style);
    let (text, style) = presence(node.presence, theme);
    x += put(buf, area, x, 0, &format!(" {text} "), style);
    if firing {
        x += put(buf, area, x, 0, " INCIDENT ", theme.bad());
    }
    put(
        buf,
        area,
        x,
        0,
        &format!(" {} ", seen(state, node)),
        theme.dim(),
    );
    let rows = inside.height.saturating_sub(1);
    let newest = spark_index(state.now);
    for (y, (metric, latest)) in (0..rows).zip(&node.latest) {
        cell(buf, inside, (1, 12), y, metric, Style::new());
        let (text, style) = places.value(metric, latest, theme);
        cell(buf, inside, (14, 9), y, &format!("{text:>9}"), style);
        let width = inside.width.saturating_sub(25);
        let key = (node.name.clone(), metric.clone());
        if let Some(track) = state.sparks.get(&key) {
            let text = spark::text(track, newest, usize::from(width));
            put(buf, inside, 24, y, &text, theme.line());
        }
    }
    let mut x = 1;
    for (name, actuator) in &node.actuators {
        let (text, style) = actuator_text(state, name, actuator, theme);
        let width = inside.width.saturating_sub(x);
        cell(buf, inside, (x, width), rows, &text, style);
        x += u16::try_from(text.chars().count()).unwrap_or(u16::MAX) + 2;
    }
}
