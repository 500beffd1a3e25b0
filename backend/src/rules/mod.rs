//! Rules: what is watched, and what a value means for it. Pure logic; the engine keeps the
//! incidents and carries out what follows. One file per kind.

mod check;
pub mod dry_run;
pub mod threshold;

pub use check::{new_spec, patched_spec};

/// Rules of one station.
pub const RULES_MAX: usize = 1_000;
/// Longest hold time: seven days.
pub const HOLD_S_MAX: u32 = 604_800;
/// Characters of a rule's name.
pub const RULE_NAME_CHARS_MAX: usize = 80;
