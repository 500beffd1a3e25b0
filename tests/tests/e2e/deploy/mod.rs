//! What runs the station where it is installed: the service manager, containers.

mod compose;
mod container;
mod notify;
mod service;

use std::{fs, path::PathBuf};

/// Root of the sources.
fn root() -> PathBuf {
    fs::canonicalize(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap()
}
