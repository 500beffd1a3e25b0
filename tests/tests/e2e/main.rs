//! The built program from outside: real MQTT clients as nodes, a real mail server, curl on the
//! API. Every test has a daemon, folders and ports of its own. `SIGNALBOX_BIN` names the program
//! under test, `SIGNALBOX_VENV` the Python environment, `SIGNALBOX_FIRMWARE` the node's image for QEMU;
//! `cargo xtask test` sets them.
#![cfg(feature = "e2e")]
#![expect(
    clippy::unwrap_used,
    reason = "a failed expectation is a failed test, also in its helpers"
)]

mod accounts;
mod api;
mod broker;
mod cli;
mod commands;
mod deploy;
mod durability;
mod external;
mod faults;
mod firmware;
mod helper;
mod mail;
mod postgres;
mod programs;
mod reload;
mod remote;
mod resources;
mod ssh;
mod ssh_terminal;
