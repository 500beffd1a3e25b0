//! `/api/v1/data/...`: the newest samples, pages, whole ranges as a stream, statistics.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use signalbox_protocol::api::data::{
    BUCKETS_MAX, BucketsReply, LastQuery, PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX, RangeQuery, SamplePage,
    Samples,
};
use utoipa::ToSchema;

use super::{
    SharedState, bounded, cursor,
    error::ApiError,
    export::{self, Format},
    extract::QueryOf,
};
use crate::store::SampleFilter;

/// Reply of the range routes: a page, or statistics with `buckets`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum RangeReply {
    /// Without `buckets`.
    Page(SamplePage),
    /// With `buckets`.
    Buckets(BucketsReply),
}

/// The newest samples of all that match.
#[utoipa::path(
    get, path = "/api/v1/data/last", tag = "data", params(LastQuery),
    responses((status = 200, description = "newest first", body = Samples))
)]
pub(crate) async fn last(
    State(state): State<SharedState>,
    QueryOf(query): QueryOf<LastQuery>,
) -> Result<Json<Samples>, ApiError> {
    let n = bounded("n", query.n, 1, PAGE_ROWS_MAX)?;
    let filter = SampleFilter {
        node: query.node,
        metric: query.metric,
        from: None,
        to: None,
    };
    let samples = state.store.last(&filter, n).await?;
    Ok(Json(Samples { samples }))
}

/// All samples that match: in pages as JSON, all at once as CSV or NDJSON by `Accept`, or as
/// statistics with `buckets` (then `from` is needed, and `to` is now when absent).
#[utoipa::path(
    get, path = "/api/v1/data/all", tag = "data", params(RangeQuery),
    responses(
        (status = 200, description = "oldest first", content(
            (RangeReply = "application/json"),
            (String = "text/csv"),
            (String = "application/x-ndjson"),
        )),
        (status = 406, description = "no such format, or statistics as anything but JSON"),
    )
)]
pub(crate) async fn all(
    State(state): State<SharedState>,
    headers: HeaderMap,
    QueryOf(query): QueryOf<RangeQuery>,
) -> Result<Response, ApiError> {
    range(&state, &headers, query).await
}

/// Samples with `from` <= time < `to`, both required; else as `data/all`.
#[utoipa::path(
    get, path = "/api/v1/data/byDate", tag = "data", params(RangeQuery),
    responses(
        (status = 200, description = "oldest first", content(
            (RangeReply = "application/json"),
            (String = "text/csv"),
            (String = "application/x-ndjson"),
        )),
        (status = 406, description = "no such format, or statistics as anything but JSON"),
    )
)]
pub(crate) async fn by_date(
    State(state): State<SharedState>,
    headers: HeaderMap,
    QueryOf(query): QueryOf<RangeQuery>,
) -> Result<Response, ApiError> {
    for (field, missing) in [("from", query.from.is_none()), ("to", query.to.is_none())] {
        if missing {
            return Err(ApiError::Invalid {
                field: Some(field.to_owned()),
                message: format!("`{field}` is missing"),
                hint: Some("write times like `2026-01-31T07:00:00+01:00`"),
            });
        }
    }
    range(&state, &headers, query).await
}

async fn range(
    state: &SharedState,
    headers: &HeaderMap,
    query: RangeQuery,
) -> Result<Response, ApiError> {
    let format = Format::wanted(headers)?;
    let filter = SampleFilter {
        node: query.node,
        metric: query.metric,
        from: query.from,
        to: query.to,
    };
    if let (Some(from), Some(to)) = (filter.from, filter.to)
        && from >= to
    {
        return Err(ApiError::invalid("to", "`to` must be later than `from`"));
    }
    let after = cursor(query.after);
    let paged = query.limit.is_some() || after.is_some();
    if let Some(buckets) = query.buckets {
        refuse(
            paged,
            "statistics have no pages: leave out `limit` and `after`",
        )?;
        return statistics(state, format, filter, buckets).await;
    }
    if format != Format::Json {
        refuse(
            paged,
            "a stream has no pages: leave out `limit` and `after`",
        )?;
        return export::stream(state.store.stream(filter), format).await;
    }
    let limit = bounded("limit", query.limit, PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX)?;
    let (samples, next) = state.store.page(&filter, after.as_deref(), limit).await?;
    let page = RangeReply::Page(SamplePage { samples, next });
    Ok(vary(Json(page).into_response()))
}

async fn statistics(
    state: &SharedState,
    format: Format,
    filter: SampleFilter,
    buckets: u32,
) -> Result<Response, ApiError> {
    if format != Format::Json {
        return Err(ApiError::NotAcceptable {
            message: "statistics come as JSON only",
        });
    }
    let buckets = bounded("buckets", Some(buckets), buckets, BUCKETS_MAX)?;
    let Some(from) = filter.from else {
        return Err(ApiError::invalid("from", "statistics need `from`"));
    };
    let to = filter.to.unwrap_or_else(|| state.clock.now());
    if (to - from).num_milliseconds() < i64::from(buckets) {
        return Err(ApiError::invalid(
            "buckets",
            "a bucket must be at least one millisecond wide",
        ));
    }
    let reply = state.store.buckets(&filter, from..to, buckets).await?;
    Ok(vary(Json(RangeReply::Buckets(reply)).into_response()))
}

/// The same address has several formats.
fn vary(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::VARY, axum::http::HeaderValue::from_static("accept"));
    response
}

fn refuse(when: bool, message: &str) -> Result<(), ApiError> {
    if when {
        return Err(ApiError::Invalid {
            field: None,
            message: message.to_owned(),
            hint: None,
        });
    }
    Ok(())
}
