//! Opens the store that a place names, at once or as soon as its server answers.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{Place, Result, SharedStore, StoreError, postgres, sqlite};
use crate::systemd;

/// First and longest pause before a server that does not answer is asked again.
const RETRY_PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// Opens a store, making it where it is missing.
///
/// # Errors
/// [`StoreError::Unusable`] and [`StoreError::Unavailable`].
pub async fn open(place: &Place) -> Result<SharedStore> {
    Ok(match place {
        Place::Sqlite(path) => Arc::new(sqlite::open(path).await?),
        Place::Postgres(address) => Arc::new(postgres::open(address).await?),
    })
}

/// Opens a store, and waits for a server that does not answer yet: after a power cut it often
/// starts later than we do. `None` when the station is to stop meanwhile.
///
/// # Errors
/// [`StoreError::Unusable`] at once, and whatever is wrong with a file, since that does not come
/// right by itself.
pub async fn open_when_there(
    place: &Place,
    shutdown: &CancellationToken,
) -> Result<Option<SharedStore>> {
    let mut pause = RETRY_PAUSE.0;
    loop {
        let Some(opened) = shutdown.run_until_cancelled(open(place)).await else {
            return Ok(None);
        };
        match (opened, place) {
            (Ok(store), _) => return Ok(Some(store)),
            (Err(StoreError::Unavailable { reason }), Place::Postgres(_)) => {
                let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
                tracing::warn!(%reason, pause_ms, "the database is away; the station waits for it");
                systemd::waiting("waits for the database").await;
            }
            (Err(error), _) => return Err(error),
        }
        let slept = shutdown.run_until_cancelled(tokio::time::sleep(pause));
        if slept.await.is_none() {
            return Ok(None);
        }
        pause = (pause * 2).min(RETRY_PAUSE.1);
    }
}
