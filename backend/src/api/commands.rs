//! `/api/v1/command/...` and `/api/v1/schedules...`: asking for commands, and their stories.

use axum::{Extension, Json, extract::State, http::StatusCode};
use signalbox_protocol::api::command::{
    Command, CommandAccepted, CommandPage, CommandQuery, NewCommand, NewTimedCommand, Schedule,
    SchedulePatch, Schedules,
};

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

type Accepted = (StatusCode, Json<CommandAccepted>);

/// Asks for a command now. 202 means that it is on disk; the node's answer changes its state.
#[utoipa::path(
    post, path = "/api/v1/command/add", tag = "commands", request_body = NewCommand,
    responses(
        (status = 202, description = "accepted", body = CommandAccepted),
        (status = 404, description = "no such node"),
        (status = 409, description = "too many open commands"),
    )
)]
pub(crate) async fn add(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    JsonBody(new): JsonBody<NewCommand>,
) -> Result<Accepted, ApiError> {
    let by = caller.username;
    let command = state
        .engine
        .ask(|reply| Request::AddCommand { new, by, reply })
        .await?;
    let accepted = CommandAccepted {
        id: command.id,
        state: command.state,
        next_at: None,
    };
    Ok((StatusCode::ACCEPTED, Json(accepted)))
}

/// Asks for a command with a duration, at a time, or again and again.
#[utoipa::path(
    post, path = "/api/v1/command/timed", tag = "commands", request_body = NewTimedCommand,
    responses(
        (status = 202, description = "accepted", body = CommandAccepted),
        (status = 404, description = "no such node"),
        (status = 409, description = "too many open commands or schedules"),
    )
)]
pub(crate) async fn timed(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    JsonBody(new): JsonBody<NewTimedCommand>,
) -> Result<Accepted, ApiError> {
    let by = caller.username;
    let accepted = state
        .engine
        .ask(|reply| Request::AddTimedCommand { new, by, reply })
        .await?;
    Ok((StatusCode::ACCEPTED, Json(accepted)))
}

/// All commands: when, who, what, result.
#[utoipa::path(
    get, path = "/api/v1/command/all", tag = "commands", params(CommandQuery),
    responses((status = 200, description = "newest first", body = CommandPage))
)]
pub(crate) async fn list(
    State(state): State<SharedState>,
    QueryOf(mut query): QueryOf<CommandQuery>,
) -> Result<Json<CommandPage>, ApiError> {
    query.after = cursor(query.after);
    query.limit = Some(bounded("limit", query.limit, PAGE_DEFAULT, PAGE_MAX)?);
    Ok(Json(state.store.commands(&query).await?))
}

/// One command.
#[utoipa::path(
    get, path = "/api/v1/command/{id}", tag = "commands",
    params(("id" = String, Path, description = "its ULID")),
    responses(
        (status = 200, description = "the command", body = Command),
        (status = 404, description = "no such command"),
    )
)]
pub(crate) async fn one(
    State(state): State<SharedState>,
    PathOf(id): PathOf<String>,
) -> Result<Json<Command>, ApiError> {
    match state.store.command(&id).await? {
        Some(command) => Ok(Json(command)),
        None => Err(ApiError::NotFound {
            what: "command",
            id,
        }),
    }
}

/// Takes a command back that was not sent yet.
#[utoipa::path(
    post, path = "/api/v1/command/{id}/cancel", tag = "commands",
    params(("id" = String, Path, description = "its ULID")),
    responses(
        (status = 200, description = "the command as it is now", body = Command),
        (status = 404, description = "no such command"),
        (status = 409, description = "it was sent already, or is over"),
    )
)]
pub(crate) async fn cancel(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    PathOf(id): PathOf<String>,
) -> Result<Json<Command>, ApiError> {
    let by = caller.username;
    let command = state
        .engine
        .ask(|reply| Request::CancelCommand { id, by, reply })
        .await?;
    Ok(Json(command))
}

/// All repeating commands.
#[utoipa::path(
    get, path = "/api/v1/schedules", tag = "commands",
    responses((status = 200, description = "by next run", body = Schedules))
)]
pub(crate) async fn schedules(
    State(state): State<SharedState>,
) -> Result<Json<Schedules>, ApiError> {
    let schedules = state.store.schedules().await?;
    Ok(Json(Schedules { schedules }))
}

/// One repeating command.
#[utoipa::path(
    get, path = "/api/v1/schedules/{id}", tag = "commands",
    params(("id" = String, Path, description = "its ULID")),
    responses(
        (status = 200, description = "the schedule", body = Schedule),
        (status = 404, description = "no such schedule"),
    )
)]
pub(crate) async fn schedule(
    State(state): State<SharedState>,
    PathOf(id): PathOf<String>,
) -> Result<Json<Schedule>, ApiError> {
    // There are so few of them that they need no query of their own.
    let all = state.store.schedules().await?;
    match all.into_iter().find(|schedule| schedule.id == id) {
        Some(schedule) => Ok(Json(schedule)),
        None => Err(ApiError::NotFound {
            what: "schedule",
            id,
        }),
    }
}

/// Changes a repeating command, pauses it, or lets it run again.
#[utoipa::path(
    patch, path = "/api/v1/schedules/{id}", tag = "commands", request_body = SchedulePatch,
    params(("id" = String, Path, description = "its ULID")),
    responses(
        (status = 200, description = "as it is now", body = Schedule),
        (status = 404, description = "no such schedule, or no such node"),
    )
)]
pub(crate) async fn change_schedule(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    PathOf(id): PathOf<String>,
    JsonBody(patch): JsonBody<SchedulePatch>,
) -> Result<Json<Schedule>, ApiError> {
    let by = caller.username;
    let schedule = state
        .engine
        .ask(|reply| Request::PatchSchedule {
            id,
            patch,
            by,
            reply,
        })
        .await?;
    Ok(Json(schedule))
}

/// Deletes a repeating command.
#[utoipa::path(
    delete, path = "/api/v1/schedules/{id}", tag = "commands",
    params(("id" = String, Path, description = "its ULID")),
    responses(
        (status = 204, description = "gone"),
        (status = 404, description = "no such schedule"),
    )
)]
pub(crate) async fn delete_schedule(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    PathOf(id): PathOf<String>,
) -> Result<StatusCode, ApiError> {
    let by = caller.username;
    state
        .engine
        .ask(|reply| Request::DeleteSchedule { id, by, reply })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
