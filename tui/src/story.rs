//! The story of an incident: why it fired, and all that happened, in the order of the times.

use chrono::{DateTime, Utc};
use signalbox_protocol::api::{
    incident::{Incident, Step, StepKind},
    mail::{Mail, MailKind, MailState},
    rule::Rule,
};

use crate::words::{exact, safe, short, unit, value};

/// Why an incident fired, and how it went, in the order of the times.
pub(crate) fn story(
    incident: &Incident,
    rule: Option<&Rule>,
    mails: &[Mail],
    now: DateTime<Utc>,
) -> Vec<String> {
    let unit = unit(&incident.metric);
    let mut lines = vec![why(incident, rule)];
    let worst = format!("{}{unit}", value(incident.peak));
    let newest = format!("{}{unit}", value(incident.last_value));
    lines.push(format!("worst value {worst}, newest {newest}"));
    if incident.mail_held {
        lines.push("a mail waits until no silence is left".to_owned());
    }
    if incident.fired_at.is_none() {
        lines.push("it has not fired: the hold time runs".to_owned());
    }
    lines.push(String::new());
    let mut told = vec![(incident.began_at, "the condition began to hold".to_owned())];
    told.extend(incident.fired_at.map(|at| (at, "it fired".to_owned())));
    let acted = "the rule acted on it";
    told.extend(incident.acted_at.map(|at| (at, acted.to_owned())));
    told.extend(incident.steps.iter().map(|one| (one.at, step(one))));
    told.extend(mails.iter().map(|mail| (mail.created_at, letter(mail))));
    told.push((incident.peak_at, format!("worst value, {worst}")));
    let because = incident.closed_because.as_deref().unwrap_or("closed");
    let closed = format!("over: {}", safe(because));
    told.extend(incident.closed_at.map(|at| (at, closed)));
    told.sort_by_key(|(at, _)| *at);
    lines.extend(told.into_iter().map(|(at, text)| {
        let age = format!("{} ago", short(now - at));
        format!("{}  {age:>8}  {text}", exact(at))
    }));
    lines
}

/// A mail, and what became of it.
fn letter(mail: &Mail) -> String {
    let kind = match mail.kind {
        MailKind::Firing => "alert",
        MailKind::Reminder => "reminder",
        MailKind::Recovery => "recovery",
    };
    let became = match mail.state {
        MailState::Sent => "sent".to_owned(),
        MailState::Merged => "went out with another".to_owned(),
        MailState::Failed => "FAILED".to_owned(),
        MailState::Queued => mail.next_try_at.map_or_else(
            || "waits".to_owned(),
            |at| format!("waits until {}", exact(at)),
        ),
    };
    let why = mail
        .last_error
        .as_ref()
        .map_or_else(String::new, |error| format!(" ({})", safe(error)));
    format!("mail to {}, {kind}: {became}{why}", safe(&mail.recipient))
}

/// The rule in a sentence; what it says now, if it is still there.
fn why(incident: &Incident, rule: Option<&Rule>) -> String {
    let (node, condition) = (safe(&incident.node), safe(&incident.condition));
    let Some(rule) = rule else {
        return format!("{condition} on {node}; the rule is gone");
    };
    let spec = &rule.spec;
    let held = match spec.hold_s {
        0 => String::new(),
        s => format!(" for {s} s"),
    };
    let clears = if spec.hysteresis > 0.0 {
        format!(", clears {} behind {}", spec.hysteresis, spec.value)
    } else {
        String::new()
    };
    format!("{condition}{held} on {node}{clears}")
}

/// A step of an incident.
fn step(step: &Step) -> String {
    let who = safe(step.by.as_deref().unwrap_or("the station"));
    let until = step
        .until_at
        .map_or_else(String::new, |at| format!(" until {}", exact(at)));
    let what = match step.kind {
        StepKind::Acknowledged => format!("{who} acknowledged it{until}"),
        StepKind::AckOver => "the acknowledgement was over".to_owned(),
        StepKind::Silenced => format!("silenced by {who}{until}"),
        StepKind::SilenceOver if step.by.is_some() => format!("{who} ended the silence"),
        StepKind::SilenceOver => "no silence is left".to_owned(),
        StepKind::Told => "people were mailed".to_owned(),
        StepKind::Held => "a mail was held back".to_owned(),
    };
    let note = step
        .note
        .as_ref()
        .map_or_else(String::new, |note| format!(": {}", safe(note)));
    format!("{what}{note}")
}
