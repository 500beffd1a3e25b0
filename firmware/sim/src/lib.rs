//! Simulated nodes on a PC: the logic of [`signalbox_node`] with made-up sensors in a made-up
//! room, over a real MQTT connection. One process runs one node or thousands.
//!
//! | file | holds |
//! |---|---|
//! | [`world`] | the room: a lamp warms it, a pump wets the soil, the day goes by |
//! | `sensors` | what a DHT11 and a soil probe make of it |
//! | `client` | one node between broker, room and clock |
//! | `connection` | one connection of it |
//! | `past` | made-up history, published before the node begins |
//! | `sim` | all nodes of a process, and the way to pull their plugs |

#[cfg(test)]
mod bytes;
mod client;
mod connection;
mod past;
mod sensors;
mod sim;
#[cfg(test)]
mod tests;
pub mod world;

pub use past::{PastError, publish_past};
pub use sim::{Broker, BrokerError, Counts, NodeSetup, Options, SetupError, Sim};
