//! Accounts, sessions, and the nodes' broker passwords.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use signalbox_protocol::api::user::{Role, User};
use sqlx::{PgPool, Postgres, postgres::PgArguments, query::Query};

use super::{PostgresStore, call, write::text};
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

fn missing(username: &str) -> StoreError {
    StoreError::Missing {
        name: username.to_owned(),
    }
}

/// Executes a statement; how many rows it changed.
async fn execute(pool: &PgPool, query: Query<'_, Postgres, PgArguments>) -> Result<u64> {
    let done = call(async { Ok(query.execute(pool).await?) }).await?;
    Ok(done.rows_affected())
}

async fn add_user(
    pool: &PgPool,
    user: &User,
    password_hash: &str,
    first_is_administrator: bool,
) -> Result<Role> {
    let mut transaction = pool.begin().await?;
    // Of two first accounts at the same time, one is the first.
    sqlx::query("LOCK TABLE account IN SHARE ROW EXCLUSIVE MODE")
        .execute(&mut *transaction)
        .await?;
    let role: String = sqlx::query_scalar(
        "INSERT INTO account (username, email, role, password_hash, created_us) \
         SELECT $1, $2, CASE WHEN $3 AND NOT EXISTS (SELECT 1 FROM account) THEN $4 ELSE $5 END, \
         $6, $7 RETURNING role",
    )
    .bind(text(&user.username))
    .bind(text(&user.email))
    .bind(first_is_administrator)
    .bind(Role::Administrator.as_str())
    .bind(user.role.as_str())
    .bind(password_hash)
    .bind(us(user.created_at))
    .fetch_one(&mut *transaction)
    .await
    .map_err(|error| taken(error, &user.username))?;
    transaction.commit().await?;
    role_of(&role)
}

async fn update_user(
    pool: &PgPool,
    username: &str,
    password_hash: Option<&str>,
    role: Option<Role>,
    email: Option<&str>,
) -> Result<()> {
    let mut transaction = pool.begin().await?;
    let changed = sqlx::query(
        "UPDATE account SET password_hash = coalesce($1, password_hash), \
         role = coalesce($2, role), email = coalesce($3, email) WHERE username = $4",
    )
    .bind(password_hash)
    .bind(role.map(Role::as_str))
    .bind(email.map(text))
    .bind(text(username))
    .execute(&mut *transaction)
    .await?
    .rows_affected();
    if changed == 0 {
        return Err(missing(username));
    }
    if password_hash.is_some() || role.is_some() {
        sqlx::query("DELETE FROM session WHERE username = $1")
            .bind(text(username))
            .execute(&mut *transaction)
            .await?;
    }
    Ok(transaction.commit().await?)
}

async fn add_session(pool: &PgPool, session: &SessionRow) -> Result<()> {
    let mut transaction = pool.begin().await?;
    let known = sqlx::query("UPDATE account SET last_login_us = $1 WHERE username = $2")
        .bind(us(session.created_at))
        .bind(text(&session.username))
        .execute(&mut *transaction)
        .await?
        .rows_affected();
    if known == 0 {
        return Err(missing(&session.username));
    }
    sqlx::query(
        "INSERT INTO session (token_hash, username, created_us, expires_us) \
         VALUES ($1, $2, $3, $4)",
    )
    .bind(session.token_hash.as_slice())
    .bind(text(&session.username))
    .bind(us(session.created_at))
    .bind(us(session.expires_at))
    .execute(&mut *transaction)
    .await?;
    Ok(transaction.commit().await?)
}

#[async_trait]
impl AccountStore for PostgresStore {
    async fn add_user(
        &self,
        user: &User,
        password_hash: &str,
        first_is_administrator: bool,
    ) -> Result<Role> {
        let readers = &self.readers;
        call(add_user(
            readers,
            user,
            password_hash,
            first_is_administrator,
        ))
        .await
    }

