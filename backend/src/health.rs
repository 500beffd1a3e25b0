//! Whether the station works: looks at the store and at the link to the broker, and tells every
//! listener when that changes. Fed by both; feeds `GET /health` and the live stream, from which a
//! terminal takes its banner.

use std::{sync::Arc, time::Duration};

use signalbox_protocol::api::{event::Event, station::Health};
use tokio::{sync::watch, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::{live::Live, mqtt::Link, store::SharedStore};

/// A trouble is told at the latest after this long.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A store that has not answered for this long counts as away.
const PING_MAX: Duration = Duration::from_secs(3);

/// What the station's health is read from; clones share it.
#[derive(Clone)]
pub struct Vitals {
    /// Answers reads, or does not.
    pub store: SharedStore,
    /// What the engine's last commit said; `None` when all is well.
    pub store_trouble: watch::Receiver<Option<String>>,
    /// The way to the nodes.
    pub link: Arc<dyn Link>,
}

impl std::fmt::Debug for Vitals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vitals").finish_non_exhaustive()
    }
}

impl Vitals {
    /// Looks now. Strangers may read the result: it says what is wrong, but not in the
    /// database's own words.
    pub async fn look(&self) -> Health {
        let writing = self.store_trouble.borrow().is_none();
        let store = match tokio::time::timeout(PING_MAX, self.store.ping()).await {
            Ok(Ok(())) if writing => "ok",
            Ok(Ok(())) => "cannot be written",
            Ok(Err(error)) => {
                tracing::debug!(%error, "the store does not answer");
                "unavailable"
            }
            Err(_) => "unavailable",
        };
        let broker = self.link.trouble();
        let well = store == "ok" && broker.is_none();
        Health {
            status: if well { "ok" } else { "degraded" }.to_owned(),
            store: store.to_owned(),
            broker: broker.unwrap_or_else(|| "ok".to_owned()),
            warnings: self.link.warnings(),
        }
    }
}

/// Looks until `stop`, and publishes and logs each change.
pub async fn run(vitals: Vitals, live: Live, stop: CancellationToken) {
    let mut last = well();
    let mut trouble = vitals.store_trouble.clone();
    let mut tick = tokio::time::interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
            // The engine has ended when there is nobody to tell it; then the ticks go on.
            Ok(()) = trouble.changed() => {}
        }
        let health = vitals.look().await;
        if health == last {
            continue;
        }
        if health.status == "ok" {
            // The first look finds a station that has never been otherwise.
            if last.status != "ok" {
                tracing::info!("store and broker work again");
            }
        } else {
            tracing::warn!(store = %health.store, broker = %health.broker, "the station is degraded");
        }
        last = health.clone();
        live.publish(Event::Health { health });
    }
}

/// Nothing is wrong.
fn well() -> Health {
    Health {
        status: "ok".to_owned(),
        store: "ok".to_owned(),
        broker: "ok".to_owned(),
        warnings: Vec::new(),
    }
}
