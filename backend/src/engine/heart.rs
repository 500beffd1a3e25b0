//! The engine's heartbeat: proof that its task turns. Fed by the engine, at each turn and while
//! it waits for the store; read by [`crate::systemd`], which tells the watchdog only while it
//! beats.
//!
//! Waiting for a store that is away is no reason to be killed, because a restart would not bring
//! the store back. A task that turns no more (a deadlock, an endless loop, a link that never
//! answers) is one.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use tokio::time::sleep;

use crate::store::{Batch, Committed, EngineStore, Loaded, Result as StoreResult};

/// Longest pause between two beats, also while the engine waits.
pub const BEAT: Duration = Duration::from_secs(1);

/// A heartbeat; clones share it.
#[derive(Debug, Clone)]
pub struct Heart {
    born: Instant,
    /// Milliseconds from birth to the last beat.
    last_ms: Arc<AtomicU64>,
}

impl Default for Heart {
    fn default() -> Self {
        Self {
            born: Instant::now(),
            last_ms: Arc::default(),
        }
    }
}

impl Heart {
    /// Tells that the task turns.
    pub fn beat(&self) {
        let ms = self.born.elapsed().as_millis();
        self.last_ms
            .store(u64::try_from(ms).unwrap_or(u64::MAX), Relaxed);
    }

    /// Time since the last beat.
    #[must_use]
    pub fn silent_for(&self) -> Duration {
        let last = Duration::from_millis(self.last_ms.load(Relaxed));
        self.born.elapsed().saturating_sub(last)
    }

    /// Beats for as long as a future takes, on the task that waits for it.
    pub async fn during<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        loop {
            tokio::select! {
                biased;
                output = future.as_mut() => {
                    self.beat();
                    return output;
                }
                () = sleep(BEAT) => self.beat(),
            }
        }
    }

    /// A store that lets the heart beat while the engine waits for it.
    #[must_use]
    pub fn around(&self, store: Arc<dyn EngineStore>) -> Arc<dyn EngineStore> {
        Arc::new(Beating {
            heart: self.clone(),
            store,
        })
    }
}

struct Beating {
    heart: Heart,
    store: Arc<dyn EngineStore>,
}

#[async_trait]
impl EngineStore for Beating {
    async fn load(&self) -> StoreResult<Loaded> {
        self.heart.during(self.store.load()).await
    }

    async fn commit(&self, batch: &Batch) -> StoreResult<Committed> {
        self.heart.during(self.store.commit(batch)).await
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, task::Poll};

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);
    const MINUTE: Duration = Duration::from_mins(1);

    #[tokio::test]
    async fn it_beats_while_something_takes_long_and_not_by_itself() {
        let heart = Heart {
            born: Instant::now() - HOUR,
            ..Heart::default()
        };
        assert!(heart.silent_for() >= HOUR);
        let shared = heart.clone();
        heart.beat();
        assert!(shared.silent_for() < MINUTE);
        let heart = Heart {
            born: Instant::now() - HOUR,
            ..Heart::default()
        };
        // It wakes nobody: only the pauses between beats make that it is looked at again, the
        // second time just before the first beat.
        let mut looks = 0;
        let slow = poll_fn(|_| {
            looks += 1;
            let silent = heart.silent_for();
            assert_eq!(silent >= HOUR, looks <= 2, "{silent:?} at look {looks}");
            if looks == 3 {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        });
        heart.during(slow).await;
    }
}
