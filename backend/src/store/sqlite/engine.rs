//! The engine's side: load everything once, commit batches.

use async_trait::async_trait;
use signalbox_protocol::api::{
    command::Command,
    node::{ActuatorState, Presence},
};

use super::{SqliteStore, Writer, from_doc, insert, pipeline::Pipeline, time, write};
use crate::{
    ingest::Number,
    store::{
        ActuatorFacts, Batch, CommandRow, Committed, EngineStore, FINISHED_COMMANDS_MAX, Latest,
        Loaded, Mark, NodeFacts, Result,
    },
};

type NodeRow = (
    String,
    String,
    Option<i64>,
    Option<i64>,
    Option<u32>,
    Option<String>,
    Option<u32>,
    Option<i16>,
);
type ActuatorRow = (
    String,
    String,
    Option<String>,
    Option<i64>,
    Option<String>,
    Option<i64>,
    Option<String>,
);

#[async_trait]
impl EngineStore for SqliteStore {
    async fn load(&self) -> Result<Loaded> {
        let marks: Vec<(String, u32, u32, String, i64)> =
            sqlx::query_as("SELECT node, boot, seq, gaps, at_us FROM mark")
                .fetch_all(&self.readers)
                .await?;
        let latest: Vec<(String, String, i64, f64, bool)> = sqlx::query_as(
            "SELECT node, metric, ts_us, value, flags <> 0 FROM latest \
             JOIN series ON series.id = series_id",
        )
        .fetch_all(&self.readers)
        .await?;
        Ok(Loaded {
            marks: marks
                .into_iter()
                .map(|(node, boot, seq, gaps, at_us)| {
                    Ok(Mark {
                        node,
                        number: Number { boot, seq },
                        gaps: from_doc(&gaps)?,
                        at: time(at_us),
                    })
                })
                .collect::<Result<_>>()?,
            nodes: self.node_facts().await?,
            actuators: self.actuator_facts().await?,
            rules: self.docs("SELECT doc FROM rule ORDER BY id").await?,
            incidents: self
                .docs("SELECT doc FROM incident WHERE open = 1 ORDER BY id")
                .await?,
            commands: self.open_commands().await?,
            schedules: self.docs("SELECT doc FROM schedule ORDER BY id").await?,
            finished: self.finished_commands().await?,
            latest: latest
                .into_iter()
                .map(|(node, metric, ts_us, value, flagged)| Latest {
                    node,
                    metric,
                    ts: time(ts_us),
                    value,
                    flagged,
                })
                .collect(),
        })
    }

    async fn commit(&self, batch: &Batch) -> Result<Committed> {
        if batch.is_empty() {
            return Ok(Committed::default());
        }
        let mut writer = self.writer().await;
        let written = write_batch(&mut writer, batch).await;
        // At once, so that a failed batch does not keep the file locked until the next one.
        writer.clean_up().await;
        written
    }
}

async fn write_batch(writer: &mut Writer, batch: &Batch) -> Result<Committed> {
    writer.in_transaction = true;
    let mut pipeline = Pipeline::new(&mut writer.connection);
    pipeline.add("BEGIN IMMEDIATE");
    let inserted = insert::samples(&mut pipeline, &writer.series, batch).await?;
    write::state(&mut pipeline, batch).await?;
    pipeline.add("COMMIT");
    pipeline.flush().await?;
    writer.in_transaction = false;
    Ok(inserted.take_over(&mut writer.series))
}

impl SqliteStore {
    async fn node_facts(&self) -> Result<Vec<NodeFacts>> {
        let rows: Vec<NodeRow> = sqlx::query_as(
            "SELECT name, presence, presence_since_us, last_seen_us, boot, firmware, uptime_s, \
             rssi_dbm FROM node",
        )
        .fetch_all(&self.readers)
        .await?;
        Ok(rows
            .into_iter()
            .map(
                |(name, presence, since, seen, boot, firmware, uptime_s, rssi_dbm)| NodeFacts {
                    name,
                    presence: presence_of(&presence),
                    presence_since: since.map(time),
                    last_seen_at: seen.map(time),
                    boot,
                    firmware,
                    uptime_s,
                    rssi_dbm,
                },
            )
            .collect())
    }

    async fn actuator_facts(&self) -> Result<Vec<ActuatorFacts>> {
        let rows: Vec<ActuatorRow> = sqlx::query_as(
            "SELECT node, name, reported, reported_us, desired, off_us, pending_command \
             FROM actuator",
        )
        .fetch_all(&self.readers)
        .await?;
        Ok(rows
            .into_iter()
            .map(
                |(node, name, reported, at, desired, off, pending_command)| ActuatorFacts {
                    node,
                    name,
                    reported: reported.as_deref().and_then(state_of),
                    reported_at: at.map(time),
                    desired: desired.as_deref().and_then(state_of),
                    off_at: off.map(time),
                    pending_command,
                },
            )
            .collect())
    }

    async fn open_commands(&self) -> Result<Vec<CommandRow>> {
        let rows: Vec<(Option<i64>, Option<i64>, String)> = sqlx::query_as(
            "SELECT verify_off_us, deadline_us, doc FROM command WHERE open = 1 ORDER BY id",
        )
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter()
            .map(|(verify_off, deadline, doc)| {
                Ok(CommandRow {
                    command: from_doc(&doc)?,
                    verify_off_at: verify_off.map(time),
                    deadline_at: deadline.map(time),
                })
            })
            .collect()
    }

    async fn finished_commands(&self) -> Result<Vec<Command>> {
        let newest: Vec<String> =
            sqlx::query_scalar("SELECT doc FROM command WHERE open = 0 ORDER BY id DESC LIMIT ?")
                .bind(i64::try_from(FINISHED_COMMANDS_MAX).unwrap_or(i64::MAX))
                .fetch_all(&self.readers)
                .await?;
        newest.iter().rev().map(|doc| from_doc(doc)).collect()
    }

    /// Whole rows of a query that gives their JSON.
    pub(super) async fn docs<T: serde::de::DeserializeOwned>(
        &self,
        sql: &'static str,
    ) -> Result<Vec<T>> {
        let docs: Vec<String> = sqlx::query_scalar(sql).fetch_all(&self.readers).await?;
        docs.iter().map(|doc| from_doc(doc)).collect()
    }
}

pub(super) const fn presence_word(presence: Presence) -> &'static str {
    match presence {
        Presence::Online => "online",
        Presence::Offline => "offline",
        Presence::Unknown => "unknown",
    }
}

pub(super) fn presence_of(word: &str) -> Presence {
    match word {
        "online" => Presence::Online,
        "offline" => Presence::Offline,
        _ => Presence::Unknown,
    }
}

pub(super) const fn state_word(state: ActuatorState) -> &'static str {
    match state {
        ActuatorState::On => "on",
        ActuatorState::Off => "off",
    }
}

pub(super) fn state_of(word: &str) -> Option<ActuatorState> {
    match word {
        "on" => Some(ActuatorState::On),
        "off" => Some(ActuatorState::Off),
        _ => None,
    }
}
