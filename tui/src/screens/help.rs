//! The help, every key that holds here, filtered as one types; and the palette, every action.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};
use tui_input::Input;

use super::{cell, input, put, row, window};
use crate::{
    keymap::Binding,
    state::{PaletteState, State, palette_entries},
    theme::Theme,
};

/// Columns of a key with its text.
const ENTRY_COLUMNS: u16 = 54;
/// Columns of the keys alone.
const KEYS_COLUMNS: u16 = 15;
/// Entries beside each other.
const ACROSS_MAX: u16 = 3;

pub(super) fn draw(
    state: &State,
    filter: &Input,
    top: usize,
    theme: Theme,
    area: Rect,
    buf: &mut Buffer,
) {
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
    let across = (area.width / (ENTRY_COLUMNS + 2)).clamp(1, ACROSS_MAX);
    let all = u16::try_from(bindings.len()).unwrap_or(u16::MAX);
    // Border, filter, and the line below.
    let height = all.div_ceil(across).saturating_add(6).min(area.height);
    let width = ENTRY_COLUMNS * across + 4;
    let inside = window(&title, (width, height), theme, area, buf);
    field("filter:", filter, theme, inside, buf);
    let rows = usize::from(inside.height.saturating_sub(3));
    let room = rows * usize::from(across);
    let top = top.min(bindings.len().saturating_sub(room));
    let wide = inside.width / across;
    for (at, binding) in bindings.iter().skip(top).take(room).enumerate() {
        let column = u16::try_from(at / rows.max(1)).unwrap_or(0);
        let y = u16::try_from(at % rows.max(1)).unwrap_or(0) + 2;
        let x = column * wide;
        let keys: Vec<String> = binding.chords.iter().map(ToString::to_string).collect();
        let keys = keys.join(" ");
        cell(buf, inside, (x + 1, KEYS_COLUMNS), y, &keys, theme.bold());
        let text = (x + KEYS_COLUMNS + 2, wide.saturating_sub(KEYS_COLUMNS + 3));
        cell(buf, inside, text, y, binding.text, Style::new());
    }
    let hidden = bindings.len().saturating_sub(room);
    let text = if hidden > 0 {
        format!("{hidden} more ↓   type to find   Esc leaves")
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
