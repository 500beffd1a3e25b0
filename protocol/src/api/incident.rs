//! Incidents: `GET /api/v1/incidents`, `POST /api/v1/incidents/{id}/ack`.

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
