//! `cargo xtask pictures`: the pictures of README and docs/terminal.md.

use anyhow::Result;
use xshell::{Shell, cmd};

use crate::system;

/// Where they are kept.
const FOLDER: &str = "docs/images";

pub(crate) fn run(shell: &Shell) -> Result<()> {
    cmd!(shell, "cargo build --locked --release --bin signalbox").run()?;
    let program = system::target_dir(shell)?.join("release/signalbox");
    cmd!(
        shell,
        "cargo run --locked -p signalbox-tests --example pictures -- {program} {FOLDER}"
    )
    .run()?;
    Ok(())
}
