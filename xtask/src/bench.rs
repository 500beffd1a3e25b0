//! `cargo xtask bench`: the measurements of docs/performance.md, printed as they come.

use anyhow::Result;
use xshell::{Shell, cmd};

/// Arguments of `bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this one: the file name of a bench, without `.rs`
    name: Option<String>,
    /// For that one, as in `bench history --samples 50000000`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Databases of others that `history` compares with: program and Debian package.
const OTHERS: [(&str, &str); 2] = [
    ("victoria-metrics", "victoria-metrics"),
    ("influxd", "influxdb"),
];

/// Succeeds when a program is there.
const LOOK: &str = "command -v \"$0\"";

pub(crate) fn run(shell: &Shell, args: &Args) -> Result<()> {
    cmd!(shell, "cargo build --locked --release --bin signalbox").run()?;
    if args.name.as_deref().is_none_or(|name| name == "history") {
        for (program, package) in OTHERS {
            let there = cmd!(shell, "sh -c {LOOK} {program}")
                .quiet()
                .ignore_stdout();
            if there.run().is_err() {
                println!("without {program}: install the package {package} to compare with it");
            }
        }
    }
    let arguments = &args.arguments;
    match &args.name {
        Some(name) => cmd!(
            shell,
            "cargo bench --locked --workspace --bench {name} -- {arguments...}"
        )
        .run()?,
        None => cmd!(shell, "cargo bench --locked --workspace --benches").run()?,
    }
    Ok(())
}
