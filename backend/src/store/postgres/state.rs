//! Nodes, rules, incidents, commands, messages: reading.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use signalbox_protocol::api::{
    command::{Command, CommandPage, CommandQuery, Schedule},
    config::NodeConfig,
    incident::{Incident, IncidentPage, IncidentQuery},
    message::Message,
    node::Node,
    rule::Rule,
    silence::{Silence, SilencePage, SilenceQuery},
};
use sqlx::{Postgres, QueryBuilder};

use super::{PostgresStore, call, write::text};
use crate::store::{
    Result, StateStore,
    chunk::DAYS,
    convert::{from_doc, time},
    listing::{
        ActuatorRow, BadRow, INCIDENTS, NodeRow, PAGE_ROWS_DEFAULT, SILENCES, command_cursor,
        command_page, nodes_of, open_cursor, open_page,
    },
};

impl PostgresStore {
    async fn read_nodes(&self, name: Option<&str>, now: DateTime<Utc>) -> Result<Vec<Node>> {
        let mut sql = QueryBuilder::<Postgres>::new(
            "SELECT name, presence, presence_since_us, last_seen_us, boot, firmware, uptime_s, \
             rssi_dbm, started_by, EXISTS (SELECT 1 FROM node_password WHERE node = name) AS has_password \
             FROM node",
        );
        only(&mut sql, " WHERE name = ", name);
        let nodes = sql.build_query_as::<NodeRow>().fetch_all(&self.readers);

        let mut actuators = QueryBuilder::<Postgres>::new(
            "SELECT node, name, reported, reported_us, desired, off_us, pending_command \
             FROM actuator",
        );
        only(&mut actuators, " WHERE node = ", name);
        let actuators = actuators
            .build_query_as::<ActuatorRow>()
            .fetch_all(&self.readers);
        let (nodes, actuators) = tokio::try_join!(nodes, actuators)?;
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
        let mut sql = QueryBuilder::<Postgres>::new(select);
        if let Some(open) = open {
            sql.push(" AND open = ").push_bind(open);
        }
        if let Some((open, id)) = open_cursor(letter, after)? {
            sql.push(" AND (open, id) < (").push_bind(open);
            sql.push(", ").push_bind(id).push(")");
        }
        sql.push(" ORDER BY open DESC, id DESC LIMIT ")
            .push_bind(i64::from(limit) + 1);
        let rows = async { Ok(sql.build_query_as().fetch_all(&self.readers).await?) };
        open_page(letter, call(rows).await?, limit)
    }

    async fn doc<T: serde::de::DeserializeOwned>(
        &self,
        sql: &'static str,
        id: &str,
    ) -> Result<Option<T>> {
        let doc: Option<String> = call(async {
            let found = sqlx::query_scalar(sql).bind(text(id));
            Ok(found.fetch_optional(&self.readers).await?)
        })
        .await?;
        doc.map(|doc| from_doc(&doc)).transpose()
    }
}

fn only(sql: &mut QueryBuilder<Postgres>, clause: &str, name: Option<&str>) {
    if let Some(name) = name {
        sql.push(clause).push_bind(text(name).into_owned());
    }
}

#[async_trait]
impl StateStore for PostgresStore {
    async fn nodes(&self, now: DateTime<Utc>) -> Result<Vec<Node>> {
        call(self.read_nodes(None, now)).await
    }

    async fn node(&self, name: &str, now: DateTime<Utc>) -> Result<Option<Node>> {
        Ok(call(self.read_nodes(Some(name), now)).await?.pop())
    }

    async fn rules(&self) -> Result<Vec<Rule>> {
        call(self.docs("SELECT doc FROM rule ORDER BY id")).await
    }

    async fn rule(&self, id: &str) -> Result<Option<Rule>> {
        self.doc("SELECT doc FROM rule WHERE id = $1", id).await
    }

    async fn incidents(&self, query: &IncidentQuery) -> Result<IncidentPage> {
        let sql = "SELECT open, id, doc FROM incident WHERE true";
        let IncidentQuery { open, limit, after } = query;
        let (incidents, next) = self
            .open_first(INCIDENTS, sql, *open, *limit, after.as_deref())
            .await?;
        Ok(IncidentPage { incidents, next })
    }

