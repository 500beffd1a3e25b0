//! The project's own commands: `cargo xtask test`, `check`, `bench`, `pictures`, `firmware`, `fuzz`.

mod bench;
mod check;
mod firmware;
mod fuzz;
mod pictures;
mod system;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// What the project needs beside cargo.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Install what tests need, then run them all, also those with real servers and clients
    Test(test::Args),
    /// Format, lints, licences and advisories, documentation
    Check,
    /// Run the measurements of docs/performance.md
    Bench(bench::Args),
    /// The pictures of the terminal in docs/images, from the real program with demo data
    Pictures,
    /// The node for the ESP8266's processor: build it, run it in QEMU
    Firmware(firmware::Args),
    /// Made-up bytes for what a node reads from the network
    Fuzz(fuzz::Args),
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let shell = xshell::Shell::new()?;
    shell.change_dir(env!("CARGO_MANIFEST_DIR"));
    shell.change_dir("..");
    match Cli::parse().verb {
        Verb::Test(args) => test::run(&shell, &args),
        Verb::Check => check::run(&shell),
        Verb::Bench(args) => bench::run(&shell, &args),
        Verb::Pictures => pictures::run(&shell),
        Verb::Firmware(args) => firmware::run(&shell, &args),
        Verb::Fuzz(args) => fuzz::run(&shell, &args),
    }
}
