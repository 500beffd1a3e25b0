//! Windows that ask for something: a rule, a text, a yes; and one to read.

use chrono::TimeDelta;
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::Line,
    widgets::{Paragraph, Widget as _, Wrap},
};
use signalbox_protocol::api::rule::{DryRunReply, Firing};
use unicode_width::UnicodeWidthStr as _;

use super::{cell, input, put, row, window};
use crate::{
    charts::line::{self, LineChart, Span},
    state::{DryRunState, GAP_MS_MIN, Point, Prompt, RuleForm, State},
    theme::{SERIES_MAX, Theme},
    words,
};

/// Rows below the fields that a dry run takes.
const DRY_RUN_ROWS: u16 = 12;
/// A window with fewer columns has shorter hints.
const NARROW_COLUMNS: u16 = 55;
/// Of a window with something to read.
const TEXT_COLUMNS: u16 = 90;

pub(super) fn draw_rule(
    state: &State,
    form: &RuleForm,
    theme: Theme,
    area: Rect,
    buf: &mut Buffer,
) {
    let title = if form.id.is_some() {
        "Edit rule"
    } else {
        "New rule"
    };
    let fields = u16::try_from(form.fields.len()).unwrap_or(u16::MAX);
    let more = if form.dry_run.is_some() {
        DRY_RUN_ROWS
    } else {
        0
    };
    let inside = window(title, (90, fields + 5 + more), theme, area, buf);
    // In a low window a dry run takes the place of the fields but a few.
    let more = more.min(inside.height.saturating_sub(6));
    let room = inside.height.saturating_sub(2 + more);
    draw_fields(form, room, theme, inside, buf);
    if more > 0 {
        let below = Rect {
            y: inside.y + room,
            height: more,
            ..inside
        };
        draw_dry_run(state, form, theme, below, buf);
    }
    let last = inside.height.saturating_sub(2);
    let line = (1, inside.width - 2);
    match &form.error {
        Some((text, _)) => cell(buf, inside, line, last, &words::safe(text), theme.bad()),
        None if form.waiting => cell(buf, inside, line, last, "…", theme.dim()),
        None => {}
    }
    let keys = if inside.width < NARROW_COLUMNS {
        "Ctrl-S save  Ctrl-R dry run  Esc"
    } else {
        "Ctrl-S save   Ctrl-R dry run   Tab next   Esc leave"
    };
    cell(buf, inside, line, last + 1, keys, theme.dim());
}

fn draw_fields(form: &RuleForm, room: u16, theme: Theme, inside: Rect, buf: &mut Buffer) {
    let wrong = form.error.as_ref().and_then(|(_, field)| field.as_deref());
    // In a low window the field with the focus stays on screen.
    let focus = u16::try_from(form.focus).unwrap_or(0);
    let first = (focus + 1).saturating_sub(room);
    let fields = form.fields.iter().enumerate().skip(usize::from(first));
    for (y, (at, field)) in (0..room).zip(fields) {
        let focused = at == form.focus;
        let style = if wrong == Some(field.name) {
            theme.bad()
        } else {
            theme.bold()
        };
        cell(buf, inside, (1, 12), y, field.label, style);
        let place = Rect {
            x: inside.x + 14,
            width: inside.width.saturating_sub(15).min(26),
            ..row(inside, y)
        };
        buf.set_style(place, theme.field());
        input(&field.input, (focused, false), theme, place, buf);
        if focused {
            let width = inside.width.saturating_sub(43);
            cell(buf, inside, (42, width), y, field.hint, theme.dim());
        }
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
                points,
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

pub(super) fn draw_confirm(question: &str, theme: Theme, area: Rect, buf: &mut Buffer) {
    let question = words::safe(question);
    let width = area.width.min(66).saturating_sub(4).max(1);
    let rows = wrapped_rows(&question, width);
    let inside = window("Sure?", (66, rows + 4), theme, area, buf);
    wrapped(vec![question], 0, inside, buf);
    let last = inside.height.saturating_sub(1);
    put(buf, inside, 1, last, "y yes   n no", theme.bold());
}

/// Rows that a text takes at most when it is broken between words.
fn wrapped_rows(text: &str, width: u16) -> u16 {
    // A row may end a word earlier than it could.
    let room = usize::from(width.saturating_sub(width / 5).max(1));
    let rows = if text.width() <= usize::from(width) {
        1
    } else {
        text.width().div_ceil(room)
    };
    u16::try_from(rows).unwrap_or(u16::MAX)
}

/// Draws lines, broken between words, above the last row.
fn wrapped(lines: Vec<String>, top: usize, inside: Rect, buf: &mut Buffer) {
    let place = Rect {
        x: inside.x + 1,
        width: inside.width.saturating_sub(2),
        height: inside.height.saturating_sub(1),
        ..inside
    };
    let lines: Vec<Line<'_>> = lines.into_iter().skip(top).map(Line::from).collect();
    let text = Paragraph::new(lines).wrap(Wrap { trim: false });
    text.render(place, buf);
}

pub(super) fn draw_prompt(prompt: &Prompt, theme: Theme, area: Rect, buf: &mut Buffer) {
    let inside = window(&prompt.title, (70, 7), theme, area, buf);
    let place = Rect {
        x: inside.x + 1,
        width: inside.width.saturating_sub(2),
        ..row(inside, 0)
    };
    buf.set_style(place, theme.field());
    input(&prompt.input, (true, prompt.hidden), theme, place, buf);
    let line = (1, inside.width - 2);
    let error = prompt.error.as_deref().unwrap_or_default();
    cell(buf, inside, line, 2, &words::safe(error), theme.bad());
    cell(buf, inside, line, 3, prompt.hint, theme.dim());
    cell(buf, inside, line, 4, "Enter go on   Esc leave", theme.dim());
}

pub(super) fn draw_text(
    title: &str,
    lines: &[String],
    top: usize,
    theme: Theme,
    area: Rect,
    buf: &mut Buffer,
) {
    let lines: Vec<String> = lines.iter().map(|line| words::safe(line)).collect();
    let width = area.width.min(TEXT_COLUMNS).saturating_sub(4).max(1);
    let rows: u16 = lines
        .iter()
        .map(|line| wrapped_rows(line, width))
        .fold(0, u16::saturating_add);
    let height = rows.saturating_add(4).min(area.height);
    let title = words::safe(title);
    let inside = window(&title, (TEXT_COLUMNS, height), theme, area, buf);
    wrapped(lines, top, inside, buf);
    let last = inside.height.saturating_sub(1);
    put(buf, inside, 1, last, "↑ ↓ move   Esc leave", theme.dim());
}
