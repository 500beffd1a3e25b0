//! What is sealed, as far as it must be known without asking the database.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use crate::store::chunk::{DAY_US, in_series};

/// The time before which there may be chunks, shared by the writer and all who read. It is raised
/// before the transaction that needs it commits, so whoever sees the rows gone sees it raised.
#[derive(Debug, Clone)]
pub(in crate::store) struct Border(Arc<AtomicI64>);

impl Border {
    /// From the newest day that has a chunk, as the keys count it.
    pub(in crate::store) fn new(newest: Option<i64>) -> Self {
        let border = newest.map_or(i64::MIN, |day| (day - in_series(0) + 1) * DAY_US);
        Self(Arc::new(AtomicI64::new(border)))
    }

    pub(in crate::store) fn us(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }

    pub(in crate::store) fn raise(&self, to_us: i64) {
        self.0.fetch_max(to_us, Ordering::SeqCst);
    }
}
