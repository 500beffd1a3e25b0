//! Drawing: every screen reads the state and writes cells. The frame (title, banner, notice,
//! keys) is here, one file per screen beside it.

mod form;
mod help;
mod incidents;
mod login;
mod messages;
mod node;
mod overview;
mod rules;

use ratatui::{buffer::Buffer, layout::Rect, style::Style};
use signalbox_protocol::api::incident::IncidentState;
use unicode_width::UnicodeWidthStr as _;

use crate::{
    keymap::{self, Binding, Cmd, Place},
    state::{Link, Modal, State},
    theme::Theme,
    words,
};

/// Smaller terminals show a sentence instead.
const COLUMNS_MIN: u16 = 40;
/// Rows that the frame and a little content need.
const ROWS_MIN: u16 = 8;

/// Draws everything.
pub(crate) fn draw(state: &State, theme: Theme, buf: &mut Buffer) {
    let area = buf.area;
    if area.width < COLUMNS_MIN || area.height < ROWS_MIN {
        put(buf, area, 0, 0, "too small", theme.bold());
        return;
    }
    title(state, theme, row(area, 0), buf);
    let mut top = 1;
    if let Some(text) = banner(state) {
        let style = theme.bad().patch(theme.selected());
        buf.set_style(row(area, 1), style);
        put(buf, row(area, 1), 0, 0, &text, style);
        top = 2;
    }
    let body = Rect {
        y: area.y + top,
        height: area.height - top - 2,
        ..area
    };
    match state.place {
        Place::Overview | Place::Anywhere => overview::draw(state, theme, body, buf),
        Place::Node => node::draw(state, theme, body, buf),
        Place::Rules => rules::draw(state, theme, body, buf),
        Place::Incidents => incidents::draw(state, theme, body, buf),
        Place::Messages => messages::draw(state, theme, body, buf),
    }
    notice(state, theme, row(area, area.height - 2), buf);
    footer(state, theme, row(area, area.height - 1), buf);
    match &state.modal {
        None => {}
        Some(Modal::Help { filter }) => help::draw(state, filter, theme, area, buf),
        Some(Modal::Login { .. }) => login::draw(state, theme, area, buf),
        Some(Modal::Rule(form)) => form::draw_rule(form, theme, area, buf),
        Some(Modal::Delete { name, .. }) => form::draw_delete(name, theme, area, buf),
        Some(Modal::OnFor {
            node,
            actuator,
            minutes,
            error,
        }) => form::draw_on_for(
            (node, actuator),
            minutes,
            error.as_deref(),
            theme,
            area,
            buf,
        ),
    }
}

/// What the person must know before believing the screen.
fn banner(state: &State) -> Option<String> {
    if let Link::Lost(since, why) = &state.link {
        return Some(format!(
            " NO CONNECTION for {}: {} — the screen shows what was last known",
            words::short(state.now - *since),
            words::safe(why)
        ));
    }
    let (since, health) = state.degraded.as_ref()?;
    let ago = words::short(state.now - *since);
    Some(if health.store == "ok" {
        format!(
            " NO BROKER for {ago}: {} — nothing comes in, commands wait",
            words::safe(&health.broker)
        )
    } else {
        format!(
            " STORE AWAY for {ago}: {} — nothing is taken in or changed; nodes keep their readings",
            words::safe(&health.store)
        )
    })
}

