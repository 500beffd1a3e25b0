//! What a verb prints: tables for people, JSON for programs, errors with their cause and hint.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use chrono::{DateTime, Local, Utc};
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use signalbox_backend::{config::ConfigError, listeners::ListenError, run::RunError};
use signalbox_tui::client::ClientError;

/// Prints a line; when nobody reads any more (`| head`), the program ends quietly.
pub(crate) fn line(text: &str) -> anyhow::Result<()> {
    raw(format!("{text}\n").as_bytes())
}

/// Prints bytes as they are.
pub(crate) fn raw(bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        done => Ok(done?),
    }
}

/// Prints a value as JSON.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    line(&serde_json::to_string_pretty(value)?)
}

/// Prints a table, or a sentence when it is empty.
pub(crate) fn table(
    head: &[&str],
    rows: impl IntoIterator<Item = Vec<String>>,
    when_empty: &str,
) -> anyhow::Result<()> {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(head.to_vec());
    let mut empty = true;
    for row in rows {
        table.add_row(row);
        empty = false;
    }
    if empty {
        return line(when_empty);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let text = table.to_string();
    let trimmed: Vec<&str> = text.lines().map(str::trim_end).collect();
    line(&trimmed.join("\n"))
}

/// A time as people read it, in their zone.
pub(crate) fn time(at: DateTime<Utc>) -> String {
    at.with_timezone(&Local)
        .format("%Y-%m-%d %H:%M:%S")
        .to_string()
}

/// A time that may not be there.
pub(crate) fn maybe_time(at: Option<DateTime<Utc>>) -> String {
    at.map_or_else(|| "-".to_owned(), time)
}

/// Text that may not be there.
pub(crate) fn maybe(text: Option<&impl ToString>) -> String {
    text.map_or_else(|| "-".to_owned(), ToString::to_string)
}

/// The word that an enum has in JSON.
pub(crate) fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(_) => "?".to_owned(),
    }
}

/// Prints an error with its causes and what to do next.
pub(crate) fn failure(error: &anyhow::Error) -> ExitCode {
    let mut text = format!("error: {}", chain(error));
    if let Some(hint) = hint(error) {
        text.push_str("\nhint: ");
        text.push_str(&hint);
    }
    eprintln!("{text}");
    ExitCode::FAILURE
}

/// The error with its causes, without one that the error before it has repeated already.
fn chain(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.ends_with(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

fn hint(error: &anyhow::Error) -> Option<String> {
    if let Some(error) = error.downcast_ref::<ClientError>() {
        return error.hint();
    }
    if let Some(error) = error.downcast_ref::<ListenError>() {
        return Some(error.hint().to_owned());
    }
    if let Some(error) = error.downcast_ref::<RunError>() {
        return Some(error.hint().to_owned());
    }
    if error.is::<ConfigError>() {
        return Some("`signalbox config` prints every key with its default".to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let error = anyhow::anyhow!("refused")
            .context("broker: refused")
            .context("the broker cannot be used");
        assert_eq!(chain(&error), "the broker cannot be used: broker: refused");
    }

    #[test]
    fn words_are_those_of_the_api() {
        use signalbox_protocol::api::command::CommandState;
        assert_eq!(word(&CommandState::TimedOut), "timed_out");
    }
}
