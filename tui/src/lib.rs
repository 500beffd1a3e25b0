//! The terminal client as a library. It knows the API and never the daemon.

pub mod client;
