//! The station itself: `GET /`, `GET /health`, `GET /api/v1/station`.

use axum::{Json, extract::State, http::StatusCode};
use chrono::{DateTime, Utc};
use signalbox_protocol::api::station::{Health, Station};

use super::{SharedState, VERSION, error::ApiError};

/// The id of this run of the daemon.
#[utoipa::path(
    get, path = "/", tag = "station",
    responses((status = 200, description = "`My id is <uuid>`, no line end", body = String,
        content_type = "text/plain; charset=utf-8"))
)]
pub(crate) async fn index(State(state): State<SharedState>) -> String {
    format!("My id is {}", state.id)
}

/// Whether store and broker work.
#[utoipa::path(
    get, path = "/health", tag = "station",
    responses(
        (status = 200, description = "all is well", body = Health),
        (status = 503, description = "something is wrong", body = Health),
    )
)]
pub(crate) async fn health(State(state): State<SharedState>) -> (StatusCode, Json<Health>) {
    let health = state.vitals().look().await;
    let code = if health.status == "ok" {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (code, Json(health))
}

/// The daemon, its counters, its outbox and its store.
#[utoipa::path(
    get, path = "/api/v1/station", tag = "station",
    responses((status = 200, description = "the station", body = Station))
)]
pub(crate) async fn station(State(state): State<SharedState>) -> Result<Json<Station>, ApiError> {
    let now = state.clock.now();
    let (outbox_depth, oldest) = state.store.outbox_depth().await?;
    let mail_configured = state.config.borrow().mail.is_some();
    let age_s = |at: DateTime<Utc>| u64::try_from((now - at).num_seconds()).unwrap_or(0);
    Ok(Json(Station {
        id: state.id.to_string(),
        version: VERSION.to_owned(),
        started_at: state.started_at,
        uptime_s: age_s(state.started_at),
        mail_configured,
        outbox_depth,
        outbox_oldest_age_s: oldest.map(age_s),
        counters: state.counters.snapshot(),
        store_bytes: state.store.size_bytes().await?,
        fingerprint: Some(state.tls.fingerprint()),
    }))
}
