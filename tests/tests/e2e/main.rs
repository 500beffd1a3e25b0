//! The built program from outside: real MQTT clients as nodes, a real mail server, curl on the
//! API. Every test has a daemon, folders and ports of its own. `SIGNALBOX_BIN` names the program
//! under test, `SIGNALBOX_VENV` the Python environment; `cargo xtask test` sets both.
#![cfg(feature = "e2e")]

mod broker;
mod commands;
mod durability;
mod helper;
mod mail;
