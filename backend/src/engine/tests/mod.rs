//! The engine on the real store, with a turned clock.

mod commands;
mod configs;
mod failures;
mod fakes;
mod gather;
mod incidents;
mod link;
mod random;
mod reactions;
mod restarts;
mod rig;
mod rule_changes;
mod schedules;
mod silences;
mod telemetry;
mod timed;
