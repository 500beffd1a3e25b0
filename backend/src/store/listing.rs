//! What both stores read alike: rows as their tables have them, what is made of them, and the
//! cursors of pages.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use signalbox_protocol::api::{
    command::{Command, CommandPage},
    message::{Message, Outcome},
    node::{Actuator, LatestValue, Node},
    user::User,
};

use super::{
    ActuatorFacts, CommandRow, Latest, Mail, Mark, NewMail, NodeFacts, Result, SessionRow,
    StoreError,
    catalog::Catalog,
    convert::{
        flags_of, from_doc, mail_kind_of, mail_state_of, presence_of, role_of, started_by_of,
        state_of, time,
    },
};
use crate::ingest::Number;

/// Rows of a page of commands or incidents when no limit is given.
pub(super) const PAGE_ROWS_DEFAULT: u32 = 100;

/// Numbers that are 32 bits wide without a sign; PostgreSQL has only wider ones.
fn narrow(number: i64) -> u32 {
    u32::try_from(number).unwrap_or_default()
}

/// A row of `node`.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct NodeRow {
    pub(super) name: String,
    pub(super) presence: String,
    pub(super) presence_since_us: Option<i64>,
    pub(super) last_seen_us: Option<i64>,
    pub(super) boot: Option<i64>,
    pub(super) firmware: Option<String>,
    pub(super) uptime_s: Option<i64>,
    pub(super) rssi_dbm: Option<i16>,
    pub(super) started_by: Option<String>,
    #[sqlx(default)]
    pub(super) has_password: bool,
}

impl NodeRow {
    fn into_node(self, now: DateTime<Utc>) -> Node {
        let last_seen_at = self.last_seen_us.map(time);
        Node {
            name: self.name,
            presence: presence_of(&self.presence),
            presence_since: self.presence_since_us.map(time),
            last_seen_at,
            age_ms: last_seen_at
                .map(|seen| u64::try_from((now - seen).num_milliseconds()).unwrap_or(0)),
            boot: self.boot.map(narrow),
            firmware: self.firmware,
            uptime_s: self.uptime_s.map(narrow),
            rssi_dbm: self.rssi_dbm,
            started_by: self.started_by.as_deref().map(started_by_of),
            latest: BTreeMap::new(),
            actuators: BTreeMap::new(),
            has_password: self.has_password,
        }
    }
}

impl From<NodeRow> for NodeFacts {
    fn from(row: NodeRow) -> Self {
        Self {
            name: row.name,
            presence: presence_of(&row.presence),
            presence_since: row.presence_since_us.map(time),
            last_seen_at: row.last_seen_us.map(time),
            boot: row.boot.map(narrow),
            firmware: row.firmware,
            uptime_s: row.uptime_s.map(narrow),
            rssi_dbm: row.rssi_dbm,
            started_by: row.started_by.as_deref().map(started_by_of),
        }
    }
}

/// A row of `actuator`.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct ActuatorRow {
    pub(super) node: String,
    pub(super) name: String,
    pub(super) reported: Option<String>,
    pub(super) reported_us: Option<i64>,
    pub(super) desired: Option<String>,
    pub(super) off_us: Option<i64>,
    pub(super) pending_command: Option<String>,
}

impl From<ActuatorRow> for ActuatorFacts {
    fn from(row: ActuatorRow) -> Self {
        Self {
            node: row.node,
            name: row.name,
            reported: row.reported.as_deref().and_then(state_of),
            reported_at: row.reported_us.map(time),
            desired: row.desired.as_deref().and_then(state_of),
            off_at: row.off_us.map(time),
            pending_command: row.pending_command,
        }
    }
}

/// The newest sample of every series.
pub(super) fn latest_of(catalog: &Catalog) -> Vec<Latest> {
    let mut all = Vec::new();
    catalog.each_latest(None, |node, metric, point| {
        all.push(Latest {
            node: node.to_owned(),
            metric: metric.to_owned(),
            ts: time(point.ts_us),
            value: point.value,
            flagged: point.flags != 0,
        });
    });
    all
}

