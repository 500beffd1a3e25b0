//! Nodes, rules, incidents, commands, messages: reading.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use signalbox_protocol::api::{
    command::{Command, CommandPage, CommandQuery, Schedule},
    incident::{Incident, IncidentPage, IncidentQuery},
    message::{Message, Outcome},
    node::{Actuator, LatestValue, Node},
    rule::Rule,
};
use sqlx::{QueryBuilder, Sqlite};

use super::{
    SqliteStore,
    engine::{presence_of, state_of},
    from_doc,
    samples::flags_of,
    time,
};
use crate::store::{Result, StateStore, StoreError};

/// Rows of a page of commands or incidents when no limit is given.
const PAGE_ROWS_DEFAULT: u32 = 100;

#[derive(Debug, sqlx::FromRow)]
struct NodeRow {
    name: String,
    presence: String,
    presence_since_us: Option<i64>,
    last_seen_us: Option<i64>,
    boot: Option<u32>,
    firmware: Option<String>,
    uptime_s: Option<u32>,
    rssi_dbm: Option<i16>,
    has_password: bool,
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
            boot: self.boot,
            firmware: self.firmware,
            uptime_s: self.uptime_s,
            rssi_dbm: self.rssi_dbm,
            latest: BTreeMap::new(),
            actuators: BTreeMap::new(),
            has_password: self.has_password,
        }
    }
}

#[derive(Debug, sqlx::FromRow)]
struct ActuatorRow {
    node: String,
    name: String,
    reported: Option<String>,
    reported_us: Option<i64>,
    desired: Option<String>,
    off_us: Option<i64>,
    pending_command: Option<String>,
}

#[derive(Debug, sqlx::FromRow)]
struct BadRow {
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

impl SqliteStore {
    async fn read_nodes(&self, name: Option<&str>, now: DateTime<Utc>) -> Result<Vec<Node>> {
        let mut sql = QueryBuilder::<Sqlite>::new(
            "SELECT name, presence, presence_since_us, last_seen_us, boot, firmware, uptime_s, \
             rssi_dbm, EXISTS (SELECT 1 FROM node_password WHERE node = name) AS has_password \
             FROM node",
        );
        only(&mut sql, " WHERE name = ", name);
        let rows: Vec<NodeRow> = sql.build_query_as().fetch_all(&self.readers).await?;
        let mut nodes: BTreeMap<String, Node> = rows
            .into_iter()
            .map(|row| (row.name.clone(), row.into_node(now)))
            .collect();

        let mut sql = QueryBuilder::<Sqlite>::new(
            "SELECT node, metric, ts_us, value, flags FROM series \
             JOIN latest ON latest.series_id = series.id",
        );
        only(&mut sql, " WHERE node = ", name);
        let latest: Vec<(String, String, i64, f64, i64)> =
            sql.build_query_as().fetch_all(&self.readers).await?;
        for (node, metric, ts_us, value, flags) in latest {
            if let Some(node) = nodes.get_mut(&node) {
                let value = LatestValue {
                    ts: time(ts_us),
                    value,
                    flags: flags_of(flags),
                };
                node.latest.insert(metric, value);
            }
        }

        let mut sql = QueryBuilder::<Sqlite>::new(
            "SELECT node, name, reported, reported_us, desired, off_us, pending_command \
             FROM actuator",
        );
        only(&mut sql, " WHERE node = ", name);
        let actuators: Vec<ActuatorRow> = sql.build_query_as().fetch_all(&self.readers).await?;
        for row in actuators {
            if let Some(node) = nodes.get_mut(&row.node) {
                let actuator = Actuator {
                    reported: row.reported.as_deref().and_then(state_of),
                    reported_at: row.reported_us.map(time),
                    desired: row.desired.as_deref().and_then(state_of),
                    off_at: row.off_us.map(time),
                    pending_command: row.pending_command,
                };
                node.actuators.insert(row.name, actuator);
            }
        }
        Ok(nodes.into_values().collect())
    }

