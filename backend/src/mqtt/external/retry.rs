//! Pauses between tries to connect: doubling, with chance in them, so that many stations do not
//! come back to a broker that has just started at the same moment.

use std::time::Duration;

use tokio::time::Instant;

/// First and longest pause.
const PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(15));
/// A connection that has lasted this long was a good one: the next pause is short again.
const GOOD: Duration = Duration::from_secs(5);

/// The pauses of one client.
#[derive(Debug)]
pub(super) struct Retry {
    next: Duration,
    began: Instant,
}

impl Retry {
    pub(super) fn new() -> Self {
        Self {
            next: PAUSE.0,
            began: Instant::now(),
        }
    }

    /// A connection is up.
    pub(super) fn connected(&mut self, now: Instant) {
        self.began = now;
    }

    /// How long to wait now, after a connection that was up or was not.
    pub(super) fn pause(&mut self, was_up: bool, now: Instant) -> Duration {
        if was_up && now - self.began >= GOOD {
            self.next = PAUSE.0;
        }
        let pause = self.next.mul_f64(rand::random_range(0.5..1.0));
        self.next = (self.next * 2).min(PAUSE.1);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_an_end_and_begin_anew_after_a_good_connection() {
        let mut retry = Retry::new();
        let now = Instant::now();
        let mut longest = PAUSE.0;
        for _ in 0..20 {
            let pause = retry.pause(false, now);
            assert!(pause >= longest / 2 && pause <= longest, "{pause:?}");
            longest = (longest * 2).min(PAUSE.1);
        }
        assert_eq!(longest, PAUSE.1);
        retry.connected(now);
        let fell_over = now + GOOD / 2;
        assert!(retry.pause(true, fell_over) > PAUSE.0);
        assert!(retry.pause(true, now + GOOD) <= PAUSE.0);
    }
}