/// Nodes by name (or the one that is named), with their latest values and actuators.
pub(super) fn nodes_of(
    nodes: Vec<NodeRow>,
    catalog: &Catalog,
    name: Option<&str>,
    actuators: Vec<ActuatorRow>,
    now: DateTime<Utc>,
) -> Vec<Node> {
    let mut nodes: BTreeMap<String, Node> = nodes
        .into_iter()
        .map(|row| (row.name.clone(), row.into_node(now)))
        .collect();
    catalog.each_latest(name, |node, metric, point| {
        if let Some(node) = nodes.get_mut(node) {
            let value = LatestValue {
                ts: time(point.ts_us),
                value: point.value,
                flags: flags_of(point.flags.into()),
            };
            node.latest.insert(metric.to_owned(), value);
        }
    });
    for row in actuators {
        if let Some(node) = nodes.get_mut(&row.node) {
            let name = row.name.clone();
            let facts = ActuatorFacts::from(row);
            let actuator = Actuator {
                reported: facts.reported,
                reported_at: facts.reported_at,
                desired: facts.desired,
                off_at: facts.off_at,
                pending_command: facts.pending_command,
            };
            node.actuators.insert(name, actuator);
        }
    }
    nodes.into_values().collect()
}

/// A row of `mark`: node, boot, highest number, gaps as JSON, time.
pub(super) type MarkRow = (String, i64, i64, String, i64);

/// A mark from its row.
pub(super) fn mark_of((node, boot, seq, gaps, at_us): MarkRow) -> Result<Mark> {
    Ok(Mark {
        node,
        number: Number {
            boot: narrow(boot),
            seq: narrow(seq),
        },
        gaps: from_doc(&gaps)?,
        at: time(at_us),
    })
}

/// A command: when its end is checked, when it times out, and the JSON of the rest.
pub(super) type OpenCommandRow = (Option<i64>, Option<i64>, String);

/// A command from its row.
pub(super) fn command_of((verify_off, deadline, doc): OpenCommandRow) -> Result<CommandRow> {
    Ok(CommandRow {
        command: from_doc(&doc)?,
        verify_off_at: verify_off.map(time),
        deadline_at: deadline.map(time),
    })
}

/// Whole rows from their JSON.
pub(super) fn docs_of<T: serde::de::DeserializeOwned>(docs: &[String]) -> Result<Vec<T>> {
    docs.iter().map(|doc| from_doc(doc)).collect()
}

/// A row of `bad_message`.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct BadRow {
    id: i64,
    topic: String,
    reason: String,
    node: Option<String>,
    denied: bool,
    payload_bytes: i64,
    head: String,
    count: i64,
    first_us: i64,
    last_us: i64,
}

impl From<BadRow> for Message {
    fn from(row: BadRow) -> Self {
        Self {
            id: row.id.unsigned_abs(),
            received_at: time(row.last_us),
            topic: row.topic,
            node: row.node,
            outcome: if row.denied {
                Outcome::Denied
            } else {
                Outcome::Bad
            },
            reason: Some(row.reason),
            payload_bytes: row.payload_bytes.unsigned_abs(),
            head: row.head,
            says: None,
            count: row.count.unsigned_abs(),
            first_at: time(row.first_us),
        }
    }
}

/// A row of `mail`.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct MailRow {
    id: String,
    incident: String,
    kind: String,
    recipient: String,
    subject: String,
    body: String,
    created_us: i64,
    state: String,
    tries: i32,
    next_try_us: i64,
    last_error: Option<String>,
}

