//! Administration: the station itself, nodes and their logins, accounts, the mail outbox.

use chrono::TimeDelta;
use ratatui::{buffer::Buffer, layout::Rect, style::Style};
use signalbox_protocol::api::{
    mail::{Mail, MailState},
    session::Session,
    station::{BrokerFacts, BrokerKind, Station, StoreFacts, StoreKind},
    user::Role,
};

use super::{Hits, cell, list, overview::presence, put, tabs};
use crate::{
    event::Admin,
    state::{AdminPage, State},
    theme::Theme,
    words,
};

pub(super) fn draw(state: &State, theme: Theme, area: Rect, buf: &mut Buffer, hits: &mut Hits) {
    let at = AdminPage::ALL
        .iter()
        .position(|page| *page == state.admin_page);
    let names = ["Station", "Nodes", "Users", "Sessions", "Mails"];
    let area = tabs(&names, at.unwrap_or(0), theme, area, buf);
    match state.admin_page {
        AdminPage::Station => station(state, theme, area, buf),
        AdminPage::Nodes => nodes(state, theme, (area, buf, hits)),
        AdminPage::Users => users(state, theme, (area, buf, hits)),
        AdminPage::Sessions => sessions(state, theme, (area, buf, hits)),
        AdminPage::Mails => mails(state, theme, (area, buf, hits)),
    }
}

/// What is behind the word of health, after a comma.
fn store(facts: Option<&StoreFacts>, state: &State) -> String {
    let Some(facts) = facts else {
        return String::new();
    };
    let kind = match facts.kind {
        StoreKind::Sqlite => "SQLite",
        StoreKind::Postgres => "PostgreSQL",
    };
    let time = |at| words::clock(at, state.now);
    let oldest = facts
        .oldest_sample_at
        .map_or_else(String::new, |at| format!(", oldest sample {}", time(at)));
    let sealed = facts
        .last_sealed_at
        .map_or_else(String::new, |at| format!(", last seal {}", time(at)));
    format!(", {kind}{oldest}{sealed}")
}

fn kept(facts: Option<&StoreFacts>) -> String {
    let Some(facts) = facts else {
        return "-".to_owned();
    };
    let days = |days: u32, none: &str| match days {
        0 => none.to_owned(),
        days => format!("{days} days"),
    };
    format!(
        "samples {}, statistics {}, sealed after {}",
        days(facts.raw_retention_days, "for ever"),
        days(facts.rollup_retention_days, "for ever"),
        days(facts.seal_after_days, "never")
    )
}

fn broker(facts: Option<&BrokerFacts>) -> String {
    let Some(facts) = facts else {
        return String::new();
    };
    let kind = match facts.kind {
        BrokerKind::Embedded => "embedded",
        BrokerKind::External => "external",
    };
    let clients = match facts.clients {
        Some(1) => ", 1 client".to_owned(),
        Some(n) => format!(", {n} clients"),
        None => format!(", connected {} times", facts.connects),
    };
    format!(", {kind} at {}{clients}", words::safe(&facts.address))
}

fn waiting(station: &Station) -> String {
    match (station.mail_configured, station.outbox_oldest_age_s) {
        (false, _) => "no mail server is configured".to_owned(),
        (true, None) => "nothing waits".to_owned(),
        (true, Some(age_s)) => {
            let age = TimeDelta::seconds(i64::try_from(age_s).unwrap_or(i64::MAX));
            let (depth, age) = (station.outbox_depth, words::short(age));
            format!("{depth} wait, the oldest for {age}")
        }
    }
}

