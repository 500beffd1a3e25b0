//! The engine's side: load everything once, commit batches.

use async_trait::async_trait;
use signalbox_protocol::api::{
    message::{Message, Outcome},
    node::{ActuatorState, Presence},
};
use sqlx::SqliteConnection;

use super::{SqliteStore, Writer, from_doc, insert, time, to_doc, us};
use crate::{
    ingest::Number,
    store::{
        ActuatorFacts, BAD_MESSAGES_MAX, Batch, CommandRow, Committed, EngineStore, Loaded,
        MARKS_PER_NODE_MAX, MailKind, Mark, NewMail, NodeFacts, Result,
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
        let marks: Vec<(String, u32, u32, i64)> =
            sqlx::query_as("SELECT node, boot, seq, at_us FROM mark")
                .fetch_all(&self.readers)
                .await?;
        let latest: Vec<(String, String, i64, f64)> = sqlx::query_as(
            "SELECT node, metric, ts_us, value FROM latest JOIN series ON series.id = series_id",
        )
        .fetch_all(&self.readers)
        .await?;
        Ok(Loaded {
            marks: marks
                .into_iter()
                .map(|(node, boot, seq, at_us)| Mark {
                    node,
                    number: Number { boot, seq },
                    at: time(at_us),
                })
                .collect(),
            nodes: self.node_facts().await?,
            actuators: self.actuator_facts().await?,
            rules: self.docs("SELECT doc FROM rule ORDER BY id").await?,
            incidents: self
                .docs("SELECT doc FROM incident WHERE open = 1 ORDER BY id")
                .await?,
            commands: self.open_commands().await?,
            schedules: self.docs("SELECT doc FROM schedule ORDER BY id").await?,
            latest: latest
                .into_iter()
                .map(|(node, metric, ts_us, value)| (node, metric, time(ts_us), value))
                .collect(),
        })
    }

    async fn commit(&self, batch: &Batch) -> Result<Committed> {
        let mut writer = self.writer().await;
        let written = write(&mut writer, batch).await;
        // At once, so that a failed batch does not keep the file locked until the next one.
        writer.clean_up().await;
        written
    }
}

async fn write(writer: &mut Writer, batch: &Batch) -> Result<Committed> {
    writer.begin().await?;
    let connection = &mut writer.connection;
    let inserted = insert::samples(connection, &writer.series, batch).await?;
    write_nodes(connection, batch).await?;
    write_marks(connection, batch).await?;
    write_rules(connection, batch).await?;
    write_commands(connection, batch).await?;
    for mail in &batch.mails {
        write_mail(connection, mail).await?;
    }
    write_bad_messages(connection, &batch.bad_messages).await?;
    writer.commit().await?;
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

    /// Whole rows of a query that gives their JSON.
    pub(super) async fn docs<T: serde::de::DeserializeOwned>(
        &self,
        sql: &'static str,
    ) -> Result<Vec<T>> {
        let docs: Vec<String> = sqlx::query_scalar(sql).fetch_all(&self.readers).await?;
        docs.iter().map(|doc| from_doc(doc)).collect()
    }
}

