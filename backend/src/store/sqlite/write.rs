//! The rows of a batch besides samples: all are whole, so writing one is putting it there.

use std::sync::LazyLock;

use signalbox_protocol::api::{
    message::{Message, Outcome},
    node::StartedBy,
};

use super::{many::Many, pipeline::Pipeline};
use crate::store::{
    BAD_MESSAGES_MAX, Batch, Result,
    convert::{mail_kind_word, presence_word, state_word, to_doc, us},
};

static PUT_NODES: LazyLock<Many> = LazyLock::new(|| {
    Many::new(
        "INSERT INTO node (name, presence, presence_since_us, last_seen_us, boot, firmware, \
         uptime_s, rssi_dbm, started_by) VALUES ",
        9,
        " ON CONFLICT (name) DO UPDATE SET presence = excluded.presence, \
         presence_since_us = excluded.presence_since_us, \
         last_seen_us = excluded.last_seen_us, boot = excluded.boot, \
         firmware = excluded.firmware, uptime_s = excluded.uptime_s, \
         rssi_dbm = excluded.rssi_dbm, started_by = excluded.started_by",
    )
});
static PUT_ACTUATORS: LazyLock<Many> = LazyLock::new(|| {
    Many::new(
        "INSERT INTO actuator (node, name, reported, reported_us, desired, off_us, \
         pending_command) VALUES ",
        7,
        " ON CONFLICT (node, name) DO UPDATE SET reported = excluded.reported, \
         reported_us = excluded.reported_us, desired = excluded.desired, \
         off_us = excluded.off_us, pending_command = excluded.pending_command",
    )
});
/// A trigger forgets old starts of a node when a new one comes.
static PUT_MARKS: LazyLock<Many> = LazyLock::new(|| {
    Many::new(
        "INSERT INTO mark (node, boot, seq, gaps, at_us) VALUES ",
        5,
        " ON CONFLICT (node, boot) DO UPDATE SET seq = excluded.seq, gaps = excluded.gaps, \
         at_us = excluded.at_us",
    )
});
static PUT_RULES: LazyLock<Many> =
    LazyLock::new(|| Many::new("INSERT OR REPLACE INTO rule (id, doc) VALUES ", 2, ""));
static PUT_INCIDENTS: LazyLock<Many> = LazyLock::new(|| {
    Many::new(
        "INSERT OR REPLACE INTO incident (id, rule, node, open, doc) VALUES ",
        5,
        "",
    )
});
static PUT_COMMANDS: LazyLock<Many> = LazyLock::new(|| {
    Many::new(
        "INSERT OR REPLACE INTO command (id, node, open, verify_off_us, deadline_us, doc) VALUES ",
        6,
        "",
    )
});
static PUT_CONFIGS: LazyLock<Many> = LazyLock::new(|| {
    Many::new(
        "INSERT OR REPLACE INTO node_config (node, doc) VALUES ",
        2,
        "",
    )
});
static PUT_SCHEDULES: LazyLock<Many> =
    LazyLock::new(|| Many::new("INSERT OR REPLACE INTO schedule (id, doc) VALUES ", 2, ""));
static PUT_SILENCES: LazyLock<Many> = LazyLock::new(|| {
    Many::new(
        "INSERT OR REPLACE INTO silence (id, open, doc) VALUES ",
        3,
        "",
    )
});
/// A second mail for the same event and recipient is left out: the first one stands.
static ADD_MAILS: LazyLock<Many> = LazyLock::new(|| {
    Many::new(
        "INSERT OR IGNORE INTO mail (id, incident, kind, recipient, subject, body, created_us, \
         state, tries, next_try_us, held_by) VALUES ",
        11,
        "",
    )
});
static COUNT_BAD_MESSAGES: LazyLock<Many> = LazyLock::new(|| {
    Many::new(
        "INSERT INTO bad_message (topic, reason, node, denied, payload_bytes, head, count, \
         first_us, last_us) VALUES ",
        9,
        " ON CONFLICT (topic, reason) DO UPDATE SET node = excluded.node, \
         payload_bytes = excluded.payload_bytes, head = excluded.head, \
         count = count + excluded.count, last_us = excluded.last_us",
    )
});

