//! One incident: the samples around the moment with the threshold, why it fired, and all that
//! happened to it.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use super::{cell, put, window};
use crate::{
    charts::line::{LineChart, Span, Track},
    state::{GAP_MS_MIN, IncidentView, State},
    theme::Theme,
    words,
};

/// Rows of the story that a chart leaves.
const STORY_ROWS_MIN: u16 = 8;
/// Lower charts tell nothing.
const CHART_ROWS_MIN: u16 = 6;
/// Higher charts take the story's room.
const CHART_ROWS_MAX: u16 = 16;

pub(super) fn draw(state: &State, view: &IncidentView, theme: Theme, area: Rect, buf: &mut Buffer) {
    let title = state
        .incident_of(view)
        .map_or_else(String::new, |incident| {
            format!("{} on {}", incident.rule_name, incident.node)
        });
    let inside = window(&words::safe(&title), (110, area.height), theme, area, buf);
    let lines = state.incident_story(view);
    let rows = inside.height.saturating_sub(STORY_ROWS_MIN);
    let charted = if rows < CHART_ROWS_MIN || view.points.is_empty() {
        0
    } else {
        rows.min(CHART_ROWS_MAX)
    };
    if charted > 0 {
        let place = Rect {
            height: charted,
            ..inside
        };
        chart(state, view, theme, place, buf);
    }
    let story = Rect {
        y: inside.y + charted,
        height: inside.height.saturating_sub(charted + 1),
        ..inside
    };
    let top = view.top.min(lines.len().saturating_sub(1));
    let width = story.width.saturating_sub(2);
    for (y, line) in (0..story.height).zip(lines.iter().skip(top)) {
        let style = if top == 0 && y == 0 {
            theme.bold()
        } else {
            Style::new()
        };
        cell(buf, story, (1, width), y, &words::safe(line), style);
    }
    let last = inside.height.saturating_sub(1);
    put(buf, inside, 1, last, "↑ ↓ move   Esc leave", theme.dim());
}

fn chart(state: &State, view: &IncidentView, theme: Theme, area: Rect, buf: &mut Buffer) {
    let Some(incident) = state.incident_of(view) else {
        return;
    };
    let value = state.rule_of(incident).map(|rule| rule.spec.value);
    let points = view.points.iter();
    let low = points.clone().map(|point| point.min).reduce(f64::min);
    let high = points.map(|point| point.max).reduce(f64::max);
    let bounds = match (low, high, value) {
        // The threshold is on the scale.
        (Some(low), Some(high), Some(value)) => Some((low.min(value), high.max(value))),
        _ => None,
    };
    let began = Span {
        from: incident.fired_at.unwrap_or(incident.began_at),
        to: incident.closed_at.unwrap_or(view.to).min(view.to),
        mark: '▼',
        bad: true,
    };
    let chart = LineChart {
        tracks: vec![Track {
            points: view.points.as_slice().into(),
            gap_ms: GAP_MS_MIN,
            colour: theme.series(0),
        }],
        from: view.from,
        to: view.to,
        bounds,
        thresholds: value.into_iter().collect(),
        spans: vec![began],
        gaps: Vec::new(),
        cursor: None,
        mark: None,
        marker: state.settings.marks.marker(),
    };
    chart.draw(area, theme, buf);
}
