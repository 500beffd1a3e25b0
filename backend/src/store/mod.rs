//! Everything that must survive: samples, marks, nodes, rules, incidents, commands, mails,
//! accounts. Only this folder knows SQL. The engine is the one writer of all that goes through
//! [`Batch`]; accounts, node passwords and the outbox's progress have small writes of their own.
//!
//! Traits are split by domain so that a second store (PostgreSQL) can be added beside
//! `sqlite/`; `suite.rs` holds the tests that both must pass.

mod catalog;
mod chunk;
mod convert;
mod copy;
mod history;
mod listing;
mod open;
mod place;
pub mod postgres;
mod rows;
pub mod sqlite;
#[cfg(test)]
mod suite;

use std::{ops::Range, sync::Arc};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures_util::stream::BoxStream;
use signalbox_protocol::api::{
    command::{Command, CommandPage, CommandQuery, Schedule},
    config::NodeConfig,
    data::{BucketsReply, Sample as SampleRow},
    incident::{Incident, IncidentPage, IncidentQuery},
    message::Message,
    node::Node,
    rule::Rule,
    silence::{Silence, SilencePage, SilenceQuery},
    user::{Role, User},
};

pub use self::rows::{
    ActuatorFacts, BAD_MESSAGES_MAX, Batch, CommandRow, Committed, FINISHED_COMMANDS_MAX,
    HeldIncident, Latest, Loaded, MARKS_PER_NODE_MAX, Mail, MailHold, MailKind, MailMove,
    MailRelease, MailState, Mark, NewMail, NodeFacts, NodeSamples, Retention, SampleFilter, Sealed,
    SessionRow,
};
pub use self::{
    copy::{Copied, Progress, copy},
    open::{open, open_when_there},
    place::{Place, PlaceError, StoreUrl},
};

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
    /// What is stored is not what was written.
    #[error("stored history is damaged: {what}")]
    Damaged {
        /// Where, and what does not fit.
        what: String,
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
    /// samples; 50 or more buckets of a day or more are widened to whole days in the same way.
    /// Each is exact for the borders that the reply states.
    async fn buckets(
        &self,
        filter: &SampleFilter,
        range: Range<DateTime<Utc>>,
        buckets: u32,
    ) -> Result<BucketsReply>;
    /// Moves the samples of whole UTC days that end at or before a time into compressed chunks.
    /// No query and no later commit can tell. A bounded number of samples a call, each call in
    /// one transaction.
    async fn seal(&self, before: DateTime<Utc>) -> Result<Sealed>;
    /// Deletes what is kept no longer: samples, hourly statistics, and commands, incidents and
    /// mails that are over. Sealed samples go by the day, when the whole day is over. A bounded
    /// number of rows a call; true when more remain.
    async fn prune(&self, keep: &Retention) -> Result<bool>;
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
    /// Silences, planned and active ones first, then newest first.
    async fn silences(&self, query: &SilenceQuery) -> Result<SilencePage>;
    /// One silence.
    async fn silence(&self, id: &str) -> Result<Option<Silence>>;
    /// Commands, newest first.
    async fn commands(&self, query: &CommandQuery) -> Result<CommandPage>;
    /// One command.
    async fn command(&self, id: &str) -> Result<Option<Command>>;
    /// All schedules by next run.
    async fn schedules(&self) -> Result<Vec<Schedule>>;
    /// Configurations by node: of those that have one, or have told of one.
    async fn node_configs(&self) -> Result<Vec<NodeConfig>>;
    /// One of them.
    async fn node_config(&self, node: &str) -> Result<Option<NodeConfig>>;
    /// Bad and denied messages, newest first.
    async fn bad_messages(&self, limit: u32) -> Result<Vec<Message>>;
    /// The time of the oldest raw sample. Looks once into each series.
    async fn oldest_sample_at(&self) -> Result<Option<DateTime<Utc>>>;
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
    /// Makes a mail that waits, or that was given up, due; false when there is no such mail.
    async fn retry_mail(&self, id: &str, now: DateTime<Utc>) -> Result<bool>;
    /// Number of queued mails and when the oldest was written.
    async fn outbox_depth(&self) -> Result<(u64, Option<DateTime<Utc>>)>;
    /// The newest mails in any state, of all incidents or of one, newest first.
    async fn mails(&self, incident: Option<&str>, limit: u32) -> Result<Vec<Mail>>;
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
    /// The newest sessions that have not ended, newest first.
    async fn sessions(&self, now: DateTime<Utc>, limit: u32) -> Result<Vec<SessionRow>>;
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
