//! `/api/v1/configs`, `/api/v1/nodes/{node}/config`: how a node is to measure and report.

use axum::{Extension, Json, extract::State};
use signalbox_protocol::api::config::{NewNodeConfig, NodeConfig, NodeConfigs};

use super::{
    SharedState,
    error::ApiError,
    extract::{JsonBody, PathOf},
};
use crate::{auth::Caller, engine::Request};

/// Configurations of all nodes that have one, or have told of one.
#[utoipa::path(
    get, path = "/api/v1/configs", tag = "nodes",
    responses((status = 200, description = "by node", body = NodeConfigs))
)]
pub(crate) async fn list(State(state): State<SharedState>) -> Result<Json<NodeConfigs>, ApiError> {
    let configs = state.store.node_configs().await?;
    Ok(Json(NodeConfigs { configs }))
}

/// What a node is to work by, what it says it works by, and what it refused.
#[utoipa::path(
    get, path = "/api/v1/nodes/{node}/config", tag = "nodes",
    params(("node" = String, Path, description = "its name")),
    responses(
        (status = 200, description = "the configuration", body = NodeConfig),
        (status = 404, description = "no such node"),
    )
)]
pub(crate) async fn one(
    State(state): State<SharedState>,
    PathOf(node): PathOf<String>,
) -> Result<Json<NodeConfig>, ApiError> {
    if let Some(config) = state.store.node_config(&node).await? {
        return Ok(Json(config));
    }
    match state.store.node(&node, state.clock.now()).await? {
        Some(_) => Ok(Json(NodeConfig::unset(&node))),
        None => Err(ApiError::NotFound {
            what: "node",
            id: node,
        }),
    }
}

/// Sets what a node is to work by; the node is told at once, or when it comes.
#[utoipa::path(
    put, path = "/api/v1/nodes/{node}/config", tag = "nodes", request_body = NewNodeConfig,
    params(("node" = String, Path, description = "its name")),
    responses(
        (status = 200, description = "as it is now", body = NodeConfig),
        (status = 404, description = "no such node"),
        (status = 409, description = "`replaces` is not the present version"),
    )
)]
pub(crate) async fn set(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    PathOf(node): PathOf<String>,
    JsonBody(new): JsonBody<NewNodeConfig>,
) -> Result<Json<NodeConfig>, ApiError> {
    let by = caller.username;
    let config = state
        .engine
        .ask(|reply| Request::SetNodeConfig {
            node,
            new,
            by,
            reply,
        })
        .await?;
    Ok(Json(config))
}
