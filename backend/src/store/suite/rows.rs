//! One of each row, to be varied.

use signalbox_protocol::api::{
    command::{Action, Command, CommandState, Origin, Schedule},
    config::{ConfigState, DesiredConfig, NodeConfig, NodeSettings},
    incident::{Incident, IncidentState},
    message::{Message, Outcome},
    node::{ActuatorState, Presence, StartedBy},
    rule::{Comparison, Rule, RuleCommand, RuleSpec, Severity},
    silence::{Silence, SilenceState},
    user::{Role, User},
};

use super::{at_s, t0};
use crate::{
    ingest::Number,
    store::{ActuatorFacts, CommandRow, MailKind, Mark, NewMail, NodeFacts, SessionRow},
};

/// A ULID-like id that sorts by its number.
pub(in crate::store) fn id(number: u32) -> String {
    format!("01ARZ3NDEKTSV4RRFF{number:08}")
}

pub(in crate::store) fn node(name: &str) -> NodeFacts {
    NodeFacts {
        name: name.to_owned(),
        presence: Presence::Online,
        presence_since: Some(at_s(1)),
        last_seen_at: Some(at_s(2)),
        boot: Some(u32::MAX),
        firmware: Some("0.1.0".to_owned()),
        uptime_s: Some(12),
        rssi_dbm: Some(-61),
        started_by: Some(StartedBy::Watchdog),
    }
}

pub(in crate::store) fn actuator(node: &str, name: &str) -> ActuatorFacts {
    ActuatorFacts {
        node: node.to_owned(),
        name: name.to_owned(),
        reported: Some(ActuatorState::On),
        reported_at: Some(at_s(3)),
        desired: Some(ActuatorState::Off),
        off_at: Some(at_s(600)),
        pending_command: Some(id(1)),
    }
}

pub(in crate::store) fn mark(node: &str, boot: u32, seq: u32, at_seconds: i64) -> Mark {
    Mark {
        node: node.to_owned(),
        number: Number { boot, seq },
        gaps: Vec::new(),
        at: at_s(at_seconds),
    }
}

pub(in crate::store) fn rule(number: u32) -> Rule {
    let command = RuleCommand {
        node: Some("cellar".to_owned()),
        actuator: "fan".to_owned(),
        action: Action::On,
        duration_s: Some(600),
    };
    Rule {
        id: id(number),
        enabled: true,
        created_by: "anna".to_owned(),
        created_at: t0(),
        spec: RuleSpec {
            name: "too `warm`; 'é'".to_owned(),
            node: Some("attic".to_owned()),
            metric: "temperature".to_owned(),
            op: Comparison::AtLeast,
            value: 30.1,
            hysteresis: 0.5,
            hold_s: 60,
            command: Some(command.clone()),
            clear_command: Some(RuleCommand {
                node: None,
                action: Action::Off,
                duration_s: None,
                ..command
            }),
            email: Some("anna@example.org".to_owned()),
            severity: Severity::Critical,
        },
    }
}

pub(in crate::store) fn incident(number: u32, state: IncidentState) -> Incident {
    let closed = state == IncidentState::Closed;
    Incident {
        id: id(number),
        rule: id(900),
        rule_name: "too warm".to_owned(),
        node: "attic".to_owned(),
        metric: "temperature".to_owned(),
        condition: "temperature >= 30.1".to_owned(),
        severity: Severity::Warning,
        state,
        began_at: at_s(10),
        fired_at: (state != IncidentState::Pending).then(|| at_s(20)),
        acted_at: (state != IncidentState::Pending).then(|| at_s(21)),
        acknowledged_at: None,
        acknowledged_by: None,
        acknowledged_until: None,
        acknowledged_note: None,
        silenced: None,
        mail_held: false,
        mails_told: 0,
        steps: Vec::new(),
        closed_at: closed.then(|| at_s(80)),
        closed_because: closed.then(|| "cleared".to_owned()),
        peak: 31.7,
        peak_at: at_s(30),
        last_value: 30.3,
        duration_ms: closed.then_some(60_000),
    }
}

