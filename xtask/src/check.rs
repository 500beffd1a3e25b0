//! `cargo xtask check`: what a change must pass beside its tests.

use anyhow::{Context as _, Result};
use xshell::{Shell, cmd};

use crate::system;

/// Version of cargo-deny; installed below the target folder when it is not there.
const DENY_VERSION: &str = "0.20.2";

pub(crate) fn run(shell: &Shell) -> Result<()> {
    cmd!(shell, "cargo fmt --all --check").run()?;
    let firmware = "firmware/lx106/Cargo.toml";
    cmd!(shell, "cargo fmt --manifest-path {firmware} --all --check").run()?;
    let all = [
        "--locked",
        "--workspace",
        "--all-targets",
        "--features",
        system::SERVER_FEATURES,
    ];
    cmd!(shell, "cargo clippy {all...} -- -D warnings").run()?;
    // With the compiler of this machine, for this machine: only looked at, not linked.
    cmd!(
        shell,
        "cargo clippy --locked --manifest-path {firmware} --workspace -- -D warnings"
    )
    .run()?;
    let _warnings = shell.push_env("RUSTDOCFLAGS", "-D warnings");
    cmd!(shell, "cargo doc --locked --workspace --no-deps --quiet").run()?;
    deny(shell)?;
    println!("checked: format, lints, documentation, dependencies");
    Ok(())
}

fn deny(shell: &Shell) -> Result<()> {
    let root = system::target_dir(shell)?.join("tools");
    let program = root.join("bin/cargo-deny");
    let found = cmd!(shell, "{program} --version")
        .quiet()
        .ignore_stderr()
        .read();
    if !found.is_ok_and(|version| version == format!("cargo-deny {DENY_VERSION}")) {
        println!("installing cargo-deny {DENY_VERSION} below the target folder");
        cmd!(
            shell,
            "cargo install --locked --quiet --root {root} --version {DENY_VERSION} cargo-deny"
        )
        .run()?;
    }
    cmd!(shell, "{program} --locked check bans licenses sources").run()?;
    cmd!(shell, "{program} --locked check advisories").run().context(
        "advisories: one is open, or the advisory database could not be fetched; the lines above tell which",
    )
}
