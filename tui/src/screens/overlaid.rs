//! All metrics of a node in one chart: each on a scale of its own, so that what rises and falls
//! together is seen. The scale at the left, thresholds and gaps are those of the marked metric.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::{Modifier, Style},
};

use super::{
    Hits,
    chart::{shape, span_text},
    put,
};
use crate::{
    charts::line::{LineChart, Track},
    event::Target,
    state::{Chart, Series, State},
    theme::Theme,
    words,
};

pub(super) fn draw(
    state: &State,
    marked: &Series,
    theme: Theme,
    area: Rect,
    buf: &mut Buffer,
    hits: &mut Hits,
) {
    let Some(chart) = &state.chart else { return };
    legend(state, chart, marked, theme, area, buf);
    let inside = Rect {
        y: area.y + 1,
        height: area.height.saturating_sub(1),
        ..area
    };
    let mut lines = shape(state, chart, marked, true, area, theme);
    lay_over(state, chart, marked, theme, &mut lines);
    if !chart.loaded && lines.tracks.iter().all(|track| track.points.is_empty()) {
        put(buf, inside, 1, inside.height / 2, "loading…", theme.dim());
        return;
    }
    let plot = lines.draw(inside, theme, buf);
    hits.add(plot, Target::Chart(0.0));
}

/// Puts the other metrics below the marked one, on its scale.
fn lay_over<'a>(
    state: &'a State,
    chart: &'a Chart,
    (node, marked): &Series,
    theme: Theme,
    lines: &mut LineChart<'a>,
) {
    let own = lines.tracks.last().and_then(Track::ends);
    let mut others = Vec::new();
    for (at, metric) in state.metrics().into_iter().enumerate() {
        let colour = theme.series(at);
        if metric == *marked {
            lines
                .tracks
                .iter_mut()
                .for_each(|track| track.colour = colour);
            continue;
        }
        let points = chart.points(&(node.clone(), metric), state.now);
        let track = Track {
            points: points.into(),
            gap_ms: chart.gap_ms(points),
            colour,
        };
        // Without values of the marked metric the first other one gives the scale.
        let onto = own.or_else(|| others.first().and_then(Track::ends));
        others.push(match (track.ends(), onto) {
            (Some(from), Some(to)) => track.onto(from, to),
            _ => track,
        });
    }
    // What is drawn last is in front.
    lines.bounds = own;
    lines.tracks.splice(0..0, others);
}

/// The metrics in their colours, with what the cursor reads, or else their latest values.
fn legend(
    state: &State,
    chart: &Chart,
    (node, marked): &Series,
    theme: Theme,
    area: Rect,
    buf: &mut Buffer,
) {
    let when = match chart.cursor {
        Some(at) => words::exact(at),
        None => span_text(chart.span),
    };
    let mut x = 1 + put(buf, area, 1, 0, &when, theme.bold()) + 2;
    for (at, metric) in state.metrics().into_iter().enumerate() {
        let unit = words::unit(&metric);
        let latest = state.nodes.get(node).and_then(|n| n.latest.get(&metric));
        let series = (node.clone(), metric.clone());
        let value = match chart.cursor {
            Some(at) => chart
                .reading(&series, at, state.now)
                .map(|point| point.mean),
            None => latest.map(|latest| latest.value),
        };
        let value = value.map_or_else(|| "-".to_owned(), words::value);
        let mut style = Style::new().fg(theme.series(at));
        // Told without colours too.
        let mark = if metric == *marked {
            style = style.add_modifier(Modifier::BOLD);
            "▸"
        } else {
            ""
        };
        x += put(
            buf,
            area,
            x,
            0,
            &format!("{mark}{metric} {value}{unit}"),
            style,
        ) + 2;
    }
}
