//! The logic of a node, without input and output: no clock, no socket, no heap. A firmware or the
//! simulator owns a [`Node`], tells it the time and what happened, and does what it says:
//!
//! | the outside tells | the node answers |
//! |---|---|
//! | [`Node::reading`] when [`Node::sample_due`] | keeps what is worth reporting |
//! | [`Node::connected`], [`Node::disconnected`] | what to send again, [`Node::connect_at_ms`] |
//! | [`Node::command`], [`Node::retained_command`] | an ack, and [`Node::is_on`] for the pins |
//! | [`Node::tick`] at [`Node::next_wake_ms`] | switches off what is due |
//! | [`Node::next_publish`], [`Node::acknowledged`] | messages, each until its PUBACK |
//!
//! The files follow the data: `report` decides what of a reading is worth sending, `outbox` keeps
//! it and numbers messages, `switches` executes commands and off-timers, `backoff` paces
//! connecting, `node` joins them. All times are milliseconds of a clock that never goes back,
//! beginning anywhere.

#![no_std]

mod backoff;
mod node;
mod outbox;
mod report;
mod switches;
#[cfg(test)]
mod tests;

pub use backoff::{PAUSE_MS_MAX, PAUSE_MS_MIN};
pub use node::{BUFFER_BYTES_MIN, Kind, Node, NodeOptions, Publish, STATUS_INTERVAL_MS, offline};
pub use outbox::MESSAGE_SAMPLES_MAX;
pub use report::{METRICS_MAX, MetricOptions};
pub use switches::{ACKS_MAX, RECENT_IDS_MAX, Saved};