pub(in crate::store) fn silence(number: u32, state: SilenceState) -> Silence {
    let over = state == SilenceState::Over;
    Silence {
        id: id(number),
        rule: None,
        node: Some("attic*".to_owned()),
        metric: None,
        from_at: at_s(1),
        until_at: at_s(3_600),
        comment: "'é'".to_owned(),
        created_by: "anna".to_owned(),
        created_at: at_s(1),
        state,
        ended_at: over.then(|| at_s(60)),
        ended_by: over.then(|| "ben".to_owned()),
    }
}

pub(in crate::store) fn command(number: u32, state: CommandState) -> CommandRow {
    CommandRow {
        command: Command {
            id: id(number),
            node: "attic".to_owned(),
            actuator: "led".to_owned(),
            action: Action::On,
            for_ms: Some(600_000),
            state,
            origin: Origin::Rule {
                rule: id(900),
                incident: id(901),
            },
            reason: Some("because".to_owned()),
            requested_at: at_s(1),
            not_before: Some(at_s(2)),
            expires_at: at_s(3_600),
            sent_at: Some(at_s(4)),
            finished_at: state.is_final().then(|| at_s(5)),
            outcome: None,
            off_at: None,
        },
        verify_off_at: None,
        deadline_at: Some(at_s(14)),
    }
}

pub(in crate::store) fn schedule(number: u32, next_at_seconds: Option<i64>) -> Schedule {
    Schedule {
        id: id(number),
        node: "attic".to_owned(),
        actuator: "led".to_owned(),
        action: Action::Toggle,
        duration_s: None,
        cron: "0 7 * * MON-FRI".to_owned(),
        tz: "Europe/Paris".to_owned(),
        reason: Some("wind the clock".to_owned()).filter(|_| number.is_multiple_of(2)),
        paused: next_at_seconds.is_none(),
        created_by: "anna".to_owned(),
        created_at: t0(),
        next_at: next_at_seconds.map(at_s),
    }
}

pub(in crate::store) fn config(node: &str, version: u32) -> NodeConfig {
    NodeConfig {
        state: ConfigState::Pending,
        desired: Some(DesiredConfig {
            version,
            settings: NodeSettings {
                interval_ms: Some(60_000),
                ..NodeSettings::default()
            },
            set_by: "anna".to_owned(),
            set_at: t0(),
        }),
        ..NodeConfig::unset(node)
    }
}

pub(in crate::store) fn mail(number: u32, kind: MailKind, recipient: &str) -> NewMail {
    NewMail {
        id: id(number),
        incident: id(900),
        kind,
        recipient: recipient.to_owned(),
        subject: "attic: temperature >= 30.1".to_owned(),
        body: "line one\nline two\n".to_owned(),
        created_at: at_s(i64::from(number)),
        held: None,
    }
}

pub(in crate::store) fn bad_message(topic: &str, reason: &str, at_seconds: i64) -> Message {
    Message {
        id: 0,
        received_at: at_s(at_seconds),
        topic: topic.to_owned(),
        node: Some("attic".to_owned()),
        outcome: Outcome::Bad,
        reason: Some(reason.to_owned()),
        payload_bytes: 17,
        head: format!("head at {at_seconds}"),
        says: None,
        count: 1,
        first_at: at_s(at_seconds),
    }
}

pub(in crate::store) fn user(username: &str, role: Role) -> User {
    User {
        username: username.to_owned(),
        email: format!("{username}@example.org"),
        role,
        created_at: t0(),
        last_login_at: None,
    }
}

pub(in crate::store) fn session(token: u8, username: &str) -> SessionRow {
    SessionRow {
        token_hash: [token; 32],
        username: username.to_owned(),
        role: Role::Viewer,
        created_at: at_s(10),
        expires_at: at_s(100),
    }
}
