//! Commands: `/api/v1/command/...`; those that repeat: `/api/v1/schedules...`.

use alloc::{string::String, vec::Vec};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::nullable;

/// What an actuator is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Switch on.
    On,
    /// Switch off.
    Off,
    /// Switch to the other state.
    Toggle,
}

/// Where a command stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CommandState {
    /// Planned for a time that has not come (`at`), or waiting for an offline node.
    Requested,
    /// Published to the node, not yet answered.
    Sent,
    /// The node applied it.
    Confirmed,
    /// The node said no; `reason` says why.
    Refused,
    /// Sent, and no answer by the deadline.
    TimedOut,
    /// Taken back before it was sent.
    Cancelled,
    /// Never sent: the node stayed offline until the expiry.
    Expired,
}

impl CommandState {
    /// Whether nothing can happen to the command any more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Requested | Self::Sent)
    }
}

/// Who asked for a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Origin {
    /// A person or a program with an account.
    User {
        /// Account name.
        username: String,
    },
    /// A rule, because an incident fired or cleared.
    Rule {
        /// Rule id.
        rule: String,
        /// Incident id.
        incident: String,
    },
    /// A schedule (cron).
    Schedule {
        /// Schedule id.
        schedule: String,
    },
    /// The station itself, making sure that a timed command ended.
    Station,
}

/// A command with its whole story.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Command {
    /// ULID.
    pub id: String,
    /// The node that executes it.
    pub node: String,
    /// Its actuator.
    pub actuator: String,
    /// What to do.
    pub action: Action,
    /// For a timed ON: how long; the node switches off by itself.
    pub for_ms: Option<u32>,
    /// Where it stands.
    pub state: CommandState,
    /// Who asked.
    pub origin: Origin,
    /// Free text: why.
    pub reason: Option<String>,
    /// When it was asked.
    pub requested_at: DateTime<Utc>,
    /// Not to be sent before this time; null is at once.
    pub not_before: Option<DateTime<Utc>>,
    /// Not to be sent after this time.
    pub expires_at: DateTime<Utc>,
    /// When it was last published.
    pub sent_at: Option<DateTime<Utc>>,
    /// When it reached its final state.
    pub finished_at: Option<DateTime<Utc>>,
    /// The node's reason for refusing, or what went wrong.
    pub outcome: Option<String>,
    /// For a confirmed timed ON: when the actuator goes off.
    pub off_at: Option<DateTime<Utc>>,
}

/// Body of `POST /api/v1/command/add`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCommand {
    /// The node.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$", example = "kitchen")]
    pub node: String,
    /// Its actuator.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$", example = "led")]
    pub actuator: String,
    /// What to do.
    pub action: Action,
    /// Why, for the history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Body of `POST /api/v1/command/timed`: exactly one of `duration_s` (with or without
/// `at`), `at`, or `cron` (with `tz`, and `duration_s` if each run is timed).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTimedCommand {
    /// The node.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$", example = "kitchen")]
    pub node: String,
    /// Its actuator.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$", example = "led")]
    pub actuator: String,
    /// What to do.
    pub action: Action,
    /// Why, for the history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// With action `on`: off again after this many seconds, 1 to 604,800.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 604800)]
    pub duration_s: Option<u32>,
    /// Once, at this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<DateTime<Utc>>,
    /// Again and again: minute, hour, day of month, month, day of week.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    /// IANA time zone of `cron`, for example `Europe/Paris`; the station's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tz: Option<String>,
}

/// Reply of `command/add` and `command/timed`: 202. One of the two ids is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CommandAccepted {
    /// Id of the command, or of the schedule for `cron`.
    pub id: String,
    /// Where the command stands; `requested` for a schedule.
    pub state: CommandState,
    /// For `cron`: the next run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<DateTime<Utc>>,
}

/// Query of `GET /api/v1/command/all`: newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CommandQuery {
    /// Only this node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Only those that something can still happen to (true), or only the others (false): one that
    /// waits, was sent, or is a timed ON that is not over.
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

/// Reply of `GET /api/v1/command/all`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CommandPage {
    /// Newest first.
    pub commands: Vec<Command>,
    /// Goes back as `after`; null at the end.
    pub next: Option<String>,
}

/// A repeating command: `GET /api/v1/schedules`, `/api/v1/schedules/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Schedule {
    /// ULID.
    pub id: String,
    /// The node.
    pub node: String,
    /// Its actuator.
    pub actuator: String,
    /// What to do at each run.
    pub action: Action,
    /// With action `on`: off again after this many seconds.
    pub duration_s: Option<u32>,
    /// Five-field cron expression.
    pub cron: String,
    /// IANA time zone in which the expression is read.
    pub tz: String,
    /// Why, for the history of its commands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether it rests: it makes no commands until a person lets it run again.
    #[serde(default)]
    pub paused: bool,
    /// Account that made it.
    pub created_by: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Next run; null when there is none, as while it is paused.
    pub next_at: Option<DateTime<Utc>>,
}

/// Body of `PATCH /api/v1/schedules/{id}`: what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SchedulePatch {
    /// Pause it, or let it run again from now on: what it would have done meanwhile is not made
    /// up for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
    /// New node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$", example = "kitchen")]
    pub node: Option<String>,
    /// New actuator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$", example = "led")]
    pub actuator: Option<String>,
    /// New action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
    /// New duration, with the action `on`; null for none.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "nullable")]
    #[schema(minimum = 1, maximum = 604800)]
    pub duration_s: Option<Option<u32>>,
    /// New expression; its next run is the first from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    /// New time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tz: Option<String>,
    /// New reason; null for none.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "nullable")]
    pub reason: Option<Option<String>>,
}

/// Reply of `GET /api/v1/schedules`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Schedules {
    /// By next run.
    pub schedules: Vec<Schedule>,
}
