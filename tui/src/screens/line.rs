//! The command line at the bottom, with what Tab found above it.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    widgets::{Clear, Widget as _},
};

use super::{cell, input, put, row};
use crate::{
    state::{LineState, line_usage},
    theme::Theme,
};

/// Rows of choices.
const CHOICES_SHOWN: u16 = 6;

pub(super) fn draw(line: &LineState, theme: Theme, area: Rect, buf: &mut Buffer) {
    let y = area.height - 2;
    let below = Rect {
        y: area.y + y,
        height: 2,
        ..area
    };
    Clear.render(below, buf);
    put(buf, row(area, y), 0, 0, ":", theme.bold());
    let field = Rect {
        x: area.x + 1,
        width: area.width - 1,
        ..row(area, y)
    };
    input(&line.input, (true, false), theme, field, buf);
    let verb = line.input.value().split(' ').next().unwrap_or_default();
    let usage = line_usage(verb);
    let (text, style) = match &line.error {
        Some(error) => (error.as_str(), theme.bad()),
        None if !usage.is_empty() => (usage, theme.dim()),
        None => (
            "Tab completes   ↑ earlier lines   Enter runs   Esc leaves",
            theme.dim(),
        ),
    };
    cell(buf, row(area, y + 1), (0, area.width), 0, text, style);
    let shown = line.choices.iter().take(usize::from(CHOICES_SHOWN.min(y)));
    let count = u16::try_from(shown.len()).unwrap_or(0);
    for (at, choice) in (0..).zip(shown) {
        let place = row(area, y - count + at);
        Clear.render(place, buf);
        cell(buf, place, (1, area.width - 2), 0, choice, theme.line());
    }
    let left = line.choices.len().saturating_sub(usize::from(count));
    if left > 0 {
        let text = format!("and {left} more");
        let width = u16::try_from(text.len()).unwrap_or(0) + 1;
        let x = area.width.saturating_sub(width);
        put(buf, row(area, y - 1), x, 0, &text, theme.dim());
    }
}