/// Names and values, a line each.
fn facts(admin: &Admin, state: &State) -> [(&'static str, String); 15] {
    let (station, health, counters) = (&admin.station, &admin.health, &admin.station.counters);
    let up_s = i64::try_from(station.uptime_s).unwrap_or(i64::MAX);
    let warnings = if health.warnings.is_empty() {
        "none".to_owned()
    } else {
        words::safe(&health.warnings.join("; "))
    };
    [
        ("id", station.id.clone()),
        ("version", station.version.clone()),
        ("running for", words::short(TimeDelta::seconds(up_s))),
        (
            "store",
            format!(
                "{}, {}{}",
                words::safe(&health.store),
                words::bytes(station.store_bytes),
                store(station.store.as_ref(), state)
            ),
        ),
        ("kept", kept(station.store.as_ref())),
        (
            "broker",
            format!(
                "{}{}",
                words::safe(&health.broker),
                broker(station.broker.as_ref())
            ),
        ),
        ("warnings", warnings),
        ("mails", waiting(station)),
        (
            "messages",
            match state.message_rate {
                Some(rate) => format!("{} ({rate:.1}/s)", counters.messages_received),
                None => counters.messages_received.to_string(),
            },
        ),
        ("samples", counters.samples_stored.to_string()),
        ("duplicates", counters.duplicates.to_string()),
        (
            "refused",
            format!(
                "{} not understood, {} not allowed",
                counters.bad_messages, counters.denied
            ),
        ),
        ("flagged", counters.flagged_samples.to_string()),
        ("commits", counters.commits.to_string()),
        (
            "certificate",
            station
                .fingerprint
                .map_or_else(|| "-".to_owned(), |it| format!("SHA-256 {it}")),
        ),
    ]
}

fn station(state: &State, theme: Theme, area: Rect, buf: &mut Buffer) {
    let Some(admin) = &state.admin else {
        put(buf, area, 1, 1, "asking…", theme.dim());
        return;
    };
    let health = &admin.health;
    let facts = facts(admin, state);
    for (y, (name, value)) in (0..).zip(facts) {
        let wrong = match name {
            "store" => health.store != "ok",
            "broker" => health.broker != "ok",
            "warnings" => !health.warnings.is_empty(),
            _ => false,
        };
        cell(buf, area, (1, 14), y, name, theme.dim());
        let style = if wrong { theme.bad() } else { theme.bold() };
        cell(
            buf,
            area,
            (16, area.width.saturating_sub(17)),
            y,
            &value,
            style,
        );
    }
}

type Out<'a> = (Rect, &'a mut Buffer, &'a mut Hits);

fn nodes(state: &State, theme: Theme, (area, buf, hits): Out<'_>) {
    let rows: Vec<_> = state.shown_nodes().iter().collect();
    if rows.is_empty() {
        put(
            buf,
            area,
            1,
            2,
            "no nodes yet: `n` makes a login for one",
            theme.dim(),
        );
    }
    let head = " NODE                 STATE    LOGIN  FIRMWARE    UP     SIGNAL";
    list(
        head,
        &rows,
        state.row(),
        theme,
        (area, buf, hits),
        |node, at, buf| {
            cell(buf, at, (1, 20), 0, &node.name, theme.bold());
            let (text, style) = presence(node.presence, theme);
            cell(buf, at, (22, 8), 0, text, style);
            let login = if node.has_password { "yes" } else { "no" };
            cell(buf, at, (31, 6), 0, login, Style::new());
            let firmware = node
                .firmware
                .as_deref()
                .map_or_else(|| "-".to_owned(), words::safe);
            cell(buf, at, (38, 11), 0, &firmware, theme.dim());
            let up = node.uptime_s.map_or_else(
                || "-".to_owned(),
                |s| words::short(TimeDelta::seconds(i64::from(s))),
            );
            cell(buf, at, (50, 6), 0, &up, theme.dim());
            let signal = node
                .rssi_dbm
                .map_or_else(|| "-".to_owned(), |dbm| format!("{dbm} dBm"));
            cell(buf, at, (57, 8), 0, &signal, theme.dim());
        },
    );
}

fn users(state: &State, theme: Theme, (area, buf, hits): Out<'_>) {
    let known = state.admin.as_ref().map(|admin| admin.users.is_some());
    match known {
        None => {
            put(buf, area, 1, 2, "asking…", theme.dim());
        }
        Some(false) => {
            put(
                buf,
                area,
                1,
                2,
                "only administrators see accounts",
                theme.dim(),
            );
        }
        Some(true) => {}
    }
    let rows = state.shown_users();
    let head = " NAME                 ROLE           LAST LOGIN    ADDRESS";
    list(
        head,
        &rows,
        state.row(),
        theme,
        (area, buf, hits),
        |user, at, buf| {
            cell(
                buf,
                at,
                (1, 20),
                0,
                &words::safe(&user.username),
                theme.bold(),
            );
            let style = if user.role == Role::Administrator {
                theme.warn()
            } else {
                Style::new()
            };
            cell(buf, at, (22, 14), 0, user.role.as_str(), style);
            let last = user
                .last_login_at
                .map_or_else(|| "never".to_owned(), |at| words::clock(at, state.now));
            cell(buf, at, (37, 13), 0, &last, theme.dim());
            let width = at.width.saturating_sub(52);
            cell(
                buf,
                at,
                (51, width),
                0,
                &words::safe(&user.email),
                theme.dim(),
            );
        },
    );
}

fn sessions(state: &State, theme: Theme, (area, buf, hits): Out<'_>) {
    let rows = state.shown_sessions();
    let known = state.admin.as_ref().map(|admin| admin.sessions.is_some());
    let text = match known {
        None => "asking…",
        Some(false) => "only administrators see sessions",
        Some(true) if rows.is_empty() => "nobody is logged in",
        Some(true) => "",
    };
    put(buf, area, 1, 2, text, theme.dim());
    let head = " NAME             SINCE        SEEN         WAY  FROM             CLIENT";
    let line = |session: &&Session, at: Rect, buf: &mut Buffer| {
        let name = words::safe(&session.username);
        let own = if session.own { " (you)" } else { "" };
        cell(buf, at, (1, 16), 0, &format!("{name}{own}"), theme.bold());
        let since = words::clock(session.created_at, state.now);
        cell(buf, at, (18, 12), 0, &since, theme.dim());
        let seen = if session.streams > 0 {
            "now".to_owned()
        } else {
            let clock = |at| words::clock(at, state.now);
            session.last_seen_at.map_or_else(|| "-".to_owned(), clock)
        };
        cell(buf, at, (31, 12), 0, &seen, Style::new());
        let way = session.way.map_or("-", |way| way.as_str());
        cell(buf, at, (44, 4), 0, way, Style::new());
        let shown = |text: &Option<String>| text.as_deref().map_or_else(|| "-".into(), words::safe);
        cell(buf, at, (49, 16), 0, &shown(&session.from), Style::new());
        let width = at.width.saturating_sub(67);
        cell(
            buf,
            at,
            (66, width),
            0,
            &shown(&session.client),
            theme.dim(),
        );
    };
    list(head, &rows, state.row(), theme, (area, buf, hits), line);
}

fn mails(state: &State, theme: Theme, (area, buf, hits): Out<'_>) {
    let rows = state.shown_mails();
    let text = match state.admin.as_ref().map(|admin| admin.mails.is_some()) {
        None => "asking…",
        Some(false) => "only operators see mails",
        Some(true) if rows.is_empty() => "no mail was written",
        Some(true) => "",
    };
    put(buf, area, 1, 2, text, theme.dim());
    let head = " TIME         STATE    TRIES  TO                        SUBJECT";
    let line = |mail: &&Mail, at: Rect, buf: &mut Buffer| {
        let time = words::clock(mail.created_at, state.now);
        cell(buf, at, (1, 12), 0, &time, theme.dim());
        let (word, style) = match mail.state {
            MailState::Queued => ("waits", theme.warn()),
            MailState::Sent => ("sent", theme.good()),
            MailState::Failed => ("FAILED", theme.bad()),
            MailState::Merged => ("merged", theme.dim()),
        };
        cell(buf, at, (14, 8), 0, word, style);
        cell(buf, at, (23, 6), 0, &mail.tries.to_string(), theme.dim());
        cell(
            buf,
            at,
            (30, 25),
            0,
            &words::safe(&mail.recipient),
            Style::new(),
        );
        let subject = match &mail.last_error {
            Some(error) if mail.state != MailState::Sent => {
                format!("{} — {}", words::safe(&mail.subject), words::safe(error))
            }
            _ => words::safe(&mail.subject),
        };
        cell(
            buf,
            at,
            (56, at.width.saturating_sub(57)),
            0,
            &subject,
            Style::new(),
        );
    };
    list(head, &rows, state.row(), theme, (area, buf, hits), line);
}
