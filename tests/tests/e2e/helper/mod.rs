//! What every test uses: a daemon, the programs of others, and waiting.

mod board;
mod program;
mod running;
mod script;
mod sshd;
mod station;

pub(crate) use board::Board;
pub(crate) use program::{Ended, bin, full, run, signalbox, tool, wanted};
pub(crate) use running::Running;
pub(crate) use script::Script;
pub(crate) use signalbox_tests::{
    DEADLINE, Mosquitto, Nats, Postgres, RabbitMq, eventually, free_port, look_for, never_within,
};
pub(crate) use sshd::Sshd;
pub(crate) use station::{Reply, Setup, Station};
