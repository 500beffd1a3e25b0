//! What every test uses: a daemon, the programs of others, and waiting.

mod port;
mod program;
mod running;
mod script;
mod station;
mod wait;

pub(crate) use port::free_port;
pub(crate) use program::{Ended, bin, full, run, signalbox, tool};
pub(crate) use running::Running;
pub(crate) use script::Script;
pub(crate) use station::{Reply, Setup, Station};
pub(crate) use wait::{DEADLINE, eventually, look_for, never_within};
