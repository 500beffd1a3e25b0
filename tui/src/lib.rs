//! The terminal client as a library, generic over the ratatui backend. It knows the API and
//! never the daemon.
//!
//! | file | holds |
//! |---|---|
//! | [`client`] | the API from the other side, also for the command line |
//! | `event` | every input: keys, the mouse, the station, answers, the clock |
//! | `state` | all that is known and shown; takes events, gives actions |
//! | `keymap` | keys and what they do, in one table that a file can change |
//! | [`node_settings`] | settings of a node as a person writes them |
//! | `theme`, `settings` | how it looks, and what else a person chooses |
//! | `screens`, `charts` | drawing, which only reads the state |
//! | `net`, `app` | the connection, and the loop that joins it all |

mod app;
mod charts;
pub mod client;
mod event;
mod keymap;
mod net;
pub mod node_settings;
mod range;
mod screens;
mod settings;
mod state;
mod story;
mod theme;
pub mod until;
pub mod words;

pub use app::{KeepToken, Options, run, run_on};
pub use keymap::{Keymap, KeymapError};
pub use settings::{Confirm, Marks, Settings};
pub use theme::{Depth, Theme, ThemeError};
