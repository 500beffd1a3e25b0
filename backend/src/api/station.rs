//! The station itself: `GET /`, `GET /health`, `GET /api/v1/station`.

use axum::{Json, extract::State, http::StatusCode};
use chrono::{DateTime, Utc};
use signalbox_protocol::api::station::{Health, Station, StoreFacts, StoreKind};

use super::{SharedState, VERSION, error::ApiError};
use crate::store::{Place, StoreUrl};

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

fn store_facts(state: &SharedState) -> StoreFacts {
    let found = state.upkeep.found();
    let config = state.config.borrow();
    let url = config.store.url.as_ref().map(StoreUrl::place);
    StoreFacts {
        kind: match url {
            Some(Ok(Place::Postgres(_))) => StoreKind::Postgres,
            Some(Ok(Place::Sqlite(_)) | Err(_)) | None => StoreKind::Sqlite,
        },
        oldest_sample_at: found.oldest_sample_at,
        last_sealed_at: found.last_sealed_at,
        raw_retention_days: config.store.raw_retention_days,
        rollup_retention_days: config.store.rollup_retention_days,
        seal_after_days: config.store.seal_after_days,
    }
}

/// The daemon, its counters, its outbox and its store.
#[utoipa::path(
    get, path = "/api/v1/station", tag = "station",
    responses((status = 200, description = "the station", body = Station))
)]
pub(crate) async fn station(State(state): State<SharedState>) -> Result<Json<Station>, ApiError> {
    let now = state.clock.now();
    let (outbox_depth, oldest) = state.store.outbox_depth().await?;
    let (mail_configured, tz) = {
        let config = state.config.borrow();
        (config.mail.is_some(), config.command.tz.name().to_owned())
    };
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
        tz: Some(tz),
        fingerprint: Some(state.tls.fingerprint()),
        broker: Some(state.link.facts()),
        store: Some(store_facts(&state)),
    }))
}
