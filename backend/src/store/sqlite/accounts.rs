//! Accounts, sessions, and the nodes' broker passwords.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use signalbox_protocol::api::user::{Role, User};

use super::{SqliteStore, Writer};
use crate::store::{
    AccountStore, Result, SessionRow, StoreError,
    convert::{role_of, time, us},
    listing::{SessionParts, UserRow, session_of, user_of},
};

/// Turns a broken uniqueness into the name that is taken.
fn taken(error: sqlx::Error, name: &str) -> StoreError {
    match error.as_database_error() {
        Some(database) if database.is_unique_violation() => StoreError::Taken {
            name: name.to_owned(),
        },
        _ => error.into(),
    }
}

async fn update_user(
    writer: &mut Writer,
    username: &str,
    password_hash: Option<&str>,
    role: Option<Role>,
    email: Option<&str>,
) -> Result<()> {
    writer.begin().await?;
    let changed = sqlx::query(
        "UPDATE account SET password_hash = ifnull(?, password_hash), \
         role = ifnull(?, role), email = ifnull(?, email) WHERE username = ?",
    )
    .bind(password_hash)
    .bind(role.map(Role::as_str))
    .bind(email)
    .bind(username)
    .execute(&mut writer.connection)
    .await?
    .rows_affected();
    if changed == 0 {
        return Err(missing(username));
    }
    if password_hash.is_some() || role.is_some() {
        sqlx::query("DELETE FROM session WHERE username = ?")
            .bind(username)
            .execute(&mut writer.connection)
            .await?;
    }
    writer.commit().await
}

async fn add_session(writer: &mut Writer, session: &SessionRow) -> Result<()> {
    writer.begin().await?;
    let known = sqlx::query("UPDATE account SET last_login_us = ? WHERE username = ?")
        .bind(us(session.created_at))
        .bind(&session.username)
        .execute(&mut writer.connection)
        .await?
        .rows_affected();
    if known == 0 {
        return Err(missing(&session.username));
    }
    sqlx::query(
        "INSERT INTO session (token_hash, username, created_us, expires_us) VALUES (?, ?, ?, ?)",
    )
    .bind(session.token_hash.as_slice())
    .bind(&session.username)
    .bind(us(session.created_at))
    .bind(us(session.expires_at))
    .execute(&mut writer.connection)
    .await?;
    writer.commit().await
}

fn missing(username: &str) -> StoreError {
    StoreError::Missing {
        name: username.to_owned(),
    }
}

#[async_trait]
impl AccountStore for SqliteStore {
    async fn add_user(
        &self,
        user: &User,
        password_hash: &str,
        first_is_administrator: bool,
    ) -> Result<Role> {
        let mut writer = self.writer().await?;
        let role: String = sqlx::query_scalar(
            "INSERT INTO account (username, email, role, password_hash, created_us) \
             SELECT ?, ?, iif(? AND NOT EXISTS (SELECT 1 FROM account), ?, ?), ?, ? \
             RETURNING role",
        )
        .bind(&user.username)
        .bind(&user.email)
        .bind(first_is_administrator)
        .bind(Role::Administrator.as_str())
        .bind(user.role.as_str())
        .bind(password_hash)
        .bind(us(user.created_at))
        .fetch_one(&mut writer.connection)
        .await
        .map_err(|error| taken(error, &user.username))?;
        role_of(&role)
    }

    async fn users(&self) -> Result<Vec<User>> {
        let rows: Vec<UserRow> = sqlx::query_as(
            "SELECT username, email, role, created_us, last_login_us, '' FROM account \
             ORDER BY username",
        )
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter()
            .map(|row| user_of(row).map(|(user, _)| user))
            .collect()
    }

    async fn user(&self, username: &str) -> Result<Option<(User, String)>> {
        let row: Option<UserRow> = sqlx::query_as(
            "SELECT username, email, role, created_us, last_login_us, password_hash \
             FROM account WHERE username = ?",
        )
        .bind(username)
        .fetch_optional(&self.readers)
        .await?;
        row.map(user_of).transpose()
    }