/// Writes everything of a batch but its samples.
pub(super) async fn state(pipeline: &mut Pipeline<'_>, batch: &Batch) -> Result<()> {
    write_nodes(pipeline, batch).await?;
    write_marks(pipeline, batch).await?;
    write_rules(pipeline, batch).await?;
    write_commands(pipeline, batch).await?;
    write_silences(pipeline, batch).await?;
    write_configs(pipeline, batch).await?;
    write_mails(pipeline, batch).await?;
    write_bad_messages(pipeline, &batch.bad_messages).await
}

async fn write_nodes(pipeline: &mut Pipeline<'_>, batch: &Batch) -> Result<()> {
    PUT_NODES
        .add_all(pipeline, &batch.nodes, |values, node, _| {
            values
                .bind(&node.name)
                .bind(presence_word(node.presence))
                .bind(node.presence_since.map(us))
                .bind(node.last_seen_at.map(us))
                .bind(node.boot)
                .bind(&node.firmware)
                .bind(node.uptime_s)
                .bind(node.rssi_dbm)
                .bind(node.started_by.map(StartedBy::as_str));
        })
        .await?;
    PUT_ACTUATORS
        .add_all(pipeline, &batch.actuators, |values, actuator, _| {
            values
                .bind(&actuator.node)
                .bind(&actuator.name)
                .bind(actuator.reported.map(state_word))
                .bind(actuator.reported_at.map(us))
                .bind(actuator.desired.map(state_word))
                .bind(actuator.off_at.map(us))
                .bind(&actuator.pending_command);
        })
        .await?;
    Ok(())
}

async fn write_marks(pipeline: &mut Pipeline<'_>, batch: &Batch) -> Result<()> {
    for (node, boot) in &batch.marks_forgotten {
        pipeline
            .add("DELETE FROM mark WHERE node = ? AND boot = ?")
            .bind(node)
            .bind(boot);
        pipeline.flush().await?;
    }
    let mut marks = Vec::with_capacity(batch.marks.len());
    for mark in &batch.marks {
        marks.push((mark, to_doc(&mark.gaps)?));
    }
    PUT_MARKS
        .add_all(pipeline, &marks, |values, (mark, gaps), _| {
            values
                .bind(&mark.node)
                .bind(mark.number.boot)
                .bind(mark.number.seq)
                .bind(gaps)
                .bind(us(mark.at));
        })
        .await?;
    Ok(())
}

/// Rows with their JSON.
fn docs<T: serde::Serialize>(rows: &[T]) -> Result<Vec<(&T, String)>> {
    rows.iter().map(|row| Ok((row, to_doc(row)?))).collect()
}

async fn delete(pipeline: &mut Pipeline<'_>, text: &'static str, ids: &[String]) -> Result<()> {
    for id in ids {
        pipeline.add(text).bind(id);
        pipeline.flush().await?;
    }
    Ok(())
}

async fn write_rules(pipeline: &mut Pipeline<'_>, batch: &Batch) -> Result<()> {
    PUT_RULES
        .add_all(pipeline, &docs(&batch.rules)?, |values, (rule, doc), _| {
            values.bind(&rule.id).bind(doc);
        })
        .await?;
    let text = "DELETE FROM rule WHERE id = ?";
    delete(pipeline, text, &batch.rules_deleted).await?;
    let incidents = docs(&batch.incidents)?;
    PUT_INCIDENTS
        .add_all(pipeline, &incidents, |values, (incident, doc), _| {
            values
                .bind(&incident.id)
                .bind(&incident.rule)
                .bind(&incident.node)
                .bind(incident.closed_at.is_none())
                .bind(doc);
        })
        .await?;
    let text = "DELETE FROM incident WHERE id = ?";
    delete(pipeline, text, &batch.incidents_dropped).await
}

