//! Looks after what is stored: deletes what is kept no longer (samples and hourly statistics by
//! the configured retention, sessions that have ended by themselves) and compresses the samples
//! of past days. A bounded step at a time, so that it never keeps the engine from committing for
//! long.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use tokio_util::sync::CancellationToken;

use crate::{
    clock::SharedClock,
    config::{LiveConfig, StoreConfig},
    store::{Retention, SharedStore, StoreError},
};

/// Pause between rounds.
const ROUND: Duration = Duration::from_secs(600);
/// Pause between the steps of a round: the engine commits in between.
const STEP: Duration = Duration::from_millis(200);

/// What the rounds have found, for the administration; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Upkeep(Arc<Mutex<Found>>);

/// What the rounds have found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Found {
    /// The oldest raw sample.
    pub oldest_sample_at: Option<DateTime<Utc>>,
    /// When samples were last sealed.
    pub last_sealed_at: Option<DateTime<Utc>>,
}

impl Upkeep {
    /// As of the latest round.
    #[must_use]
    pub fn found(&self) -> Found {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, change: impl FnOnce(&mut Found)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Prunes and seals until `stop`.
pub async fn run(
    store: SharedStore,
    clock: SharedClock,
    config: LiveConfig,
    upkeep: Upkeep,
    stop: CancellationToken,
) {
    while !stop.is_cancelled() {
        let kept = config.borrow().store.clone();
        let pause = match step(&store, &kept, &upkeep, clock.now()).await {
            Ok(true) => STEP,
            Ok(false) => ROUND,
            Err(error) => {
                tracing::warn!(%error, "old data could not be deleted or compressed; tried again later");
                ROUND
            }
        };
        stop.run_until_cancelled(tokio::time::sleep(pause)).await;
    }
}

/// One bounded step; true when more remains.
///
/// # Errors
/// [`StoreError`].
pub async fn step(
    store: &SharedStore,
    config: &StoreConfig,
    upkeep: &Upkeep,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let sessions = store.prune_sessions(now).await?;
    if sessions > 0 {
        tracing::debug!(sessions, "ended sessions deleted");
    }
    let before = |days: u32| (days > 0).then(|| now - TimeDelta::days(i64::from(days)));
    let keep = Retention {
        raw_before: before(config.raw_retention_days),
        metric_before: config
            .retention_days
            .iter()
            .map(|(metric, days)| (metric.clone(), before(*days)))
            .collect(),
        rollup_before: before(config.rollup_retention_days),
    };
    // First what goes, so that it is not sealed before.
    if store.prune(&keep).await? {
        return Ok(true);
    }
    if let Some(before) = before(config.seal_after_days) {
        let sealed = store.seal(before).await?;
        if sealed.days > 0 {
            upkeep.note(|found| found.last_sealed_at = Some(now));
        }
        if sealed.more {
            return Ok(true);
        }
    }
    let oldest = store.oldest_sample_at().await?;
    upkeep.note(|found| found.oldest_sample_at = oldest);
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ingest::Sample,
        store::{Batch, NodeSamples, SampleFilter, sqlite},
    };

    /// Samples that are left, and the age of the oldest of them in days.
    async fn left(retention_days: u32) -> (usize, i64) {
        let dir = tempfile::tempdir().unwrap();
        let store = sqlite::open(&dir.path().join("t.db")).await.unwrap();
        let store: SharedStore = Arc::new(store);
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let samples = (0..10).map(|days| Sample {
            metric: "soil".to_owned(),
            ts: now - TimeDelta::days(days),
            exact_ts: true,
            value: 1.0,
            out_of_range: false,
            clock_suspect: false,
        });
        let batch = Batch {
            samples: vec![NodeSamples {
                node: "a".to_owned(),
                samples: samples.collect(),
            }],
            ..Batch::default()
        };
        store.commit(&batch).await.unwrap();
        let config = StoreConfig {
            raw_retention_days: retention_days,
            ..StoreConfig::default()
        };
        let mut steps = 0;
        let upkeep = Upkeep::default();
        assert_eq!(upkeep.found(), Found::default());
        while step(&store, &config, &upkeep, now).await.unwrap() {
            steps += 1;
            assert!(steps < 100, "pruning does not end");
        }
        let filter = SampleFilter::default();
        let found = upkeep.found();
        assert_eq!(found.last_sealed_at, Some(now));
        let age = now - found.oldest_sample_at.unwrap();
        (
            store.last(&filter, 100).await.unwrap().len(),
            age.num_days(),
        )
    }

    #[tokio::test]
    async fn what_is_older_than_the_retention_goes_and_zero_keeps_all() {
        assert_eq!(left(5).await, (6, 5));
        assert_eq!(left(0).await, (10, 9));
    }
}
