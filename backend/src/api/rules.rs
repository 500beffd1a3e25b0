//! `/api/v1/rules...` and `/api/v1/command/trigger`: threshold rules.

use axum::{Extension, Json, extract::State, http::StatusCode};
use chrono::TimeDelta;
use futures_util::TryStreamExt as _;
use signalbox_protocol::api::rule::{
    DRY_RUN_DAYS_MAX, DryRun, DryRunReply, NewRule, Rule, RulePatch, Rules,
};

use super::{
    SharedState,
    error::ApiError,
    extract::{JsonBody, PathOf},
};
use crate::{
    auth::Caller,
    engine::Request,
    rules::{dry_run::Runner, new_spec},
    store::SampleFilter,
};

type Made = (StatusCode, Json<Rule>);

/// All rules.
#[utoipa::path(
    get, path = "/api/v1/rules", tag = "rules",
    responses((status = 200, description = "oldest first", body = Rules))
)]
pub(crate) async fn list(State(state): State<SharedState>) -> Result<Json<Rules>, ApiError> {
    let rules = state.store.rules().await?;
    Ok(Json(Rules { rules }))
}

/// One rule.
#[utoipa::path(
    get, path = "/api/v1/rules/{id}", tag = "rules",
    params(("id" = String, Path, description = "its ULID")),
    responses(
        (status = 200, description = "the rule", body = Rule),
        (status = 404, description = "no such rule"),
    )
)]
pub(crate) async fn one(
    State(state): State<SharedState>,
    PathOf(id): PathOf<String>,
) -> Result<Json<Rule>, ApiError> {
    match state.store.rule(&id).await? {
        Some(rule) => Ok(Json(rule)),
        None => Err(ApiError::NotFound { what: "rule", id }),
    }
}

/// Makes a threshold rule.
#[utoipa::path(
    post, path = "/api/v1/rules", tag = "rules", request_body = NewRule,
    responses(
        (status = 201, description = "the rule", body = Rule),
        (status = 409, description = "too many rules"),
    )
)]
pub(crate) async fn add(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    JsonBody(new): JsonBody<NewRule>,
) -> Result<Made, ApiError> {
    let by = caller.username;
    let rule = state
        .engine
        .ask(|reply| Request::AddRule { new, by, reply })
        .await?;
    Ok((StatusCode::CREATED, Json(rule)))
}

/// The same as `POST /api/v1/rules`: measurement, comparison, value, command, mail address.
#[utoipa::path(
    post, path = "/api/v1/command/trigger", tag = "rules", request_body = NewRule,
    responses(
        (status = 201, description = "the rule", body = Rule),
        (status = 409, description = "too many rules"),
    )
)]
pub(crate) async fn trigger(
    state: State<SharedState>,
    caller: Extension<Caller>,
    body: JsonBody<NewRule>,
) -> Result<Made, ApiError> {
    add(state, caller, body).await
}

/// Changes a rule; a changed condition starts its state anew.
#[utoipa::path(
    patch, path = "/api/v1/rules/{id}", tag = "rules", request_body = RulePatch,
    params(("id" = String, Path, description = "its ULID")),
    responses(
        (status = 200, description = "as it is now", body = Rule),
        (status = 404, description = "no such rule"),
    )
)]
pub(crate) async fn change(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    PathOf(id): PathOf<String>,
    JsonBody(patch): JsonBody<RulePatch>,
) -> Result<Json<Rule>, ApiError> {
    let by = caller.username;
    let rule = state
        .engine
        .ask(|reply| Request::PatchRule {
            id,
            patch,
            by,
            reply,
        })
        .await?;
    Ok(Json(rule))
}

/// Deletes a rule and closes its open incidents.
#[utoipa::path(
    delete, path = "/api/v1/rules/{id}", tag = "rules",
    params(("id" = String, Path, description = "its ULID")),
    responses(
        (status = 204, description = "gone"),
        (status = 404, description = "no such rule"),
    )
)]
pub(crate) async fn delete(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    PathOf(id): PathOf<String>,
) -> Result<StatusCode, ApiError> {
    let by = caller.username;
    state
        .engine
        .ask(|reply| Request::DeleteRule { id, by, reply })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a rule would have done with the samples that are stored. Nothing is changed or sent.
#[utoipa::path(
    post, path = "/api/v1/rules/dry-run", tag = "rules", request_body = DryRun,
    responses((status = 200, description = "when it would have fired", body = DryRunReply))
)]
pub(crate) async fn dry_run(
    State(state): State<SharedState>,
    JsonBody(asked): JsonBody<DryRun>,
) -> Result<Json<DryRunReply>, ApiError> {
    let DryRun { rule, from, to } = asked;
    let spec = new_spec(&rule)?;
    if from >= to || to - from > TimeDelta::days(DRY_RUN_DAYS_MAX) {
        let message = format!("a dry run looks through 1 s to {DRY_RUN_DAYS_MAX} days");
        return Err(ApiError::invalid("to", message));
    }
    let filter = SampleFilter {
        node: spec.node.clone(),
        metric: Some(spec.metric.clone()),
        from: Some(from),
        to: Some(to),
    };
    let mut runner = Runner::new(&spec);
    let mut samples = state.store.stream(filter);
    while let Some(sample) = samples.try_next().await? {
        runner.take(&sample);
    }
    let (firings, samples, truncated) = runner.end(to.min(state.clock.now()));
    Ok(Json(DryRunReply {
        from,
        to,
        samples,
        firings,
        truncated,
    }))
}
