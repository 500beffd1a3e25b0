//! `/api/v1/incidents...`: what fired, and saying that one knows.

use axum::{Extension, Json, extract::State};
use signalbox_protocol::api::incident::{Acknowledge, Incident, IncidentPage, IncidentQuery};

use super::{
    SharedState, bounded, cursor,
    error::ApiError,
    extract::{MaybeBody, PathOf, QueryOf},
};
use crate::{auth::Caller, engine::Request};

/// Rows of a page when `limit` is absent.
const PAGE_DEFAULT: u32 = 100;
/// Most rows of a page.
const PAGE_MAX: u32 = 10_000;

/// Incidents.
#[utoipa::path(
    get, path = "/api/v1/incidents", tag = "incidents", params(IncidentQuery),
    responses((status = 200, description = "open ones first, then newest first",
        body = IncidentPage))
)]
pub(crate) async fn list(
    State(state): State<SharedState>,
    QueryOf(mut query): QueryOf<IncidentQuery>,
) -> Result<Json<IncidentPage>, ApiError> {
    query.after = cursor(query.after);
    query.limit = Some(bounded("limit", query.limit, PAGE_DEFAULT, PAGE_MAX)?);
    Ok(Json(state.store.incidents(&query).await?))
}

/// One incident.
#[utoipa::path(
    get, path = "/api/v1/incidents/{id}", tag = "incidents",
    params(("id" = String, Path, description = "its ULID")),
    responses(
        (status = 200, description = "the incident", body = Incident),
        (status = 404, description = "no such incident"),
    )
)]
pub(crate) async fn one(
    State(state): State<SharedState>,
    PathOf(id): PathOf<String>,
) -> Result<Json<Incident>, ApiError> {
    match state.store.incident(&id).await? {
        Some(incident) => Ok(Json(incident)),
        None => Err(ApiError::NotFound {
            what: "incident",
            id,
        }),
    }
}

/// Says that one knows of a firing incident, for good or until a time. The body may be absent.
#[utoipa::path(
    post, path = "/api/v1/incidents/{id}/ack", tag = "incidents",
    request_body = Option<Acknowledge>,
    params(("id" = String, Path, description = "its ULID")),
    responses(
        (status = 200, description = "as it is now", body = Incident),
        (status = 404, description = "no such incident"),
        (status = 409, description = "it is not firing"),
    )
)]
pub(crate) async fn acknowledge(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    PathOf(id): PathOf<String>,
    MaybeBody(ack): MaybeBody<Acknowledge>,
) -> Result<Json<Incident>, ApiError> {
    let by = caller.username;
    let incident = state
        .engine
        .ask(|reply| Request::AckIncident { id, ack, by, reply })
        .await?;
    Ok(Json(incident))
}
