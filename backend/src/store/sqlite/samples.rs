//! Reading samples: the newest, pages, streams; and retention.
//!
//! Samples lie clustered by series, so a range of time over many series is read in windows: the
//! hourly rollup says where data is and how dense, a window takes about as many rows as are
//! wanted, and only these are sorted.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures_util::{StreamExt, TryStreamExt, stream, stream::BoxStream};
use signalbox_protocol::api::{data::Sample, node::SampleFlag};
use sqlx::{QueryBuilder, Sqlite, SqlitePool};

use super::{
    SqliteStore,
    insert::{CLOCK_SUSPECT, HOUR_US, OUT_OF_RANGE},
    time, us,
};
use crate::store::{Result, SampleFilter, SampleStore, StoreError};

/// Rows that a stream reads at a time.
const STREAM_PAGE_ROWS: u32 = 4_000;
/// Rows that one step of the retention deletes of one series.
const PRUNE_ROWS_MAX: i64 = 20_000;
/// Narrowest window.
const WINDOW_US_MIN: i64 = 1_000;

/// Where a page ends: the time and series of its last row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cursor {
    ts_us: i64,
    series: i64,
}

impl Cursor {
    fn parse(text: &str) -> Result<Self> {
        let bad = || StoreError::BadCursor {
            cursor: text.chars().take(64).collect(),
        };
        let (ts_us, series) = text
            .strip_prefix("s1.")
            .and_then(|rest| rest.split_once('.'))
            .ok_or_else(bad)?;
        Ok(Self {
            ts_us: ts_us.parse().map_err(|_| bad())?,
            series: series.parse().map_err(|_| bad())?,
        })
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "s1.{}.{}", self.ts_us, self.series)
    }
}

#[derive(Debug, sqlx::FromRow)]
struct Row {
    series_id: i64,
    node: String,
    metric: String,
    ts_us: i64,
    value: f64,
    flags: i64,
}

impl Row {
    fn into_sample(self) -> Sample {
        Sample {
            node: self.node,
            metric: self.metric,
            ts: time(self.ts_us),
            value: self.value,
            flags: flags_of(self.flags),
        }
    }
}

/// Flags from their bits.
pub(super) fn flags_of(bits: i64) -> Vec<SampleFlag> {
    let mut flags = Vec::new();
    if bits & OUT_OF_RANGE != 0 {
        flags.push(SampleFlag::OutOfRange);
    }
    if bits & CLOCK_SUSPECT != 0 {
        flags.push(SampleFlag::ClockSuspect);
    }
    flags
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    OldestFirst,
    NewestFirst,
}

/// A range of time over the series of a filter, read from one end.
#[derive(Debug, Clone)]
struct Scan {
    pool: SqlitePool,
    node: Option<String>,
    metric: Option<String>,
    /// Included.
    from_us: i64,
    /// Excluded.
    to_us: i64,
    /// Rows up to and including this one were given already (oldest first only).
    after: Option<Cursor>,
    order: Order,
}

impl Scan {
    fn new(pool: &SqlitePool, filter: &SampleFilter, order: Order) -> Self {
        Self {
            pool: pool.clone(),
            node: filter.node.clone(),
            metric: filter.metric.clone(),
            from_us: filter.from.map_or(i64::MIN, us),
            to_us: filter.to.map_or(i64::MAX, us),
            after: None,
            order,
        }
    }

    /// Up to `limit` rows in order; fewer only at the end of the range.
    async fn rows(&self, limit: u32) -> Result<Vec<Row>> {
        if self.node.is_some() && self.metric.is_some() {
            return self.window(self.start(), self.to_us, limit).await;
        }
        let mut rows = Vec::new();
        let (mut from, mut to) = (self.start(), self.to_us);
        while rows.len() < limit as usize && from < to {
            let wanted = limit - u32::try_from(rows.len()).unwrap_or(limit);
            let Some((low, high)) = self.next_window(from, to, wanted).await? else {
                break;
            };
            rows.extend(self.window(low, high, wanted).await?);
            match self.order {
                Order::OldestFirst => from = high,
                Order::NewestFirst => to = low,
            }
        }
        Ok(rows)
    }

    fn start(&self) -> i64 {
        self.after
            .map_or(self.from_us, |cursor| cursor.ts_us.max(self.from_us))
    }

