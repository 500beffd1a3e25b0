//! `GET /api/v1/messages`: what was received, good and bad.

use axum::{Json, extract::State};
use signalbox_protocol::api::message::{MessageQuery, Messages};

use super::{SharedState, bounded, error::ApiError, extract::QueryOf};

/// Messages of a reply when `limit` is absent.
const MESSAGES_DEFAULT: u32 = 100;
/// Most messages of a reply.
const MESSAGES_MAX: u32 = 1_000;

/// The latest messages of this run, or with `bad=true` those that were refused, from disk.
#[utoipa::path(
    get, path = "/api/v1/messages", tag = "messages", params(MessageQuery),
    responses((status = 200, description = "newest first", body = Messages))
)]
pub(crate) async fn list(
    State(state): State<SharedState>,
    QueryOf(query): QueryOf<MessageQuery>,
) -> Result<Json<Messages>, ApiError> {
    let limit = bounded("limit", query.limit, MESSAGES_DEFAULT, MESSAGES_MAX)?;
    let messages = if query.bad == Some(true) {
        state.store.bad_messages(limit).await?
    } else {
        state.live.recent_messages(limit as usize)
    };
    Ok(Json(Messages { messages }))
}
