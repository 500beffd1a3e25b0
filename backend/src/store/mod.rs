//! Everything that must survive: samples, marks, nodes, rules, incidents, commands, mails,
//! accounts. Only this folder knows SQL. The engine is the one writer of all that goes through
//! [`Batch`]; accounts, node passwords and the outbox's progress have small writes of their own.
//!
//! Traits are split by domain so that a second store (PostgreSQL) can be added beside
//! `sqlite/`; `suite.rs` holds the tests that both must pass.

pub mod sqlite;
#[cfg(test)]
mod suite;

use std::{ops::Range, sync::Arc};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures_util::stream::BoxStream;
use signalbox_protocol::api::{
    command::{Command, CommandPage, CommandQuery, Schedule},
    data::{BucketsReply, Sample as SampleRow},
    incident::{Incident, IncidentPage, IncidentQuery},
    message::Message,
    node::{ActuatorState, Node, Presence},
    rule::Rule,
    user::{Role, User},
};

use crate::ingest::{Number, Sample};

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file, disk or server is away or full; trying again may help.
    #[error("the store is unavailable: {reason}")]
    Unavailable {
        /// What the database said.
        reason: String,
    },
    /// A unique name is taken.
    #[error("`{name}` is taken")]
    Taken {
        /// The name.
        name: String,
    },
    /// There is no such row.
    #[error("`{name}` does not exist")]
    Missing {
        /// The name or id.
        name: String,
    },
    /// A cursor that this store did not make.
    #[error("`{cursor}` is not a cursor of this listing")]
    BadCursor {
        /// As given.
        cursor: String,
    },
    /// The file is not ours, or of a newer version.
    #[error("the store cannot be used: {reason}")]
    Unusable {
        /// Why.
        reason: String,
    },
}

/// Result of a store call.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Samples of one message of one node.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeSamples {
    /// The node.
    pub node: String,
    /// Valid and validated.
    pub samples: Vec<Sample>,
}

/// The highest sequence number stored of one start of a node. The store keeps the newest
/// [`MARKS_PER_NODE_MAX`] starts of each node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The node.
    pub node: String,
    /// Boot and highest sequence.
    pub number: Number,
    /// When it was last raised.
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
    /// Raised high-water marks, one per (node, boot).
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
    /// Mails to send.
    pub mails: Vec<NewMail>,
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
    /// Commands for which [`CommandRow::is_open`] holds.
    pub commands: Vec<CommandRow>,
    /// All schedules.
    pub schedules: Vec<Schedule>,
    /// Newest sample of every series: node, metric, time, value.
    pub latest: Vec<(String, String, DateTime<Utc>, f64)>,
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

/// The engine's side of the store.
#[async_trait]
pub trait EngineStore: Send + Sync {
    /// Everything that the engine must know at its start.
    async fn load(&self) -> Result<Loaded>;
    /// Writes the batch, with rollups and latest values, in one durable transaction: all or
    /// nothing. When it returns `Ok`, the data is on disk. Of a batch, samples with told times
    /// are stored first; each of the others whose time is then taken moves to the next free
    /// microsecond.
    async fn commit(&self, batch: &Batch) -> Result<Committed>;
}

/// Samples and their statistics.
#[async_trait]
pub trait SampleStore: Send + Sync {
    /// The newest `n` of all that match, newest first (the order of [`SampleStore::page`],
    /// backwards).
    async fn last(&self, filter: &SampleFilter, n: u32) -> Result<Vec<SampleRow>>;
    /// A page, oldest first (by time, then node and metric), and the cursor of the next.
    async fn page(
        &self,
        filter: &SampleFilter,
        after: Option<&str>,
        limit: u32,
    ) -> Result<(Vec<SampleRow>, Option<String>)>;
    /// All that match, oldest first, in constant memory.
    fn stream(&self, filter: SampleFilter) -> BoxStream<'static, Result<SampleRow>>;
    /// n, min, mean and max of at most `buckets` equal buckets of each matching series (`from`
    /// and `to` of the filter are not looked at); flagged values are left out. Buckets of less
    /// than an hour are folded from the samples. Buckets of an hour or more are widened to whole
    /// hours, begin on a full hour of UTC, and come from the hourly rollup, which outlives the
    /// samples: each is exact for the borders that the reply states.
    async fn buckets(
        &self,
        filter: &SampleFilter,
        range: Range<DateTime<Utc>>,
        buckets: u32,
    ) -> Result<BucketsReply>;
    /// Deletes raw samples before `raw_before` and rollups before `rollup_before`, a bounded
    /// number of rows a call; true when more remain.
    async fn prune(
        &self,
        raw_before: Option<DateTime<Utc>>,
        rollup_before: Option<DateTime<Utc>>,
    ) -> Result<bool>;
}

