//! Administration: the station itself; its lists are in [`super::admin_lists`].

use chrono::TimeDelta;
use ratatui::{buffer::Buffer, layout::Rect};
use signalbox_protocol::api::station::{BrokerFacts, BrokerKind, Station, StoreFacts, StoreKind};

use super::{Hits, admin_lists as lists, cell, put, tabs};
use crate::{
    event::Admin,
    state::{AdminPage, State},
    theme::Theme,
    words,
};

pub(super) fn draw(state: &State, theme: Theme, area: Rect, buf: &mut Buffer, hits: &mut Hits) {
    let names = ["Station", "Nodes", "Users", "Sessions", "Mails"];
    let area = tabs(&names, state.page(), theme, area, (buf, hits));
    match state.admin_page {
        AdminPage::Station => station(state, theme, area, buf),
        AdminPage::Nodes => lists::nodes(state, theme, (area, buf, hits)),
        AdminPage::Users => lists::users(state, theme, (area, buf, hits)),
        AdminPage::Sessions => lists::sessions(state, theme, (area, buf, hits)),
        AdminPage::Mails => lists::mails(state, theme, (area, buf, hits)),
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
