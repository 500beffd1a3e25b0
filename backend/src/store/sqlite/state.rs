//! Nodes, rules, incidents, commands, messages: reading.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rusqlite::{Connection, params_from_iter};
use signalbox_protocol::api::{
    command::{Command, CommandPage, CommandQuery, Schedule},
    config::NodeConfig,
    incident::{Incident, IncidentPage, IncidentQuery},
    message::Message,
    node::Node,
    rule::Rule,
    silence::{Silence, SilencePage, SilenceQuery},
};
use sqlx::{QueryBuilder, Sqlite};

use super::SqliteStore;
use crate::store::{
    Result, StateStore, StoreError,
    chunk::DAYS,
    convert::{from_doc, time},
    listing::{
        ActuatorRow, BadRow, INCIDENTS, NodeRow, PAGE_ROWS_DEFAULT, SILENCES, command_cursor,
        command_page, nodes_of, open_cursor, open_page,
    },
};

impl SqliteStore {
    async fn read_nodes(&self, name: Option<&str>, now: DateTime<Utc>) -> Result<Vec<Node>> {
        let asked = name.map(str::to_owned);
        let (nodes, actuators) = self
            .rows
            .with(move |connection| {
                // As of one instant.
                let snapshot = connection.unchecked_transaction()?;
                let asked = asked.as_deref();
                Ok((
                    node_rows(&snapshot, asked)?,
                    actuator_rows(&snapshot, asked)?,
                ))
            })
            .await?;
        Ok(nodes_of(nodes, &self.catalog, name, actuators, now))
    }

    /// A page of a listing with open rows first, then newest first.
    async fn open_first<T: serde::de::DeserializeOwned>(
        &self,
        letter: char,
        select: &'static str,
        open: Option<bool>,
        limit: Option<u32>,
        after: Option<&str>,
    ) -> Result<(Vec<T>, Option<String>)> {
        let limit = limit.unwrap_or(PAGE_ROWS_DEFAULT);
        let mut sql = QueryBuilder::<Sqlite>::new(select);
        if let Some(open) = open {
            sql.push(" AND open = ").push_bind(open);
        }
        if let Some((open, id)) = open_cursor(letter, after)? {
            sql.push(" AND (open, id) < (").push_bind(open);
            sql.push(", ").push_bind(id).push(")");
        }
        sql.push(" ORDER BY open DESC, id DESC LIMIT ")
            .push_bind(i64::from(limit) + 1);
        let rows = sql.build_query_as().fetch_all(&self.readers).await?;
        open_page(letter, rows, limit)
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

fn node_rows(connection: &Connection, name: Option<&str>) -> rusqlite::Result<Vec<NodeRow>> {
    let only = name.map_or("", |_| " WHERE name = ?");
    let mut statement = connection.prepare_cached(&format!(
        "SELECT name, presence, presence_since_us, last_seen_us, boot, firmware, uptime_s, \
         rssi_dbm, started_by, EXISTS (SELECT 1 FROM node_password WHERE node = name) \
         FROM node{only}"
    ))?;
    let rows = statement.query_map(params_from_iter(name), |row| {
        Ok(NodeRow {
            name: row.get(0)?,
            presence: row.get(1)?,
            presence_since_us: row.get(2)?,
            last_seen_us: row.get(3)?,
            boot: row.get(4)?,
            firmware: row.get(5)?,
            uptime_s: row.get(6)?,
            rssi_dbm: row.get(7)?,
            started_by: row.get(8)?,
            has_password: row.get(9)?,
        })
    })?;
    rows.collect()
}

fn actuator_rows(
    connection: &Connection,
    name: Option<&str>,
) -> rusqlite::Result<Vec<ActuatorRow>> {
    let only = name.map_or("", |_| " WHERE node = ?");
    let mut statement = connection.prepare_cached(&format!(
        "SELECT node, name, reported, reported_us, desired, off_us, pending_command \
         FROM actuator{only}"
    ))?;
    let rows = statement.query_map(params_from_iter(name), |row| {
        Ok(ActuatorRow {
            node: row.get(0)?,
            name: row.get(1)?,
            reported: row.get(2)?,
            reported_us: row.get(3)?,
            desired: row.get(4)?,
            off_us: row.get(5)?,
            pending_command: row.get(6)?,
        })
    })?;
    rows.collect()
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
        let sql = "SELECT open, id, doc FROM incident WHERE 1";
        let IncidentQuery { open, limit, after } = query;
        let (incidents, next) = self
            .open_first(INCIDENTS, sql, *open, *limit, after.as_deref())
            .await?;
        Ok(IncidentPage { incidents, next })
    }

    async fn silences(&self, query: &SilenceQuery) -> Result<SilencePage> {
        let sql = "SELECT open, id, doc FROM silence WHERE 1";
        let SilenceQuery { open, limit, after } = query;
        let (silences, next) = self
            .open_first(SILENCES, sql, *open, *limit, after.as_deref())
            .await?;
        Ok(SilencePage { silences, next })
    }

    async fn silence(&self, id: &str) -> Result<Option<Silence>> {
        self.doc("SELECT doc FROM silence WHERE id = ?", id).await
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
        if let Some(open) = query.open {
            sql.push(if open { " AND open" } else { " AND NOT open" });
        }
        if let Some(after) = command_cursor(query.after.as_deref())? {
            sql.push(" AND id < ").push_bind(after);
        }
        sql.push(" ORDER BY id DESC LIMIT ")
            .push_bind(i64::from(limit) + 1);
        let rows = sql.build_query_as().fetch_all(&self.readers).await?;
        command_page(rows, limit)
    }

    async fn command(&self, id: &str) -> Result<Option<Command>> {
        self.doc("SELECT doc FROM command WHERE id = ?", id).await
    }

    async fn schedules(&self) -> Result<Vec<Schedule>> {
        let mut all: Vec<Schedule> = self.docs("SELECT doc FROM schedule ORDER BY id").await?;
        all.sort_by_key(|schedule| schedule.next_at.unwrap_or(DateTime::<Utc>::MAX_UTC));
        Ok(all)
    }

    async fn node_configs(&self) -> Result<Vec<NodeConfig>> {
        self.docs("SELECT doc FROM node_config ORDER BY node").await
    }

    async fn node_config(&self, node: &str) -> Result<Option<NodeConfig>> {
        self.doc("SELECT doc FROM node_config WHERE node = ?", node)
            .await
    }

    async fn bad_messages(&self, limit: u32) -> Result<Vec<Message>> {
        let rows: Vec<BadRow> = sqlx::query_as(
            "SELECT id, topic, reason, node, denied, payload_bytes, head, count, first_us, \
             last_us FROM bad_message ORDER BY last_us DESC, id DESC LIMIT ?",
        )
        .bind(limit)
        .fetch_all(&self.readers)
        .await?;
        Ok(rows.into_iter().map(Message::from).collect())
    }

    async fn oldest_sample_at(&self) -> Result<Option<DateTime<Utc>>> {
        let oldest: Option<i64> = sqlx::query_scalar(
            "SELECT min(first_us) FROM (SELECT (SELECT ts_us FROM sample WHERE series_id = series.id \
             ORDER BY ts_us LIMIT 1) AS first_us FROM series UNION ALL \
             SELECT (SELECT first_us FROM chunk WHERE key >= series.id * ?1 AND \
             key < (series.id + 1) * ?1 ORDER BY key LIMIT 1) AS first_us FROM series) AS firsts",
        )
        .bind(DAYS)
        .fetch_one(&self.readers)
        .await?;
        Ok(oldest.map(time))
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
