//! The API from outside: a real server on a free port and a unix socket, a real SQLite file,
//! a turned clock. Only the engine is scripted here; `run.rs` has the whole daemon.

#![expect(
    clippy::unwrap_used,
    reason = "a failed expectation is a failed test, also in its helpers"
)]

mod access;
mod accounts;
mod data;
mod envelope;
mod helper;
mod mails;
mod nodes;
mod openapi;
mod requests;
mod sessions;
mod station;
mod throttle;
mod websocket;
