//! Reading samples: what a window of time holds. `store/scan.rs` asks for them.

use std::ops::Range;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures_util::stream::BoxStream;
use signalbox_protocol::api::data::{BucketsReply, Sample};
use sqlx::{PgPool, Postgres, QueryBuilder};

use super::{PostgresStore, call, write::text};
use crate::store::{
    Result, Retention, SampleFilter, SampleStore, Sealed,
    scan::{self, Asked, Order, Row, Windows},
};

/// Adds conditions for node and metric.
pub(super) fn push_filter(
    query: &mut QueryBuilder<Postgres>,
    node: Option<&str>,
    metric: Option<&str>,
) {
    if let Some(node) = node {
        query
            .push(" AND node = ")
            .push_bind(text(node).into_owned());
    }
    if let Some(metric) = metric {
        query.push(" AND metric = ");
        query.push_bind(text(metric).into_owned());
    }
}

impl Windows for PgPool {
    async fn edge(&self, asked: &Asked, range: Range<i64>) -> Result<Option<i64>> {
        let (pick, direction) = match asked.order {
            Order::OldestFirst => ("min", "ASC"),
            Order::NewestFirst => ("max", "DESC"),
        };
        let mut query = QueryBuilder::<Postgres>::new("SELECT ");
        query
            .push(pick)
            .push("((SELECT ts_us FROM sample WHERE series_id = series.id AND ts_us >= ");
        query.push_bind(range.start);
        query.push(" AND ts_us < ").push_bind(range.end);
        query.push(" ORDER BY ts_us ").push(direction);
        query.push(" LIMIT 1)) FROM series WHERE true");
        push_filter(&mut query, asked.node.as_deref(), asked.metric.as_deref());
        let (edge,) = call(async { Ok(query.build_query_as().fetch_one(self).await?) }).await?;
        Ok(edge)
    }

    async fn window(&self, asked: &Asked, range: Range<i64>, limit: u32) -> Result<Vec<Row>> {
        let direction = match asked.order {
            Order::OldestFirst => "",
            Order::NewestFirst => " DESC",
        };
        // LATERAL keeps the planner at one short range of the key per series.
        let mut query = QueryBuilder::<Postgres>::new(
            "SELECT id::int8 AS series_id, node, metric, ts_us, value, flags::int8 AS flags \
             FROM series CROSS JOIN LATERAL (SELECT ts_us, value, flags FROM sample \
             WHERE sample.series_id = series.id AND ts_us >= ",
        );
        query.push_bind(range.start);
        query.push(" AND ts_us < ").push_bind(range.end);
        // One of each series may have been given already.
        query.push(format_args!(" ORDER BY ts_us{direction} LIMIT "));
        query.push_bind(i64::from(limit) + 1);
        query.push(") AS sample WHERE true");
        push_filter(&mut query, asked.node.as_deref(), asked.metric.as_deref());
        if let Some(after) = &asked.after {
            query.push(" AND (ts_us, node, metric) > (");
            query.push_bind(after.ts_us).push(", ");
            query.push_bind(after.node.clone()).push(", ");
            query.push_bind(after.metric.clone()).push(")");
        }
        query.push(format_args!(
            " ORDER BY ts_us{direction}, node{direction}, metric{direction} LIMIT "
        ));
        query.push_bind(i64::from(limit));
        call(async { Ok(query.build_query_as().fetch_all(self).await?) }).await
    }

    async fn series(&self, id: i64) -> Result<Option<(String, String)>> {
        call(async {
            let found = sqlx::query_as("SELECT node, metric FROM series WHERE id = $1")
                .bind(id)
                .fetch_optional(self);
            Ok(found.await?)
        })
        .await
    }
}

#[async_trait]
impl SampleStore for PostgresStore {
    async fn last(&self, filter: &SampleFilter, n: u32) -> Result<Vec<Sample>> {
        scan::last(self.readers.clone(), filter, n).await
    }

    async fn page(
        &self,
        filter: &SampleFilter,
        after: Option<&str>,
        limit: u32,
    ) -> Result<(Vec<Sample>, Option<String>)> {
        scan::page(self.readers.clone(), filter, after, limit).await
    }

    fn stream(&self, filter: SampleFilter) -> BoxStream<'static, Result<Sample>> {
        scan::stream(self.readers.clone(), &filter)
    }

    async fn buckets(
        &self,
        filter: &SampleFilter,
        range: Range<DateTime<Utc>>,
        buckets: u32,
    ) -> Result<BucketsReply> {
        call(super::buckets::read(&self.readers, filter, range, buckets)).await
    }

    async fn seal(&self, _before: DateTime<Utc>) -> Result<Sealed> {
        // Here samples stay rows; months of them go as a whole.
        Ok(Sealed::default())
    }

    async fn prune(&self, keep: &Retention) -> Result<bool> {
        super::prune::step(self, keep).await
    }
}
