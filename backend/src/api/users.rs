//! `/api/v1/users...`: accounts, for administrators.

use axum::{Extension, Json, extract::State, http::StatusCode};
use signalbox_protocol::api::user::{NewUser, User, UserPatch, Users};

use super::{
    SharedState,
    error::ApiError,
    extract::{JsonBody, PathOf},
};
use crate::auth::Caller;

/// All accounts.
#[utoipa::path(
    get, path = "/api/v1/users", tag = "accounts",
    responses((status = 200, description = "by name", body = Users))
)]
pub(crate) async fn list(State(state): State<SharedState>) -> Result<Json<Users>, ApiError> {
    let users = state.accounts.list().await?;
    Ok(Json(Users { users }))
}

/// The same as `/api/v1/users`.
#[utoipa::path(
    get, path = "/users", tag = "accounts",
    responses((status = 200, description = "by name", body = Users))
)]
pub(crate) async fn list_short(state: State<SharedState>) -> Result<Json<Users>, ApiError> {
    list(state).await
}

/// Makes an account, whatever the sign-up policy.
#[utoipa::path(
    post, path = "/api/v1/users", tag = "accounts", request_body = NewUser,
    responses(
        (status = 201, description = "the account is made", body = User),
        (status = 409, description = "the name is taken"),
    )
)]
pub(crate) async fn add(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    JsonBody(new): JsonBody<NewUser>,
) -> Result<(StatusCode, Json<User>), ApiError> {
    let user = state.accounts.add(new, &caller).await?;
    Ok((StatusCode::CREATED, Json(user)))
}

/// Changes an account; a new password or role ends its sessions.
#[utoipa::path(
    patch, path = "/api/v1/users/{username}", tag = "accounts", request_body = UserPatch,
    params(("username" = String, Path, description = "account name")),
    responses(
        (status = 200, description = "as it is now", body = User),
        (status = 404, description = "no such account"),
        (status = 409, description = "it is the last administrator"),
    )
)]
pub(crate) async fn change(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    PathOf(username): PathOf<String>,
    JsonBody(patch): JsonBody<UserPatch>,
) -> Result<Json<User>, ApiError> {
    Ok(Json(
        state.accounts.change(&username, patch, &caller).await?,
    ))
}

/// Deletes an account and its sessions.
#[utoipa::path(
    delete, path = "/api/v1/users/{username}", tag = "accounts",
    params(("username" = String, Path, description = "account name")),
    responses(
        (status = 204, description = "gone"),
        (status = 404, description = "no such account"),
        (status = 409, description = "it is the last administrator"),
    )
)]
pub(crate) async fn delete(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    PathOf(username): PathOf<String>,
) -> Result<StatusCode, ApiError> {
    state.accounts.delete(&username, &caller).await?;
    Ok(StatusCode::NO_CONTENT)
}
