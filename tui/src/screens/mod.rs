//! Drawing: every screen reads the state and writes cells. The frame (title, banner, notice,
//! keys) is here, one file per screen beside it. What can be clicked is noted while it is drawn.

mod admin;
mod admin_lists;
mod ascii;
mod cards;
mod chart;
mod columns;
mod commands;
mod form;
mod frame;
mod help;
mod hits;
mod incident;
mod incidents;
mod line;
mod log;
mod login;
mod messages;
mod node;
mod overlaid;
mod overview;
mod rows;
mod rule_form;
mod rules;
mod schedule_form;

use ratatui::{buffer::Buffer, layout::Rect, style::Style};
use unicode_width::UnicodeWidthStr as _;

pub(crate) use hits::Hits;

use crate::{
    event::Target,
    keymap::Place,
    settings::Marks,
    state::{Modal, NodesView, State},
    theme::Theme,
    words,
};

/// Smaller terminals show a sentence instead.
const COLUMNS_MIN: u16 = 40;
/// Rows that the frame and a little content need.
const ROWS_MIN: u16 = 8;

/// Draws everything; gives what can be clicked.
pub(crate) fn draw(state: &State, theme: Theme, buf: &mut Buffer) -> Hits {
    let area = buf.area;
    let mut hits = Hits::default();
    if area.width < COLUMNS_MIN || area.height < ROWS_MIN {
        put(buf, area, 0, 0, "too small", theme.bold());
        return hits;
    }
    let told = frame::title(state, theme, row(area, 0), buf, &mut hits);
    let top = 1 + u16::from(frame::banner(state, theme, row(area, 1), buf));
    let body = Rect {
        y: area.y + top,
        height: area.height - top - 2,
        ..area
    };
    match state.place {
        Place::Overview | Place::Anywhere => {
            let draw = match state.nodes_view() {
                NodesView::Table => overview::draw,
                NodesView::Rows => rows::draw,
                NodesView::Cards => cards::draw,
            };
            draw(state, theme, body, buf, &mut hits);
        }
        Place::Node => node::draw(state, theme, body, buf, &mut hits),
        Place::Chart => chart::draw(state, theme, body, buf, &mut hits),
        Place::Rules => rules::draw(state, theme, body, buf, &mut hits),
        Place::Incidents => incidents::draw(state, theme, body, buf, &mut hits),
        Place::Messages => messages::draw(state, theme, body, buf, &mut hits),
        Place::Commands => commands::draw(state, theme, body, buf, &mut hits),
        Place::Admin => admin::draw(state, theme, body, buf, &mut hits),
        Place::Log => log::draw(state, theme, body, buf, &mut hits),
    }
    frame::notice(state, told, theme, row(area, area.height - 2), buf);
    frame::footer(state, theme, row(area, area.height - 1), buf, &mut hits);
    modal(state, theme, area, buf);
    if state.settings.marks == Marks::Ascii {
        ascii::translate(buf);
    }
    hits
}

fn modal(state: &State, theme: Theme, area: Rect, buf: &mut Buffer) {
    match &state.modal {
        None => {}
        Some(Modal::Help { filter, top }) => help::draw(state, filter, *top, theme, area, buf),
        Some(Modal::Palette(palette)) => help::draw_palette(state, palette, theme, area, buf),
        Some(Modal::Line(line)) => line::draw(line, theme, area, buf),
        Some(Modal::Login { .. }) => login::draw(state, theme, area, buf),
        Some(Modal::Rule(form)) => rule_form::draw(state, form, theme, area, buf),
        Some(Modal::Schedule(form)) => schedule_form::draw(state, form, theme, area, buf),
        Some(Modal::Confirm(action)) => form::draw_confirm(&action.question(), theme, area, buf),
        Some(Modal::Prompt(prompt)) => form::draw_prompt(prompt, theme, area, buf),
        Some(Modal::Incident(view)) => incident::draw(state, view, theme, area, buf),
        Some(Modal::Text { title, lines, top }) => {
            form::draw_text(title, lines, *top, theme, area, buf);
        }
    }
}

/// One row of an area.
fn row(area: Rect, y: u16) -> Rect {
    Rect {
        y: area.y + y,
        height: 1,
        ..area
    }
}

/// Writes a text into an area, cut at its right end; gives the columns that it took.
fn put(buf: &mut Buffer, area: Rect, x: u16, y: u16, text: &str, style: Style) -> u16 {
    if x >= area.width || y >= area.height {
        return 0;
    }
    let room = usize::from(area.width - x);
    let (end, _) = buf.set_stringn(area.x + x, area.y + y, text, room, style);
    end - area.x - x
}

/// Writes a text into a column, cut with `…` when it is too long.
fn cell(buf: &mut Buffer, area: Rect, (x, width): (u16, u16), y: u16, text: &str, style: Style) {
    if x >= area.width || y >= area.height || width == 0 {
        return;
    }
    let room = usize::from(width.min(area.width - x));
    if text.width() <= room {
        put(buf, area, x, y, text, style);
    } else {
        let (at, line) = (area.x + x, area.y + y);
        let (end, _) = buf.set_stringn(at, line, text, room.saturating_sub(1), style);
        buf.set_stringn(end, line, "…", 1, style);
    }
}

