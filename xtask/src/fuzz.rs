//! `cargo xtask fuzz`: made-up bytes for what a node reads from the network, one core, for a
//! while. The compiler is the project's own: what the fuzzer needs of it are flags, not a nightly.

use anyhow::{Context as _, Result};
use xshell::{Shell, cmd};

use crate::system;

/// Of `cargo xtask test --full`.
pub(crate) const FULL_S: u32 = 300;
/// A little more than the longest command.
const PAYLOAD_BYTES_MAX: u32 = 512;
/// What cargo-fuzz passes: counters on every edge, and what is compared.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Cdebug-assertions";

/// Arguments of `fuzz`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// For how long
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

pub(crate) fn run(shell: &Shell, args: &Args) -> Result<()> {
    commands(shell, args.seconds)
}

/// Fuzzes the decoder of commands. What it finds on the way lies below the target folder; what
/// fails is to be put into `firmware/fuzz/corpus/command`, which every test run goes through.
pub(crate) fn commands(shell: &Shell, seconds: u32) -> Result<()> {
    let root = shell.current_dir();
    let found = system::target_dir(shell)?.join("fuzz/command");
    shell.create_dir(&found)?;
    let folder = root.join("firmware/fuzz");
    let _folder = shell.push_dir(&folder);
    let _flags = shell.push_env("RUSTFLAGS", FLAGS);
    let target_dir = folder.join("target");
    let _target_dir = shell.push_env("CARGO_TARGET_DIR", &target_dir);
    let host = system::host(shell)?;
    // With a target, the flags are not for build scripts.
    cmd!(shell, "cargo build --locked --release --target {host}").run()?;
    let program = target_dir.join(host).join("release/command");
    let (time, length) = (
        format!("-max_total_time={seconds}"),
        format!("-max_len={PAYLOAD_BYTES_MAX}"),
    );
    let failed = format!("-artifact_prefix={}/failed-", found.display());
    let seeds = folder.join("corpus/command");
    cmd!(
        shell,
        "nice {program} {time} {length} {failed} -print_final_stats=1 {found} {seeds}"
    )
    .run()
    .with_context(|| {
        format!(
            "a command was not survived; it lies in {} as `failed-…`",
            found.display()
        )
    })
}
