//! The frame of every screen: tabs, banner, notice, keys.

use ratatui::{buffer::Buffer, layout::Rect};
use signalbox_protocol::api::incident::IncidentState;
use unicode_width::UnicodeWidthStr as _;

use super::{Hits, cell, put};
use crate::{
    event::Target,
    keymap::{Binding, Cmd, Place},
    state::{Link, Modal, State},
    theme::Theme,
    words,
};

/// Below this the keys stand closer.
const NARROW_COLUMNS: u16 = 60;

/// Says what the person must know before believing the screen; whether there is something.
pub(super) fn banner(state: &State, theme: Theme, area: Rect, buf: &mut Buffer) -> bool {
    let Some((text, rest)) = banner_text(state) else {
        return false;
    };
    let style = theme.bad().patch(theme.selected());
    buf.set_style(area, style);
    let whole = format!(" {text} — {rest}");
    let shown = if whole.width() <= usize::from(area.width) {
        whole
    } else {
        format!(" {text}")
    };
    cell(buf, area, (0, area.width), 0, &shown, style);
    true
}

/// What is wrong, and what that means for the screen.
fn banner_text(state: &State) -> Option<(String, &'static str)> {
    if let Link::Lost(since, why) = &state.link {
        let ago = words::short(state.now - *since);
        return Some((
            format!("NO CONNECTION for {ago}: {}", words::safe(why)),
            "the screen shows what was last known",
        ));
    }
    let (since, health) = state.degraded.as_ref()?;
    let ago = words::short(state.now - *since);
    Some(if health.store == "ok" {
        (
            format!("NO BROKER for {ago}: {}", words::safe(&health.broker)),
            "nothing comes in, commands wait",
        )
    } else {
        (
            format!("STORE AWAY for {ago}: {}", words::safe(&health.store)),
            "nothing is taken in or changed; nodes keep their readings",
        )
    })
}

/// The tabs: where they lead, what leads there, the name.
fn tabs(state: &State, firing: usize) -> [(Place, Cmd, String); 7] {
    let tab = |place, cmd, name: &str| (place, cmd, name.to_owned());
    [
        tab(
            Place::Overview,
            Cmd::GoOverview,
            &format!("Nodes {}", fleet(state)),
        ),
        tab(
            Place::Rules,
            Cmd::GoRules,
            &format!("Rules {}", state.rules.len()),
        ),
        tab(
            Place::Incidents,
            Cmd::GoIncidents,
            &format!("Incidents {firing}"),
        ),
        tab(Place::Messages, Cmd::GoMessages, "Messages"),
        tab(Place::Commands, Cmd::GoCommands, "Commands"),
        tab(Place::Admin, Cmd::GoAdmin, "Admin"),
        tab(Place::Log, Cmd::GoLog, "Log"),
    ]
}

/// How many nodes there are, and how many of them are not away when some are.
fn fleet(state: &State) -> String {
    let all = state.nodes.len();
    match state.away() {
        0 => all.to_string(),
        away => format!("{}/{all}", all - away),
    }
}

/// Tabs with their keys; those that do not fit show only the key, the last ones first.
/// Gives whether there was room for who and where.
pub(super) fn title(
    state: &State,
    theme: Theme,
    area: Rect,
    buf: &mut Buffer,
    hits: &mut Hits,
) -> bool {
    let firing = state
        .incidents
        .iter()
        .filter(|incident| incident.state == IncidentState::Firing)
        .count();
    let tabs = tabs(state, firing);
    let of = match state.place {
        Place::Node | Place::Chart | Place::Anywhere => Place::Overview,
        place => place,
    };
    let key = |wanted| {
        let mut all = state.settings.keymap.here(Place::Anywhere);
        let found = all.find(|binding| binding.cmd == wanted);
        found.map(Binding::shown).unwrap_or_default()
    };
    let texts = |short: usize| -> Vec<String> {
        let whole = tabs.len() - short;
        let text = |(at, (place, cmd, name)): (usize, &(Place, Cmd, String))| {
            if at < whole || *place == of {
                format!(" {} {name} ", key(*cmd))
            } else if *place == Place::Incidents && firing > 0 {
                format!(" {}! ", key(*cmd))
            } else {
                format!(" {} ", key(*cmd))
            }
        };
        tabs.iter().enumerate().map(text).collect()
    };
    let width = |texts: &[String]| texts.iter().map(|text| text.width()).sum::<usize>();
    let fits = (0..=tabs.len())
        .map(texts)
        .find(|texts| width(texts) <= usize::from(area.width));
    let mut x = 0;
    for (text, (place, ..)) in fits.unwrap_or_else(|| texts(tabs.len())).iter().zip(&tabs) {
        let mut style = if *place == of {
            theme.selected()
        } else {
            theme.bold()
        };
        if *place == Place::Incidents && firing > 0 {
            style = style.patch(theme.bad());
        }
        let columns = put(buf, area, x, 0, text, style);
        let at = Rect {
            x: area.x + x,
            width: columns,
            ..area
        };
        hits.add(at, Target::Tab(*place));
        x += columns;
    }
    who(state, theme, x, area, buf)
}