    async fn users(&self) -> Result<Vec<User>> {
        let rows: Vec<UserRow> = call(async {
            let query = sqlx::query_as(
                "SELECT username, email, role, created_us, last_login_us, '' FROM account \
                 ORDER BY username",
            );
            Ok(query.fetch_all(&self.readers).await?)
        })
        .await?;
        rows.into_iter()
            .map(|row| user_of(row).map(|(user, _)| user))
            .collect()
    }

    async fn user(&self, username: &str) -> Result<Option<(User, String)>> {
        let row: Option<UserRow> = call(async {
            let query = sqlx::query_as(
                "SELECT username, email, role, created_us, last_login_us, password_hash \
                 FROM account WHERE username = $1",
            );
            let found = query.bind(text(username)).fetch_optional(&self.readers);
            Ok(found.await?)
        })
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
        let readers = &self.readers;
        call(update_user(readers, username, password_hash, role, email)).await
    }

    async fn delete_user(&self, username: &str) -> Result<()> {
        let query = sqlx::query("DELETE FROM account WHERE username = $1").bind(text(username));
        if execute(&self.readers, query).await? == 0 {
            return Err(missing(username));
        }
        Ok(())
    }

    async fn add_session(&self, session: &SessionRow) -> Result<()> {
        call(add_session(&self.readers, session)).await
    }

    async fn session(
        &self,
        token_hash: &[u8; 32],
        now: DateTime<Utc>,
    ) -> Result<Option<SessionRow>> {
        let row: Option<(String, String, i64, i64)> = call(async {
            let query = sqlx::query_as(
                "SELECT session.username, role, session.created_us, expires_us FROM session \
                 JOIN account ON account.username = session.username \
                 WHERE token_hash = $1 AND expires_us > $2",
            );
            let query = query.bind(token_hash.as_slice()).bind(us(now));
            Ok(query.fetch_optional(&self.readers).await?)
        })
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
        let rows: Vec<SessionParts> = call(async {
            let query = sqlx::query_as(
                "SELECT token_hash, session.username, role, session.created_us, expires_us FROM session \
             JOIN account ON account.username = session.username \
             WHERE expires_us > $1 ORDER BY session.created_us DESC, token_hash LIMIT $2",
            );
            let query = query.bind(us(now)).bind(i64::from(limit));
            Ok(query.fetch_all(&self.readers).await?)
        })
        .await?;
        rows.into_iter().map(session_of).collect()
    }

    async fn end_session(&self, token_hash: &[u8; 32]) -> Result<bool> {
        let query = sqlx::query("DELETE FROM session WHERE token_hash = $1");
        let gone = execute(&self.readers, query.bind(token_hash.as_slice())).await?;
        Ok(gone == 1)
    }

    async fn prune_sessions(&self, now: DateTime<Utc>) -> Result<u64> {
        let query = sqlx::query("DELETE FROM session WHERE expires_us <= $1");
        execute(&self.readers, query.bind(us(now))).await
    }

    async fn set_node_password(&self, node: &str, hash: &str) -> Result<()> {
        let query = sqlx::query(
            "INSERT INTO node_password (node, hash) VALUES ($1, $2) \
             ON CONFLICT (node) DO UPDATE SET hash = excluded.hash",
        );
        execute(&self.readers, query.bind(text(node)).bind(hash)).await?;
        Ok(())
    }

    async fn node_password(&self, node: &str) -> Result<Option<String>> {
        call(async {
            let query = sqlx::query_scalar("SELECT hash FROM node_password WHERE node = $1");
            let found = query.bind(text(node)).fetch_optional(&self.readers);
            Ok(found.await?)
        })
        .await
    }

    async fn remove_node_password(&self, node: &str) -> Result<bool> {
        let query = sqlx::query("DELETE FROM node_password WHERE node = $1").bind(text(node));
        Ok(execute(&self.readers, query).await? == 1)
    }
}