    async fn silences(&self, query: &SilenceQuery) -> Result<SilencePage> {
        let sql = "SELECT open, id, doc FROM silence WHERE true";
        let SilenceQuery { open, limit, after } = query;
        let (silences, next) = self
            .open_first(SILENCES, sql, *open, *limit, after.as_deref())
            .await?;
        Ok(SilencePage { silences, next })
    }

    async fn silence(&self, id: &str) -> Result<Option<Silence>> {
        self.doc("SELECT doc FROM silence WHERE id = $1", id).await
    }

    async fn incident(&self, id: &str) -> Result<Option<Incident>> {
        self.doc("SELECT doc FROM incident WHERE id = $1", id).await
    }

    async fn commands(&self, query: &CommandQuery) -> Result<CommandPage> {
        let limit = query.limit.unwrap_or(PAGE_ROWS_DEFAULT);
        let mut sql = QueryBuilder::<Postgres>::new("SELECT id, doc FROM command WHERE true");
        only(&mut sql, " AND node = ", query.node.as_deref());
        if let Some(open) = query.open {
            sql.push(if open { " AND open" } else { " AND NOT open" });
        }
        if let Some(after) = command_cursor(query.after.as_deref())? {
            sql.push(" AND id < ").push_bind(after);
        }
        sql.push(" ORDER BY id DESC LIMIT ")
            .push_bind(i64::from(limit) + 1);
        let rows = async { Ok(sql.build_query_as().fetch_all(&self.readers).await?) };
        command_page(call(rows).await?, limit)
    }

    async fn command(&self, id: &str) -> Result<Option<Command>> {
        self.doc("SELECT doc FROM command WHERE id = $1", id).await
    }

    async fn schedules(&self) -> Result<Vec<Schedule>> {
        let all = self.docs("SELECT doc FROM schedule ORDER BY id");
        let mut all: Vec<Schedule> = call(all).await?;
        all.sort_by_key(|schedule| schedule.next_at.unwrap_or(DateTime::<Utc>::MAX_UTC));
        Ok(all)
    }

    async fn node_configs(&self) -> Result<Vec<NodeConfig>> {
        call(self.docs("SELECT doc FROM node_config ORDER BY node")).await
    }

    async fn node_config(&self, node: &str) -> Result<Option<NodeConfig>> {
        self.doc("SELECT doc FROM node_config WHERE node = $1", node)
            .await
    }

    async fn bad_messages(&self, limit: u32) -> Result<Vec<Message>> {
        let rows: Vec<BadRow> = call(async {
            let query = sqlx::query_as(
                "SELECT id, topic, reason, node, denied, payload_bytes, head, count, first_us, \
                 last_us FROM bad_message ORDER BY last_us DESC, id DESC LIMIT $1",
            );
            Ok(query
                .bind(i64::from(limit))
                .fetch_all(&self.readers)
                .await?)
        })
        .await?;
        Ok(rows.into_iter().map(Message::from).collect())
    }

    async fn oldest_sample_at(&self) -> Result<Option<DateTime<Utc>>> {
        let oldest: Option<i64> = call(async {
            let query = sqlx::query_scalar(
                "SELECT min(first_us) FROM (SELECT (SELECT ts_us FROM sample WHERE series_id = series.id \
             ORDER BY ts_us LIMIT 1) AS first_us FROM series UNION ALL \
             SELECT (SELECT first_us FROM chunk WHERE key >= series.id * $1 AND \
             key < (series.id + 1) * $1 ORDER BY key LIMIT 1) AS first_us FROM series) AS firsts",
            );
            Ok(query.bind(DAYS).fetch_one(&self.readers).await?)
        })
        .await?;
        Ok(oldest.map(time))
    }

    async fn size_bytes(&self) -> Result<u64> {
        let bytes: i64 = call(async {
            let query = sqlx::query_scalar("SELECT pg_database_size(current_database())");
            Ok(query.fetch_one(&self.readers).await?)
        })
        .await?;
        Ok(bytes.unsigned_abs())
    }

    async fn ping(&self) -> Result<()> {
        call(async {
            sqlx::query("SELECT 1 FROM node LIMIT 1")
                .fetch_optional(&self.readers)
                .await?;
            Ok(())
        })
        .await
    }
}
