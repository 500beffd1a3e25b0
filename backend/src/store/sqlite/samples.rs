//! Samples: reading and keeping, each by the file that does it.

use std::ops::Range;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures_util::stream::BoxStream;
use signalbox_protocol::api::data::{BucketsReply, Sample};

use super::{SqliteStore, prune, seal, source::Tables};
use crate::store::{Result, Retention, SampleFilter, SampleStore, Sealed, convert::us, history};

impl SqliteStore {
    pub(super) fn tables(&self) -> Tables {
        Tables {
            readers: self.readers.clone(),
            rows: self.rows.clone(),
            border: self.border.clone(),
            catalog: self.catalog.clone(),
        }
    }

    /// [`SampleStore::buckets`] from every sample, whatever the width: for measuring.
    #[doc(hidden)]
    pub async fn buckets_of_every_sample(
        &self,
        filter: &SampleFilter,
        range: Range<DateTime<Utc>>,
        buckets: u32,
    ) -> Result<BucketsReply> {
        history::decoded_buckets(&self.tables(), filter, range, buckets).await
    }
}

#[async_trait]
impl SampleStore for SqliteStore {
    async fn last(&self, filter: &SampleFilter, n: u32) -> Result<Vec<Sample>> {
        history::last(&self.tables(), filter, n).await
    }

    async fn page(
        &self,
        filter: &SampleFilter,
        after: Option<&str>,
        limit: u32,
    ) -> Result<(Vec<Sample>, Option<String>)> {
        history::page(&self.tables(), filter, after, limit).await
    }

    fn stream(&self, filter: SampleFilter) -> BoxStream<'static, Result<Sample>> {
        history::stream(&self.tables(), &filter)
    }

    async fn buckets(
        &self,
        filter: &SampleFilter,
        range: Range<DateTime<Utc>>,
        buckets: u32,
    ) -> Result<BucketsReply> {
        history::buckets(&self.tables(), filter, range, buckets).await
    }

    async fn seal(&self, before: DateTime<Utc>) -> Result<Sealed> {
        seal::step(self, us(before)).await
    }

    async fn prune(&self, keep: &Retention) -> Result<bool> {
        prune::step(self, keep).await
    }
}
