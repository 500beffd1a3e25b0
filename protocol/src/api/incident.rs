//! Incidents: `GET /api/v1/incidents`, `POST /api/v1/incidents/{id}/ack`.
//!
//! An incident carries its own history, at most [`STEPS_MAX`] steps of it.

use alloc::{string::String, vec::Vec};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::rule::Severity;

/// Where an incident stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum IncidentState {
    /// The condition holds, the hold time has not passed.
    Pending,
    /// Fired.
    Firing,
    /// Fired, and a person said that they know.
    Acknowledged,
    /// Over. A pending one that never fired is removed, not closed.
    Closed,
}

/// Steps that an incident remembers; the oldest go first.
pub const STEPS_MAX: usize = 50;

/// What happened to an incident besides its states, which have times of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// A person said that they know.
    Acknowledged,
    /// The time of an acknowledgement was over, and the condition still held.
    AckOver,
    /// A silence began to hold its mails back.
    Silenced,
    /// No silence holds its mails back any more.
    SilenceOver,
    /// People are mailed that it fires, for the first time or again.
    Told,
    /// A mail was due, and a silence held it back.
    Held,
}

/// A step in the history of an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Step {
    /// When.
    pub at: DateTime<Utc>,
    /// What.
    pub kind: StepKind,
    /// Account that did it or made the silence; null when the station did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// For an acknowledgement or a silence: until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_at: Option<DateTime<Utc>>,
    /// What the person wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The silence that holds the mails of an incident back now; of several, the one that ends last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Silenced {
    /// The silence's id.
    pub id: String,
    /// Account that made it.
    pub by: String,
    /// When it ends by itself.
    pub until_at: DateTime<Utc>,
    /// Why; may be empty.
    pub comment: String,
}

/// One time that a rule's condition held on one node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Incident {
    /// ULID.
    pub id: String,
    /// The rule's id.
    pub rule: String,
    /// The rule's name when it began.
    pub rule_name: String,
    /// The node.
    pub node: String,
    /// The metric.
    pub metric: String,
    /// The condition in words, for example `temperature > 30`.
    pub condition: String,
    /// How bad.
    pub severity: Severity,
    /// Where it stands.
    pub state: IncidentState,
    /// When the condition began to hold.
    pub began_at: DateTime<Utc>,
    /// When it fired; null while pending.
    pub fired_at: Option<DateTime<Utc>>,
    /// When the rule's command for firing was due and ordered, if it has one; null while the rule
    /// has not acted, because nothing fresh was known.
    #[serde(default)]
    pub acted_at: Option<DateTime<Utc>>,
    /// When it was acknowledged.
    pub acknowledged_at: Option<DateTime<Utc>>,
    /// Who acknowledged it.
    pub acknowledged_by: Option<String>,
    /// Until when the acknowledgement holds: then people are told again if the condition still
    /// does. Null when it holds to the end.
    #[serde(default)]
    pub acknowledged_until: Option<DateTime<Utc>>,
    /// What was written with the acknowledgement.
    #[serde(default)]
    pub acknowledged_note: Option<String>,
    /// The silence that holds its mails back now.
    #[serde(default)]
    pub silenced: Option<Silenced>,
    /// Whether a mail that it fires is held back: it goes out when no silence is left, if it is
    /// still true then.
    #[serde(default)]
    pub mail_held: bool,
    /// How often people were mailed that it fires.
    #[serde(default)]
    pub mails_told: u32,
    /// What happened to it, oldest first, at most 50 steps.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// When it was closed.
    pub closed_at: Option<DateTime<Utc>>,
    /// Why it closed: `cleared`, `rule disabled`, `rule deleted`, `rule changed`.
    pub closed_because: Option<String>,
    /// The worst value so far.
    pub peak: f64,
    /// When the worst value was measured.
    pub peak_at: DateTime<Utc>,
    /// The newest value so far.
    pub last_value: f64,
    /// From `fired_at` to `closed_at`; null while it is open.
    pub duration_ms: Option<u64>,
}

impl Incident {
    /// Adds a step to the history; the oldest gives way when it is full.
    pub fn note(&mut self, step: Step) {
        if self.steps.len() >= STEPS_MAX {
            self.steps.remove(0);
        }
        self.steps.push(step);
    }
}

/// Body of `POST /api/v1/incidents/{id}/ack`; may be absent. At most one of `until_at` and
/// `duration_s`; with none of them the acknowledgement holds until the incident is over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Acknowledge {
    /// Holds until this time, at most 366 days ahead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_at: Option<DateTime<Utc>>,
    /// Holds for this long, 1 to 31,622,400.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 31622400)]
    pub duration_s: Option<u32>,
    /// For others: what is being done about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    pub note: Option<String>,
}

/// Query of `GET /api/v1/incidents`: open ones first, then newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct IncidentQuery {
    /// Only open (true) or only closed (false) ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open: Option<bool>,
    /// Rows of a page, 1 to 10,000; 100 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 10000)]
    pub limit: Option<u32>,
    /// `next` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// Reply of `GET /api/v1/incidents`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct IncidentPage {
    /// Open ones first, then newest first.
    pub incidents: Vec<Incident>,
    /// Goes back as `after`; null at the end.
    pub next: Option<String>,
}