impl From<MailRow> for Mail {
    fn from(row: MailRow) -> Self {
        Self {
            mail: NewMail {
                id: row.id,
                incident: row.incident,
                kind: mail_kind_of(&row.kind),
                recipient: row.recipient,
                subject: row.subject,
                body: row.body,
                created_at: time(row.created_us),
                held: None,
            },
            state: mail_state_of(&row.state),
            tries: row.tries.unsigned_abs(),
            next_try_at: time(row.next_try_us),
            last_error: row.last_error,
        }
    }
}

/// A row of `account`: name, address, role, times of making and of the last login, hash.
pub(super) type UserRow = (String, String, String, i64, Option<i64>, String);

/// Token hash, name, role, beginning, end.
pub(super) type SessionParts = (Vec<u8>, String, String, i64, i64);

/// A session from its row.
pub(super) fn session_of(row: SessionParts) -> Result<SessionRow> {
    let (hash, username, role, created_us, expires_us) = row;
    let token_hash = hash.try_into().map_err(|_| StoreError::Unusable {
        reason: "the hash of a session's token has another length".to_owned(),
    })?;
    Ok(SessionRow {
        token_hash,
        username,
        role: role_of(&role)?,
        created_at: time(created_us),
        expires_at: time(expires_us),
    })
}

/// An account and its password hash.
pub(super) fn user_of(row: UserRow) -> Result<(User, String)> {
    let (username, email, role, created_us, last_login_us, hash) = row;
    let user = User {
        username,
        email,
        role: role_of(&role)?,
        created_at: time(created_us),
        last_login_at: last_login_us.map(time),
    };
    Ok((user, hash))
}

/// A cursor is the last id of the page before, behind a letter for the listing.
fn parse_cursor(letter: char, after: Option<&str>) -> Result<Option<&str>> {
    let Some(after) = after else { return Ok(None) };
    let id = after
        .strip_prefix(letter)
        .and_then(|rest| rest.strip_prefix('.'));
    match id {
        Some(id)
            if !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.') =>
        {
            Ok(Some(id))
        }
        _ => Err(StoreError::BadCursor {
            cursor: after.chars().take(64).collect(),
        }),
    }
}

/// The letter of a listing of incidents.
pub(super) const INCIDENTS: char = 'i';
/// The letter of a listing of silences.
pub(super) const SILENCES: char = 's';

/// Whether the last row of the page before is open, and its id.
pub(super) fn open_cursor(letter: char, after: Option<&str>) -> Result<Option<(bool, String)>> {
    let Some(after) = parse_cursor(letter, after)? else {
        return Ok(None);
    };
    let (open, id) = after.split_once('.').ok_or_else(|| StoreError::BadCursor {
        cursor: after.to_owned(),
    })?;
    Ok(Some((open == "1", id.to_owned())))
}

/// The last command's id of the page before.
pub(super) fn command_cursor(after: Option<&str>) -> Result<Option<String>> {
    Ok(parse_cursor('c', after)?.map(str::to_owned))
}

/// A page of rows (whether open, id, JSON), read with a row more than `limit`.
pub(super) fn open_page<T: serde::de::DeserializeOwned>(
    letter: char,
    mut rows: Vec<(bool, String, String)>,
    limit: u32,
) -> Result<(Vec<T>, Option<String>)> {
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows
        .last()
        .filter(|_| more)
        .map(|row| format!("{letter}.{}.{}", u8::from(row.0), row.1));
    let page = rows
        .iter()
        .map(|(_, _, doc)| from_doc(doc))
        .collect::<Result<Vec<T>>>()?;
    Ok((page, next))
}

/// A page of rows (id, JSON), read with a row more than `limit`.
pub(super) fn command_page(mut rows: Vec<(String, String)>, limit: u32) -> Result<CommandPage> {
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows
        .last()
        .filter(|_| more)
        .map(|(id, _)| format!("c.{id}"));
    let commands = rows
        .iter()
        .map(|(_, doc)| from_doc(doc))
        .collect::<Result<Vec<Command>>>()?;
    Ok(CommandPage { commands, next })
}
