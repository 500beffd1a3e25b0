//! The one binary: command line and wiring only. Each verb is a file in `verbs/`.

mod cli;
mod client_file;
mod context;
mod log;
mod output;
mod state_file;
mod trust;
mod verbs;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let mut threads = if cli.has_a_station() {
        tokio::runtime::Builder::new_multi_thread()
    } else {
        // A client waits most of the time: one thread is quicker and smaller.
        tokio::runtime::Builder::new_current_thread()
    };
    let runtime = match threads.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: no threads can be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(cli.run()) {
        Ok(code) => code,
        Err(error) => output::failure(&error),
    }
}
