//! Sensors and outputs as logic over `embedded-hal` traits, so that all of it is tested on a PC.
//! A board's [`crate::board::Hardware`] joins them to its pins.

pub mod dht11;
pub mod output;
pub mod soil;
