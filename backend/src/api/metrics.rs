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
use crate::store::StoreError;

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
    gauge(&mut registry, &state);
    store(&mut registry, &state).await;
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
        (
            "broker_connects",
            "Connections made to an external broker",
            state.link.connects(),
        ),
    ];
    for (name, help, value) in rows {
        registry.register(name, help, ConstCounter::new(value));
    }
}

fn gauge(registry: &mut Registry, state: &SharedState) {
    let now = state.clock.now();
    let websockets = WEBSOCKETS_MAX - state.websockets.available_permits();
    let waiting = state.engine.inbound.max_capacity() - state.engine.inbound.capacity();
    let rows = [
        (
            "uptime_seconds",
            "Time since start",
            (now - state.started_at).num_seconds(),
        ),
        ("websockets", "Open WebSockets", whole(websockets as u64)),
        (
            "broker_up",
            "1 when the link to the broker works",
            i64::from(state.link.trouble().is_none()),
        ),
        (
            "broker_warnings",
            "What would get lost at the broker as it is set up; the log and /health say what",
            whole(state.link.warnings().len() as u64),
        ),
        (
            "engine_queue",
            "Messages that wait for the engine",
            whole(waiting as u64),
        ),
    ];
    for (name, help, value) in rows {
        registry.register(name, help, ConstGauge::new(value));
    }
}

/// What only the store knows is left out while it is away: the rest must still be seen then.
async fn store(registry: &mut Registry, state: &SharedState) {
    let read = async {
        let outbox = state.store.outbox_depth().await?;
        Ok::<_, StoreError>((outbox, state.store.size_bytes().await?))
    };
    let read = read.await;
    let up = read.is_ok() && state.store_trouble.borrow().is_none();
    registry.register(
        "store_up",
        "1 when the store can be read and written",
        ConstGauge::new(i64::from(up)),
    );
    let ((outbox_depth, oldest), bytes) = match read {
        Ok(read) => read,
        Err(error) => {
            tracing::debug!(%error, "metrics without the store's");
            return;
        }
    };
    let now = state.clock.now();
    let rows = [
        ("store_bytes", "Size of the store on disk", whole(bytes)),
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
    ];
    for (name, help, value) in rows {
        registry.register(name, help, ConstGauge::new(value));
    }
}

fn whole(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
