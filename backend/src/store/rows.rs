//! What goes into the store and comes out of it, where that differs from what the API shows.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use signalbox_protocol::api::{
    command::{Command, Schedule},
    config::NodeConfig,
    incident::Incident,
    message::Message,
    node::{ActuatorState, Presence, StartedBy},
    rule::Rule,
    silence::Silence,
    user::Role,
};

use crate::ingest::{Number, Sample};

/// Samples of one message of one node.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeSamples {
    /// The node.
    pub node: String,
    /// Valid and validated.
    pub samples: Vec<Sample>,
}

/// Which numbers of one start of a node are stored. The store keeps the newest
/// [`MARKS_PER_NODE_MAX`] starts of each node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The node.
    pub node: String,
    /// Boot and highest sequence.
    pub number: Number,
    /// Below the highest, what has not come yet: first and last of each gap, rising.
    pub gaps: Vec<(u32, u32)>,
    /// When the last number came.
    pub at: DateTime<Utc>,
}

/// Starts of a node whose marks are kept.
pub const MARKS_PER_NODE_MAX: usize = 32;
/// Groups of bad messages that are kept; the oldest go first.
pub const BAD_MESSAGES_MAX: usize = 1_000;

/// What is known of a node besides its samples and actuators; whole row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeFacts {
    /// Its name.
    pub name: String,
    /// Whether it can be reached.
    pub presence: Presence,
    /// Since when.
    pub presence_since: Option<DateTime<Utc>>,
    /// When anything was last received from it.
    pub last_seen_at: Option<DateTime<Utc>>,
    /// Id of its present start.
    pub boot: Option<u32>,
    /// Firmware version.
    pub firmware: Option<String>,
    /// Seconds since its start, as last told.
    pub uptime_s: Option<u32>,
    /// WiFi signal.
    pub rssi_dbm: Option<i16>,
    /// Why it started.
    pub started_by: Option<StartedBy>,
}

/// An actuator as reported and as wanted; whole row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActuatorFacts {
    /// The node.
    pub node: String,
    /// Its name.
    pub name: String,
    /// As last reported.
    pub reported: Option<ActuatorState>,
    /// When.
    pub reported_at: Option<DateTime<Utc>>,
    /// As last wanted.
    pub desired: Option<ActuatorState>,
    /// When the node will switch it off by itself.
    pub off_at: Option<DateTime<Utc>>,
    /// Open command.
    pub pending_command: Option<String>,
}

/// A command row with what only the station needs.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandRow {
    /// As the API shows it.
    pub command: Command,
    /// Set from the confirmation of a timed ON until the actuator was seen to be off again
    /// (or a later command replaced it): the time by which it must be.
    pub verify_off_at: Option<DateTime<Utc>>,
    /// For a sent command: when it times out.
    pub deadline_at: Option<DateTime<Utc>>,
}

impl CommandRow {
    /// Whether the engine still has something to do with it.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        !self.command.state.is_final() || self.verify_off_at.is_some()
    }
}

/// What a mail is about; part of its stable Message-ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MailKind {
    /// An incident fired.
    Firing,
    /// It still fires, and people are told again, for the so-manieth time, from 1.
    Reminder(u32),
    /// It cleared.
    Recovery,
}

/// A mail to send, written in the transaction of the state change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMail {
    /// ULID.
    pub id: String,
    /// The incident.
    pub incident: String,
    /// Which event of it.
    pub kind: MailKind,
    /// One address.
    pub recipient: String,
    /// The same for all mails of an incident, so that they thread.
    pub subject: String,
    /// Plain text.
    pub body: String,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// Not to be sent before a silence is over. Only for writing: it is not read again.
    pub held: Option<MailHold>,
}

impl NewMail {
    /// Not to be sent before this time.
    #[must_use]
    pub fn due_at(&self) -> DateTime<Utc> {
        self.held
            .as_ref()
            .map_or(self.created_at, |hold| hold.until_at)
    }
}

/// Why a new mail has to wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailHold {
    /// The silence's id.
    pub silence: String,
    /// When it ends by itself.
    pub until_at: DateTime<Utc>,
}

/// A mail that waits for a silence waits for another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailMove {
    /// The incident whose mails these are.
    pub incident: String,
    /// The silence that they waited for.
    pub from: String,
    /// The one that they wait for now.
    pub to: MailHold,
}

/// An incident whose mail waits for a silence.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldIncident {
    /// The incident, which may be closed.
    pub incident: Incident,
    /// Id of the silence.
    pub silence: String,
}

/// Mails that waited for a silence are due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailRelease {
    /// The silence that was ended early.
    pub silence: String,
    /// Since when they are due.
    pub at: DateTime<Utc>,
}

/// Where a mail stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MailState {
    /// Waits for `next_try_at`.
    Queued,
    /// The server took it (250).
    Sent,
    /// The server refused it for good (5xx), or it grew too old.
    Failed,
    /// Its content went out within another mail.
    Merged,
}

/// A mail in the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// As written.
    pub mail: NewMail,
    /// Where it stands.
    pub state: MailState,
    /// Attempts so far.
    pub tries: u32,
    /// Not before.
    pub next_try_at: DateTime<Utc>,
    /// What the server last said.
    pub last_error: Option<String>,
}