fn title(state: &State, theme: Theme, area: Rect, buf: &mut Buffer) {
    let firing = state
        .incidents
        .iter()
        .filter(|incident| incident.state == IncidentState::Firing)
        .count();
    let tabs = [
        (Place::Overview, format!("1 Nodes {}", state.nodes.len())),
        (Place::Rules, format!("2 Rules {}", state.rules.len())),
        (Place::Incidents, format!("3 Incidents {firing}")),
        (Place::Messages, "4 Messages".to_owned()),
    ];
    let mut x = 0;
    for (place, text) in tabs {
        let here = place == state.place || (place, state.place) == (Place::Overview, Place::Node);
        let mut style = if here { theme.selected() } else { theme.bold() };
        if place == Place::Incidents && firing > 0 {
            style = style.patch(theme.bad());
        }
        x += put(buf, area, x, 0, &format!(" {text} "), style) + 1;
    }
    let who = state.me.as_ref().map_or_else(String::new, |me| {
        format!("{} ({}) ", me.username, me.role.as_str())
    });
    let online = match state.link {
        Link::Connecting => "connecting… ",
        Link::Online | Link::Lost(..) => "",
    };
    let version = state
        .hello
        .as_ref()
        .map_or("", |hello| hello.version.as_str());
    let endpoint = &state.endpoint;
    // The longest that fits; who is logged in matters most.
    let right = [
        format!("{online}{who}{endpoint} {version}"),
        format!("{online}{who}{endpoint}"),
        format!("{online}{who}"),
        online.to_owned(),
    ]
    .into_iter()
    .map(|text| (u16::try_from(text.width()).unwrap_or(u16::MAX), text))
    .find(|(width, _)| x.saturating_add(*width) < area.width);
    if let Some((width, text)) = right {
        put(buf, area, area.width - width, 0, &text, theme.dim());
    }
}

fn notice(state: &State, theme: Theme, area: Rect, buf: &mut Buffer) {
    if state.filtering || !state.filter.value().is_empty() {
        let mark = if state.filtering {
            "▏"
        } else {
            "  (Esc clears)"
        };
        let text = format!("/{}{mark}", state.filter.value());
        put(buf, area, 0, 0, &text, theme.bold());
        return;
    }
    if let Some(notice) = &state.notice {
        let style = if notice.bad {
            theme.bad()
        } else {
            theme.good()
        };
        let mark = if notice.bad { "! " } else { "· " };
        put(buf, area, 0, 0, &format!("{mark}{}", notice.text), style);
        return;
    }
    if state.missed > 0 {
        let text = format!(
            "{} events were left out because this line is slow",
            state.missed
        );
        put(buf, area, 0, 0, &text, theme.warn());
    }
}

/// Keys of this place, as many as fit, never half of one; help and quit always at the right.
fn footer(state: &State, theme: Theme, area: Rect, buf: &mut Buffer) {
    let always = |binding: &&Binding| matches!(binding.cmd, Cmd::Help | Cmd::Quit);
    let columns = |binding: &Binding| {
        let text = format!("{} {}  ", binding.shown, binding.text);
        u16::try_from(text.width()).unwrap_or(u16::MAX)
    };
    let shown = || keymap::here(state.place).filter(|binding| binding.footer);
    let mut write = |binding: &Binding, x: u16| {
        let key = put(buf, area, x, 0, binding.shown, theme.bold());
        put(buf, area, x + key + 1, 0, binding.text, theme.dim());
    };
    let mut end = area.width;
    for binding in shown().filter(always).collect::<Vec<_>>().into_iter().rev() {
        end = end.saturating_sub(columns(binding));
        write(binding, end);
    }
    let mut x = 0;
    for binding in shown().filter(|binding| !always(binding)) {
        let width = columns(binding);
        if x + width > end {
            break;
        }
        write(binding, x);
        x += width;
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

/// Says at the bottom of an area that nobody gets a mail, and gives the area above.
fn without_mail(state: &State, theme: Theme, area: Rect, buf: &mut Buffer) -> Rect {
    if state.mail_configured || area.height < ROWS_MIN {
        return area;
    }
    let text = "no mail server is configured: alerts show in the terminal only";
    put(buf, area, 1, area.height - 1, text, theme.dim());
    Rect {
        height: area.height - 1,
        ..area
    }
}

/// A list of lines with a head and a selected one; `line` draws one into its row.
fn list<T>(
    head: &str,
    items: &[T],
    selected: usize,
    theme: Theme,
    (area, buf): (Rect, &mut Buffer),
    mut line: impl FnMut(&T, Rect, &mut Buffer),
) {
    put(buf, area, 0, 0, head, theme.dim());
    let rows = usize::from(area.height.saturating_sub(1));
    let first = (selected + 1).saturating_sub(rows);
    for (y, item) in items.iter().enumerate().skip(first).take(rows) {
        let place = u16::try_from(y - first + 1).unwrap_or(u16::MAX);
        let at = row(area, place);
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
