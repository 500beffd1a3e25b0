//! `cargo xtask bench`: the measurements of docs/performance.md, printed as they come.

use anyhow::Result;
use xshell::{Shell, cmd};

/// Arguments of `bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this one: the file name of a bench, without `.rs`
    name: Option<String>,
}

pub(crate) fn run(shell: &Shell, args: &Args) -> Result<()> {
    cmd!(shell, "cargo build --locked --release --bin signalbox").run()?;
    match &args.name {
        Some(name) => cmd!(shell, "cargo bench --locked --workspace --bench {name}").run()?,
        None => cmd!(shell, "cargo bench --locked --workspace --benches").run()?,
    }
    Ok(())
}
