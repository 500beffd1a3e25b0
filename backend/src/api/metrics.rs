//! `GET /metrics`: counters and gauges in the OpenMetrics text format, for Prometheus.

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::ConstCounter, gauge::ConstGauge, info::Info},
    registry::Registry,
};

use super::{SharedState, VERSION, WEBSOCKETS_MAX, error::ApiError};

/// Counters and gauges of this run.
#[utoipa::path(
    get, path = "/metrics", tag = "station",
    responses((status = 200, description = "OpenMetrics text", body = String,
        content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8"))
)]
pub(crate) async fn metrics(State(state): State<SharedState>) -> Result<Response, ApiError> {
    let mut registry = Registry::with_prefix("signalbox");
    let info = Info::new(vec![("version", VERSION)]);
    registry.register("build", "Version of the program", info);
    count(&mut registry, &state);
    gauge(&mut registry, &state).await?;
    let mut text = String::new();
    encode(&mut text, &registry).map_err(|error| ApiError::Internal {
        cause: format!("metrics cannot be written: {error}"),
    })?;
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, content_type)], text).into_response())
}

fn count(registry: &mut Registry, state: &SharedState) {
    let now = state.counters.snapshot();
    let rows = [
        (
            "messages_received",
            "Messages received",
            now.messages_received,
        ),
        ("samples_stored", "Samples stored", now.samples_stored),
        (
            "duplicates",
            "Messages dropped as duplicates",
            now.duplicates,
        ),
        (
            "bad_messages",
            "Messages that could not be understood",
            now.bad_messages,
        ),
        ("denied", "Publishes and subscriptions denied", now.denied),
        (
            "flagged_samples",
            "Samples flagged as implausible",
            now.flagged_samples,
        ),
        ("commits", "Transactions committed", now.commits),
    ];
    for (name, help, value) in rows {
        registry.register(name, help, ConstCounter::new(value));
    }
}

async fn gauge(registry: &mut Registry, state: &SharedState) -> Result<(), ApiError> {
    let now = state.clock.now();
    let (outbox_depth, oldest) = state.store.outbox_depth().await?;
    let whole = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let websockets = WEBSOCKETS_MAX - state.websockets.available_permits();
    let rows = [
        (
            "uptime_seconds",
            "Time since start",
            (now - state.started_at).num_seconds(),
        ),
        (
            "store_bytes",
            "Size of the store on disk",
            whole(state.store.size_bytes().await?),
        ),
        (
            "outbox_depth",
            "Mails that wait to be sent",
            whole(outbox_depth),
        ),
        (
            "outbox_oldest_age_seconds",
            "Age of the oldest mail that waits",
            oldest.map_or(0, |at| (now - at).num_seconds()),
        ),
        ("websockets", "Open WebSockets", whole(websockets as u64)),
        (
            "broker_up",
            "1 when the link to the broker works",
            i64::from(state.link.trouble().is_none()),
        ),
        (
            "engine_queue",
            "Messages that wait for the engine",
            whole((state.engine.inbound.max_capacity() - state.engine.inbound.capacity()) as u64),
        ),
    ];
    for (name, help, value) in rows {
        registry.register(name, help, ConstGauge::new(value));
    }
    Ok(())
}
