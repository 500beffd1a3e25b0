//! Time from the processor's cycle counter, and sleeping between two events.

use core::{cell::Cell, future::poll_fn, task::Poll};

use signalbox_node::board::Clock;

use crate::cpu;

/// The board tells how fast it runs.
const FREQUENCY: usize = 0x9d02_0004;
/// Longest sleep: TCP has timers of its own.
const IDLE_MS_MAX: u64 = 50;

/// The application feeds the watchdog at least once a second. Less than half of what the counter
/// counts.
const WATCHDOG_MS: u64 = 5_000;

/// Cycles in a second.
pub(crate) fn frequency_hz() -> u32 {
    cpu::read(FREQUENCY)
}

/// Extends the 32-bit counter, which begins anew after some 100 s; looked at far more often.
#[derive(Debug)]
pub(crate) struct CycleClock {
    cycles: Cell<u64>,
    cycles_a_ms: u32,
    /// The earliest time that somebody waits for.
    wake_ms: Cell<u64>,
}

impl CycleClock {
    pub(crate) fn new() -> Self {
        Self {
            cycles: Cell::new(cpu::cycles().into()),
            cycles_a_ms: frequency_hz() / 1_000,
            wake_ms: Cell::new(u64::MAX),
        }
    }

    fn cycles(&self) -> u64 {
        let before = self.cycles.get();
        let passed = cpu::cycles().wrapping_sub(before as u32);
        let now = before + u64::from(passed);
        self.cycles.set(now);
        now
    }

    pub(crate) fn now_us(&self) -> u64 {
        self.cycles() * 1_000 / u64::from(self.cycles_a_ms)
    }

    /// Sleeps until somebody wants to be woken, or something comes in.
    pub(crate) fn idle(&self) {
        let now = self.cycles();
        let most = now + IDLE_MS_MAX * u64::from(self.cycles_a_ms);
        let wake_ms = self.wake_ms.replace(u64::MAX);
        let wake = wake_ms.saturating_mul(self.cycles_a_ms.into()).min(most);
        if wake > now {
            cpu::wait(wake as u32);
        }
    }

    /// The node is alive; without this for [`WATCHDOG_MS`] it is reset.
    pub(crate) fn feed_watchdog(&self) {
        let cycles = WATCHDOG_MS * u64::from(self.cycles_a_ms);
        cpu::feed_watchdog((self.cycles() + cycles) as u32);
    }

    /// Bits that differ at each start. The emulator gives the guest no randomness; the moment of
    /// the start, to the cycle, is what there is.
    pub(crate) fn entropy(&self) -> u32 {
        let mut bits = self.cycles() as u32;
        for _ in 0..4 {
            bits = (bits ^ (bits >> 16)).wrapping_mul(0x45d9_f3b5) ^ cpu::cycles();
        }
        bits
    }
}

impl Clock for CycleClock {
    fn now_ms(&self) -> u64 {
        self.cycles() / u64::from(self.cycles_a_ms)
    }

    async fn wait_until(&self, at_ms: u64) {
        poll_fn(|_| {
            if self.now_ms() >= at_ms {
                return Poll::Ready(());
            }
            self.wake_ms.set(self.wake_ms.get().min(at_ms));
            Poll::Pending
        })
        .await;
    }
}