/// As [`cell`], cut at the left: of a topic the end says more.
fn cell_end(
    buf: &mut Buffer,
    area: Rect,
    (x, width): (u16, u16),
    y: u16,
    text: &str,
    style: Style,
) {
    let room = usize::from(width.min(area.width.saturating_sub(x)));
    if text.width() <= room || room == 0 {
        return cell(buf, area, (x, width), y, text, style);
    }
    let mut kept: Vec<char> = Vec::new();
    let mut taken = 1;
    for c in text.chars().rev() {
        taken += unicode_width::UnicodeWidthChar::width(c).unwrap_or(0);
        if taken > room {
            break;
        }
        kept.push(c);
    }
    let end: String = std::iter::once('…').chain(kept.into_iter().rev()).collect();
    put(buf, area, x, y, &end, style);
}

/// The names of a screen's parts, with the present one marked; gives the area below.
fn tabs(
    names: &[&str],
    at: usize,
    theme: Theme,
    area: Rect,
    (buf, hits): (&mut Buffer, &mut Hits),
) -> Rect {
    let padded: usize = names.iter().map(|name| name.width() + 3).sum();
    let pad = if padded < usize::from(area.width) {
        " "
    } else {
        ""
    };
    let mut x = 1;
    for (index, name) in names.iter().enumerate() {
        let style = if index == at {
            theme.selected()
        } else {
            theme.dim()
        };
        let width = put(buf, area, x, 0, &format!("{pad}{name}{pad}"), style);
        let place = Rect {
            x: area.x + x,
            width,
            ..row(area, 0)
        };
        hits.add(place, Target::Page(index));
        x += width + 1;
    }
    Rect {
        y: area.y + 1,
        height: area.height.saturating_sub(1),
        ..area
    }
}

/// Says at the bottom of an area that nobody gets a mail, and gives the area above.
fn without_mail(state: &State, theme: Theme, area: Rect, buf: &mut Buffer) -> Rect {
    if state.mail_configured || area.height < ROWS_MIN {
        return area;
    }
    let whole = "no mail server is configured: alerts show in the terminal only";
    let text = if whole.width() < usize::from(area.width) {
        whole
    } else {
        "no mail server: alerts show only here"
    };
    put(buf, area, 1, area.height - 1, text, theme.dim());
    Rect {
        height: area.height - 1,
        ..area
    }
}

/// Says in place of a list why it is empty, and what to do; a filter may be why.
fn empty(state: &State, why: &str, theme: Theme, area: Rect, buf: &mut Buffer) {
    use ratatui::widgets::{Paragraph, Widget as _, Wrap};
    let filter = state.filter.value();
    let text = if filter.is_empty() {
        why.to_owned()
    } else {
        format!(
            "nothing fits the filter `{}`: `Esc` clears it",
            words::safe(filter)
        )
    };
    let place = Rect {
        x: area.x + 1,
        y: area.y + 2.min(area.height),
        width: area.width.saturating_sub(2),
        height: area.height.saturating_sub(2),
    };
    let text = Paragraph::new(text).wrap(Wrap { trim: true });
    text.style(theme.dim()).render(place, buf);
}

/// A list of lines with a head and a selected one; `line` draws one into its row.
fn list<T>(
    head: &str,
    items: &[T],
    selected: usize,
    theme: Theme,
    (area, buf, hits): (Rect, &mut Buffer, &mut Hits),
    mut line: impl FnMut(&T, Rect, &mut Buffer),
) {
    put(buf, area, 0, 0, head, theme.dim());
    let rows = usize::from(area.height.saturating_sub(1));
    let first = (selected + 1).saturating_sub(rows);
    for (y, item) in items.iter().enumerate().skip(first).take(rows) {
        let place = u16::try_from(y - first + 1).unwrap_or(u16::MAX);
        let at = row(area, place);
        hits.add(at, Target::Row(y));
        line(item, at, buf);
        if y == selected {
            buf.set_style(at, theme.selected());
        }
    }
}

/// A cleared box with a border and a title in the middle; gives its inside.
fn window(
    text: &str,
    (width, height): (u16, u16),
    theme: Theme,
    area: Rect,
    buf: &mut Buffer,
) -> Rect {
    use ratatui::widgets::{Block, Clear, Widget as _};
    let width = width.min(area.width);
    let height = height.min(area.height);
    let place = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    Clear.render(place, buf);
    let block = Block::bordered()
        .title(format!(" {text} "))
        .border_style(theme.line());
    let inside = block.inner(place);
    block.render(place, buf);
    inside
}

/// A text field with its cursor.
fn input(
    field: &tui_input::Input,
    (focused, hidden): (bool, bool),
    theme: Theme,
    area: Rect,
    buf: &mut Buffer,
) {
    let width = usize::from(area.width.max(2));
    let scroll = field.visual_scroll(width - 1);
    let text: String = if hidden {
        "•".repeat(field.value().chars().count())
    } else {
        words::safe(field.value())
    };
    let shown: String = text.chars().skip(scroll).take(width).collect();
    put(buf, area, 0, 0, &shown, Style::new());
    if focused {
        let at = u16::try_from(field.visual_cursor().saturating_sub(scroll)).unwrap_or(0);
        if let Some(cell) = buf.cell_mut((area.x + at.min(area.width - 1), area.y)) {
            cell.set_style(theme.selected());
        }
    }
}
