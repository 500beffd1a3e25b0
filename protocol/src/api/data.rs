//! Samples: `/api/v1/data/last`, `/data/all`, `/data/byDate`.

use alloc::{string::String, vec::Vec};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::node::SampleFlag;

/// Most rows that a page or `n` can ask for.
pub const PAGE_ROWS_MAX: u32 = 10_000;
/// Rows of a page when `limit` is absent.
pub const PAGE_ROWS_DEFAULT: u32 = 1_000;
/// Most buckets of one statistics request.
pub const BUCKETS_MAX: u32 = 10_000;

/// One stored value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Sample {
    /// Where it was measured.
    pub node: String,
    /// What was measured.
    pub metric: String,
    /// When it was measured.
    pub ts: DateTime<Utc>,
    /// In the metric's unit.
    pub value: f64,
    /// Why not to trust it; empty when nothing is known against it.
    #[serde(default)]
    pub flags: Vec<SampleFlag>,
}

/// Query of `GET /api/v1/data/last`: the newest `n` samples, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LastQuery {
    /// Only this node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Only this metric.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// How many, 1 to 10,000; 1 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 10000)]
    pub n: Option<u32>,
}

/// Query of `GET /api/v1/data/all` and `/data/byDate`: `from` <= ts < `to`, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RangeQuery {
    /// First instant, included; required by `byDate`. RFC 3339 with offset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<DateTime<Utc>>,
    /// Last instant, excluded; required by `byDate`. RFC 3339 with offset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<DateTime<Utc>>,
    /// Only this node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Only this metric.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// Rows of a page, 1 to 10,000; 1,000 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 10000)]
    pub limit: Option<u32>,
    /// `next` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Statistics instead of samples: the range cut into this many equal buckets.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 10000)]
    pub buckets: Option<u32>,
}

/// Reply of `data/last`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Samples {
    /// The samples, in the order that the route states.
    pub samples: Vec<Sample>,
}

/// Reply of `data/all` and `data/byDate` without `buckets`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SamplePage {
    /// Oldest first.
    pub samples: Vec<Sample>,
    /// Goes back as `after`; null at the end.
    pub next: Option<String>,
}

/// Statistics of one bucket of one series; empty buckets are left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Bucket {
    /// Start of the bucket.
    pub ts: DateTime<Utc>,
    /// How many samples it holds, at least 1.
    pub n: u64,
    /// Smallest value.
    pub min: f64,
    /// Mean value.
    pub mean: f64,
    /// Largest value.
    pub max: f64,
}

/// Buckets of one series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SeriesBuckets {
    /// Where.
    pub node: String,
    /// What.
    pub metric: String,
    /// Oldest first; empty buckets are left out.
    pub buckets: Vec<Bucket>,
}

/// Reply with `buckets=N`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BucketsReply {
    /// Start of the range as used.
    pub from: DateTime<Utc>,
    /// End of the range as used, excluded.
    pub to: DateTime<Utc>,
    /// Width of a bucket.
    pub bucket_ms: u64,
    /// One entry per series that has samples in the range, by node and metric.
    pub series: Vec<SeriesBuckets>,
}
