//! Waiting for a condition with a deadline.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Longest wait for anything; far beyond what it takes.
pub const DEADLINE: Duration = Duration::from_secs(30);
/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// Looks until there is something.
///
/// # Panics
/// There was nothing within [`DEADLINE`].
#[track_caller]
pub fn eventually<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    look_for(DEADLINE, look).unwrap_or_else(|| panic!("not within {DEADLINE:?}: {what}"))
}

/// Looks for as long as it takes to believe that there will be nothing.
///
/// # Panics
/// There was something.
#[track_caller]
pub fn never_within<T>(time: Duration, what: &str, look: impl FnMut() -> Option<T>) {
    assert!(look_for(time, look).is_none(), "{what}");
}

/// Looks for at most this long.
pub fn look_for<T>(time: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let until = Instant::now() + time;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= until {
            return None;
        }
        thread::sleep(LOOK);
    }
}
