//! `/api/v1/nodes/{node}/logs`: what nodes say of themselves; `/api/v1/firmware`: the images whose
//! symbol tables make that readable.

use axum::{Extension, Json, body::Bytes, extract::State, http::StatusCode};
use signalbox_protocol::api::log::{Firmware, Firmwares, LogLines, LogQuery};

use super::{
    SharedState, bounded,
    error::ApiError,
    extract::{PathOf, QueryOf},
};
use crate::{auth::Caller, logs::AddError};

/// Largest image that is taken.
pub(crate) const IMAGE_BYTES_MAX: usize = 32 << 20;
/// Lines of a reply when `limit` is absent.
const LINES_DEFAULT: u32 = 100;
/// Most lines of a reply.
const LINES_MAX: u32 = 1_000;

/// Lines that a node logged, of this run of the station: at most the newest 1,000.
#[utoipa::path(
    get, path = "/api/v1/nodes/{node}/logs", tag = "nodes",
    params(("node" = String, Path, description = "its name"), LogQuery),
    responses(
        (status = 200, description = "newest first", body = LogLines),
        (status = 404, description = "no such node"),
    )
)]
pub(crate) async fn list(
    State(state): State<SharedState>,
    PathOf(node): PathOf<String>,
    QueryOf(query): QueryOf<LogQuery>,
) -> Result<Json<LogLines>, ApiError> {
    let limit = bounded("limit", query.limit, LINES_DEFAULT, LINES_MAX)?;
    let lines = state.logs.lines(&node, &query, limit as usize);
    if lines.is_empty() && state.store.node(&node, state.clock.now()).await?.is_none() {
        return Err(ApiError::NotFound {
            what: "node",
            id: node,
        });
    }
    Ok(Json(LogLines { lines }))
}

/// Images whose log lines can be read.
#[utoipa::path(
    get, path = "/api/v1/firmware", tag = "nodes",
    responses((status = 200, description = "by build", body = Firmwares))
)]
pub(crate) async fn firmware(
    State(state): State<SharedState>,
) -> Result<Json<Firmwares>, ApiError> {
    let firmware = state
        .logs
        .firmware()
        .await
        .map_err(|error| failed(&error))?;
    Ok(Json(Firmwares { firmware }))
}

/// Takes an image (the ELF file that the linker wrote, not stripped), so that log lines of nodes
/// that run it can be read; those that came before, too.
#[utoipa::path(
    post, path = "/api/v1/firmware", tag = "nodes",
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 201, description = "the image", body = Firmware),
        (status = 409, description = "there are too many images"),
    )
)]
pub(crate) async fn add(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    image: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Result<(StatusCode, Json<Firmware>), ApiError> {
    let image = image.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::TooLarge {
            bytes_max: IMAGE_BYTES_MAX,
        },
        _ => ApiError::Malformed {
            message: "the body cannot be read".to_owned(),
        },
    })?;
    let firmware = state
        .logs
        .add(image.to_vec())
        .await
        .map_err(|error| refused(&error))?;
    tracing::info!(firmware.build, by = caller.username, "firmware image added");
    Ok((StatusCode::CREATED, Json(firmware)))
}

/// Takes an image away.
#[utoipa::path(
    delete, path = "/api/v1/firmware/{build}", tag = "nodes",
    params(("build" = String, Path, description = "16 hexadecimal digits")),
    responses(
        (status = 204, description = "its lines cannot be read any more"),
        (status = 404, description = "no such image"),
    )
)]
pub(crate) async fn remove(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    PathOf(build): PathOf<String>,
) -> Result<StatusCode, ApiError> {
    if state.logs.remove(&build).map_err(|error| failed(&error))? {
        tracing::info!(build, by = caller.username, "firmware image removed");
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(ApiError::NotFound {
        what: "firmware",
        id: build,
    })
}

fn refused(error: &AddError) -> ApiError {
    match error {
        AddError::Table(table) => ApiError::Invalid {
            field: None,
            message: error.to_string(),
            hint: Some(table.hint()),
        },
        AddError::Full => ApiError::Conflict {
            message: error.to_string(),
            field: None,
            hint: Some("`signalbox firmware remove BUILD` makes room".to_owned()),
        },
        AddError::Store(source) => ApiError::Internal {
            cause: format!("{error}: {source}"),
        },
        AddError::Failed => ApiError::Internal {
            cause: error.to_string(),
        },
    }
}

fn failed(error: &std::io::Error) -> ApiError {
    ApiError::Internal {
        cause: format!("the folder of firmware images: {error}"),
    }
}
