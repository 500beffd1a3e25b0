//! What was acknowledged is stored, each once, whatever fails: the daemon, the broker, the
//! database, the network, the disk, the clock. One file for each thing that fails; `rig` has the
//! parts, on every store and link.
//!
//! `cargo xtask test` fails each thing for as long as it takes to be noticed; with `--full` for
//! as long, and as often, as the documents promise.

mod broker;
mod clock;
mod daemon;
mod database;
mod disk;
mod machine;
mod network;
mod rig;