/// Nodes, rules, incidents, commands, messages: reading.
#[async_trait]
pub trait StateStore: Send + Sync {
    /// All nodes by name, with latest values and actuators; ages relative to `now`.
    async fn nodes(&self, now: DateTime<Utc>) -> Result<Vec<Node>>;
    /// One node.
    async fn node(&self, name: &str, now: DateTime<Utc>) -> Result<Option<Node>>;
    /// All rules, oldest first.
    async fn rules(&self) -> Result<Vec<Rule>>;
    /// One rule.
    async fn rule(&self, id: &str) -> Result<Option<Rule>>;
    /// Incidents, open ones first, then newest first.
    async fn incidents(&self, query: &IncidentQuery) -> Result<IncidentPage>;
    /// One incident.
    async fn incident(&self, id: &str) -> Result<Option<Incident>>;
    /// Commands, newest first.
    async fn commands(&self, query: &CommandQuery) -> Result<CommandPage>;
    /// One command.
    async fn command(&self, id: &str) -> Result<Option<Command>>;
    /// All schedules by next run.
    async fn schedules(&self) -> Result<Vec<Schedule>>;
    /// Bad and denied messages, newest first.
    async fn bad_messages(&self, limit: u32) -> Result<Vec<Message>>;
    /// Bytes on disk.
    async fn size_bytes(&self) -> Result<u64>;
    /// Answers when a read works.
    async fn ping(&self) -> Result<()>;
}

/// The mail outbox.
#[async_trait]
pub trait OutboxStore: Send + Sync {
    /// Queued mails that are due, oldest first.
    async fn due_mails(&self, now: DateTime<Utc>, limit: u32) -> Result<Vec<Mail>>;
    /// Queued mails of an incident to a recipient, oldest first.
    async fn queued_mails_of(&self, incident: &str, recipient: &str) -> Result<Vec<Mail>>;
    /// When the next queued mail is due.
    async fn next_mail_at(&self) -> Result<Option<DateTime<Utc>>>;
    /// Writes where a mail stands now.
    async fn update_mail(
        &self,
        id: &str,
        state: MailState,
        tries: u32,
        next_try_at: DateTime<Utc>,
        last_error: Option<&str>,
    ) -> Result<()>;
    /// Number of queued mails and when the oldest was written.
    async fn outbox_depth(&self) -> Result<(u64, Option<DateTime<Utc>>)>;
    /// The newest mails in any state, newest first.
    async fn mails(&self, limit: u32) -> Result<Vec<Mail>>;
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

/// Accounts, sessions, and the nodes' broker passwords.
#[async_trait]
pub trait AccountStore: Send + Sync {
    /// Makes an account. With `first_is_administrator`, decides in the same transaction whether
    /// it is the first, and then makes it an administrator whatever `role` says.
    async fn add_user(
        &self,
        user: &User,
        password_hash: &str,
        first_is_administrator: bool,
    ) -> Result<Role>;
    /// All accounts by name.
    async fn users(&self) -> Result<Vec<User>>;
    /// An account and its password hash.
    async fn user(&self, username: &str) -> Result<Option<(User, String)>>;
    /// Changes what is given. A new password or role ends the account's sessions.
    async fn update_user(
        &self,
        username: &str,
        password_hash: Option<&str>,
        role: Option<Role>,
        email: Option<&str>,
    ) -> Result<()>;
    /// Deletes an account and its sessions.
    async fn delete_user(&self, username: &str) -> Result<()>;
    /// Opens a session and notes the login time.
    async fn add_session(&self, session: &SessionRow) -> Result<()>;
    /// A session that has not ended.
    async fn session(
        &self,
        token_hash: &[u8; 32],
        now: DateTime<Utc>,
    ) -> Result<Option<SessionRow>>;
    /// Ends a session; false when there was none.
    async fn end_session(&self, token_hash: &[u8; 32]) -> Result<bool>;
    /// Deletes sessions that have ended by themselves.
    async fn prune_sessions(&self, now: DateTime<Utc>) -> Result<u64>;
    /// Sets (or replaces) a node's password hash.
    async fn set_node_password(&self, node: &str, hash: &str) -> Result<()>;
    /// A node's password hash.
    async fn node_password(&self, node: &str) -> Result<Option<String>>;
    /// Takes a node's password away; false when it had none.
    async fn remove_node_password(&self, node: &str) -> Result<bool>;
}

/// The whole store.
pub trait Store:
    EngineStore + SampleStore + StateStore + OutboxStore + AccountStore + 'static
{
}
impl<T: EngineStore + SampleStore + StateStore + OutboxStore + AccountStore + 'static> Store for T {}

/// The store as everyone shares it.
pub type SharedStore = Arc<dyn Store>;
