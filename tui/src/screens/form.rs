//! Windows that ask for something: several texts, one text, a yes; and one to read.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::Line,
    widgets::{Paragraph, Widget as _, Wrap},
};
use unicode_width::UnicodeWidthStr as _;

use super::{cell, input, put, row, window};
use crate::{
    state::{Form, Prompt},
    theme::Theme,
    words,
};

/// Rows that stay for fields in a low window, with the rows of errors and keys.
const FIELD_ROWS_MIN: u16 = 6;
/// A window with fewer columns has shorter hints.
const NARROW_COLUMNS: u16 = 55;
/// Of a window with something to read.
const TEXT_COLUMNS: u16 = 90;

/// A form with what its keys do, in long and in short; gives the rows below its fields, as many
/// as are wanted or fit.
pub(super) fn draw_form(
    form: &Form,
    (title, keys, short_keys): (&str, &str, &str),
    wanted: u16,
    theme: Theme,
    area: Rect,
    buf: &mut Buffer,
) -> Rect {
    let fields = u16::try_from(form.fields.len()).unwrap_or(u16::MAX);
    let inside = window(title, (90, fields + 5 + wanted), theme, area, buf);
    // In a low window what is below takes the place of the fields but a few.
    let more = wanted.min(inside.height.saturating_sub(FIELD_ROWS_MIN));
    let room = inside.height.saturating_sub(2 + more);
    draw_fields(form, room, theme, inside, buf);
    let last = inside.height.saturating_sub(2);
    let line = (1, inside.width - 2);
    match &form.error {
        Some((text, _)) => cell(buf, inside, line, last, &words::safe(text), theme.bad()),
        None if form.waiting => cell(buf, inside, line, last, "…", theme.dim()),
        None => {}
    }
    let keys = if inside.width < NARROW_COLUMNS {
        short_keys
    } else {
        keys
    };
    cell(buf, inside, line, last + 1, keys, theme.dim());
    Rect {
        y: inside.y + room,
        height: more,
        ..inside
    }
}

fn draw_fields(form: &Form, room: u16, theme: Theme, inside: Rect, buf: &mut Buffer) {
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
