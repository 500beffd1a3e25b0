//! `/api/v1/sessions...`: who is logged in and from where, and ending that; for administrators.

use std::fmt::Write as _;

use axum::{Extension, Json, extract::State};
use signalbox_protocol::api::session::{SESSIONS_MAX, Session, SessionEnd, SessionEnded, Sessions};

use super::{SharedState, error::ApiError, extract::PathOf};
use crate::{
    auth::{Caller, Stream, TokenHash},
    store::SessionRow,
};

/// Begins the id of a local user's stream; no token's id begins so.
const LOCAL: &str = "local-";
/// Bytes of a token's hash that name its session. Who knows them knows nothing of the token.
const ID_BYTES: usize = 8;

fn id_of(hash: &TokenHash) -> String {
    let mut id = String::with_capacity(2 * ID_BYTES);
    for byte in &hash[..ID_BYTES] {
        // Writing into a string cannot fail.
        let _ = write!(id, "{byte:02x}");
    }
    id
}

fn missing(id: &str) -> ApiError {
    ApiError::NotFound {
        what: "session",
        id: id.to_owned(),
    }
}

/// Logins that have not ended, and open streams of local users, newest first.
#[utoipa::path(
    get, path = "/api/v1/sessions", tag = "accounts",
    responses((status = 200, description = "newest first", body = Sessions))
)]
pub(crate) async fn list(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Sessions>, ApiError> {
    let streams = state.presence.streams();
    let rows = state.accounts.sessions(SESSIONS_MAX).await?;
    let mut sessions: Vec<Session> = rows
        .into_iter()
        .map(|row| login(&state, row, &streams, &caller))
        .collect();
    let local = streams.iter().filter(|s| s.caller.session.is_none());
    sessions.extend(local.map(terminal));
    sessions.sort_by(|a, b| b.created_at.cmp(&a.created_at).then(a.id.cmp(&b.id)));
    Ok(Json(Sessions { sessions }))
}

fn login(state: &SharedState, row: SessionRow, streams: &[Stream], caller: &Caller) -> Session {
    let hash = Some(row.token_hash);
    let open = streams
        .iter()
        .filter(|stream| stream.caller.session == hash);
    let contact = state.presence.contact(&row.token_hash);
    let (last_seen_at, way, from, client) = match contact {
        Some(it) => (Some(it.at), Some(it.way), Some(it.from), it.client),
        None => (None, None, None, None),
    };
    Session {
        id: id_of(&row.token_hash),
        username: row.username,
        role: row.role,
        created_at: row.created_at,
        expires_at: Some(row.expires_at),
        last_seen_at,
        way,
        from,
        client,
        streams: u32::try_from(open.count()).unwrap_or(u32::MAX),
        own: caller.session == hash,
    }
}

fn terminal(stream: &Stream) -> Session {
    let contact = stream.contact.clone();
    Session {
        id: format!("{LOCAL}{}", stream.id),
        username: stream.caller.username.clone(),
        role: stream.caller.role,
        created_at: contact.at,
        expires_at: None,
        last_seen_at: Some(contact.at),
        way: Some(contact.way),
        from: Some(contact.from),
        client: contact.client,
        streams: 1,
        own: false,
    }
}

/// Ends one: a login's token is revoked; a local user's stream is closed.
#[utoipa::path(
    delete, path = "/api/v1/sessions/{id}", tag = "accounts",
    params(("id" = String, Path, description = "id of a session")),
    responses(
        (status = 200, description = "what was done", body = SessionEnded),
        (status = 404, description = "no such session"),
    )
)]
pub(crate) async fn end(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    PathOf(id): PathOf<String>,
) -> Result<Json<SessionEnded>, ApiError> {
    if let Some(number) = id.strip_prefix(LOCAL) {
        let number = number.parse().ok();
        let closed = number.and_then(|number| state.presence.close(number));
        let stream = closed.ok_or_else(|| missing(&id))?;
        let username = stream.caller.username;
        tracing::info!(
            user.name = username,
            by = caller.username,
            "a terminal was closed"
        );
        return Ok(Json(SessionEnded {
            id,
            username,
            ended: SessionEnd::Disconnected,
        }));
    }
    let rows = state.accounts.sessions(SESSIONS_MAX).await?;
    let found = rows.into_iter().find(|row| id_of(&row.token_hash) == id);
    let row = found.ok_or_else(|| missing(&id))?;
    state.accounts.end_session(&row, &caller).await?;
    Ok(Json(SessionEnded {
        id,
        username: row.username,
        ended: SessionEnd::Revoked,
    }))
}