    async fn update_user(
        &self,
        username: &str,
        password_hash: Option<&str>,
        role: Option<Role>,
        email: Option<&str>,
    ) -> Result<()> {
        let mut writer = self.writer().await?;
        let done = update_user(&mut writer, username, password_hash, role, email).await;
        writer.ended(done).await
    }

    async fn delete_user(&self, username: &str) -> Result<()> {
        let mut writer = self.writer().await?;
        let gone = sqlx::query("DELETE FROM account WHERE username = ?")
            .bind(username)
            .execute(&mut writer.connection)
            .await?
            .rows_affected();
        if gone == 0 {
            return Err(missing(username));
        }
        Ok(())
    }

    async fn add_session(&self, session: &SessionRow) -> Result<()> {
        let mut writer = self.writer().await?;
        let done = add_session(&mut writer, session).await;
        writer.ended(done).await
    }

    async fn session(
        &self,
        token_hash: &[u8; 32],
        now: DateTime<Utc>,
    ) -> Result<Option<SessionRow>> {
        let row: Option<(String, String, i64, i64)> = sqlx::query_as(
            "SELECT session.username, role, session.created_us, expires_us FROM session \
             JOIN account ON account.username = session.username \
             WHERE token_hash = ? AND expires_us > ?",
        )
        .bind(token_hash.as_slice())
        .bind(us(now))
        .fetch_optional(&self.readers)
        .await?;
        row.map(|(username, role, created_us, expires_us)| {
            Ok(SessionRow {
                token_hash: *token_hash,
                username,
                role: role_of(&role)?,
                created_at: time(created_us),
                expires_at: time(expires_us),
            })
        })
        .transpose()
    }

    async fn sessions(&self, now: DateTime<Utc>, limit: u32) -> Result<Vec<SessionRow>> {
        let rows: Vec<SessionParts> = sqlx::query_as(
            "SELECT token_hash, session.username, role, session.created_us, expires_us FROM session \
             JOIN account ON account.username = session.username \
             WHERE expires_us > ? ORDER BY session.created_us DESC, token_hash LIMIT ?",
        )
        .bind(us(now))
        .bind(limit)
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter().map(session_of).collect()
    }

    async fn end_session(&self, token_hash: &[u8; 32]) -> Result<bool> {
        let mut writer = self.writer().await?;
        let gone = sqlx::query("DELETE FROM session WHERE token_hash = ?")
            .bind(token_hash.as_slice())
            .execute(&mut writer.connection)
            .await?;
        Ok(gone.rows_affected() == 1)
    }

    async fn prune_sessions(&self, now: DateTime<Utc>) -> Result<u64> {
        let mut writer = self.writer().await?;
        let gone = sqlx::query("DELETE FROM session WHERE expires_us <= ?")
            .bind(us(now))
            .execute(&mut writer.connection)
            .await?;
        Ok(gone.rows_affected())
    }

    async fn set_node_password(&self, node: &str, hash: &str) -> Result<()> {
        let mut writer = self.writer().await?;
        sqlx::query("INSERT OR REPLACE INTO node_password (node, hash) VALUES (?, ?)")
            .bind(node)
            .bind(hash)
            .execute(&mut writer.connection)
            .await?;
        Ok(())
    }

    async fn node_password(&self, node: &str) -> Result<Option<String>> {
        Ok(
            sqlx::query_scalar("SELECT hash FROM node_password WHERE node = ?")
                .bind(node)
                .fetch_optional(&self.readers)
                .await?,
        )
    }

    async fn remove_node_password(&self, node: &str) -> Result<bool> {
        let mut writer = self.writer().await?;
        let gone = sqlx::query("DELETE FROM node_password WHERE node = ?")
            .bind(node)
            .execute(&mut writer.connection)
            .await?;
        Ok(gone.rows_affected() == 1)
    }
}
