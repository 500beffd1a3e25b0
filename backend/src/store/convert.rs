//! How both stores write what has no type of its own in a database: times as microseconds since
//! 1970, closed sets as words, flags as bits, whole rows as JSON.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use signalbox_protocol::api::{
    node::{ActuatorState, Presence, SampleFlag, StartedBy},
    user::Role,
};

use super::{MailKind, MailState, Result, StoreError};
use crate::ingest::Sample;

/// Microseconds of an hour.
pub(super) const HOUR_US: i64 = 3_600_000_000;

/// Flag bit: outside the plausibility range.
pub(super) const OUT_OF_RANGE: i64 = 1;
/// Flag bit: the node's clock is not to be believed.
pub(super) const CLOCK_SUSPECT: i64 = 2;

/// Microseconds since 1970, as stored.
pub(super) const fn us(time: DateTime<Utc>) -> i64 {
    time.timestamp_micros()
}

/// The time of a stored number of microseconds; what no calendar holds becomes its end.
pub(super) fn time(us: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(us).unwrap_or(if us < 0 {
        DateTime::<Utc>::MIN_UTC
    } else {
        DateTime::<Utc>::MAX_UTC
    })
}

/// JSON of a whole row.
pub(super) fn to_doc<T: serde::Serialize>(row: &T) -> Result<String> {
    serde_json::to_string(row).map_err(|error| StoreError::Unusable {
        reason: format!("a row cannot be written: {error}"),
    })
}

/// A whole row from its JSON.
pub(super) fn from_doc<T: serde::de::DeserializeOwned>(doc: &str) -> Result<T> {
    serde_json::from_str(doc).map_err(|error| StoreError::Unusable {
        reason: format!("a row cannot be read: {error}"),
    })
}

/// Bits of a sample's flags.
pub(super) const fn flag_bits(sample: &Sample) -> i64 {
    let mut bits = 0;
    if sample.out_of_range {
        bits |= OUT_OF_RANGE;
    }
    if sample.clock_suspect {
        bits |= CLOCK_SUSPECT;
    }
    bits
}

/// Flags from their bits.
pub(super) fn flags_of(bits: i64) -> Vec<SampleFlag> {
    let mut flags = Vec::new();
    if bits & OUT_OF_RANGE != 0 {
        flags.push(SampleFlag::OutOfRange);
    }
    if bits & CLOCK_SUSPECT != 0 {
        flags.push(SampleFlag::ClockSuspect);
    }
    flags
}

pub(super) const fn presence_word(presence: Presence) -> &'static str {
    match presence {
        Presence::Online => "online",
        Presence::Offline => "offline",
        Presence::Unknown => "unknown",
    }
}

pub(super) fn presence_of(word: &str) -> Presence {
    match word {
        "online" => Presence::Online,
        "offline" => Presence::Offline,
        _ => Presence::Unknown,
    }
}

pub(super) const fn state_word(state: ActuatorState) -> &'static str {
    match state {
        ActuatorState::On => "on",
        ActuatorState::Off => "off",
    }
}

pub(super) fn state_of(word: &str) -> Option<ActuatorState> {
    match word {
        "on" => Some(ActuatorState::On),
        "off" => Some(ActuatorState::Off),
        _ => None,
    }
}

pub(super) fn started_by_of(word: &str) -> StartedBy {
    match word {
        "power" => StartedBy::Power,
        "button" => StartedBy::Button,
        "watchdog" => StartedBy::Watchdog,
        "fault" => StartedBy::Fault,
        "software" => StartedBy::Software,
        _ => StartedBy::Other,
    }
}

pub(super) fn mail_kind_word(kind: MailKind) -> Cow<'static, str> {
    match kind {
        MailKind::Firing => "firing".into(),
        MailKind::Reminder(n) => format!("{REMINDER}{n}").into(),
        MailKind::Recovery => "recovery".into(),
    }
}

/// What the words of reminders begin with, before their number.
const REMINDER: &str = "reminder.";

pub(super) fn mail_kind_of(word: &str) -> MailKind {
    let number = word.strip_prefix(REMINDER).and_then(|n| n.parse().ok());
    match (word, number) {
        (_, Some(n)) => MailKind::Reminder(n),
        ("recovery", None) => MailKind::Recovery,
        _ => MailKind::Firing,
    }
}

pub(super) const fn mail_state_word(state: MailState) -> &'static str {
    match state {
        MailState::Queued => "queued",
        MailState::Sent => "sent",
        MailState::Failed => "failed",
        MailState::Merged => "merged",
    }
}

pub(super) fn mail_state_of(word: &str) -> MailState {
    match word {
        "sent" => MailState::Sent,
        "failed" => MailState::Failed,
        "merged" => MailState::Merged,
        _ => MailState::Queued,
    }
}

pub(super) fn role_of(word: &str) -> Result<Role> {
    Role::from_word(word).ok_or_else(|| StoreError::Unusable {
        reason: format!("`{word}` is not a role"),
    })
}

/// No ULID of this time or later is smaller.
pub(super) fn first_ulid(time: DateTime<Utc>) -> String {
    let ms = u64::try_from(time.timestamp_millis()).unwrap_or(0);
    ulid::Ulid::from_parts(ms, 0).to_string()
}