async fn write_commands(pipeline: &mut Pipeline<'_>, batch: &Batch) -> Result<()> {
    let commands: Vec<_> = batch
        .commands
        .iter()
        .map(|row| Ok((row, to_doc(&row.command)?)))
        .collect::<Result<_>>()?;
    PUT_COMMANDS
        .add_all(pipeline, &commands, |values, (row, doc), _| {
            values
                .bind(&row.command.id)
                .bind(&row.command.node)
                .bind(row.is_open())
                .bind(row.verify_off_at.map(us))
                .bind(row.deadline_at.map(us))
                .bind(doc);
        })
        .await?;
    let schedules = docs(&batch.schedules)?;
    PUT_SCHEDULES
        .add_all(pipeline, &schedules, |values, (schedule, doc), _| {
            values.bind(&schedule.id).bind(doc);
        })
        .await?;
    let text = "DELETE FROM schedule WHERE id = ?";
    delete(pipeline, text, &batch.schedules_deleted).await
}

async fn write_silences(pipeline: &mut Pipeline<'_>, batch: &Batch) -> Result<()> {
    let silences = docs(&batch.silences)?;
    PUT_SILENCES
        .add_all(pipeline, &silences, |values, (silence, doc), _| {
            values
                .bind(&silence.id)
                .bind(silence.ended_at.is_none())
                .bind(doc);
        })
        .await?;
    Ok(())
}

async fn write_configs(pipeline: &mut Pipeline<'_>, batch: &Batch) -> Result<()> {
    let configs = docs(&batch.configs)?;
    PUT_CONFIGS
        .add_all(pipeline, &configs, |values, (config, doc), _| {
            values.bind(&config.node).bind(doc);
        })
        .await?;
    Ok(())
}

async fn write_mails(pipeline: &mut Pipeline<'_>, batch: &Batch) -> Result<()> {
    ADD_MAILS
        .add_all(pipeline, &batch.mails, |values, mail, _| {
            values
                .bind(&mail.id)
                .bind(&mail.incident)
                .bind(mail_kind_word(mail.kind))
                .bind(&mail.recipient)
                .bind(&mail.subject)
                .bind(&mail.body)
                .bind(us(mail.created_at))
                .bind("queued")
                .bind(0)
                .bind(us(mail.due_at()))
                .bind(mail.held.as_ref().map(|hold| &hold.silence));
        })
        .await?;
    for moved in &batch.mails_moved {
        pipeline
            .add(
                "UPDATE mail SET next_try_us = ?, held_by = ? \
                 WHERE held_by = ? AND incident = ? AND state = 'queued' AND tries = 0",
            )
            .bind(us(moved.to.until_at))
            .bind(&moved.to.silence)
            .bind(&moved.from)
            .bind(&moved.incident);
        pipeline.flush().await?;
    }
    for release in &batch.mails_released {
        pipeline
            .add(
                "UPDATE mail SET next_try_us = ?, held_by = NULL \
                 WHERE held_by = ? AND state = 'queued' AND tries = 0",
            )
            .bind(us(release.at))
            .bind(&release.silence);
        pipeline.flush().await?;
    }
    Ok(())
}

async fn write_bad_messages(pipeline: &mut Pipeline<'_>, bad: &[Message]) -> Result<()> {
    if bad.is_empty() {
        return Ok(());
    }
    COUNT_BAD_MESSAGES
        .add_all(pipeline, bad, |values, message, fills| {
            values
                .bind(&message.topic)
                .bind(message.reason.as_deref().unwrap_or_default())
                .bind(&message.node)
                .bind(message.outcome == Outcome::Denied)
                .bind(i64::try_from(message.payload_bytes).unwrap_or(i64::MAX))
                .bind(&message.head)
                .bind(i64::from(!fills))
                .bind(us(message.received_at))
                .bind(us(message.received_at));
        })
        .await?;
    pipeline
        .add(
            "DELETE FROM bad_message WHERE id IN \
             (SELECT id FROM bad_message ORDER BY last_us DESC, id DESC LIMIT -1 OFFSET ?)",
        )
        .bind(BAD_MESSAGES_MAX as i64);
    Ok(())
}
