//! Windows that ask for something: a rule, a duration, a yes.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};
use tui_input::Input;

use super::{cell, input, put, row, window};
use crate::{state::RuleForm, theme::Theme, words};

pub(super) fn draw_rule(form: &RuleForm, theme: Theme, area: Rect, buf: &mut Buffer) {
    let title = if form.id.is_some() {
        "Edit rule"
    } else {
        "New rule"
    };
    let rows = u16::try_from(form.fields.len()).unwrap_or(u16::MAX);
    let inside = window(title, (76, rows + 5), theme, area, buf);
    let wrong = form.error.as_ref().and_then(|(_, field)| field.as_deref());
    // In a low window the field with the focus stays on screen.
    let room = inside.height.saturating_sub(2);
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
        cell(buf, inside, (1, 11), y, field.label, style);
        let place = Rect {
            x: inside.x + 13,
            width: inside.width.saturating_sub(14).min(24),
            ..row(inside, y)
        };
        buf.set_style(
            place,
            theme
                .dim()
                .add_modifier(ratatui::style::Modifier::UNDERLINED),
        );
        input(&field.input, (focused, false), theme, place, buf);
        if focused {
            cell(
                buf,
                inside,
                (39, inside.width.saturating_sub(40)),
                y,
                field.hint,
                theme.dim(),
            );
        }
    }
    let last = inside.height.saturating_sub(2);
    match &form.error {
        Some((text, _)) => {
            cell(
                buf,
                inside,
                (1, inside.width - 2),
                last,
                &words::safe(text),
                theme.bad(),
            );
        }
        None if form.waiting => {
            put(buf, inside, 1, last, "…", theme.dim());
        }
        None => {}
    }
    put(
        buf,
        inside,
        1,
        last + 1,
        "Ctrl-S save   Tab next   Esc leave",
        theme.dim(),
    );
}

pub(super) fn draw_delete(name: &str, theme: Theme, area: Rect, buf: &mut Buffer) {
    let inside = window("Delete rule", (60, 5), theme, area, buf);
    let text = format!("Delete `{}`? Its incidents are closed.", words::safe(name));
    cell(buf, inside, (1, inside.width - 2), 0, &text, Style::new());
    put(buf, inside, 1, 2, "y yes   n no", theme.bold());
}

pub(super) fn draw_on_for(
    (node, actuator): (&str, &str),
    minutes: &Input,
    error: Option<&str>,
    theme: Theme,
    area: Rect,
    buf: &mut Buffer,
) {
    let inside = window(
        &format!("{node}/{actuator} on for"),
        (50, 6),
        theme,
        area,
        buf,
    );
    let place = Rect {
        x: inside.x + 1,
        width: inside.width.saturating_sub(2),
        ..row(inside, 0)
    };
    input(minutes, (true, false), theme, place, buf);
    put(buf, inside, 1, 1, error.unwrap_or_default(), theme.bad());
    put(
        buf,
        inside,
        1,
        3,
        "90s, 10m, 1h30m   Enter on   Esc leave",
        theme.dim(),
    );
}
