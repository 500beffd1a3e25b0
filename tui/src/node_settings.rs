//! Settings of a node as a person writes them, on the command line and in the terminal:
//! `interval=30s log=info temperature.dead_band=0.2 moisture.dry=812`. Nothing behind the `=` takes
//! a setting back to the node's own.

use std::time::Duration;

use signalbox_protocol::api::config::{ConfigState, LogLevel, NodeConfig, NodeSettings};

/// How settings are written, for messages.
pub const USAGE: &str = "interval=30s, log=info, METRIC.dead_band=0.2, METRIC.heartbeat=5m, \
                         METRIC.offset=-0.5, METRIC.dry=812, METRIC.wet=305";

/// The settings as one line; empty when there is none.
#[must_use]
pub fn text(settings: &NodeSettings) -> String {
    let mut words = Vec::new();
    if let Some(interval_ms) = settings.interval_ms {
        words.push(format!("interval={}", duration(interval_ms)));
    }
    if let Some(level) = settings.log {
        words.push(format!("log={}", level_word(level)));
    }
    for (name, metric) in &settings.metrics {
        let numbers = [
            ("dead_band", metric.dead_band.map(|value| value.to_string())),
            ("heartbeat", metric.heartbeat_ms.map(duration)),
            ("offset", metric.offset.map(|value| value.to_string())),
            ("dry", metric.dry.map(|value| value.to_string())),
            ("wet", metric.wet.map(|value| value.to_string())),
        ];
        for (key, value) in numbers {
            words.extend(value.map(|value| format!("{name}.{key}={value}")));
        }
    }
    words.join(" ")
}

/// Changes settings by one word of a line.
///
/// # Errors
/// What cannot be understood; ranges are the station's to check.
pub fn change(settings: &mut NodeSettings, word: &str) -> Result<(), String> {
    let wrong = || format!("`{word}` is no setting; write {USAGE}");
    let (key, value) = word.split_once('=').ok_or_else(wrong)?;
    let value = Some(value.trim()).filter(|value| !value.is_empty());
    match key.trim().split_once('.') {
        None if key == "interval" => settings.interval_ms = value.map(millis).transpose()?,
        None if key == "log" => settings.log = value.map(level).transpose()?,
        None => return Err(wrong()),
        Some((name, key)) => {
            let metric = settings.metrics.entry(name.to_owned()).or_default();
            match key {
                "dead_band" => metric.dead_band = value.map(number).transpose()?,
                "heartbeat" => metric.heartbeat_ms = value.map(millis).transpose()?,
                "offset" => metric.offset = value.map(number).transpose()?,
                "dry" => metric.dry = value.map(number).transpose()?,
                "wet" => metric.wet = value.map(number).transpose()?,
                _ => return Err(wrong()),
            }
            settings
                .metrics
                .retain(|_, metric| *metric != Default::default());
        }
    }
    Ok(())
}

/// Where a node's configuration stands, in a few words.
#[must_use]
pub fn state_text(config: &NodeConfig) -> String {
    match (config.state, &config.refused) {
        (ConfigState::Unset, _) => "its own".to_owned(),
        (ConfigState::Applied, _) => "applied".to_owned(),
        (ConfigState::Refused, Some(refused)) => format!("refused: {}", refused.reason),
        (ConfigState::Pending | ConfigState::Refused, _) => "pending".to_owned(),
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is not a number that can stand here"))
}

fn millis(text: &str) -> Result<u32, String> {
    humantime::parse_duration(text)
        .ok()
        .and_then(|duration| u32::try_from(duration.as_millis()).ok())
        .ok_or_else(|| format!("`{text}` is no duration, write `500ms`, `90s`, `10m` or `1h30m`"))
}

fn duration(ms: u32) -> String {
    humantime::format_duration(Duration::from_millis(ms.into()))
        .to_string()
        .replace(' ', "")
}

const LEVELS: [(LogLevel, &str); 6] = [
    (LogLevel::Off, "off"),
    (LogLevel::Error, "error"),
    (LogLevel::Warn, "warn"),
    (LogLevel::Info, "info"),
    (LogLevel::Debug, "debug"),
    (LogLevel::Trace, "trace"),
];

fn level(text: &str) -> Result<LogLevel, String> {
    let found = LEVELS.into_iter().find(|(_, word)| *word == text);
    found.map(|(level, _)| level).ok_or_else(|| {
        format!("`{text}` is no level, write off, error, warn, info, debug or trace")
    })
}

/// The word for a level.
#[must_use]
pub fn level_word(level: LogLevel) -> &'static str {
    let found = LEVELS.into_iter().find(|(known, _)| *known == level);
    found.map_or("off", |(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let line = "interval=1m30s log=debug moisture.dry=812 moisture.wet=305 \
                    temperature.dead_band=0.2 temperature.heartbeat=5m temperature.offset=-0.5";
        let mut settings = NodeSettings::default();
        for word in line.split_whitespace() {
            change(&mut settings, word).unwrap();
        }
        assert_eq!(text(&settings), line);
        for word in ["moisture.dry=", "moisture.wet=", "interval="] {
            change(&mut settings, word).unwrap();
        }
        assert_eq!(
            text(&settings),
            "log=debug temperature.dead_band=0.2 temperature.heartbeat=5m temperature.offset=-0.5"
        );
    }

    #[test]
    fn what_is_not_understood_says_how_to_write_it() {
        for (word, part) in [
            ("interval", "write interval=30s"),
            ("colour=red", "write interval=30s"),
            ("soil.colour=red", "write interval=30s"),
            ("soil.dry=wet", "`wet` is not a number"),
            ("interval=soon", "`soon` is no duration"),
            ("log=loud", "`loud` is no level"),
        ] {
            let error = change(&mut NodeSettings::default(), word).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
