//! `cargo xtask firmware`: the node for the ESP8266's processor, from source to a running machine.

mod build;
mod literals;
mod log;
mod run;
mod size;
mod tools;

use anyhow::Result;
use xshell::Shell;

pub(crate) use build::image;
pub(crate) use tools::packages;

/// Arguments of `firmware`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Build the image; its path is printed
    Build,
    /// Run the image in QEMU, against a station on this machine
    Run(run::Args),
    /// Read log lines of a node from standard input
    Log(log::Args),
    /// Print what the image takes of the chip's memory, by part
    Size,
}

pub(crate) fn run(shell: &Shell, args: &Args) -> Result<()> {
    match &args.verb {
        Verb::Build => {
            println!("{}", image(shell)?.display());
            Ok(())
        }
        Verb::Run(args) => run::run(shell, args),
        Verb::Log(args) => log::print(shell, args),
        Verb::Size => size::print(shell),
    }
}
