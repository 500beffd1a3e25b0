//! Texts that people write and read: orders of rules, durations, ages, times.

use chrono::{DateTime, TimeDelta, Utc};

/// The person's time zone; in tests, which compare whole screens, the same everywhere.
#[cfg(not(test))]
pub(crate) use chrono::Local as Zone;
#[cfg(test)]
pub(crate) use chrono::Utc as Zone;
use signalbox_protocol::api::{
    command::{Action, CommandState, Schedule},
    message::Message,
    rule::{Comparison, NewRule, RuleCommand, RuleSpec},
    silence::{NewSilence, Silence},
};

use crate::until;

/// Reads `[NODE/]ACTUATOR=on|off|toggle[:DURATION]`.
///
/// # Errors
/// How it should be written.
pub fn order(text: &str) -> Result<RuleCommand, String> {
    let form = || "must be like `kitchen/led=on:10m` or `led=off`".to_owned();
    let (target, order) = text.split_once('=').ok_or_else(form)?;
    let (node, actuator) = match target.split_once('/') {
        Some((node, actuator)) => (Some(node.to_owned()), actuator),
        None => (None, target),
    };
    let (action, duration) = match order.split_once(':') {
        Some((action, duration)) => (action, Some(duration)),
        None => (order, None),
    };
    let action = match action {
        "on" => Action::On,
        "off" => Action::Off,
        "toggle" => Action::Toggle,
        _ => return Err(form()),
    };
    Ok(RuleCommand {
        node,
        actuator: actuator.to_owned(),
        action,
        duration_s: duration.map(duration_s).transpose()?,
    })
}

/// What an actuator is to do, in a word.
pub(crate) const fn verb(action: Action) -> &'static str {
    match action {
        Action::On => "on",
        Action::Off => "off",
        Action::Toggle => "toggle",
    }
}

/// What a command does: `on for 10m`.
pub(crate) fn does(action: Action, duration_s: Option<u32>) -> String {
    let timed = duration_s.map_or_else(String::new, |s| format!(" for {}", duration_text(s)));
    format!("{}{timed}", verb(action))
}

/// A schedule in words: `kitchen/led on for 10m at 0 7 * * *`.
pub(crate) fn schedule(of: &Schedule) -> String {
    let does = does(of.action, of.duration_s);
    format!("{}/{} {does} at {}", of.node, of.actuator, of.cron)
}

/// Writes what [`duration_s`] reads.
pub(crate) fn duration_text(s: u32) -> String {
    let whole_s = std::time::Duration::from_secs(s.into());
    humantime::format_duration(whole_s)
        .to_string()
        .replace(' ', "")
}

/// A rule that is there as one that could be made.
pub(crate) fn new_rule(spec: &RuleSpec) -> NewRule {
    NewRule {
        name: Some(spec.name.clone()),
        node: spec.node.clone(),
        metric: spec.metric.clone(),
        op: spec.op,
        value: spec.value,
        hysteresis: spec.hysteresis,
        hold_s: spec.hold_s,
        command: spec.command.clone(),
        clear_command: spec.clear_command.clone(),
        email: spec.email.clone(),
        severity: spec.severity,
    }
}

/// Writes what [`order`] reads.
#[must_use]
pub fn order_text(order: &RuleCommand) -> String {
    let node = order
        .node
        .as_ref()
        .map_or_else(String::new, |node| format!("{node}/"));
    let action = verb(order.action);
    let duration = order
        .duration_s
        .map_or_else(String::new, |s| format!(":{}", duration_text(s)));
    format!("{node}{}={action}{duration}", order.actuator)
}

/// Reads `90`, `90s`, `10m`, `1h30m` as seconds.
///
/// # Errors
/// How it should be written.
pub fn duration_s(text: &str) -> Result<u32, String> {
    let text = text.trim();
    if let Ok(s) = text.parse() {
        return Ok(s);
    }
    humantime::parse_duration(text)
        .ok()
        .and_then(|duration| u32::try_from(duration.as_secs()).ok())
        .ok_or_else(|| format!("`{text}` is no duration, write `90s`, `10m` or `1h30m`"))
}

/// What a silence is about: `node cellar-*, metric temperature`.
#[must_use]
pub fn silenced(silence: &Silence) -> String {
    let parts = [
        ("rule", &silence.rule),
        ("node", &silence.node),
        ("metric", &silence.metric),
    ];
    let told: Vec<String> = parts
        .iter()
        .filter_map(|(word, pattern)| Some(format!("{word} {}", safe(pattern.as_deref()?))))
        .collect();
    told.join(", ")
}

