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

/// Says what the person must know before believing the screen; whether there is something.
pub(super) fn banner(state: &State, theme: Theme, area: Rect, buf: &mut Buffer) -> bool {
    let Some(text) = banner_text(state) else {
        return false;
    };
    let style = theme.bad().patch(theme.selected());
    buf.set_style(area, style);
    put(buf, area, 0, 0, &text, style);
    true
}

fn banner_text(state: &State) -> Option<String> {
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

/// The tabs: where they lead, what leads there, the name.
fn tabs(state: &State, firing: usize) -> [(Place, Cmd, String); 7] {
    let tab = |place, cmd, name: &str| (place, cmd, name.to_owned());
    [
        tab(
            Place::Overview,
            Cmd::GoOverview,
            &format!("Nodes {}", state.nodes.len()),
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

/// Tabs with their keys; those that do not fit show only the key, the last ones first.
pub(super) fn title(state: &State, theme: Theme, area: Rect, buf: &mut Buffer, hits: &mut Hits) {
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
    who(state, theme, x, area, buf);
}

/// Who and where, as much as there is room for; who is logged in matters most.
fn who(state: &State, theme: Theme, x: u16, area: Rect, buf: &mut Buffer) {
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
    if let Some((width, text)) = right {
        put(buf, area, area.width - width, 0, &text, theme.dim());
    }
}

/// What is typed as a filter, or was told last.
pub(super) fn notice(state: &State, theme: Theme, area: Rect, buf: &mut Buffer) {
    if matches!(state.modal, Some(Modal::Line(_))) {
        return;
    }
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
        let width = area.width.saturating_sub(x);
        let text = format!("{mark}{}", notice.text);
        cell(buf, area, (x, width), 0, &text, style);
        return;
    }
    if x > 0 {
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
pub(super) fn footer(state: &State, theme: Theme, area: Rect, buf: &mut Buffer, hits: &mut Hits) {
    let always = |binding: &Binding| matches!(binding.cmd, Cmd::Help | Cmd::Quit);
    let columns = |binding: &Binding| {
        let text = format!("{} {}  ", binding.shown(), binding.text);
        u16::try_from(text.width()).unwrap_or(u16::MAX)
    };
    let shown: Vec<&Binding> = state
        .settings
        .keymap
        .here(state.place)
        .filter(|binding| binding.footer && !binding.chords.is_empty())
        .collect();
    let mut write = |binding: &Binding, x: u16| {
        let key = put(buf, area, x, 0, &binding.shown(), theme.bold());
        put(buf, area, x + key + 1, 0, binding.text, theme.dim());
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
    for binding in shown.iter().filter(|binding| !always(binding)) {
        let width = columns(binding);
        if x + width > end {
            break;
        }
        write(binding, x);
        x += width;
    }
}
