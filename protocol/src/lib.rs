//! What nodes and the station say to each other, and what the station's API says.
//!
//! | module | what |
//! |---|---|
//! | [`topic`] | topic and node names, built and parsed only here |
//! | [`payload`] | the messages of the node protocol, version 1, in JSON and Protocol Buffers |
//! | [`limits`] | how large anything may be |
//! | `api` (feature `api`) | the JSON types of the HTTP API |
//! | `schedule` (feature `schedule`) | when a cron expression is due in a time zone |
//!
//! No I/O. Without features it needs neither `std` nor a heap, so that a node can use it.
#![cfg_attr(not(feature = "api"), no_std)]

#[cfg(feature = "api")]
extern crate alloc;

#[cfg(feature = "api")]
pub mod api;
pub mod limits;
pub mod payload;
#[cfg(feature = "schedule")]
pub mod schedule;
pub mod topic;
