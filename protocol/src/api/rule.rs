//! Rules: `POST /api/v1/command/trigger`, `/api/v1/rules...`.

use alloc::{string::String, vec::Vec};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{command::Action, nullable};

/// How a measured value is compared with the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub enum Comparison {
    /// `>`
    #[serde(rename = ">", alias = "gt")]
    Above,
    /// `>=`
    #[serde(rename = ">=", alias = "ge")]
    AtLeast,
    /// `<`
    #[serde(rename = "<", alias = "lt")]
    Below,
    /// `<=`
    #[serde(rename = "<=", alias = "le")]
    AtMost,
}

impl Comparison {
    /// The sign as people write it.
    #[must_use]
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Above => ">",
            Self::AtLeast => ">=",
            Self::Below => "<",
            Self::AtMost => "<=",
        }
    }
}

/// How bad it is when the rule fires.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Worth acting on.
    #[default]
    Warning,
    /// Act now.
    Critical,
}

/// A command that a rule sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleCommand {
    /// The node; the one that fired when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$", example = "kitchen")]
    pub node: Option<String>,
    /// Its actuator.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$", example = "led")]
    pub actuator: String,
    /// What to do.
    pub action: Action,
    /// With action `on`: off again after this many seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 604800)]
    pub duration_s: Option<u32>,
}

/// Body of `POST /api/v1/command/trigger` (and `POST /api/v1/rules`): a threshold rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRule {
    /// For people; made from the condition when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 80)]
    pub name: Option<String>,
    /// Only this node; every node that has the metric when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$", example = "kitchen")]
    pub node: Option<String>,
    /// The metric watched.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$", example = "temperature")]
    pub metric: String,
    /// How the value is compared.
    pub op: Comparison,
    /// The threshold, finite.
    pub value: f64,
    /// How far back behind the threshold the value must go before it counts as cleared, >= 0.
    #[serde(default)]
    #[schema(minimum = 0)]
    pub hysteresis: f64,
    /// How long the condition must hold before it fires, 0 to 604,800.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 604800)]
    pub hold_s: u32,
    /// Sent on firing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<RuleCommand>,
    /// Sent on clearing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clear_command: Option<RuleCommand>,
    /// Mailed on firing and on clearing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = "email", max_length = 254, example = "anna@example.org")]
    pub email: Option<String>,
    /// How bad it is.
    #[serde(default)]
    pub severity: Severity,
}

/// A rule as stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Rule {
    /// ULID.
    pub id: String,
    /// Only enabled rules are evaluated; disabling closes open incidents.
    pub enabled: bool,
    /// Account that made it.
    pub created_by: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// What it watches and does; `name` is always set.
    #[serde(flatten)]
    pub spec: RuleSpec,
}

/// What a stored rule watches and does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RuleSpec {
    /// For people.
    pub name: String,
    /// Only this node; null is every node.
    pub node: Option<String>,
    /// The metric watched.
    pub metric: String,
    /// How the value is compared.
    pub op: Comparison,
    /// The threshold.
    pub value: f64,
    /// Distance behind the threshold for clearing.
    pub hysteresis: f64,
    /// How long the condition must hold before it fires.
    pub hold_s: u32,
    /// Sent on firing.
    pub command: Option<RuleCommand>,
    /// Sent on clearing.
    pub clear_command: Option<RuleCommand>,
    /// Mailed on firing and on clearing.
    pub email: Option<String>,
    /// How bad it is.
    pub severity: Severity,
}

/// Body of `PATCH /api/v1/rules/{id}`; absent fields stay. A changed condition starts
/// the rule's state anew. For the nullable ones, `null` clears the field.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RulePatch {
    /// Switch the rule on or off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// New name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 80)]
    pub name: Option<String>,
    /// New node, null for every node.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "nullable")]
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$", example = "kitchen")]
    pub node: Option<Option<String>>,
    /// New metric.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$", example = "temperature")]
    pub metric: Option<String>,
    /// New comparison.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub op: Option<Comparison>,
    /// New threshold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// New hysteresis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0)]
    pub hysteresis: Option<f64>,
    /// New hold time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 604800)]
    pub hold_s: Option<u32>,
    /// New command on firing.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "nullable")]
    pub command: Option<Option<RuleCommand>>,
    /// New command on clearing.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "nullable")]
    pub clear_command: Option<Option<RuleCommand>>,
    /// New address.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "nullable")]
    #[schema(format = "email", max_length = 254, example = "anna@example.org")]
    pub email: Option<Option<String>>,
    /// New severity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
}

/// Reply of `GET /api/v1/rules`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Rules {
    /// Oldest first.
    pub rules: Vec<Rule>,
}

/// Most days that a dry run looks through.
pub const DRY_RUN_DAYS_MAX: i64 = 31;
/// Most firings that a dry run lists.
pub const DRY_RUN_FIRINGS_MAX: usize = 1_000;

/// Body of `POST /api/v1/rules/dry-run`: what a rule would have done with stored samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DryRun {
    /// The rule, checked as when it is made; nothing is stored and nothing is sent.
    pub rule: NewRule,
    /// First instant, included.
    pub from: DateTime<Utc>,
    /// Last instant, excluded; at most 31 days later.
    pub to: DateTime<Utc>,
}

/// One time that the rule would have fired.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Firing {
    /// The node.
    pub node: String,
    /// When the condition began to hold.
    pub began_at: DateTime<Utc>,
    /// When the hold time was over.
    pub fired_at: DateTime<Utc>,
    /// When it would have cleared; null when it had not by the end.
    pub cleared_at: Option<DateTime<Utc>>,
    /// The worst value.
    pub peak: f64,
    /// When the worst value was measured.
    pub peak_at: DateTime<Utc>,
}

/// Reply of `POST /api/v1/rules/dry-run`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DryRunReply {
    /// The range as asked for.
    pub from: DateTime<Utc>,
    /// Its end, excluded.
    pub to: DateTime<Utc>,
    /// Samples that the condition was held against; flagged ones are left out.
    pub samples: u64,
    /// In the order of their firing, at most 1,000.
    pub firings: Vec<Firing>,
    /// Whether there were more.
    pub truncated: bool,
}
