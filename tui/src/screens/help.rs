//! The help: every key that holds here, filtered as one types.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};
use tui_input::Input;

use super::{input, put, row, window};
use crate::{keymap, state::State, theme::Theme};

pub(super) fn draw(state: &State, filter: &Input, theme: Theme, area: Rect, buf: &mut Buffer) {
    let wanted = filter.value().to_lowercase();
    let bindings: Vec<_> = keymap::here(state.place)
        .filter(|binding| {
            let text = format!("{} {}", binding.shown, binding.text).to_lowercase();
            text.contains(&wanted)
        })
        .collect();
    let inside = window("Keys", (52, area.height.min(30)), theme, area, buf);
    put(buf, inside, 1, 0, "filter:", theme.dim());
    let field = Rect {
        x: inside.x + 9,
        width: inside.width.saturating_sub(10),
        ..row(inside, 0)
    };
    input(filter, (true, false), theme, field, buf);
    for (y, binding) in (2..inside.height).zip(bindings) {
        put(buf, inside, 1, y, binding.shown, theme.bold());
        put(buf, inside, 9, y, binding.text, Style::new());
    }
}
