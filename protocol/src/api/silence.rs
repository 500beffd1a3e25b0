//! Silences: `/api/v1/silences...`. While one is active, incidents that it fits are recorded and
//! shown as ever, but nobody is mailed.

use alloc::{string::String, vec::Vec};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where a silence stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SilenceState {
    /// Begins later: a maintenance window.
    Planned,
    /// Holds mails back now.
    Active,
    /// Over, by its time or by a person.
    Over,
}

/// A time in which the mails of some incidents are held back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Silence {
    /// ULID.
    pub id: String,
    /// Pattern for a rule's name, or its id; null fits every rule.
    pub rule: Option<String>,
    /// Pattern for the node; null fits every node.
    pub node: Option<String>,
    /// Pattern for the metric; null fits every metric.
    pub metric: Option<String>,
    /// When it begins.
    pub from_at: DateTime<Utc>,
    /// When it ends by itself.
    pub until_at: DateTime<Utc>,
    /// Why; may be empty.
    pub comment: String,
    /// Account that made it.
    pub created_by: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Where it stands.
    pub state: SilenceState,
    /// When it was over; null before.
    pub ended_at: Option<DateTime<Utc>>,
    /// Account that ended it early; null when its time did.
    pub ended_by: Option<String>,
}

/// Body of `POST /api/v1/silences`. At least one of `rule`, `node` and `metric`, and exactly one
/// of `until_at` and `duration_s`. In a pattern `*` stands for any text, `?` for one character
/// and `[ab]` for one of those listed; without them it is a name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSilence {
    /// Pattern for a rule's name, or its id; every rule when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 100, example = "too warm*")]
    pub rule: Option<String>,
    /// Pattern for the node; every node when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 100, example = "cellar-*")]
    pub node: Option<String>,
    /// Pattern for the metric; every metric when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 100, example = "temperature")]
    pub metric: Option<String>,
    /// When it begins; now when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_at: Option<DateTime<Utc>>,
    /// When it ends by itself, at most 366 days after its begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_at: Option<DateTime<Utc>>,
    /// How long after its begin it ends by itself, 1 to 31,622,400.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 31622400)]
    pub duration_s: Option<u32>,
    /// Why, for others.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schema(max_length = 200)]
    pub comment: String,
}

/// Query of `GET /api/v1/silences`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SilenceQuery {
    /// Only planned and active (true) or only past (false) ones.
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

/// Reply of `GET /api/v1/silences`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SilencePage {
    /// Planned and active ones first, then newest first.
    pub silences: Vec<Silence>,
    /// Goes back as `after`; null at the end.
    pub next: Option<String>,
}
