//! The mail outbox.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{PostgresStore, call, write::text};
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

type MailQuery<'q> = sqlx::query::QueryAs<'q, sqlx::Postgres, MailRow, sqlx::postgres::PgArguments>;

impl PostgresStore {
    async fn read_mails(&self, query: MailQuery<'_>) -> Result<Vec<Mail>> {
        let rows = call(async { Ok(query.fetch_all(&self.readers).await?) }).await?;
        Ok(rows.into_iter().map(Mail::from).collect())
    }
}

#[async_trait]
impl OutboxStore for PostgresStore {
    async fn due_mails(&self, now: DateTime<Utc>, limit: u32) -> Result<Vec<Mail>> {
        let query = sqlx::query_as(select_mail!(
            "WHERE state = 'queued' AND next_try_us <= $1 ORDER BY next_try_us, id LIMIT $2"
        ));
        self.read_mails(query.bind(us(now)).bind(i64::from(limit)))
            .await
    }

    async fn queued_mails_of(&self, incident: &str, recipient: &str) -> Result<Vec<Mail>> {
        let query = sqlx::query_as(select_mail!(
            "WHERE state = 'queued' AND incident = $1 AND recipient = $2 ORDER BY id"
        ));
        self.read_mails(query.bind(text(incident)).bind(text(recipient)))
            .await
    }

    async fn next_mail_at(&self) -> Result<Option<DateTime<Utc>>> {
        let next: Option<i64> = call(async {
            let sql = "SELECT min(next_try_us) FROM mail WHERE state = 'queued'";
            Ok(sqlx::query_scalar(sql).fetch_one(&self.readers).await?)
        })
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
        let query = sqlx::query(
            "UPDATE mail SET state = $1, tries = $2, next_try_us = $3, last_error = $4 \
             WHERE id = $5",
        )
        .bind(mail_state_word(state))
        .bind(i32::try_from(tries).unwrap_or(i32::MAX))
        .bind(us(next_try_at))
        .bind(last_error.map(text))
        .bind(text(id));
        let changed = call(async { Ok(query.execute(&self.readers).await?) }).await?;
        if changed.rows_affected() == 0 {
            return Err(StoreError::Missing {
                name: id.to_owned(),
            });
        }
        Ok(())
    }

    async fn retry_mail(&self, id: &str, now: DateTime<Utc>) -> Result<bool> {
        let query = sqlx::query(
            "UPDATE mail SET state = 'queued', next_try_us = $1 \
             WHERE id = $2 AND state IN ('queued', 'failed')",
        )
        .bind(us(now))
        .bind(text(id));
        let changed = call(async { Ok(query.execute(&self.readers).await?) }).await?;
        Ok(changed.rows_affected() == 1)
    }

    async fn outbox_depth(&self) -> Result<(u64, Option<DateTime<Utc>>)> {
        let (depth, oldest): (i64, Option<i64>) = call(async {
            let sql = "SELECT count(*), min(created_us) FROM mail WHERE state = 'queued'";
            Ok(sqlx::query_as(sql).fetch_one(&self.readers).await?)
        })
        .await?;
        Ok((depth.unsigned_abs(), oldest.map(time)))
    }

    async fn mails(&self, incident: Option<&str>, limit: u32) -> Result<Vec<Mail>> {
        let query = match incident {
            Some(incident) => sqlx::query_as(select_mail!(
                "WHERE incident = $2 ORDER BY id DESC LIMIT $1"
            ))
            .bind(i64::from(limit))
            .bind(text(incident)),
            None => {
                sqlx::query_as(select_mail!("ORDER BY id DESC LIMIT $1")).bind(i64::from(limit))
            }
        };
        self.read_mails(query).await
    }
}
