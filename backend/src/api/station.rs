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
    // Strangers read this: what is wrong, but not the database's own words.
    let writing = state.store_trouble.borrow().is_none();
    let store = match state.store.ping().await {
        Ok(()) if writing => "ok".to_owned(),
        Ok(()) => "cannot be written".to_owned(),
        Err(error) => {
            tracing::warn!(%error, "the store does not answer");
            "unavailable".to_owned()
        }
    };
    let broker = state.link.trouble().unwrap_or_else(|| "ok".to_owned());
    let well = store == "ok" && broker == "ok";
    let (code, status) = if well {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "degraded")
    };
    let health = Health {
        status: status.to_owned(),
        store,
        broker,
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
    let age_s = |at: DateTime<Utc>| u64::try_from((now - at).num_seconds()).unwrap_or(0);
    Ok(Json(Station {
        id: state.id.to_string(),
        version: VERSION.to_owned(),
        started_at: state.started_at,
        uptime_s: age_s(state.started_at),
        mail_configured: state.mail_configured,
        outbox_depth,
        outbox_oldest_age_s: oldest.map(age_s),
        counters: state.counters.snapshot(),
        store_bytes: state.store.size_bytes().await?,
    }))
}
