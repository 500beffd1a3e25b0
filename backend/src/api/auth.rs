//! `/api/v1/auth/...`: sign-up, login, logout, and who one is.

use axum::{Extension, Json, extract::State, http::StatusCode};
use signalbox_protocol::api::auth::{LoginReply, LoginRequest, SignupReply, SignupRequest, Whoami};

use super::{SharedState, error::ApiError, extract::JsonBody};
use crate::auth::{Caller, Peer};

/// Makes an account, if the policy lets strangers; the first becomes the administrator.
#[utoipa::path(
    post, path = "/api/v1/auth/signup", tag = "accounts", request_body = SignupRequest,
    responses(
        (status = 201, description = "the account is made", body = SignupReply),
        (status = 403, description = "the policy does not let strangers sign up"),
        (status = 409, description = "the name is taken"),
    )
)]
pub(crate) async fn sign_up(
    State(state): State<SharedState>,
    JsonBody(request): JsonBody<SignupRequest>,
) -> Result<(StatusCode, Json<SignupReply>), ApiError> {
    let reply = state.accounts.sign_up(request).await?;
    Ok((StatusCode::CREATED, Json(reply)))
}

/// Opens a session. The token goes into `Authorization: Bearer <token>` everywhere.
#[utoipa::path(
    post, path = "/api/v1/auth/login", tag = "accounts", request_body = LoginRequest,
    responses(
        (status = 200, description = "a session is open", body = LoginReply),
        (status = 401, description = "user name or password is wrong, not told which"),
        (status = 429, description = "too many failed logins of this account or address"),
    )
)]
pub(crate) async fn log_in(
    State(state): State<SharedState>,
    Extension(peer): Extension<Peer>,
    JsonBody(request): JsonBody<LoginRequest>,
) -> Result<Json<LoginReply>, ApiError> {
    Ok(Json(state.accounts.log_in(request, peer).await?))
}

/// Ends the session at once. A local process without a session has none to end.
#[utoipa::path(
    post, path = "/api/v1/auth/logout", tag = "accounts",
    responses((status = 204, description = "the token is dead"))
)]
pub(crate) async fn log_out(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
) -> Result<StatusCode, ApiError> {
    state.accounts.log_out(&caller).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The same as `POST`.
#[utoipa::path(
    get, path = "/api/v1/auth/logout", tag = "accounts",
    responses((status = 204, description = "the token is dead"))
)]
pub(crate) async fn log_out_by_get(
    state: State<SharedState>,
    caller: Extension<Caller>,
) -> Result<StatusCode, ApiError> {
    log_out(state, caller).await
}

/// Who calls, and what they may do.
#[utoipa::path(
    get, path = "/api/v1/auth/whoami", tag = "accounts",
    responses((status = 200, description = "the caller", body = Whoami))
)]
pub(crate) async fn who_am_i(Extension(caller): Extension<Caller>) -> Json<Whoami> {
    Json(Whoami {
        username: caller.username,
        role: caller.role,
        expires_at: caller.expires_at,
    })
}
