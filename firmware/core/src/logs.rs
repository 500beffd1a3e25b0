//! What a node says of itself, by defmt: a line costs some bytes, because its text stays in the
//! image's symbol table, where whoever reads it looks it up. The macro [`log!`](crate::log!) writes
//! a line when its level is wanted; a board's logger (defmt's `global_logger`) puts it into
//! [`LogMemory`], from where [`crate::App`] sends it when the connection stands.
//!
//! Without the feature `defmt`, as in the simulator and in tests, there are no lines.

#[cfg(feature = "defmt")]
use core::sync::atomic::{AtomicU8, AtomicU32, Ordering::Relaxed};

use signalbox_protocol::payload::log::FRAME_END;
pub use signalbox_protocol::payload::log::LogLevel;

/// Lines down to this level are written.
#[cfg(feature = "defmt")]
static WANTED: AtomicU8 = AtomicU8::new(LogLevel::Info as u8);
/// The node's clock.
#[cfg(feature = "defmt")]
static NOW_MS: AtomicU32 = AtomicU32::new(0);

/// Chooses what is written from now on: lines of this level and of graver ones.
pub fn want(least: LogLevel) {
    #[cfg(feature = "defmt")]
    WANTED.store(least as u8, Relaxed);
    #[cfg(not(feature = "defmt"))]
    let _ = least;
}

/// Whether lines of this level are written.
#[must_use]
#[cfg(feature = "defmt")]
pub fn is_wanted(level: LogLevel) -> bool {
    level as u8 <= WANTED.load(Relaxed)
}

/// Sets the time of lines that come now, on the node's clock.
pub fn set_now(now_ms: u64) {
    #[cfg(feature = "defmt")]
    NOW_MS.store(wrapped(now_ms), Relaxed);
    #[cfg(not(feature = "defmt"))]
    let _ = now_ms;
}

/// The time as it stands in lines: they have no room for more than 49 days.
pub(crate) const fn wrapped(now_ms: u64) -> u32 {
    now_ms as u32
}

#[cfg(feature = "defmt")]
defmt::timestamp!("{=u32:ms}", NOW_MS.load(Relaxed));

/// Writes a line: `log!(warn, "text {=u8}", value)`, with the formats of defmt. The level is asked
/// for first, so what is not wanted costs a comparison.
#[cfg(feature = "defmt")]
#[macro_export]
macro_rules! log {
    (@ $level:ident, $write:ident, $($line:tt)+) => {
        if $crate::logs::is_wanted($crate::logs::LogLevel::$level) {
            ::defmt::$write!($($line)+);
        }
    };
    (error, $($line:tt)+) => { $crate::log!(@ Error, error, $($line)+) };
    (warn, $($line:tt)+) => { $crate::log!(@ Warn, warn, $($line)+) };
    (info, $($line:tt)+) => { $crate::log!(@ Info, info, $($line)+) };
    (debug, $($line:tt)+) => { $crate::log!(@ Debug, debug, $($line)+) };
    (trace, $($line:tt)+) => { $crate::log!(@ Trace, trace, $($line)+) };
}

/// Writes nothing: this build has no logger.
#[cfg(not(feature = "defmt"))]
#[macro_export]
macro_rules! log {
    ($level:ident, $text:literal $(, $value:expr)* $(,)?) => {{ $(let _ = &$value;)* }};
}

/// Lines that wait, as defmt's frames, each with [`FRAME_END`] behind it. When there is no more
/// room, new lines are left out and counted: what came first tells why the rest came.
#[derive(Debug)]
pub struct LogMemory<const BYTES: usize> {
    bytes: [u8; BYTES],
    /// Of whole frames.
    whole: usize,
    /// With the one that is being written.
    len: usize,
    overflowed: bool,
    lost: u32,
}

impl<const BYTES: usize> LogMemory<BYTES> {
    /// Without lines.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            bytes: [0; BYTES],
            whole: 0,
            len: 0,
            overflowed: false,
            lost: 0,
        }
    }

    /// Takes a part of the line that is being written.
    pub fn write(&mut self, part: &[u8]) {
        let end = self.len + part.len();
        match self.bytes.get_mut(self.len..end) {
            Some(place) if !self.overflowed => {
                place.copy_from_slice(part);
                self.len = end;
            }
            _ => self.overflowed = true,
        }
    }

    /// The line is whole.
    pub fn end(&mut self) {
        if self.overflowed {
            self.len = self.whole;
            self.lost = self.lost.saturating_add(1);
            self.overflowed = false;
        }
        self.whole = self.len;
    }

    /// Copies the oldest lines, as many whole ones as there is room for; their bytes.
    pub fn copy(&self, room: &mut [u8]) -> usize {
        let most = self.whole.min(room.len());
        let end = self.bytes[..most].iter().rposition(|b| *b == FRAME_END);
        let bytes = end.map_or(0, |at| at + 1);
        room[..bytes].copy_from_slice(&self.bytes[..bytes]);
        bytes
    }

    /// Forgets the oldest lines, of so many bytes.
    pub fn remove(&mut self, bytes: usize) {
        let bytes = bytes.min(self.whole);
        self.bytes.copy_within(bytes..self.len, 0);
        self.whole -= bytes;
        self.len -= bytes;
    }

    /// Lines that were left out since this was asked last.
    pub const fn take_lost(&mut self) -> u32 {
        core::mem::replace(&mut self.lost, 0)
    }
}

impl<const BYTES: usize> Default for LogMemory<BYTES> {
    fn default() -> Self {
        Self::new()
    }
}
