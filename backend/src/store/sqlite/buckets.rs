//! Statistics: n, min, mean, max of equal buckets. Buckets of whole hours come from the rollup,
//! narrower ones from the samples.

use std::ops::Range;

use chrono::{DateTime, Utc};
use signalbox_protocol::api::data::{Bucket, BucketsReply, SeriesBuckets};
use sqlx::{QueryBuilder, Sqlite, SqlitePool};

use super::{insert::HOUR_US, time, us};
use crate::store::{Result, SampleFilter};

/// Times that a bucket can have: the years 0 to 9999, which is what RFC 3339 can say.
const YEARS_US: Range<i64> = -62_167_219_200_000_000..253_402_300_800_000_000;

/// How a range is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cut {
    from_us: i64,
    width_us: i64,
    count: i64,
    whole_hours: bool,
}

/// Buckets of an hour and more are widened to whole hours and begin on one, so that the rollup
/// answers them exactly; the reply says the range as used.
fn cut(range: &Range<DateTime<Utc>>, buckets: u32) -> Cut {
    let within = |time| us(time).clamp(YEARS_US.start, YEARS_US.end);
    let (from_us, to_us) = (within(range.start), within(range.end));
    let count = i64::from(buckets.max(1));
    let width_us = ((to_us - from_us).max(1) + count - 1)
        .div_euclid(count)
        .max(1_000);
    if width_us < HOUR_US {
        // Whole milliseconds: that is what the reply can say.
        let width_us = (width_us + 999).div_euclid(1_000) * 1_000;
        return Cut {
            from_us,
            width_us,
            count,
            whole_hours: false,
        };
    }
    let from_us = from_us.div_euclid(HOUR_US) * HOUR_US;
    let hours = (to_us - from_us + HOUR_US - 1).div_euclid(HOUR_US);
    let width_us = (hours + count - 1).div_euclid(count) * HOUR_US;
    let count = (hours * HOUR_US + width_us - 1).div_euclid(width_us);
    Cut {
        from_us,
        width_us,
        count,
        whole_hours: true,
    }
}

pub(super) async fn read(
    readers: &SqlitePool,
    filter: &SampleFilter,
    range: Range<DateTime<Utc>>,
    buckets: u32,
) -> Result<BucketsReply> {
    let cut = cut(&range, buckets);
    let to_us = if cut.whole_hours {
        cut.from_us + cut.count * cut.width_us
    } else {
        us(range.end).clamp(YEARS_US.start, YEARS_US.end)
    };
    let mut series = Vec::new();
    for (id, node, metric) in matching(readers, filter).await? {
        let buckets = fold(readers, id, cut, to_us).await?;
        if !buckets.is_empty() {
            series.push(SeriesBuckets {
                node,
                metric,
                buckets,
            });
        }
    }
    Ok(BucketsReply {
        from: time(cut.from_us),
        to: time(to_us),
        bucket_ms: cut.width_us.unsigned_abs() / 1_000,
        series,
    })
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
async fn fold(readers: &SqlitePool, series: i64, cut: Cut, to_us: i64) -> Result<Vec<Bucket>> {
    let sql = if cut.whole_hours {
        FOLD_ROLLUP
    } else {
        FOLD_SAMPLES
    };
    let rows: Vec<(i64, i64, f64, f64, f64)> = sqlx::query_as(sql)
        .bind(cut.from_us)
        .bind(cut.width_us)
        .bind(series)
        .bind(to_us)
        .fetch_all(readers)
        .await?;
    Ok(rows
        .into_iter()
        .map(|(at, n, min, max, sum)| Bucket {
            ts: time(cut.from_us + at * cut.width_us),
            n: n.unsigned_abs(),
            min,
            #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^53 samples")]
            mean: sum / n as f64,
            max,
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn narrow_buckets_keep_the_range() {
        let cut = cut(&(at(7_201)..at(7_801)), 60);
        assert_eq!(
            cut,
            Cut {
                from_us: 7_201_000_000,
                width_us: 10_000_000,
                count: 60,
                whole_hours: false
            }
        );
    }

    #[test]
    fn wide_buckets_are_whole_hours() {
        let cut = cut(&(at(7_201)..at(7_201 + 86_400)), 10);
        assert_eq!(cut.from_us, 7_200_000_000);
        assert_eq!(cut.width_us, 3 * HOUR_US);
        assert_eq!(cut.count, 9);
        assert!(cut.from_us + cut.count * cut.width_us >= us(at(7_201 + 86_400)));
    }
}
