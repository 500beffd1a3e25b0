//! What a board gives: time, a network, and its hardware. [`crate::App`] needs nothing else, so a
//! board crate implements these and wires them; everything else is tested on a PC.

use core::future::Future;

use embedded_io_async::{Read, Write};
use signalbox_protocol::payload::{Id, log::Build, status::StartedBy};

use crate::{METRICS_MAX, kept::KEPT_BYTES, mqtt::Lost};

/// Time since the start.
pub trait Clock {
    /// Milliseconds; never goes back.
    fn now_ms(&self) -> u64;

    /// Comes back at that time, or a little later; at once when it has passed.
    fn wait_until(&self, at_ms: u64) -> impl Future<Output = ()>;
}

/// A network that can be down.
pub trait Network {
    /// A connection. A `read` that is dropped has taken nothing.
    type Stream<'a>: Read + Write
    where
        Self: 'a;
    /// Why there is none.
    type Error;

    /// Opens a connection to the broker that the board was set up for. Given up by dropping it.
    fn connect(&mut self) -> impl Future<Output = Result<Self::Stream<'_>, Self::Error>>;

    /// Signal strength, where there is one.
    fn rssi_dbm(&self) -> Option<i16> {
        None
    }
}

/// Sensors, outputs, memory, and what keeps the node alive. Nothing here takes longer than some
/// tens of milliseconds, but for flash.
pub trait Hardware {
    /// Measures.
    fn measure(&mut self, now_ms: u64) -> Measured;

    /// Switches an actuator. Called at the start for each, and for each change.
    fn switch(&mut self, actuator: usize, on: bool);

    /// Why the node started; nothing where the board cannot tell. Asked once.
    fn started_by(&self) -> Option<StartedBy>;

    /// Writes the block into memory that outlives a reset.
    fn keep(&mut self, block: &[u8; KEPT_BYTES]);

    /// Writes the id of a command that was executed into flash. What goes wrong there is noted by
    /// the board: a node with broken flash still does its work.
    fn remember(&mut self, id: &Id) -> impl Future<Output = ()>;

    /// Writes the configuration that holds now into flash, for [`crate::Node::begin_with`]: at
    /// most [`signalbox_protocol::limits::CONFIG_BYTES_MAX`] bytes. Called only for another one
    /// than before.
    fn remember_config(&mut self, payload: &[u8]) -> impl Future<Output = ()>;

    /// Tells the watchdog that all is well.
    fn feed_watchdog(&mut self);

    /// Tells a person at the serial line, or a test.
    fn note(&mut self, event: Event);

    /// Copies log lines that wait, as whole frames, and tells which image wrote them. Nothing when
    /// none wait, or this board has no logger.
    fn log_lines(&mut self, room: &mut [u8]) -> Option<LogLines> {
        let _ = room;
        None
    }

    /// Forgets the oldest log lines, of so many bytes; how many newer ones found no room.
    fn logged(&mut self, bytes: usize) -> u32 {
        let _ = bytes;
        0
    }
}

/// Log lines that were copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLines {
    /// The image that wrote them.
    pub build: Build,
    /// Their bytes.
    pub bytes: usize,
}

/// What came of measuring.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Measured {
    /// By position of the metric; what could not be measured is `None`.
    Values([Option<f32>; METRICS_MAX]),
    /// A sensor is to be asked again, at this time.
    Again {
        /// On the board's clock.
        at_ms: u64,
    },
}

/// What happens to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The broker has let it in.
    Connected,
    /// The connection is gone, or could not be made.
    Lost(Lost),
    /// A command came.
    Command,
    /// A configuration came, and holds now.
    Configured,
}
