//! The logic of a node, without input and output: no clock, no socket, no heap. A firmware or the
//! simulator owns a [`Node`], tells it the time and what happened, and does what it says:
//!
//! | the outside tells | the node answers |
//! |---|---|
//! | [`Node::reading`] when [`Node::sample_due`] | keeps what is worth reporting |
//! | [`Node::connected`], [`Node::disconnected`] | what to send again, [`Node::connect_at_ms`] |
//! | [`Node::command`], [`Node::retained_command`] | an ack, and [`Node::is_on`] for the pins |
//! | [`Node::configure`] | whether it works by it now, and keeps it |
//! | [`Node::tick`] at [`Node::next_wake_ms`] | switches off what is due |
//! | [`Node::next_publish`], [`Node::acknowledged`] | messages, each until its PUBACK |
//!
//! The files follow the data: `report` decides what of a reading is worth sending, `ring` keeps it
//! in few bytes, `outbox` numbers messages, `switches` executes commands and off-timers, `backoff`
//! paces connecting, `node` joins them. All times are milliseconds of a clock that never goes back,
//! beginning anywhere.
//!
//! Around it, still without a board: [`App`] runs a node between the parts of a [`board`], over
//! `mqtt`; [`drivers`] read sensors; [`kept`] and [`flash`] are what outlives a reset and a power
//! cut. `firmware/lx106` has a board.

#![no_std]

#[macro_use]
pub mod logs;

mod app;
mod backoff;
pub mod board;
mod config;
pub mod drivers;
pub mod flash;
pub mod kept;
mod mqtt;
mod node;
mod outbox;
mod report;
mod ring;
mod switches;
#[cfg(test)]
mod tests;

pub use app::{
    App, Buffers, CONNECT_MS_MAX, Login, PASSWORD_BYTES_MAX, RECEIVE_BYTES_MIN, WRITE_MS_MAX,
};
pub use backoff::{PAUSE_MS_MAX, PAUSE_MS_MIN};
pub use mqtt::{IN_FLIGHT_MAX, Lost};
pub use node::{
    BUFFER_BYTES_MIN, Kind, Node, NodeOptions, Publish, READINGS_BYTES, STATUS_INTERVAL_MS, offline,
};
pub use outbox::MESSAGE_SAMPLES_MAX;
pub use report::{METRICS_MAX, MetricOptions};
pub use ring::READING_BYTES_MAX;
pub use switches::{ACKS_MAX, ActuatorOptions, RECENT_IDS_MAX, Saved};
