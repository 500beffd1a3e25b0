//! Reading samples: what a window of time holds. `store/scan.rs` asks for them.

use std::ops::Range;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures_util::stream::BoxStream;
use signalbox_protocol::api::data::{BucketsReply, Sample};
use sqlx::{QueryBuilder, Sqlite, SqlitePool};

use super::SqliteStore;
use crate::store::{
    Result, SampleFilter, SampleStore,
    scan::{self, Asked, Order, Row, Windows},
};

fn push_filter(query: &mut QueryBuilder<Sqlite>, asked: &Asked) {
    if let Some(node) = &asked.node {
        query.push(" AND node = ").push_bind(node.clone());
    }
    if let Some(metric) = &asked.metric {
        query.push(" AND metric = ").push_bind(metric.clone());
    }
}

impl Windows for SqlitePool {
    async fn edge(&self, asked: &Asked, range: Range<i64>) -> Result<Option<i64>> {
        let (pick, direction) = match asked.order {
            Order::OldestFirst => ("min", "ASC"),
            Order::NewestFirst => ("max", "DESC"),
        };
        let mut query = QueryBuilder::<Sqlite>::new("SELECT ");
        query
            .push(pick)
            .push("((SELECT ts_us FROM sample WHERE series_id = series.id AND ts_us >= ");
        query.push_bind(range.start);
        query.push(" AND ts_us < ").push_bind(range.end);
        query.push(" ORDER BY ts_us ").push(direction);
        query.push(" LIMIT 1)) FROM series WHERE 1");
        push_filter(&mut query, asked);
        let (edge,) = query.build_query_as().fetch_one(self).await?;
        Ok(edge)
    }

    async fn window(&self, asked: &Asked, range: Range<i64>, limit: u32) -> Result<Vec<Row>> {
        // CROSS JOIN keeps the planner at one short range of the clustered key per series.
        let mut query = QueryBuilder::<Sqlite>::new(
            "SELECT series_id, node, metric, ts_us, value, flags FROM series \
             CROSS JOIN sample ON sample.series_id = series.id WHERE ts_us >= ",
        );
        query.push_bind(range.start);
        query.push(" AND ts_us < ").push_bind(range.end);
        push_filter(&mut query, asked);
        if let Some(after) = &asked.after {
            query.push(" AND (ts_us, node, metric) > (");
            query.push_bind(after.ts_us).push(", ");
            query.push_bind(after.node.clone()).push(", ");
            query.push_bind(after.metric.clone()).push(")");
        }
        query.push(match asked.order {
            Order::OldestFirst => " ORDER BY ts_us, node, metric LIMIT ",
            Order::NewestFirst => " ORDER BY ts_us DESC, node DESC, metric DESC LIMIT ",
        });
        query.push_bind(limit);
        Ok(query.build_query_as().fetch_all(self).await?)
    }

    async fn series(&self, id: i64) -> Result<Option<(String, String)>> {
        Ok(
            sqlx::query_as("SELECT node, metric FROM series WHERE id = ?")
                .bind(id)
                .fetch_optional(self)
                .await?,
        )
    }
}

#[async_trait]
impl SampleStore for SqliteStore {
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
        super::buckets::read(&self.readers, filter, range, buckets).await
    }

    async fn prune(
        &self,
        raw_before: Option<DateTime<Utc>>,
        rollup_before: Option<DateTime<Utc>>,
    ) -> Result<bool> {
        super::prune::step(self, raw_before, rollup_before).await
    }
}
