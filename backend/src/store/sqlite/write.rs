//! The rows of a batch besides samples: all are whole, so writing one is putting it there.

use std::sync::LazyLock;

use signalbox_protocol::api::message::{Message, Outcome};
use sqlx::SqliteConnection;

use super::{
    engine::{presence_word, state_word},
    many::{Bound, Many},
    to_doc, us,
};
use crate::store::{BAD_MESSAGES_MAX, Batch, MARKS_PER_NODE_MAX, MailKind, Mark, NewMail, Result};

static PUT_NODES: LazyLock<Many> = LazyLock::new(|| {
    Many::new(
        "INSERT INTO node (name, presence, presence_since_us, last_seen_us, boot, firmware, \
         uptime_s, rssi_dbm) VALUES ",
        8,
        " ON CONFLICT (name) DO UPDATE SET presence = excluded.presence, \
         presence_since_us = excluded.presence_since_us, \
         last_seen_us = excluded.last_seen_us, boot = excluded.boot, \
         firmware = excluded.firmware, uptime_s = excluded.uptime_s, \
         rssi_dbm = excluded.rssi_dbm",
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
static RAISE_MARKS: LazyLock<Many> = LazyLock::new(|| {
    Many::new(
        "WITH new (node, boot, seq, at_us) AS (VALUES ",
        4,
        ") UPDATE mark SET seq = new.seq, at_us = new.at_us FROM new \
         WHERE mark.node = new.node AND mark.boot = new.boot",
    )
});

/// Writes everything of a batch but its samples.
pub(super) async fn state(connection: &mut SqliteConnection, batch: &Batch) -> Result<()> {
    write_nodes(connection, batch).await?;
    write_marks(connection, batch).await?;
    write_rules(connection, batch).await?;
    write_commands(connection, batch).await?;
    for mail in &batch.mails {
        write_mail(connection, mail).await?;
    }
    write_bad_messages(connection, &batch.bad_messages).await
}

async fn write_nodes(connection: &mut SqliteConnection, batch: &Batch) -> Result<()> {
    PUT_NODES
        .execute(connection, &batch.nodes, |query, node, _| {
            query
                .bind(&node.name)
                .bind(presence_word(node.presence))
                .bind(node.presence_since.map(us))
                .bind(node.last_seen_at.map(us))
                .bind(node.boot)
                .bind(&node.firmware)
                .bind(node.uptime_s)
                .bind(node.rssi_dbm)
        })
        .await?;
    PUT_ACTUATORS
        .execute(connection, &batch.actuators, |query, actuator, _| {
            query
                .bind(&actuator.node)
                .bind(&actuator.name)
                .bind(actuator.reported.map(state_word))
                .bind(actuator.reported_at.map(us))
                .bind(actuator.desired.map(state_word))
                .bind(actuator.off_at.map(us))
                .bind(&actuator.pending_command)
        })
        .await?;
    Ok(())
}

fn bind_mark(query: Bound, mark: &Mark) -> Bound {
    query
        .bind(&mark.node)
        .bind(mark.number.boot)
        .bind(mark.number.seq)
        .bind(us(mark.at))
}

async fn write_marks(connection: &mut SqliteConnection, batch: &Batch) -> Result<()> {
    for (node, boot) in &batch.marks_forgotten {
        sqlx::query("DELETE FROM mark WHERE node = ? AND boot = ?")
            .bind(node)
            .bind(boot)
            .execute(&mut *connection)
            .await?;
    }
    let raised = RAISE_MARKS
        .execute(connection, &batch.marks, |query, mark, _| {
            bind_mark(query, mark)
        })
        .await?;
    if raised == batch.marks.len() as u64 {
        return Ok(());
    }
    // A node has started anew, which is seldom.
    for mark in &batch.marks {
        let insert =
            sqlx::query("INSERT OR IGNORE INTO mark (node, boot, seq, at_us) VALUES (?, ?, ?, ?)");
        let new = bind_mark(insert, mark)
            .execute(&mut *connection)
            .await?
            .rows_affected();
        if new == 1 {
            forget_old_marks(connection, mark).await?;
        }
    }
    Ok(())
}

/// Makes room for a new mark, which itself stays whatever its time.
async fn forget_old_marks(connection: &mut SqliteConnection, new: &Mark) -> Result<()> {
    sqlx::query(
        "DELETE FROM mark WHERE node = ?1 AND boot <> ?2 AND boot NOT IN \
         (SELECT boot FROM mark WHERE node = ?1 AND boot <> ?2 ORDER BY at_us DESC LIMIT ?3)",
    )
    .bind(&new.node)
    .bind(new.number.boot)
    .bind(MARKS_PER_NODE_MAX as i64 - 1)
    .execute(connection)
    .await?;
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
