//! Subject and body of the mails of an incident. All mails of one incident have the same subject,
//! because mail programs thread by it; what happened is in the body.

use std::fmt::Write as _;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use signalbox_protocol::api::{incident::Incident, rule::Severity};

use crate::store::{MailKind, NewMail};

/// Subject of all mails of an incident.
#[must_use]
pub fn subject(incident: &Incident) -> String {
    let urgent = if incident.severity == Severity::Critical {
        "CRITICAL "
    } else {
        ""
    };
    format!(
        "[signalbox] {urgent}{}: {}",
        incident.node, incident.rule_name
    )
}

/// The mail of an event of an incident.
#[must_use]
pub fn mail(
    id: String,
    incident: &Incident,
    kind: MailKind,
    to: &str,
    tz: Tz,
    now: DateTime<Utc>,
) -> NewMail {
    NewMail {
        id,
        incident: incident.id.clone(),
        kind,
        recipient: to.to_owned(),
        subject: subject(incident),
        body: match kind {
            MailKind::Firing => firing(incident, "", tz),
            MailKind::Reminder(_) => firing(incident, " still holds", tz),
            MailKind::Recovery => recovery(incident, tz),
        },
        created_at: now,
        held: None,
    }
}

fn firing(incident: &Incident, still: &str, tz: Tz) -> String {
    let mut body = format!(
        "{} on node {}: {}{still}\n\nvalue     {}\nsince     {}\n",
        incident.rule_name,
        incident.node,
        incident.condition,
        incident.last_value,
        local(incident.began_at, tz),
    );
    line(
        &mut body,
        "fired",
        incident.fired_at.map(|at| local(at, tz)),
    );
    let _ = writeln!(body, "severity  {}", severity(incident.severity));
    let _ = writeln!(body, "incident  {}", incident.id);
    body
}

fn recovery(incident: &Incident, tz: Tz) -> String {
    let because = incident.closed_because.as_deref().unwrap_or("cleared");
    let mut body = format!(
        "{} on node {} is over ({because}): {}\n\n",
        incident.rule_name, incident.node, incident.condition
    );
    line(
        &mut body,
        "fired",
        incident.fired_at.map(|at| local(at, tz)),
    );
    line(
        &mut body,
        "over",
        incident.closed_at.map(|at| local(at, tz)),
    );
    let lasted = incident
        .fired_at
        .zip(incident.closed_at)
        .map(|(from, to)| span(to - from));
    line(&mut body, "lasted", lasted);
    let peak = format!("{} at {}", incident.peak, local(incident.peak_at, tz));
    line(&mut body, "peak", Some(peak));
    let _ = writeln!(body, "value     {}", incident.last_value);
    let _ = writeln!(body, "incident  {}", incident.id);
    body
}

fn line(body: &mut String, word: &str, value: Option<String>) {
    if let Some(value) = value {
        // Writing into a String cannot fail.
        let _ = writeln!(body, "{word:<8}  {value}");
    }
}

const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    }
}

fn local(at: DateTime<Utc>, tz: Tz) -> String {
    at.with_timezone(&tz)
        .format("%Y-%m-%d %H:%M:%S %Z")
        .to_string()
}

/// `1 h 02 min 03 s`, without leading zero parts.
#[must_use]
pub fn span(span: TimeDelta) -> String {
    let s = span.num_seconds().max(0);
    match (s / 86_400, s / 3_600 % 24, s / 60 % 60, s % 60) {
        (0, 0, 0, s) => format!("{s} s"),
        (0, 0, min, s) => format!("{min} min {s:02} s"),
        (0, h, min, s) => format!("{h} h {min:02} min {s:02} s"),
        (d, h, min, _) => format!("{d} d {h:02} h {min:02} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_well() {
        for (seconds, words) in [
            (0, "0 s"),
            (61, "1 min 01 s"),
            (3_723, "1 h 02 min 03 s"),
            (90_061, "1 d 01 h 01 min"),
        ] {
            assert_eq!(span(TimeDelta::seconds(seconds)), words);
        }
    }
}