    /// The next stretch of time that holds about `wanted` rows: at least one hour with data is
    /// taken, whole or in part when it is dense.
    async fn next_window(&self, from: i64, to: i64, wanted: u32) -> Result<Option<(i64, i64)>> {
        let (from_hour, to_hour) = (from.div_euclid(HOUR_US), (to - 1).div_euclid(HOUR_US));
        let sql = match self.order {
            Order::OldestFirst => {
                "SELECT hour, sum(n_all) FROM rollup WHERE hour BETWEEN ? AND ? \
                 GROUP BY hour ORDER BY hour LIMIT 1"
            }
            Order::NewestFirst => {
                "SELECT hour, sum(n_all) FROM rollup WHERE hour BETWEEN ? AND ? \
                 GROUP BY hour ORDER BY hour DESC LIMIT 1"
            }
        };
        let found: Option<(i64, i64)> = sqlx::query_as(sql)
            .bind(from_hour)
            .bind(to_hour)
            .fetch_optional(&self.pool)
            .await?;
        let Some((hour, rows)) = found else {
            return Ok(None);
        };
        let low = from.max(hour.saturating_mul(HOUR_US));
        let high = to.min((hour + 1).saturating_mul(HOUR_US));
        let share = f64::from(wanted) * 2.0 / (rows.max(1) as f64);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "at most an hour of microseconds"
        )]
        let width = ((HOUR_US as f64 * share.min(1.0)) as i64).max(WINDOW_US_MIN);
        Ok(Some(match self.order {
            Order::OldestFirst => (low, high.min(low.saturating_add(width))),
            Order::NewestFirst => (low.max(high.saturating_sub(width)), high),
        }))
    }

    async fn window(&self, from: i64, to: i64, limit: u32) -> Result<Vec<Row>> {
        // CROSS JOIN keeps the planner at one short range of the clustered key per series.
        let mut query = QueryBuilder::<Sqlite>::new(
            "SELECT series_id, node, metric, ts_us, value, flags FROM series \
             CROSS JOIN sample ON sample.series_id = series.id WHERE ts_us >= ",
        );
        query.push_bind(from).push(" AND ts_us < ").push_bind(to);
        if let Some(node) = &self.node {
            query.push(" AND node = ").push_bind(node);
        }
        if let Some(metric) = &self.metric {
            query.push(" AND metric = ").push_bind(metric);
        }
        if let Some(cursor) = self.after {
            query
                .push(" AND (ts_us, series_id) > (")
                .push_bind(cursor.ts_us);
            query.push(", ").push_bind(cursor.series).push(")");
        }
        query.push(match self.order {
            Order::OldestFirst => " ORDER BY ts_us, series_id LIMIT ",
            Order::NewestFirst => " ORDER BY ts_us DESC, series_id LIMIT ",
        });
        query.push_bind(limit);
        Ok(query.build_query_as().fetch_all(&self.pool).await?)
    }
}

#[async_trait]
impl SampleStore for SqliteStore {
    async fn last(&self, filter: &SampleFilter, n: u32) -> Result<Vec<Sample>> {
        let rows = Scan::new(&self.readers, filter, Order::NewestFirst)
            .rows(n)
            .await?;
        Ok(rows.into_iter().map(Row::into_sample).collect())
    }

    async fn page(
        &self,
        filter: &SampleFilter,
        after: Option<&str>,
        limit: u32,
    ) -> Result<(Vec<Sample>, Option<String>)> {
        let mut scan = Scan::new(&self.readers, filter, Order::OldestFirst);
        scan.after = after.map(Cursor::parse).transpose()?;
        let mut rows = scan.rows(limit + 1).await?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let next = rows.last().filter(|_| more).map(|row| {
            Cursor {
                ts_us: row.ts_us,
                series: row.series_id,
            }
            .to_string()
        });
        Ok((rows.into_iter().map(Row::into_sample).collect(), next))
    }

    fn stream(&self, filter: SampleFilter) -> BoxStream<'static, Result<Sample>> {
        // Page by page, so that no read transaction stays open and keeps the log from shrinking.
        let scan = Scan::new(&self.readers, &filter, Order::OldestFirst);
        stream::try_unfold(Some(scan), |scan| async move {
            let Some(mut scan) = scan else {
                return Ok(None);
            };
            let rows = scan.rows(STREAM_PAGE_ROWS).await?;
            let full = rows.len() == STREAM_PAGE_ROWS as usize;
            let next = rows.last().filter(|_| full).map(|row| {
                scan.after = Some(Cursor {
                    ts_us: row.ts_us,
                    series: row.series_id,
                });
                scan
            });
            let samples = rows.into_iter().map(|row| Ok(row.into_sample()));
            Ok::<_, StoreError>(Some((stream::iter(samples), next)))
        })
        .try_flatten()
        .boxed()
    }

    async fn buckets(
        &self,
        filter: &SampleFilter,
        range: std::ops::Range<DateTime<Utc>>,
        buckets: u32,
    ) -> Result<signalbox_protocol::api::data::BucketsReply> {
        super::buckets::read(&self.readers, filter, range, buckets).await
    }

    async fn prune(
        &self,
        raw_before: Option<DateTime<Utc>>,
        rollup_before: Option<DateTime<Utc>>,
    ) -> Result<bool> {
        let mut more = false;
        let series: Vec<i64> = sqlx::query_scalar("SELECT id FROM series")
            .fetch_all(&self.readers)
            .await?;
        for id in series {
            let mut writer = self.writer().await;
            if let Some(before) = raw_before {
                let gone = sqlx::query(
                    "DELETE FROM sample WHERE series_id = ?1 AND ts_us IN (SELECT ts_us FROM \
                     sample WHERE series_id = ?1 AND ts_us < ?2 ORDER BY ts_us LIMIT ?3)",
                )
                .bind(id)
                .bind(us(before))
                .bind(PRUNE_ROWS_MAX)
                .execute(&mut writer.connection)
                .await?
                .rows_affected();
                more |= gone == PRUNE_ROWS_MAX.unsigned_abs();
            }
            if let Some(before) = rollup_before {
                sqlx::query("DELETE FROM rollup WHERE series_id = ? AND hour < ?")
                    .bind(id)
                    .bind(us(before).div_euclid(HOUR_US))
                    .execute(&mut writer.connection)
                    .await?;
            }
        }
        Ok(more)
    }
}
