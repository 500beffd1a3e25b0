//! The engine's side: load everything once, commit batches.

use async_trait::async_trait;
use signalbox_protocol::api::command::Command;

use super::{SqliteStore, Writer, insert, pipeline::Pipeline, write};
use crate::store::{
    ActuatorFacts, Batch, CommandRow, Committed, EngineStore, FINISHED_COMMANDS_MAX, HeldIncident,
    Loaded, NodeFacts, Result,
    convert::from_doc,
    listing::{
        ActuatorRow, MarkRow, NodeRow, OpenCommandRow, command_of, docs_of, latest_of, mark_of,
    },
};

#[async_trait]
impl EngineStore for SqliteStore {
    async fn load(&self) -> Result<Loaded> {
        // First, a commit that nobody waited for any more comes to its end.
        let _writer = self.writer().await?;
        let marks: Vec<MarkRow> = sqlx::query_as("SELECT node, boot, seq, gaps, at_us FROM mark")
            .fetch_all(&self.readers)
            .await?;
        let nodes: Vec<NodeRow> = sqlx::query_as(
            "SELECT name, presence, presence_since_us, last_seen_us, boot, firmware, uptime_s, \
             rssi_dbm, started_by FROM node",
        )
        .fetch_all(&self.readers)
        .await?;
        let actuators: Vec<ActuatorRow> = sqlx::query_as(
            "SELECT node, name, reported, reported_us, desired, off_us, pending_command \
             FROM actuator",
        )
        .fetch_all(&self.readers)
        .await?;
        Ok(Loaded {
            marks: marks.into_iter().map(mark_of).collect::<Result<_>>()?,
            nodes: nodes.into_iter().map(NodeFacts::from).collect(),
            actuators: actuators.into_iter().map(ActuatorFacts::from).collect(),
            rules: self.docs("SELECT doc FROM rule ORDER BY id").await?,
            incidents: self
                .docs("SELECT doc FROM incident WHERE open = 1 ORDER BY id")
                .await?,
            silences: self
                .docs("SELECT doc FROM silence WHERE open = 1 ORDER BY id")
                .await?,
            held: self.held_incidents().await?,
            commands: self.open_commands().await?,
            schedules: self.docs("SELECT doc FROM schedule ORDER BY id").await?,
            configs: self
                .docs("SELECT doc FROM node_config ORDER BY node")
                .await?,
            finished: self.finished_commands().await?,
            latest: latest_of(&self.catalog),
        })
    }

    async fn commit(&self, batch: &Batch) -> Result<Committed> {
        if batch.is_empty() {
            return Ok(Committed::default());
        }
        let mut writer = self.writer().await?;
        let written = write_batch(&mut writer, batch, self.border.us()).await;
        writer.ended(written).await
    }
}

async fn write_batch(
    writer: &mut Writer,
    batch: &Batch,
    sealed_before_us: i64,
) -> Result<Committed> {
    writer.in_transaction = true;
    let mut pipeline = Pipeline::new(&mut writer.connection);
    pipeline.add("BEGIN IMMEDIATE");
    let inserted = insert::samples(&mut pipeline, &writer.catalog, batch, sealed_before_us).await?;
    write::state(&mut pipeline, batch).await?;
    pipeline.add("COMMIT");
    pipeline.flush().await?;
    writer.in_transaction = false;
    writer.catalog.take_over(inserted.news);
    Ok(inserted.committed)
}

impl SqliteStore {
    async fn held_incidents(&self) -> Result<Vec<HeldIncident>> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT mail.held_by, incident.doc FROM mail \
             JOIN incident ON incident.id = mail.incident \
             WHERE mail.held_by IS NOT NULL AND mail.state = 'queued' ORDER BY incident.id",
        )
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter()
            .map(|(silence, doc)| {
                let incident = from_doc(&doc)?;
                Ok(HeldIncident { incident, silence })
            })
            .collect()
    }

    async fn open_commands(&self) -> Result<Vec<CommandRow>> {
        let rows: Vec<OpenCommandRow> = sqlx::query_as(
            "SELECT verify_off_us, deadline_us, doc FROM command WHERE open = 1 ORDER BY id",
        )
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter().map(command_of).collect()
    }

    async fn finished_commands(&self) -> Result<Vec<Command>> {
        let mut newest: Vec<String> =
            sqlx::query_scalar("SELECT doc FROM command WHERE open = 0 ORDER BY id DESC LIMIT ?")
                .bind(i64::try_from(FINISHED_COMMANDS_MAX).unwrap_or(i64::MAX))
                .fetch_all(&self.readers)
                .await?;
        newest.reverse();
        docs_of(&newest)
    }

    /// Whole rows of a query that gives their JSON.
    pub(super) async fn docs<T: serde::de::DeserializeOwned>(
        &self,
        sql: &'static str,
    ) -> Result<Vec<T>> {
        let docs: Vec<String> = sqlx::query_scalar(sql).fetch_all(&self.readers).await?;
        docs_of(&docs)
    }
}
