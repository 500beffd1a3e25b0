//! What surrounds the engine in a test: a clock that is turned, a link and a store that can fail.

use std::{
    collections::VecDeque,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use tokio::sync::watch;

use crate::{
    clock::Clock,
    mqtt::{Link, LinkError, Publish},
    store::{
        Batch, Committed, EngineStore, Loaded, Result as StoreResult, StoreError,
        sqlite::SqliteStore,
    },
};

#[derive(Debug)]
pub(super) struct TurnedClock(Mutex<DateTime<Utc>>);

impl TurnedClock {
    pub(super) fn new(at: DateTime<Utc>) -> Self {
        Self(Mutex::new(at))
    }

    pub(super) fn turn_ms(&self, ms: i64) {
        *self.0.lock().unwrap() += TimeDelta::milliseconds(ms);
    }
}

impl Clock for TurnedClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}

/// Keeps what is published; takes nothing while it is down.
#[derive(Debug, Default)]
pub(super) struct RecordingLink {
    pub(super) down: AtomicBool,
    /// The broker runs on while the station restarts.
    pub(super) keeps_connections: AtomicBool,
    /// Takes a message and never says so.
    pub(super) hangs: AtomicBool,
    sent: Mutex<Vec<Value>>,
}

impl RecordingLink {
    /// What was published since the last call.
    pub(super) fn take(&self) -> Vec<Value> {
        std::mem::take(&mut self.sent.lock().unwrap())
    }
}

#[async_trait]
impl Link for RecordingLink {
    async fn publish(&self, message: Publish) -> Result<(), LinkError> {
        if self.hangs.load(SeqCst) {
            std::future::pending::<()>().await;
        }
        if self.down.load(SeqCst) {
            return Err(LinkError::Down {
                reason: "unplugged".to_owned(),
            });
        }
        let mut body: Value = serde_json::from_slice(&message.payload).unwrap();
        body["topic"] = message.topic.into();
        self.sent.lock().unwrap().push(body);
        Ok(())
    }

    fn trouble(&self) -> Option<String> {
        None
    }

    fn forgets_connections(&self) -> bool {
        !self.keeps_connections.load(SeqCst)
    }
}

/// What the next commit does instead of committing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Failure {
    /// It commits: the failure comes after it.
    None,
    /// Nothing is written.
    Lost,
    /// Everything is written, but the store does not say so.
    Unheard,
}

/// The real store, whose commits fail on demand.
pub(super) struct FlakyStore {
    pub(super) real: SqliteStore,
    failures: Mutex<VecDeque<Failure>>,
    /// Commits wait while this is true.
    pub(super) hangs: watch::Sender<bool>,
}

impl FlakyStore {
    pub(super) fn new(real: SqliteStore) -> Self {
        Self {
            real,
            failures: Mutex::default(),
            hangs: watch::Sender::new(false),
        }
    }

    pub(super) fn fail(&self, failures: impl IntoIterator<Item = Failure>) {
        self.failures.lock().unwrap().extend(failures);
    }

    pub(super) fn mend(&self) {
        self.failures.lock().unwrap().clear();
    }
}

#[async_trait]
impl EngineStore for FlakyStore {
    async fn load(&self) -> StoreResult<Loaded> {
        self.real.load().await
    }

    async fn commit(&self, batch: &Batch) -> StoreResult<Committed> {
        let goes_on = self
            .hangs
            .subscribe()
            .wait_for(|hangs| !hangs)
            .await
            .is_ok();
        assert!(goes_on, "the sender is ours");
        let failure = self.failures.lock().unwrap().pop_front();
        match failure {
            None | Some(Failure::None) => return self.real.commit(batch).await,
            Some(Failure::Unheard) => {
                self.real.commit(batch).await?;
            }
            Some(Failure::Lost) => {}
        }
        Err(StoreError::Unavailable {
            reason: "the disk is full".to_owned(),
        })
    }
}
