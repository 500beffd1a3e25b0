//! The mail outbox.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{SqliteStore, time, us};
use crate::store::{Mail, MailKind, MailState, NewMail, OutboxStore, Result, StoreError};

#[derive(Debug, sqlx::FromRow)]
struct MailRow {
    id: String,
    incident: String,
    kind: String,
    recipient: String,
    subject: String,
    body: String,
    created_us: i64,
    state: String,
    tries: u32,
    next_try_us: i64,
    last_error: Option<String>,
}

impl From<MailRow> for Mail {
    fn from(row: MailRow) -> Self {
        Self {
            mail: NewMail {
                id: row.id,
                incident: row.incident,
                kind: if row.kind == "recovery" {
                    MailKind::Recovery
                } else {
                    MailKind::Firing
                },
                recipient: row.recipient,
                subject: row.subject,
                body: row.body,
                created_at: time(row.created_us),
            },
            state: match row.state.as_str() {
                "sent" => MailState::Sent,
                "failed" => MailState::Failed,
                "merged" => MailState::Merged,
                _ => MailState::Queued,
            },
            tries: row.tries,
            next_try_at: time(row.next_try_us),
            last_error: row.last_error,
        }
    }
}

macro_rules! select_mail {
    ($rest:literal) => {
        concat!(
            "SELECT id, incident, kind, recipient, subject, body, created_us, state, tries, \
             next_try_us, last_error FROM mail ",
            $rest
        )
    };
}

#[async_trait]
impl OutboxStore for SqliteStore {
    async fn due_mails(&self, now: DateTime<Utc>, limit: u32) -> Result<Vec<Mail>> {
        let rows: Vec<MailRow> = sqlx::query_as(select_mail!(
            "WHERE state = 'queued' AND next_try_us <= ? ORDER BY next_try_us, id LIMIT ?"
        ))
        .bind(us(now))
        .bind(limit)
        .fetch_all(&self.readers)
        .await?;
        Ok(rows.into_iter().map(Mail::from).collect())
    }

    async fn queued_mails_of(&self, incident: &str, recipient: &str) -> Result<Vec<Mail>> {
        let rows: Vec<MailRow> = sqlx::query_as(select_mail!(
            "WHERE state = 'queued' AND incident = ? AND recipient = ? ORDER BY id"
        ))
        .bind(incident)
        .bind(recipient)
        .fetch_all(&self.readers)
        .await?;
        Ok(rows.into_iter().map(Mail::from).collect())
    }

    async fn next_mail_at(&self) -> Result<Option<DateTime<Utc>>> {
        let next: Option<i64> =
            sqlx::query_scalar("SELECT min(next_try_us) FROM mail WHERE state = 'queued'")
                .fetch_one(&self.readers)
                .await?;
        Ok(next.map(time))
    }

    async fn update_mail(
        &self,
        id: &str,
        state: MailState,
        tries: u32,
        next_try_at: DateTime<Utc>,
        last_error: Option<&str>,
    ) -> Result<()> {
        let mut writer = self.writer().await;
        let changed = sqlx::query(
            "UPDATE mail SET state = ?, tries = ?, next_try_us = ?, last_error = ? WHERE id = ?",
        )
        .bind(match state {
            MailState::Queued => "queued",
            MailState::Sent => "sent",
            MailState::Failed => "failed",
            MailState::Merged => "merged",
        })
        .bind(tries)
        .bind(us(next_try_at))
        .bind(last_error)
        .bind(id)
        .execute(&mut writer.connection)
        .await?
        .rows_affected();
        if changed == 0 {
            return Err(StoreError::Missing {
                name: id.to_owned(),
            });
        }
        Ok(())
    }

    async fn outbox_depth(&self) -> Result<(u64, Option<DateTime<Utc>>)> {
        let (depth, oldest): (i64, Option<i64>) =
            sqlx::query_as("SELECT count(*), min(created_us) FROM mail WHERE state = 'queued'")
                .fetch_one(&self.readers)
                .await?;
        Ok((depth.unsigned_abs(), oldest.map(time)))
    }

    async fn mails(&self, limit: u32) -> Result<Vec<Mail>> {
        let rows: Vec<MailRow> = sqlx::query_as(select_mail!("ORDER BY id DESC LIMIT ?"))
            .bind(limit)
            .fetch_all(&self.readers)
            .await?;
        Ok(rows.into_iter().map(Mail::from).collect())
    }
}
