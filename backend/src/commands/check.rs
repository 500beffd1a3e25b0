//! Checks what a person asks for before it becomes a command or a schedule.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use signalbox_protocol::{
    api::command::{Action, NewTimedCommand},
    schedule::Cron,
    topic::check_name,
};

use super::{DURATION_S_MAX, REASON_CHARS_MAX, schedule};
use crate::engine::RequestError;

/// How far ahead a command can be planned.
const AHEAD_MAX: TimeDelta = TimeDelta::days(366);

/// When a timed command is to run.
#[derive(Debug)]
pub enum When {
    /// At once, or at a time.
    Once(Option<DateTime<Utc>>),
    /// Again and again.
    Cron(Box<Cron>, String, Tz),
}

/// Checks names and reason.
///
/// # Errors
/// [`RequestError::Invalid`] with the field.
pub fn target(node: &str, actuator: &str, reason: Option<&str>) -> Result<(), RequestError> {
    check_name(node)
        .map_err(|error| invalid("node", format!("`{}`: {error}", node.escape_debug())))?;
    check_name(actuator).map_err(|error| {
        invalid(
            "actuator",
            format!("`{}`: {error}", actuator.escape_debug()),
        )
    })?;
    match reason {
        Some(reason)
            if reason.chars().count() > REASON_CHARS_MAX
                || reason.chars().any(char::is_control) =>
        {
            let message = format!("a reason has at most {REASON_CHARS_MAX} printable characters");
            Err(invalid("reason", message))
        }
        _ => Ok(()),
    }
}

/// Milliseconds of a timed ON.
///
/// # Errors
/// [`RequestError::Invalid`] when it is out of range or goes with another action.
pub fn for_ms(action: Action, duration_s: Option<u32>) -> Result<Option<u32>, RequestError> {
    match (action, duration_s) {
        (_, None) => Ok(None),
        (Action::On, Some(duration_s @ 1..=DURATION_S_MAX)) => Ok(Some(duration_s * 1_000)),
        (Action::On, Some(duration_s)) => Err(invalid(
            "duration_s",
            format!("`{duration_s}` is not between 1 and {DURATION_S_MAX}"),
        )),
        (Action::Off | Action::Toggle, Some(_)) => Err(invalid(
            "duration_s",
            "it goes only with the action `on`".to_owned(),
        )),
    }
}

/// Checks the combination of duration, time and cron.
///
/// # Errors
/// [`RequestError::Invalid`] with the field.
pub fn when(new: &NewTimedCommand, tz: Tz, now: DateTime<Utc>) -> Result<When, RequestError> {
    match (new.at, &new.cron) {
        (None, None) if new.duration_s.is_some() => Ok(When::Once(None)),
        (None, None) => Err(invalid(
            "duration_s",
            "one of `duration_s`, `at` and `cron` must be there".to_owned(),
        )),
        (Some(_), Some(_)) => Err(invalid(
            "cron",
            "`at` and `cron` do not go together".to_owned(),
        )),
        (Some(at), None) if new.tz.is_some() => Err(invalid(
            "tz",
            format!("it goes only with `cron`; `at` `{at}` has its offset"),
        )),
        (Some(at), None) if at <= now => Err(invalid("at", format!("`{at}` has passed"))),
        (Some(at), None) if at > now + AHEAD_MAX => Err(invalid(
            "at",
            format!("`{at}` is more than {} days ahead", AHEAD_MAX.num_days()),
        )),
        (Some(at), None) => Ok(When::Once(Some(at))),
        (None, Some(cron)) => {
            let tz = match new.tz.as_deref() {
                None => tz,
                Some(name) => zone(name)?,
            };
            Ok(When::Cron(Box::new(expression(cron)?), cron.clone(), tz))
        }
    }
}

/// Reads the name of a time zone.
///
/// # Errors
/// [`RequestError::Invalid`] with the field `tz`.
pub fn zone(name: &str) -> Result<Tz, RequestError> {
    schedule::zone(name).map_err(|message| invalid("tz", message))
}

/// Reads a cron expression.
///
/// # Errors
/// [`RequestError::Invalid`] with the field `cron`.
pub fn expression(cron: &str) -> Result<Cron, RequestError> {
    schedule::parse(cron)
        .map_err(|why| invalid("cron", format!("`{}`: {why}", cron.escape_debug())))
}

const fn invalid(field: &'static str, message: String) -> RequestError {
    RequestError::Invalid { field, message }
}
