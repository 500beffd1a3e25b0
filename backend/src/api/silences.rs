//! `/api/v1/silences...`: what people do not want to be mailed about for a while.

use axum::{Extension, Json, extract::State, http::StatusCode};
use signalbox_protocol::api::silence::{NewSilence, Silence, SilencePage, SilenceQuery};

use super::{
    SharedState, bounded, cursor,
    error::ApiError,
    extract::{JsonBody, PathOf, QueryOf},
};
use crate::{auth::Caller, engine::Request};

/// Rows of a page when `limit` is absent.
const PAGE_DEFAULT: u32 = 100;
/// Most rows of a page.
const PAGE_MAX: u32 = 10_000;

/// Silences, also those that are over.
#[utoipa::path(
    get, path = "/api/v1/silences", tag = "silences", params(SilenceQuery),
    responses((status = 200, description = "planned and active ones first, then newest first",
        body = SilencePage))
)]
pub(crate) async fn list(
    State(state): State<SharedState>,
    QueryOf(mut query): QueryOf<SilenceQuery>,
) -> Result<Json<SilencePage>, ApiError> {
    query.after = cursor(query.after);
    query.limit = Some(bounded("limit", query.limit, PAGE_DEFAULT, PAGE_MAX)?);
    Ok(Json(state.store.silences(&query).await?))
}

/// One silence.
#[utoipa::path(
    get, path = "/api/v1/silences/{id}", tag = "silences",
    params(("id" = String, Path, description = "its ULID")),
    responses(
        (status = 200, description = "the silence", body = Silence),
        (status = 404, description = "no such silence"),
    )
)]
pub(crate) async fn one(
    State(state): State<SharedState>,
    PathOf(id): PathOf<String>,
) -> Result<Json<Silence>, ApiError> {
    match state.store.silence(&id).await? {
        Some(silence) => Ok(Json(silence)),
        None => Err(ApiError::NotFound {
            what: "silence",
            id,
        }),
    }
}

/// Makes a silence. Incidents that it fits are recorded and shown as ever, and their rules'
/// commands are sent; mails wait until it is over.
#[utoipa::path(
    post, path = "/api/v1/silences", tag = "silences", request_body = NewSilence,
    responses(
        (status = 201, description = "made", body = Silence),
        (status = 409, description = "too many silences"),
    )
)]
pub(crate) async fn add(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    JsonBody(new): JsonBody<NewSilence>,
) -> Result<(StatusCode, Json<Silence>), ApiError> {
    let by = caller.username;
    let silence = state
        .engine
        .ask(|reply| Request::AddSilence { new, by, reply })
        .await?;
    Ok((StatusCode::CREATED, Json(silence)))
}

/// Ends a silence before its time.
#[utoipa::path(
    post, path = "/api/v1/silences/{id}/end", tag = "silences",
    params(("id" = String, Path, description = "its ULID")),
    responses(
        (status = 200, description = "as it is now", body = Silence),
        (status = 404, description = "no such silence, or it is over"),
    )
)]
pub(crate) async fn end(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    PathOf(id): PathOf<String>,
) -> Result<Json<Silence>, ApiError> {
    let by = caller.username;
    let silence = state
        .engine
        .ask(|reply| Request::EndSilence { id, by, reply })
        .await?;
    Ok(Json(silence))
}
