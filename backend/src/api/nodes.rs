//! `/api/v1/nodes...`: what is known of nodes, and their logins at the broker.

use axum::{Extension, Json, extract::State, http::StatusCode};
use serde::Deserialize;
use signalbox_protocol::{
    api::node::{NewNode, Node, NodeCredentials, Nodes},
    topic::check_name,
};

use super::{
    SharedState,
    error::ApiError,
    extract::{JsonBody, PathOf, QueryOf},
};
use crate::{auth::Caller, engine::Request, mqtt::credentials};

/// All nodes with their latest values and actuators.
#[utoipa::path(
    get, path = "/api/v1/nodes", tag = "nodes",
    responses((status = 200, description = "by name", body = Nodes))
)]
pub(crate) async fn list(State(state): State<SharedState>) -> Result<Json<Nodes>, ApiError> {
    let nodes = state.store.nodes(state.clock.now()).await?;
    Ok(Json(Nodes { nodes }))
}

/// One node with its latest values and actuators.
#[utoipa::path(
    get, path = "/api/v1/nodes/{node}", tag = "nodes",
    params(("node" = String, Path, description = "its name")),
    responses(
        (status = 200, description = "the node", body = Node),
        (status = 404, description = "no such node"),
    )
)]
pub(crate) async fn one(
    State(state): State<SharedState>,
    PathOf(node): PathOf<String>,
) -> Result<Json<Node>, ApiError> {
    match state.store.node(&node, state.clock.now()).await? {
        Some(node) => Ok(Json(node)),
        None => Err(ApiError::NotFound {
            what: "node",
            id: node,
        }),
    }
}

/// Query of `POST /api/v1/nodes`.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AddQuery {
    /// Gives a node that has a password a new one; the old one is dead.
    #[serde(default)]
    #[param(required = false)]
    replace: bool,
}

/// Makes a node's login for the broker; the password is shown this one time.
#[utoipa::path(
    post, path = "/api/v1/nodes", tag = "nodes", request_body = NewNode, params(AddQuery),
    responses(
        (status = 201, description = "name and password", body = NodeCredentials),
        (status = 409, description = "the node has a password, and `replace` is not set"),
    )
)]
pub(crate) async fn add(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    QueryOf(query): QueryOf<AddQuery>,
    JsonBody(new): JsonBody<NewNode>,
) -> Result<(StatusCode, Json<NodeCredentials>), ApiError> {
    let name = new.name;
    check_name(&name).map_err(|error| ApiError::invalid("name", error.to_string()))?;
    if !query.replace && state.store.node_password(&name).await?.is_some() {
        return Err(ApiError::Conflict {
            message: format!("node `{name}` has a password already"),
            field: Some("name"),
            hint: Some(
                "`?replace=true` (`--replace` on the command line) gives it a new one".to_owned(),
            ),
        });
    }
    let (password, hash) = credentials::generate().map_err(|cause| ApiError::Internal { cause })?;
    // The engine first: it refuses a bad name, and without a password nothing is let in.
    let node = name.clone();
    state
        .engine
        .ask(|reply| Request::NodeAdded { name: node, reply })
        .await?;
    state.store.set_node_password(&name, &hash).await?;
    state.link.end_sessions(&name);
    tracing::info!(node.id = name, by = caller.username, "node password made");
    Ok((
        StatusCode::CREATED,
        Json(NodeCredentials { name, password }),
    ))
}

/// Takes a node's login away; its data stays.
#[utoipa::path(
    delete, path = "/api/v1/nodes/{node}/password", tag = "nodes",
    params(("node" = String, Path, description = "its name")),
    responses(
        (status = 204, description = "the node cannot log in any more"),
        (status = 404, description = "the node has no password"),
    )
)]
pub(crate) async fn remove_password(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    PathOf(node): PathOf<String>,
) -> Result<StatusCode, ApiError> {
    if state.store.remove_node_password(&node).await? {
        state.link.end_sessions(&node);
        tracing::info!(
            node.id = node,
            by = caller.username,
            "node password removed"
        );
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(ApiError::NotFound {
        what: "password of node",
        id: node,
    })
}