/// All that one transaction of the engine writes. Rows are whole: the engine holds the state
/// and is the only writer of these tables, so an upsert is all that is needed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// Samples, in order of arrival.
    pub samples: Vec<NodeSamples>,
    /// Changed marks, one per (node, boot).
    pub marks: Vec<Mark>,
    /// Marks to forget: the node counts its starts anew.
    pub marks_forgotten: Vec<(String, u32)>,
    /// Changed nodes.
    pub nodes: Vec<NodeFacts>,
    /// Changed actuators.
    pub actuators: Vec<ActuatorFacts>,
    /// New or changed rules.
    pub rules: Vec<Rule>,
    /// Ids of deleted rules.
    pub rules_deleted: Vec<String>,
    /// New or changed incidents.
    pub incidents: Vec<Incident>,
    /// Ids of pending incidents that never fired.
    pub incidents_dropped: Vec<String>,
    /// New or changed commands.
    pub commands: Vec<CommandRow>,
    /// New or changed schedules.
    pub schedules: Vec<Schedule>,
    /// Ids of deleted schedules.
    pub schedules_deleted: Vec<String>,
    /// New or changed silences.
    pub silences: Vec<Silence>,
    /// New or changed configurations of nodes.
    pub configs: Vec<NodeConfig>,
    /// Mails to send.
    pub mails: Vec<NewMail>,
    /// Mails that wait for another silence now; before the next.
    pub mails_moved: Vec<MailMove>,
    /// Silences whose mails wait no longer.
    pub mails_released: Vec<MailRelease>,
    /// Bad and denied messages; grouped by (topic, reason) by the store. `id` is ignored.
    pub bad_messages: Vec<Message>,
}

impl Batch {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What a commit did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Committed {
    /// Samples that were new.
    pub samples_stored: u64,
    /// Samples whose (series, time) was there already with a time that the node had told.
    pub samples_known: u64,
}

/// The engine's state as the store has it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Loaded {
    /// All marks.
    pub marks: Vec<Mark>,
    /// All nodes.
    pub nodes: Vec<NodeFacts>,
    /// All actuators.
    pub actuators: Vec<ActuatorFacts>,
    /// All rules.
    pub rules: Vec<Rule>,
    /// Incidents that are not closed.
    pub incidents: Vec<Incident>,
    /// Silences that are not over.
    pub silences: Vec<Silence>,
    /// Those whose mails wait for a silence, by id.
    pub held: Vec<HeldIncident>,
    /// Commands for which [`CommandRow::is_open`] holds.
    pub commands: Vec<CommandRow>,
    /// All schedules.
    pub schedules: Vec<Schedule>,
    /// Configurations of all nodes that have one, or have told of one.
    pub configs: Vec<NodeConfig>,
    /// The newest commands that are done with, oldest first, at most [`FINISHED_COMMANDS_MAX`]:
    /// a node's answer may come late or twice.
    pub finished: Vec<Command>,
    /// Newest sample of every series.
    pub latest: Vec<Latest>,
}

/// Finished commands that the engine remembers.
pub const FINISHED_COMMANDS_MAX: usize = 256;

/// The newest sample of a series.
#[derive(Debug, Clone, PartialEq)]
pub struct Latest {
    /// The node.
    pub node: String,
    /// The metric.
    pub metric: String,
    /// When it was measured.
    pub ts: DateTime<Utc>,
    /// The value.
    pub value: f64,
    /// Whether it is flagged, for whatever reason.
    pub flagged: bool,
}

/// Before which times nothing is kept; `None` keeps all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retention {
    /// Samples, and what is over of commands, incidents and mails.
    pub raw_before: Option<DateTime<Utc>>,
    /// Samples of these metrics, instead.
    pub metric_before: BTreeMap<String, Option<DateTime<Utc>>>,
    /// Hourly statistics.
    pub rollup_before: Option<DateTime<Utc>>,
}

impl Retention {
    /// For each time the metrics that it is for: those of the list (true), or all others.
    pub(super) fn groups(&self) -> Vec<(DateTime<Utc>, Vec<&str>, bool)> {
        let mut listed: BTreeMap<DateTime<Utc>, Vec<&str>> = BTreeMap::new();
        for (metric, before) in &self.metric_before {
            if let Some(before) = before {
                listed.entry(*before).or_default().push(metric);
            }
        }
        let others = self.metric_before.keys().map(String::as_str).collect();
        let others = self.raw_before.map(|before| (before, others, false));
        let listed = listed
            .into_iter()
            .map(|(before, list)| (before, list, true));
        listed.chain(others).collect()
    }
}

/// What a step of sealing did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sealed {
    /// Chunks that were written: days, each of one series.
    pub days: u64,
    /// Whether the round through all series is not at its end.
    pub more: bool,
}

/// Which samples.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SampleFilter {
    /// Only this node.
    pub node: Option<String>,
    /// Only this metric.
    pub metric: Option<String>,
    /// First instant, included.
    pub from: Option<DateTime<Utc>>,
    /// Last instant, excluded.
    pub to: Option<DateTime<Utc>>,
}

/// A session as stored: only a hash of its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// SHA-256 of the token.
    pub token_hash: [u8; 32],
    /// The account.
    pub username: String,
    /// Its role now.
    pub role: Role,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it ends by itself.
    pub expires_at: DateTime<Utc>,
}