    async fn doc<T: serde::de::DeserializeOwned>(
        &self,
        sql: &'static str,
        id: &str,
    ) -> Result<Option<T>> {
        let doc: Option<String> = sqlx::query_scalar(sql)
            .bind(id)
            .fetch_optional(&self.readers)
            .await?;
        doc.map(|doc| from_doc(&doc)).transpose()
    }
}

fn only(sql: &mut QueryBuilder<Sqlite>, clause: &str, name: Option<&str>) {
    if let Some(name) = name {
        sql.push(clause).push_bind(name.to_owned());
    }
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

#[async_trait]
impl StateStore for SqliteStore {
    async fn nodes(&self, now: DateTime<Utc>) -> Result<Vec<Node>> {
        self.read_nodes(None, now).await
    }

    async fn node(&self, name: &str, now: DateTime<Utc>) -> Result<Option<Node>> {
        Ok(self.read_nodes(Some(name), now).await?.pop())
    }

    async fn rules(&self) -> Result<Vec<Rule>> {
        self.docs("SELECT doc FROM rule ORDER BY id").await
    }

    async fn rule(&self, id: &str) -> Result<Option<Rule>> {
        self.doc("SELECT doc FROM rule WHERE id = ?", id).await
    }

    async fn incidents(&self, query: &IncidentQuery) -> Result<IncidentPage> {
        let limit = query.limit.unwrap_or(PAGE_ROWS_DEFAULT);
        let mut sql = QueryBuilder::<Sqlite>::new("SELECT open, id, doc FROM incident WHERE 1");
        if let Some(open) = query.open {
            sql.push(" AND open = ").push_bind(open);
        }
        if let Some(after) = parse_cursor('i', query.after.as_deref())? {
            let (open, id) = after.split_once('.').ok_or_else(|| StoreError::BadCursor {
                cursor: after.to_owned(),
            })?;
            sql.push(" AND (open, id) < (")
                .push_bind(i64::from(open == "1"));
            sql.push(", ").push_bind(id.to_owned()).push(")");
        }
        sql.push(" ORDER BY open DESC, id DESC LIMIT ")
            .push_bind(i64::from(limit) + 1);
        let mut rows: Vec<(bool, String, String)> =
            sql.build_query_as().fetch_all(&self.readers).await?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let next = rows
            .last()
            .filter(|_| more)
            .map(|row| format!("i.{}.{}", u8::from(row.0), row.1));
        let incidents = rows
            .iter()
            .map(|(_, _, doc)| from_doc(doc))
            .collect::<Result<Vec<Incident>>>()?;
        Ok(IncidentPage { incidents, next })
    }

    async fn incident(&self, id: &str) -> Result<Option<Incident>> {
        self.doc("SELECT doc FROM incident WHERE id = ?", id).await
    }

    async fn commands(&self, query: &CommandQuery) -> Result<CommandPage> {
        let limit = query.limit.unwrap_or(PAGE_ROWS_DEFAULT);
        let mut sql = QueryBuilder::<Sqlite>::new("SELECT id, doc FROM command WHERE 1");
        if let Some(node) = &query.node {
            sql.push(" AND node = ").push_bind(node);
        }
        if let Some(after) = parse_cursor('c', query.after.as_deref())? {
            sql.push(" AND id < ").push_bind(after.to_owned());
        }
        sql.push(" ORDER BY id DESC LIMIT ")
            .push_bind(i64::from(limit) + 1);
        let mut rows: Vec<(String, String)> = sql.build_query_as().fetch_all(&self.readers).await?;
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

    async fn command(&self, id: &str) -> Result<Option<Command>> {
        self.doc("SELECT doc FROM command WHERE id = ?", id).await
    }

    async fn schedules(&self) -> Result<Vec<Schedule>> {
        let mut all: Vec<Schedule> = self.docs("SELECT doc FROM schedule ORDER BY id").await?;
        all.sort_by_key(|schedule| schedule.next_at.unwrap_or(DateTime::<Utc>::MAX_UTC));
        Ok(all)
    }

    async fn bad_messages(&self, limit: u32) -> Result<Vec<Message>> {
        let rows: Vec<BadRow> = sqlx::query_as(
            "SELECT id, topic, reason, node, denied, payload_bytes, head, count, first_us, \
             last_us FROM bad_message ORDER BY last_us DESC, id DESC LIMIT ?",
        )
        .bind(limit)
        .fetch_all(&self.readers)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| Message {
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
                count: row.count.unsigned_abs(),
                first_at: time(row.first_us),
            })
            .collect())
    }

    async fn size_bytes(&self) -> Result<u64> {
        let mut bytes = 0;
        for suffix in ["", "-wal"] {
            let mut path = self.path.clone().into_os_string();
            path.push(suffix);
            match tokio::fs::metadata(&path).await {
                Ok(file) => bytes += file.len(),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    return Err(StoreError::Unavailable {
                        reason: error.to_string(),
                    });
                }
            }
        }
        Ok(bytes)
    }

    async fn ping(&self) -> Result<()> {
        sqlx::query("SELECT 1 FROM node LIMIT 1")
            .fetch_optional(&self.readers)
            .await?;
        Ok(())
    }
}