/// Reads `[rule=PATTERN] [node=PATTERN] [metric=PATTERN] 2h|until 08:00 [why]`. A pattern has no
/// blanks: `?` stands for one.
pub(crate) fn new_silence(text: &str, now: DateTime<Utc>) -> Result<NewSilence, String> {
    let mut new = NewSilence::default();
    let mut rest = text.trim();
    loop {
        let (word, behind) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let Some((name, pattern)) = word.split_once('=') else {
            break;
        };
        let pattern = Some(pattern.to_owned());
        match name {
            "rule" => new.rule = pattern,
            "node" => new.node = pattern,
            "metric" => new.metric = pattern,
            _ => return Err(format!("`{name}` is none of rule, node, metric")),
        }
        rest = behind.trim();
    }
    if new == NewSilence::default() {
        return Err("write what, like `node=cellar-* 2h`; `node=*` is everything".to_owned());
    }
    let (until, comment) = until::lead(rest, now)?;
    new.until_at = Some(until);
    comment.clone_into(&mut new.comment);
    Ok(new)
}

/// Reads `>`, `>=`, `<`, `<=`, `gt`, `ge`, `lt`, `le`.
///
/// # Errors
/// How it should be written.
pub fn comparison(text: &str) -> Result<Comparison, String> {
    match text.trim() {
        ">" | "gt" => Ok(Comparison::Above),
        ">=" | "ge" => Ok(Comparison::AtLeast),
        "<" | "lt" => Ok(Comparison::Below),
        "<=" | "le" => Ok(Comparison::AtMost),
        _ => Err("must be >, >=, < or <=".to_owned()),
    }
}

/// An age or a rest in at most five characters.
pub(crate) fn short(span: TimeDelta) -> String {
    let s = span.num_seconds().max(0);
    match s {
        0..60 => format!("{s}s"),
        60..3_600 => format!("{}m", s / 60),
        3_600..86_400 => format!("{}h", s / 3_600),
        _ => format!("{}d", s / 86_400),
    }
}

/// The rest of a timer: `9:59` or `1:02:03`.
pub(crate) fn rest(span: TimeDelta) -> String {
    let s = span.num_seconds().max(0);
    let (h, m, s) = (s / 3_600, s / 60 % 60, s % 60);
    if h > 0 {
        format!("{h}:{m:02}:{s:02}")
    } else {
        format!("{m}:{s:02}")
    }
}

/// A value in at most nine characters, so that columns stay.
pub(crate) fn value(value: f64) -> String {
    let plain = format!("{value}");
    if plain.len() <= 7 {
        return plain;
    }
    let places: usize = match value.abs() {
        0.0..10.0 => 3,
        10.0..1_000.0 => 2,
        1_000.0..1_000_000.0 => 0,
        _ => return format!("{value:.2e}"),
    };
    format!("{value:.places$}")
}

/// The same with at least so many decimals where there is room, for columns whose decimal points
/// stand below each other.
pub(crate) fn value_with(number: f64, places: usize) -> String {
    let padded = format!("{number:.places$}");
    let plain = value(number);
    if padded.len() <= 7 && decimals(&plain) < places {
        padded
    } else {
        plain
    }
}

/// Decimals of a number as [`value`] writes it.
pub(crate) fn decimals(text: &str) -> usize {
    text.split_once('.')
        .filter(|(_, places)| places.bytes().all(|byte| byte.is_ascii_digit()))
        .map_or(0, |(_, places)| places.len())
}

/// A time of today by its clock, any other with its date; in the person's zone.
pub(crate) fn clock(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let (at, now) = (at.with_timezone(&Zone), now.with_timezone(&Zone));
    if at.date_naive() == now.date_naive() {
        at.format("%H:%M:%S").to_string()
    } else {
        at.format("%m-%d %H:%M").to_string()
    }
}

/// A time with its date and zone, to the second; in the person's zone.
pub(crate) fn exact(at: DateTime<Utc>) -> String {
    at.with_timezone(&Zone)
        .format("%Y-%m-%d %H:%M:%S %:z")
        .to_string()
}

