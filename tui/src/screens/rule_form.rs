//! The form of a rule, with its dry run as a chart.

use chrono::TimeDelta;
use ratatui::{buffer::Buffer, layout::Rect, style::Style};
use signalbox_protocol::api::rule::{DryRunReply, Firing};

use super::{cell, form::draw_form};
use crate::{
    charts::line::{self, LineChart, Span},
    state::{DryRunState, GAP_MS_MIN, Point, RuleForm, State},
    theme::{SERIES_MAX, Theme},
    words,
};

/// Rows below the fields that a dry run takes.
const DRY_RUN_ROWS: u16 = 12;

pub(super) fn draw(state: &State, rule: &RuleForm, theme: Theme, area: Rect, buf: &mut Buffer) {
    let title = match rule.id {
        Some(_) => "Edit rule",
        None => "New rule",
    };
    let rows = match rule.dry_run {
        Some(_) => DRY_RUN_ROWS,
        None => 0,
    };
    let keys = "Ctrl-S save   Ctrl-R dry run   Tab next   Esc leave";
    let words = (title, keys, "Ctrl-S save  Ctrl-R dry run  Esc");
    let below = draw_form(&rule.form, words, rows, theme, area, buf);
    if below.height > 0 {
        draw_dry_run(state, rule, theme, below, buf);
    }
}

fn draw_dry_run(state: &State, form: &RuleForm, theme: Theme, area: Rect, buf: &mut Buffer) {
    let line = (1, area.width.saturating_sub(2));
    match &form.dry_run {
        None => {}
        Some(DryRunState::Asked) => cell(buf, area, line, 0, "dry run…", theme.dim()),
        Some(DryRunState::Failed(text)) => {
            cell(buf, area, line, 0, &words::safe(text), theme.bad());
        }
        Some(DryRunState::Known(reply, tracks)) => {
            cell(buf, area, line, 0, &summary(reply), theme.bold());
            let listed = area.height.saturating_sub(1).min(3);
            let chart = Rect {
                y: area.y + 1,
                height: area.height.saturating_sub(1 + listed),
                ..area
            };
            let value = form.value();
            dry_run_chart(state, reply, tracks, value, theme, chart, buf);
            let shown = reply.firings.iter().rev().take(usize::from(listed));
            for (y, firing) in (area.height - listed..).zip(shown) {
                cell(buf, area, line, y, &firing_text(firing), Style::new());
            }
        }
    }
}

fn summary(reply: &DryRunReply) -> String {
    let days = (reply.to - reply.from).num_days();
    let samples = reply.samples;
    match (reply.firings.len(), reply.truncated) {
        (0, _) => format!("It would not have fired in {days} days ({samples} values)."),
        (n, false) => format!("It would have fired {n} × in {days} days ({samples} values):"),
        (n, true) => format!("It would have fired more than {n} × in {days} days:"),
    }
}

fn firing_text(firing: &Firing) -> String {
    let lasted = firing.cleared_at.map_or_else(
        || "had not cleared".to_owned(),
        |at| format!("for {}", words::short(at - firing.fired_at)),
    );
    format!(
        "{} {} {lasted}, worst {}",
        words::exact(firing.fired_at),
        firing.node,
        words::value(firing.peak)
    )
}

fn dry_run_chart(
    state: &State,
    reply: &DryRunReply,
    tracks: &[Vec<Point>],
    value: Option<f64>,
    theme: Theme,
    area: Rect,
    buf: &mut Buffer,
) {
    let shown = tracks.iter().take(SERIES_MAX).enumerate();
    let spans = reply.firings.iter().map(|firing| Span {
        from: firing.fired_at,
        to: firing.cleared_at.unwrap_or(reply.to),
        mark: '▼',
        bad: true,
    });
    // An hour's bucket may be empty without a gap in what was measured.
    let gap_ms = GAP_MS_MIN + TimeDelta::hours(3).num_milliseconds();
    let all = || tracks.iter().flatten();
    let low = all().map(|point| point.min).reduce(f64::min);
    let high = all().map(|point| point.max).reduce(f64::max);
    let bounds = match (low, high, value) {
        // The threshold is on the scale.
        (Some(low), Some(high), Some(value)) => Some((low.min(value), high.max(value))),
        _ => None,
    };
    let chart = LineChart {
        tracks: shown
            .map(|(at, points)| line::Track {
                points: points.into(),
                gap_ms,
                colour: theme.series(at),
            })
            .collect(),
        from: reply.from,
        to: reply.to,
        bounds,
        thresholds: value.into_iter().collect(),
        spans: spans.collect(),
        gaps: Vec::new(),
        cursor: None,
        mark: None,
        marker: state.settings.marks.marker(),
    };
    chart.draw(area, theme, buf);
}
