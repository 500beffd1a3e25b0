//! The decoder that links share, and that a new configuration can change while they work.

use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, Utc};

use super::{Body, MappingError, Rejection, decode::Tables};
use crate::config::Config;

/// Decodes by topic, as the configuration wants it.
#[derive(Debug)]
pub struct Decoder {
    tables: RwLock<Arc<Tables>>,
}

impl Decoder {
    /// Checks the mappings.
    ///
    /// # Errors
    /// The mapping and key that cannot be used.
    pub fn new(config: &Config) -> Result<Self, MappingError> {
        let tables = Arc::new(Tables::new(config)?);
        Ok(Self {
            tables: RwLock::new(tables),
        })
    }

    /// Decodes by another configuration from now on.
    ///
    /// # Errors
    /// The mapping and key that cannot be used; nothing has changed then.
    pub fn replace(&self, config: &Config) -> Result<(), MappingError> {
        let tables = Arc::new(Tables::new(config)?);
        // A poisoned lock still holds a whole value: all that is done with it is one store.
        *self.tables.write().unwrap_or_else(PoisonError::into_inner) = tables;
        Ok(())
    }

    /// Whether a mapping takes this topic.
    #[must_use]
    pub fn maps(&self, topic: &str) -> bool {
        self.tables().maps(topic)
    }

    /// Whether a mapping takes this topic and lets this login use it.
    #[must_use]
    pub fn maps_to(&self, topic: &str, login: &str) -> bool {
        self.tables().maps_to(topic, login)
    }

    /// What the message says.
    ///
    /// # Errors
    /// Why it cannot be taken, for the list of bad messages; at most 240
    /// characters that can be printed.
    pub fn decode(
        &self,
        topic: &str,
        payload: &[u8],
        retained: bool,
        received_at: DateTime<Utc>,
    ) -> Result<Body, Rejection> {
        self.tables().decode(topic, payload, retained, received_at)
    }

    fn tables(&self) -> Arc<Tables> {
        Arc::clone(&self.tables.read().unwrap_or_else(PoisonError::into_inner))
    }
}
