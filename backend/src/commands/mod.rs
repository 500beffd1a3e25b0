//! Commands: from a wish to a confirmed (or honestly failed) act of a node. The rows live in the
//! engine's state; here is what may be asked, and when a schedule is due.

pub mod check;

pub use signalbox_protocol::schedule;

/// Longest timed command: seven days.
pub const DURATION_S_MAX: u32 = 604_800;
/// Open commands of one node.
pub const OPEN_COMMANDS_PER_NODE_MAX: usize = 64;
/// Schedules of one station.
pub const SCHEDULES_MAX: usize = 1_000;
/// Characters of a command's reason.
pub const REASON_CHARS_MAX: usize = 200;
