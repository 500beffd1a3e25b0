//! Statistics: n, min, mean, max of equal buckets. Buckets of whole hours come from the rollup,
//! narrower ones from the samples.

use std::ops::Range;

use chrono::{DateTime, Utc};
use signalbox_protocol::api::data::{BucketsReply, SeriesBuckets};
use sqlx::{PgPool, Postgres, QueryBuilder};

use super::samples::push_filter;
use crate::store::{
    Result, SampleFilter,
    cut::{Cut, Folded, cut},
};

const FOLD_SAMPLES: &str = "\
    SELECT (ts_us - $1) / $2 AS bucket, count(*), min(value), max(value), \
    sum(greatest(least(value, 1e300), -1e300)) \
    FROM sample WHERE series_id = $3 AND ts_us >= $1 AND ts_us < $4 AND flags = 0 \
    GROUP BY bucket ORDER BY bucket";
const FOLD_ROLLUP: &str = "\
    SELECT (hour * 3600000000 - $1) / $2 AS bucket, sum(n)::int8, min(min), max(max), \
    sum(greatest(least(sum, 1e303), -1e303)) \
    FROM rollup WHERE series_id = $3 AND hour >= $1 / 3600000000 AND hour < $4 / 3600000000 \
    GROUP BY bucket ORDER BY bucket";

pub(super) async fn read(
    readers: &PgPool,
    filter: &SampleFilter,
    range: Range<DateTime<Utc>>,
    buckets: u32,
) -> Result<BucketsReply> {
    let cut = cut(&range, buckets);
    let mut series = Vec::new();
    for (id, node, metric) in matching(readers, filter).await? {
        let buckets = cut.buckets(fold(readers, id, cut).await?);
        series.push(SeriesBuckets {
            node,
            metric,
            buckets,
        });
    }
    Ok(cut.reply(series))
}

async fn matching(readers: &PgPool, filter: &SampleFilter) -> Result<Vec<(i32, String, String)>> {
    let mut query = QueryBuilder::<Postgres>::new("SELECT id, node, metric FROM series WHERE true");
    push_filter(&mut query, filter.node.as_deref(), filter.metric.as_deref());
    query.push(" ORDER BY node, metric");
    Ok(query.build_query_as().fetch_all(readers).await?)
}

/// The buckets of one series, grouped by the server, so that only as many rows as buckets come
/// over.
async fn fold(readers: &PgPool, series: i32, cut: Cut) -> Result<Vec<Folded>> {
    let sql = if cut.whole_hours {
        FOLD_ROLLUP
    } else {
        FOLD_SAMPLES
    };
    Ok(sqlx::query_as(sql)
        .bind(cut.from_us)
        .bind(cut.width_us)
        .bind(series)
        .bind(cut.to_us)
        .fetch_all(readers)
        .await?)
}
