//! When to connect again: pauses that double, each cut by a random part, so that a thousand nodes
//! do not come back in the same moment after a power cut.

/// First pause.
pub const PAUSE_MS_MIN: u64 = 1_000;
/// Longest pause.
pub const PAUSE_MS_MAX: u64 = 60_000;

#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    random: u32,
    pause_ms: u64,
    /// When to try next.
    pub(crate) at_ms: u64,
}

impl Backoff {
    /// The first attempt is at once.
    pub(crate) fn new(seed: u32, now_ms: u64) -> Self {
        Self {
            // Xorshift stands still at zero.
            random: seed.max(1),
            pause_ms: PAUSE_MS_MIN,
            at_ms: now_ms,
        }
    }

    pub(crate) fn succeeded(&mut self) {
        self.pause_ms = PAUSE_MS_MIN;
    }

    /// The next attempt is after a half to the whole of the pause.
    pub(crate) fn failed(&mut self, now_ms: u64) {
        let half = self.pause_ms / 2;
        self.at_ms = now_ms + half + u64::from(self.next_random()) % (half + 1);
        self.pause_ms = (self.pause_ms * 2).min(PAUSE_MS_MAX);
    }

    /// Marsaglia's xorshift, 32 bits (Journal of Statistical Software 8/14, 2003).
    fn next_random(&mut self) -> u32 {
        let mut x = self.random;
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        self.random = x;
        x
    }
}