/// Bytes in a unit that people read.
pub(crate) fn bytes(n: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if n < 1_024 {
        return format!("{n} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let mut shown = n as f64 / 1_024.0;
    let mut unit = 0;
    while shown >= 1_024.0 && unit + 1 < UNITS.len() {
        shown /= 1_024.0;
        unit += 1;
    }
    format!("{shown:.1} {}", UNITS[unit])
}

/// A message with all that is kept of it; JSON is set out.
pub(crate) fn decoded(message: &Message) -> Vec<String> {
    let mut lines = vec![
        format!("received  {}", exact(message.received_at)),
        format!("topic     {}", safe(&message.topic)),
        format!("node      {}", message.node.as_deref().unwrap_or("none")),
        format!("bytes     {}", message.payload_bytes),
    ];
    if let Some(reason) = &message.reason {
        lines.push(format!("refused   {}", safe(reason)));
        if message.count > 1 {
            lines.push(format!(
                "times     {} since {}",
                message.count,
                exact(message.first_at)
            ));
        }
    }
    lines.push(String::new());
    let head = safe(&message.head);
    match serde_json::from_str::<serde_json::Value>(&message.head) {
        Ok(json) => {
            let text = serde_json::to_string_pretty(&json).unwrap_or(head);
            lines.extend(text.lines().map(str::to_owned));
        }
        Err(_) => {
            lines.push(head);
            let kept = u64::try_from(message.head.len()).unwrap_or(u64::MAX);
            if message.payload_bytes > kept {
                lines.push(format!("(the first {kept} bytes are kept)"));
            }
        }
    }
    lines
}

/// A message's content on one line: the values of telemetry, what the station says of it, else its
/// first bytes.
pub(crate) fn gist(message: &Message) -> String {
    if let Some(says) = &message.says {
        return safe(says);
    }
    let parsed: Option<serde_json::Value> = serde_json::from_str(&message.head).ok();
    let values = parsed.as_ref().and_then(|json| {
        let samples = json.get("samples")?.as_array()?;
        let values = samples.last()?.get("values")?.as_object()?;
        let all: Vec<String> = values
            .iter()
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        Some(all.join("  "))
    });
    values.map_or_else(|| safe(&message.head), |values| safe(&values))
}

/// The unit of a metric whose name says it.
pub(crate) fn unit(metric: &str) -> &'static str {
    match metric {
        "temperature" => " °C",
        "humidity" => " %",
        "battery_v" | "voltage" => " V",
        _ => "",
    }
}

/// A command's state for people.
pub(crate) const fn state(state: CommandState) -> &'static str {
    match state {
        CommandState::Requested => "waiting",
        CommandState::Sent => "sent…",
        CommandState::Confirmed => "confirmed",
        CommandState::Refused => "refused",
        CommandState::TimedOut => "timed out",
        CommandState::Cancelled => "cancelled",
        CommandState::Expired => "expired",
    }
}

/// What comes from nodes must not steer the terminal.
pub(crate) fn safe(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_as_they_are_written() {
        for text in [
            "kitchen/led=on:1m30s",
            "led=on:10m",
            "led=off",
            "a/b=toggle",
        ] {
            assert_eq!(order_text(&order(text).unwrap()), text);
        }
        assert_eq!(order("led=on:1m30s").unwrap().duration_s, Some(90));
        for bad in ["", "led", "led=blink", "led=on:soon"] {
            assert!(order(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_silence_is_read_from_a_line() {
        let now: DateTime<Utc> = "2026-11-21T09:00:00Z".parse().unwrap();
        let new = new_silence("node=cellar-* rule=too?warm 2h new pump", now).unwrap();
        assert_eq!(new.node.as_deref(), Some("cellar-*"));
        assert_eq!(new.rule.as_deref(), Some("too?warm"));
        assert_eq!(new.until_at, Some(now + TimeDelta::hours(2)));
        assert_eq!(new.comment, "new pump");
        for bad in ["2h", "node=x", "where=x 2h", "node=x soon"] {
            assert!(new_silence(bad, now).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_and_times_keep_their_column() {
        for (number, text) in [
            (21.5, "21.5"),
            (-3.0, "-3"),
            (0.1 + 0.2, "0.300"),
            (123.456_789, "123.46"),
            (12_345.678, "12346"),
            (1.0e12, "1.00e12"),
        ] {
            assert_eq!(value(number), text);
        }
        assert_eq!(value_with(20.0, 1), "20.0");
        assert_eq!(value_with(20.25, 1), "20.25");
        assert_eq!(value_with(123_456.0, 2), "123456");
        assert_eq!(value_with(1.0e12, 2), "1.00e12");
        assert_eq!(short(TimeDelta::seconds(59)), "59s");
        assert_eq!(short(TimeDelta::seconds(7_300)), "2h");
        assert_eq!(short(TimeDelta::seconds(-5)), "0s");
        assert_eq!(rest(TimeDelta::seconds(599)), "9:59");
        assert_eq!(rest(TimeDelta::seconds(3_723)), "1:02:03");
        assert_eq!(duration_s("90"), Ok(90));
        assert!(duration_s("soon").is_err());
        assert_eq!(safe("a\u{1b}[2Jb"), "a\u{fffd}[2Jb");
    }
}