async fn write_nodes(connection: &mut SqliteConnection, batch: &Batch) -> Result<()> {
    for node in &batch.nodes {
        sqlx::query(
            "INSERT INTO node (name, presence, presence_since_us, last_seen_us, boot, firmware, \
             uptime_s, rssi_dbm) VALUES (?, ?, ?, ?, ?, ?, ?, ?) \
             ON CONFLICT (name) DO UPDATE SET presence = excluded.presence, \
             presence_since_us = excluded.presence_since_us, \
             last_seen_us = excluded.last_seen_us, boot = excluded.boot, \
             firmware = excluded.firmware, uptime_s = excluded.uptime_s, \
             rssi_dbm = excluded.rssi_dbm",
        )
        .bind(&node.name)
        .bind(presence_word(node.presence))
        .bind(node.presence_since.map(us))
        .bind(node.last_seen_at.map(us))
        .bind(node.boot)
        .bind(&node.firmware)
        .bind(node.uptime_s)
        .bind(node.rssi_dbm)
        .execute(&mut *connection)
        .await?;
    }
    for actuator in &batch.actuators {
        sqlx::query(
            "INSERT INTO actuator (node, name, reported, reported_us, desired, off_us, \
             pending_command) VALUES (?, ?, ?, ?, ?, ?, ?) \
             ON CONFLICT (node, name) DO UPDATE SET reported = excluded.reported, \
             reported_us = excluded.reported_us, desired = excluded.desired, \
             off_us = excluded.off_us, pending_command = excluded.pending_command",
        )
        .bind(&actuator.node)
        .bind(&actuator.name)
        .bind(actuator.reported.map(state_word))
        .bind(actuator.reported_at.map(us))
        .bind(actuator.desired.map(state_word))
        .bind(actuator.off_at.map(us))
        .bind(&actuator.pending_command)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

async fn write_marks(connection: &mut SqliteConnection, batch: &Batch) -> Result<()> {
    for (node, boot) in &batch.marks_forgotten {
        sqlx::query("DELETE FROM mark WHERE node = ? AND boot = ?")
            .bind(node)
            .bind(boot)
            .execute(&mut *connection)
            .await?;
    }
    for mark in &batch.marks {
        let known = sqlx::query("UPDATE mark SET seq = ?, at_us = ? WHERE node = ? AND boot = ?")
            .bind(mark.number.seq)
            .bind(us(mark.at))
            .bind(&mark.node)
            .bind(mark.number.boot)
            .execute(&mut *connection)
            .await?
            .rows_affected();
        if known == 0 {
            sqlx::query("INSERT INTO mark (node, boot, seq, at_us) VALUES (?, ?, ?, ?)")
                .bind(&mark.node)
                .bind(mark.number.boot)
                .bind(mark.number.seq)
                .bind(us(mark.at))
                .execute(&mut *connection)
                .await?;
            sqlx::query(
                "DELETE FROM mark WHERE node = ?1 AND boot NOT IN \
                 (SELECT boot FROM mark WHERE node = ?1 ORDER BY at_us DESC LIMIT ?2)",
            )
            .bind(&mark.node)
            .bind(MARKS_PER_NODE_MAX as i64)
            .execute(&mut *connection)
            .await?;
        }
    }
    Ok(())
}

async fn write_rules(connection: &mut SqliteConnection, batch: &Batch) -> Result<()> {
    for rule in &batch.rules {
        sqlx::query("INSERT OR REPLACE INTO rule (id, doc) VALUES (?, ?)")
            .bind(&rule.id)
            .bind(to_doc(rule)?)
            .execute(&mut *connection)
            .await?;
    }
    for id in &batch.rules_deleted {
        sqlx::query("DELETE FROM rule WHERE id = ?")
            .bind(id)
            .execute(&mut *connection)
            .await?;
    }
    for incident in &batch.incidents {
        sqlx::query(
            "INSERT OR REPLACE INTO incident (id, rule, node, open, doc) VALUES (?, ?, ?, ?, ?)",
        )
        .bind(&incident.id)
        .bind(&incident.rule)
        .bind(&incident.node)
        .bind(incident.closed_at.is_none())
        .bind(to_doc(incident)?)
        .execute(&mut *connection)
        .await?;
    }
    for id in &batch.incidents_dropped {
        sqlx::query("DELETE FROM incident WHERE id = ?")
            .bind(id)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

async fn write_commands(connection: &mut SqliteConnection, batch: &Batch) -> Result<()> {
    for row in &batch.commands {
        sqlx::query(
            "INSERT OR REPLACE INTO command (id, node, open, verify_off_us, deadline_us, doc) \
             VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(&row.command.id)
        .bind(&row.command.node)
        .bind(row.is_open())
        .bind(row.verify_off_at.map(us))
        .bind(row.deadline_at.map(us))
        .bind(to_doc(&row.command)?)
        .execute(&mut *connection)
        .await?;
    }
    for schedule in &batch.schedules {
        sqlx::query("INSERT OR REPLACE INTO schedule (id, doc) VALUES (?, ?)")
            .bind(&schedule.id)
            .bind(to_doc(schedule)?)
            .execute(&mut *connection)
            .await?;
    }
    for id in &batch.schedules_deleted {
        sqlx::query("DELETE FROM schedule WHERE id = ?")
            .bind(id)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// A second mail for the same event and recipient is left out: the first one stands.
async fn write_mail(connection: &mut SqliteConnection, mail: &NewMail) -> Result<()> {
    sqlx::query(
        "INSERT OR IGNORE INTO mail (id, incident, kind, recipient, subject, body, created_us, \
         state, tries, next_try_us) VALUES (?, ?, ?, ?, ?, ?, ?, 'queued', 0, ?)",
    )
    .bind(&mail.id)
    .bind(&mail.incident)
    .bind(match mail.kind {
        MailKind::Firing => "firing",
        MailKind::Recovery => "recovery",
    })
    .bind(&mail.recipient)
    .bind(&mail.subject)
    .bind(&mail.body)
    .bind(us(mail.created_at))
    .bind(us(mail.created_at))
    .execute(connection)
    .await?;
    Ok(())
}

async fn write_bad_messages(connection: &mut SqliteConnection, bad: &[Message]) -> Result<()> {
    if bad.is_empty() {
        return Ok(());
    }
    for message in bad {
        sqlx::query(
            "INSERT INTO bad_message (topic, reason, node, denied, payload_bytes, head, count, \
             first_us, last_us) VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?) \
             ON CONFLICT (topic, reason) DO UPDATE SET node = excluded.node, \
             payload_bytes = excluded.payload_bytes, head = excluded.head, count = count + 1, \
             last_us = excluded.last_us",
        )
        .bind(&message.topic)
        .bind(message.reason.as_deref().unwrap_or_default())
        .bind(&message.node)
        .bind(message.outcome == Outcome::Denied)
        .bind(i64::try_from(message.payload_bytes).unwrap_or(i64::MAX))
        .bind(&message.head)
        .bind(us(message.received_at))
        .bind(us(message.received_at))
        .execute(&mut *connection)
        .await?;
    }
    sqlx::query(
        "DELETE FROM bad_message WHERE id IN \
         (SELECT id FROM bad_message ORDER BY last_us DESC, id DESC LIMIT -1 OFFSET ?)",
    )
    .bind(BAD_MESSAGES_MAX as i64)
    .execute(connection)
    .await?;
    Ok(())
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

const fn state_word(state: ActuatorState) -> &'static str {
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
