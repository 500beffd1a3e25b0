//! Statistics: n, min, mean, max of equal buckets. Buckets of whole hours come from the rollup,
//! narrower ones from the samples.

use std::ops::Range;

use chrono::{DateTime, Utc};
use signalbox_protocol::api::data::{Bucket, BucketsReply, SeriesBuckets};
use sqlx::{QueryBuilder, Sqlite, SqlitePool};

use crate::store::{
    Result, SampleFilter,
    cut::{Cut, Folded, cut},
};

pub(super) async fn read(
    readers: &SqlitePool,
    filter: &SampleFilter,
    range: Range<DateTime<Utc>>,
    buckets: u32,
) -> Result<BucketsReply> {
    let cut = cut(&range, buckets);
    let mut series = Vec::new();
    for (id, node, metric) in matching(readers, filter).await? {
        let buckets = fold(readers, id, cut).await?;
        series.push(SeriesBuckets {
            node,
            metric,
            buckets,
        });
    }
    Ok(cut.reply(series))
}

async fn matching(
    readers: &SqlitePool,
    filter: &SampleFilter,
) -> Result<Vec<(i64, String, String)>> {
    let mut query = QueryBuilder::<Sqlite>::new("SELECT id, node, metric FROM series WHERE 1");
    if let Some(node) = &filter.node {
        query.push(" AND node = ").push_bind(node);
    }
    if let Some(metric) = &filter.metric {
        query.push(" AND metric = ").push_bind(metric);
    }
    query.push(" ORDER BY node, metric");
    Ok(query.build_query_as().fetch_all(readers).await?)
}

const FOLD_SAMPLES: &str = "\
    SELECT (ts_us - ?1) / ?2 AS bucket, count(*), min(value), max(value), sum(value) \
    FROM sample WHERE series_id = ?3 AND ts_us >= ?1 AND ts_us < ?4 AND flags = 0 \
    GROUP BY bucket ORDER BY bucket";
const FOLD_ROLLUP: &str = "\
    SELECT (hour * 3600000000 - ?1) / ?2 AS bucket, sum(n), min(min), max(max), sum(sum) \
    FROM rollup WHERE series_id = ?3 AND hour >= ?1 / 3600000000 AND hour < ?4 / 3600000000 \
    GROUP BY bucket ORDER BY bucket";

/// The buckets of one series, grouped by SQLite, so that only as many rows as buckets come over.
async fn fold(readers: &SqlitePool, series: i64, cut: Cut) -> Result<Vec<Bucket>> {
    let sql = if cut.whole_hours {
        FOLD_ROLLUP
    } else {
        FOLD_SAMPLES
    };
    let folded: Vec<Folded> = sqlx::query_as(sql)
        .bind(cut.from_us)
        .bind(cut.width_us)
        .bind(series)
        .bind(cut.to_us)
        .fetch_all(readers)
        .await?;
    Ok(cut.buckets(folded))
}
