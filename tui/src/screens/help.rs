//! The help, every key that holds here, filtered as one types; and the palette, every action.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};
use tui_input::Input;

use super::{cell, input, put, row, window};
use crate::{
    keymap::Binding,
    state::{PaletteState, State, palette_entries},
    theme::Theme,
};

pub(super) fn draw(state: &State, filter: &Input, theme: Theme, area: Rect, buf: &mut Buffer) {
    let wanted = filter.value().to_lowercase();
    let bindings: Vec<&Binding> = state
        .settings
        .keymap
        .here(state.place)
        .filter(|binding| !binding.chords.is_empty())
        .filter(|binding| {
            let text = format!("{} {}", binding.shown(), binding.text).to_lowercase();
            text.contains(&wanted)
        })
        .collect();
    let title = format!("Keys: {}", state.place.word());
    let inside = window(&title, (58, area.height.min(50)), theme, area, buf);
    field("filter:", filter, theme, inside, buf);
    let rows = inside.height.saturating_sub(3);
    for (y, binding) in (2..inside.height.saturating_sub(1)).zip(&bindings) {
        let keys: Vec<String> = binding.chords.iter().map(ToString::to_string).collect();
        cell(buf, inside, (1, 15), y, &keys.join(" "), theme.bold());
        let width = inside.width.saturating_sub(18);
        cell(buf, inside, (17, width), y, binding.text, Style::new());
    }
    let hidden = bindings.len().saturating_sub(usize::from(rows));
    let text = if hidden > 0 {
        format!("{hidden} more: type to find them   Esc leaves")
    } else {
        "type to find   Esc leaves".to_owned()
    };
    let last = inside.height.saturating_sub(1);
    cell(buf, inside, (1, inside.width - 2), last, &text, theme.dim());
}

fn field(label: &str, typed: &Input, theme: Theme, inside: Rect, buf: &mut Buffer) {
    put(buf, inside, 1, 0, label, theme.dim());
    let place = Rect {
        x: inside.x + 9,
        width: inside.width.saturating_sub(10),
        ..row(inside, 0)
    };
    input(typed, (true, false), theme, place, buf);
}

pub(super) fn draw_palette(
    state: &State,
    palette: &PaletteState,
    theme: Theme,
    area: Rect,
    buf: &mut Buffer,
) {
    let found = palette_entries(&state.settings.keymap, state.place, palette.typed.value());
    let inside = window("Actions", (66, area.height.min(24)), theme, area, buf);
    field("find:", &palette.typed, theme, inside, buf);
    let rows = usize::from(inside.height.saturating_sub(2));
    let selected = palette.row.min(found.len().saturating_sub(1));
    let first = (selected + 1).saturating_sub(rows);
    if found.is_empty() {
        put(buf, inside, 1, 2, "no action fits", theme.dim());
    }
    let shown = found.iter().enumerate().skip(first).take(rows);
    for (y, (at, binding)) in (2..).zip(shown) {
        let line = row(inside, y);
        cell(buf, line, (1, 15), 0, binding.place.word(), theme.dim());
        let width = line.width.saturating_sub(30);
        cell(buf, line, (17, width), 0, binding.text, Style::new());
        let x = line.width.saturating_sub(12);
        cell(buf, line, (x, 11), 0, &binding.shown(), theme.bold());
        if at == selected {
            buf.set_style(line, theme.selected());
        }
    }
}
