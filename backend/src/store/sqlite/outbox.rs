//! The mail outbox.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::SqliteStore;
use crate::store::{
    Mail, MailState, OutboxStore, Result, StoreError,
    convert::{mail_state_word, time, us},
    listing::MailRow,
};

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
        let mut writer = self.writer().await?;
        let changed = sqlx::query(
            "UPDATE mail SET state = ?, tries = ?, next_try_us = ?, last_error = ? WHERE id = ?",
        )
        .bind(mail_state_word(state))
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

    async fn retry_mail(&self, id: &str, now: DateTime<Utc>) -> Result<bool> {
        let mut writer = self.writer().await?;
        let changed = sqlx::query(
            "UPDATE mail SET state = 'queued', next_try_us = ? \
             WHERE id = ? AND state IN ('queued', 'failed')",
        )
        .bind(us(now))
        .bind(id)
        .execute(&mut writer.connection)
        .await?;
        Ok(changed.rows_affected() == 1)
    }

    async fn outbox_depth(&self) -> Result<(u64, Option<DateTime<Utc>>)> {
        let (depth, oldest): (i64, Option<i64>) =
            sqlx::query_as("SELECT count(*), min(created_us) FROM mail WHERE state = 'queued'")
                .fetch_one(&self.readers)
                .await?;
        Ok((depth.unsigned_abs(), oldest.map(time)))
    }

    async fn mails(&self, incident: Option<&str>, limit: u32) -> Result<Vec<Mail>> {
        let query = match incident {
            Some(incident) => {
                sqlx::query_as(select_mail!("WHERE incident = ? ORDER BY id DESC LIMIT ?"))
                    .bind(incident)
            }
            None => sqlx::query_as(select_mail!("ORDER BY id DESC LIMIT ?")),
        };
        let rows: Vec<MailRow> = query.bind(limit).fetch_all(&self.readers).await?;
        Ok(rows.into_iter().map(Mail::from).collect())
    }
}
