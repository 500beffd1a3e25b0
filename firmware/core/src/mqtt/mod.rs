//! The client's side of MQTT 3.1.1 (OASIS standard, 29 October 2014), as far as a node needs it:
//! clean session, a will, QoS 1 both ways. No input and output: `packet` reads and writes packets,
//! `link` is the state of one connection. Why it is our own: see
//! `docs/decisions/mqtt-on-the-node.md`.

pub(crate) mod link;
pub(crate) mod packet;

pub use link::{IN_FLIGHT_MAX, Lost};
