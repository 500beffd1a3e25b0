//! The JSON types of the HTTP API under `/api/v1` and of the WebSocket at `/ws`.
//!
//! The daemon writes them, the terminal, the command line and any other client
//! read them; one file per resource, named like its route. Times are RFC 3339
//! with an offset; durations end in their unit.

pub mod auth;
pub mod command;
pub mod config;
pub mod data;
pub mod error;
pub mod event;
pub mod fingerprint;
pub mod incident;
pub mod log;
pub mod mail;
pub mod message;
pub mod node;
mod nullable;
pub mod rule;
pub mod session;
pub mod silence;
pub mod station;
pub mod user;

pub use chrono::{DateTime, Utc};