/// Who and where, as much as there is room for; who is logged in matters most.
fn who(state: &State, theme: Theme, x: u16, area: Rect, buf: &mut Buffer) -> bool {
    let who = state.me.as_ref().map_or_else(String::new, |me| {
        format!("{} ({}) ", me.username, me.role.as_str())
    });
    let only = if state.settings.read_only {
        "read-only "
    } else {
        ""
    };
    let online = match state.link {
        Link::Connecting => "connecting… ",
        Link::Online | Link::Lost(..) => only,
    };
    let hello = state.hello.as_ref();
    let version = hello.map_or("", |hello| hello.version.as_str());
    let endpoint = &state.endpoint;
    let right = [
        format!("{online}{who}{endpoint} {version}"),
        format!("{online}{who}{endpoint}"),
        format!("{online}{who}"),
        online.to_owned(),
    ]
    .into_iter()
    .map(|text| (u16::try_from(text.width()).unwrap_or(u16::MAX), text))
    .find(|(width, _)| x.saturating_add(*width) < area.width);
    let Some((width, text)) = right else {
        return false;
    };
    put(buf, area, area.width - width, 0, &text, theme.dim());
    true
}

/// What is typed as a filter, or was told last; at its right who and where, if the title has not
/// told it.
pub(super) fn notice(state: &State, told: bool, theme: Theme, area: Rect, buf: &mut Buffer) {
    if matches!(state.modal, Some(Modal::Line(_))) {
        return;
    }
    let x = left_notice(state, theme, area, buf);
    if !told {
        who(state, theme, x, area, buf);
    }
}

/// Gives the columns that it took.
fn left_notice(state: &State, theme: Theme, area: Rect, buf: &mut Buffer) -> u16 {
    let mut x = 0;
    if state.filtering || (state.has_list() && !state.filter.value().is_empty()) {
        let mark = if state.filtering {
            "▏"
        } else {
            "  (Esc clears)"
        };
        let text = format!("/{}{mark}", state.filter.value());
        x = put(buf, area, 0, 0, &text, theme.bold()) + 2;
    }
    if let Some(notice) = &state.notice {
        let style = if notice.bad {
            theme.bad()
        } else {
            theme.good()
        };
        let mark = if notice.bad { "! " } else { "· " };
        let text = format!("{mark}{}", notice.text);
        let width = area.width.saturating_sub(x);
        cell(buf, area, (x, width), 0, &text, style);
        return x.saturating_add(u16::try_from(text.width()).unwrap_or(u16::MAX));
    }
    if x == 0 && state.missed > 0 {
        let text = format!(
            "{} events were left out because this line is slow",
            state.missed
        );
        x = put(buf, area, 0, 0, &text, theme.warn());
    }
    x
}

/// What a key does, in a word or two, where the whole text would take the room of other keys.
const fn short(binding: &Binding) -> &'static str {
    match binding.cmd {
        Cmd::Sort => "sort",
        Cmd::OpenChart => "chart",
        Cmd::CursorLeft => "read",
        Cmd::Peak => "peak",
        Cmd::Mark => "2nd cursor",
        Cmd::Range => "range",
        Cmd::Details => "details",
        Cmd::OnlyBad => "refused",
        Cmd::Acknowledge => "ack",
        Cmd::Layout => "view",
        Cmd::Toggle => "toggle",
        Cmd::New => "new",
        Cmd::Edit => "edit",
        Cmd::Pause => "pause",
        Cmd::Cancel => "cancel",
        _ => binding.text,
    }
}

/// Keys of this place, as many as fit, never half of one; help and quit always at the right.
pub(super) fn footer(state: &State, theme: Theme, area: Rect, buf: &mut Buffer, hits: &mut Hits) {
    let always = |binding: &Binding| matches!(binding.cmd, Cmd::Help | Cmd::Quit);
    let space = if area.width < NARROW_COLUMNS { 1 } else { 2 };
    let columns = |binding: &Binding| {
        let text = binding.shown().width() + 1 + short(binding).width();
        u16::try_from(text)
            .unwrap_or(u16::MAX)
            .saturating_add(space)
    };
    let shown: Vec<&Binding> = state
        .settings
        .keymap
        .here(state.place)
        .filter(|binding| binding.footer && !binding.chords.is_empty())
        .collect();
    let mut write = |binding: &Binding, x: u16| {
        let key = put(buf, area, x, 0, &binding.shown(), theme.bold());
        put(buf, area, x + key + 1, 0, short(binding), theme.dim());
        let at = Rect {
            x: area.x + x,
            width: columns(binding).saturating_sub(1),
            ..area
        };
        hits.add(at, Target::Cmd(binding.cmd));
    };
    let mut end = area.width;
    for binding in shown.iter().rev().filter(|binding| always(binding)) {
        end = end.saturating_sub(columns(binding));
        write(binding, end);
    }
    let mut x = 0;
    // One that does not fit leaves its room to a shorter one behind it.
    for binding in shown.iter().filter(|binding| !always(binding)) {
        let width = columns(binding);
        if x + width <= end {
            write(binding, x);
            x += width;
        }
    }
}
