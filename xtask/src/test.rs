//! `cargo xtask test`: every test there is, on a machine that may lack what they need.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use xshell::{Shell, cmd};

use crate::{firmware, fuzz, system};

/// Arguments of `test`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Also what takes long: hundreds of kills, more generated cases, the container's program, five minutes
    /// of fuzzing
    #[arg(long)]
    full: bool,
    /// Run only tests whose name has this in it
    filter: Option<String>,
}

pub(crate) fn run(shell: &Shell, args: &Args) -> Result<()> {
    system::install_packages(shell)?;
    let venv = system::python_environment(shell)?;
    let features = ["--features", system::SERVER_FEATURES];
    // First the program, which the tests run.
    cmd!(shell, "cargo build --locked --workspace --bins").run()?;
    let program = system::target_dir(shell)?.join("debug/signalbox");
    let _program = shell.push_env("SIGNALBOX_BIN", program);
    let _venv = shell.push_env("SIGNALBOX_VENV", venv);
    let _firmware = shell.push_env("SIGNALBOX_FIRMWARE", firmware::image(shell)?);
    let _full = args
        .full
        .then(|| shell.push_env("SIGNALBOX_TEST_FULL", "1"));
    let _cases = args.full.then(|| shell.push_env("PROPTEST_CASES", "4096"));
    let filter = args.filter.as_slice();
    // A snapshot that is missing is a failure, not a new file.
    let _snapshots = shell.push_env("INSTA_UPDATE", "no");
    cmd!(
        shell,
        "cargo test --locked --workspace {features...} --no-fail-fast -- {filter...}"
    )
    .run()
    .context("tests failed; their names stand above")?;
    if args.full {
        in_the_image(shell, filter)?;
        if args.filter.is_none() {
            fuzz::commands(shell, fuzz::FULL_S)?;
        }
    }
    Ok(())
}

/// The tests that need the static program: ignored where it is not built.
fn in_the_image(shell: &Shell, filter: &[String]) -> Result<()> {
    let program = static_program(shell)?;
    let _static = shell.push_env("SIGNALBOX_STATIC_BIN", program);
    let target = [
        "--package",
        "signalbox-tests",
        "--features",
        "e2e",
        "--test",
        "e2e",
    ];
    cmd!(
        shell,
        "cargo test --locked {target...} -- --ignored {filter...}"
    )
    .run()
    .context("tests in the container's image failed; their names stand above")
}

/// The program that needs no libraries, built by the command of the `Dockerfile`; its path.
fn static_program(shell: &Shell) -> Result<PathBuf> {
    let target = system::host(shell)?;
    let _flags = shell.push_env("RUSTFLAGS", "-C target-feature=+crt-static");
    let options = [
        "--locked",
        "--release",
        "--package",
        "signalbox",
        "--target",
    ];
    cmd!(shell, "cargo build {options...} {target}").run()?;
    let folder = system::target_dir(shell)?.join(&target);
    Ok(folder.join("release/signalbox"))
}
