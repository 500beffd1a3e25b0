//! The lists of the administration: nodes and their logins, accounts, sessions, the mail outbox.

use chrono::TimeDelta;
use ratatui::{buffer::Buffer, layout::Rect, style::Style};
use signalbox_protocol::api::{mail::MailState, user::Role};

use super::{
    Hits, cell,
    columns::{Column, table},
    empty,
    overview::presence,
};
use crate::{event::Admin, state::State, theme::Theme, words};

const NODES: [Column; 6] = [
    Column::new("NODE", (10, 24), 0),
    Column::new("STATE", (7, 8), 0),
    Column::new("LOGIN", (5, 6), 0),
    Column::new("FIRMWARE", (8, 14), 2),
    Column::new("UP", (4, 6), 3),
    Column::new("SIGNAL", (8, 100), 1),
];

const USERS: [Column; 4] = [
    Column::new("NAME", (10, 24), 0),
    Column::new("ROLE", (13, 14), 0),
    Column::new("LAST LOGIN", (11, 12), 1),
    Column::new("ADDRESS", (16, 200), 2),
];

const SESSIONS: [Column; 6] = [
    Column::new("NAME", (12, 24), 0),
    Column::new("SINCE", (11, 12), 3),
    Column::new("SEEN", (8, 12), 1),
    Column::new("WAY", (4, 4), 2),
    Column::new("FROM", (9, 24), 0),
    Column::new("CLIENT", (14, 200), 4),
];

const MAILS: [Column; 5] = [
    Column::new("TIME", (11, 12), 2),
    Column::new("STATE", (6, 7), 0),
    Column::new("TRIES", (5, 5), 3),
    Column::new("TO", (16, 28), 1),
    Column::new("SUBJECT", (20, 200), 0),
];

pub(super) type Out<'a> = (Rect, &'a mut Buffer, &'a mut Hits);

/// A list whose cells are texts with their styles; with why there is none, or who may see it.
fn listed<T, const N: usize>(
    columns: &[Column; N],
    rows: &[T],
    none: &str,
    (state, theme): (&State, Theme),
    (area, buf, hits): Out<'_>,
    cells: impl Fn(&T) -> [(String, Style); N],
) {
    if rows.is_empty() {
        empty(state, none, theme, area, buf);
    }
    table(
        columns,
        rows,
        state.row(),
        theme,
        (area, buf, hits),
        |row, places, at, buf| {
            for (place, (text, style)) in places.iter().zip(cells(row)) {
                cell(buf, at, *place, 0, &text, style);
            }
        },
    );
}

/// Why a list of the administration is empty: it was not answered yet, others see it, or `none`.
fn why<'t, T>(
    state: &State,
    part: impl Fn(&Admin) -> &Option<T>,
    others: &'t str,
    none: &'t str,
) -> &'t str {
    match state.admin.as_ref().map(|admin| part(admin).is_some()) {
        None => "asking…",
        Some(false) => others,
        Some(true) => none,
    }
}

/// What may not be known.
fn maybe(text: Option<&str>) -> String {
    text.map_or_else(|| "-".to_owned(), words::safe)
}

pub(super) fn nodes(state: &State, theme: Theme, out: Out<'_>) {
    let rows: Vec<_> = state.shown_nodes().iter().collect();
    let none = "no nodes yet: `n` makes a login for one";
    listed(&NODES, &rows, none, (state, theme), out, |node| {
        let (text, style) = presence(node.presence, theme);
        let login = if node.has_password { "yes" } else { "no" };
        let up = node.uptime_s.map_or_else(
            || "-".to_owned(),
            |s| words::short(TimeDelta::seconds(i64::from(s))),
        );
        let signal = node
            .rssi_dbm
            .map_or_else(|| "-".to_owned(), |dbm| format!("{dbm} dBm"));
        [
            (node.name.clone(), theme.bold()),
            (text.to_owned(), style),
            (login.to_owned(), Style::new()),
            (maybe(node.firmware.as_deref()), theme.dim()),
            (up, theme.dim()),
            (signal, theme.dim()),
        ]
    });
}

pub(super) fn users(state: &State, theme: Theme, out: Out<'_>) {
    let rows = state.shown_users();
    let others = "only administrators see accounts";
    let none = "no accounts yet: `n` makes one";
    let none = why(state, |admin| &admin.users, others, none);
    listed(&USERS, &rows, none, (state, theme), out, |user| {
        let style = if user.role == Role::Administrator {
            theme.warn()
        } else {
            Style::new()
        };
        let last = user
            .last_login_at
            .map_or_else(|| "never".to_owned(), |at| words::clock(at, state.now));
        [
            (words::safe(&user.username), theme.bold()),
            (user.role.as_str().to_owned(), style),
            (last, theme.dim()),
            (words::safe(&user.email), theme.dim()),
        ]
    });
}

pub(super) fn sessions(state: &State, theme: Theme, out: Out<'_>) {
    let rows = state.shown_sessions();
    let others = "only administrators see sessions";
    let none = why(
        state,
        |admin| &admin.sessions,
        others,
        "nobody is logged in",
    );
    listed(&SESSIONS, &rows, none, (state, theme), out, |session| {
        let own = if session.own { " (you)" } else { "" };
        let clock = |at| words::clock(at, state.now);
        let seen = if session.streams > 0 {
            "now".to_owned()
        } else {
            session.last_seen_at.map_or_else(|| "-".to_owned(), clock)
        };
        let way = session.way.map_or("-", |way| way.as_str());
        [
            (
                format!("{}{own}", words::safe(&session.username)),
                theme.bold(),
            ),
            (clock(session.created_at), theme.dim()),
            (seen, Style::new()),
            (way.to_owned(), Style::new()),
            (maybe(session.from.as_deref()), Style::new()),
            (maybe(session.client.as_deref()), theme.dim()),
        ]
    });
}

pub(super) fn mails(state: &State, theme: Theme, out: Out<'_>) {
    let rows = state.shown_mails();
    let others = "only operators see mails";
    let none = "no mail was written yet: `n` sends a test mail";
    let none = why(state, |admin| &admin.mails, others, none);
    listed(&MAILS, &rows, none, (state, theme), out, |mail| {
        let (word, style) = match mail.state {
            MailState::Queued => ("waits", theme.warn()),
            MailState::Sent => ("sent", theme.good()),
            MailState::Failed => ("FAILED", theme.bad()),
            MailState::Merged => ("merged", theme.dim()),
        };
        let subject = match &mail.last_error {
            Some(error) if mail.state != MailState::Sent => {
                format!("{} — {}", words::safe(&mail.subject), words::safe(error))
            }
            _ => words::safe(&mail.subject),
        };
        [
            (words::clock(mail.created_at, state.now), theme.dim()),
            (word.to_owned(), style),
            (mail.tries.to_string(), theme.dim()),
            (words::safe(&mail.recipient), Style::new()),
            (subject, Style::new()),
        ]
    });
}
