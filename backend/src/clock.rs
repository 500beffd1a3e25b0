//! The station's clock. Everything that compares times takes `now` from here, so that
//! tests can turn it.

use std::sync::Arc;

use chrono::{DateTime, SubsecRound, Utc};

/// Source of the present time, in whole microseconds (what the store keeps).
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> DateTime<Utc>;
}

/// The operating system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now().trunc_subsecs(6)
    }
}

/// A clock that others can share.
pub type SharedClock = Arc<dyn Clock>;
