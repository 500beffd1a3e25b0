//! Programs that the firmware needs beside cargo, and what to do when one is missing.

use std::path::Path;

use anyhow::{Result, ensure};
use xshell::{Shell, cmd};

/// Debian's compiler knows the processor (LLVM's Xtensa back end), stands beside one of rustup,
/// and comes with the source of its library.
pub(crate) const CARGO: &str = "/usr/bin/cargo";
pub(crate) const RUSTC: &str = "/usr/bin/rustc";
pub(crate) const GCC: &str = "xtensa-lx106-elf-gcc";
pub(crate) const READELF: &str = "xtensa-lx106-elf-readelf";
pub(crate) const NM: &str = "xtensa-lx106-elf-nm";
pub(crate) const QEMU: &str = "qemu-system-xtensa";

/// What each is for, a command that works once it is there, and the Debian package.
const NEEDED: [(&str, &str, &str); 6] = [
    (
        "a compiler for the processor",
        "/usr/bin/rustc --print target-list | grep -q xtensa-esp32-none-elf",
        "rustc-web",
    ),
    ("its cargo", "/usr/bin/cargo --version", "cargo-web"),
    (
        "the source of its library",
        "test -e \"$(/usr/bin/rustc --print sysroot)/lib/rustlib/src/rust/library/core/Cargo.toml\"",
        "rust-web-src",
    ),
    (
        "an assembler",
        "command -v xtensa-lx106-elf-as",
        "binutils-xtensa-lx106",
    ),
    (
        "a linker",
        "command -v xtensa-lx106-elf-gcc",
        "gcc-xtensa-lx106",
    ),
    (
        "an emulator",
        "qemu-system-xtensa -M help | grep -q lx60-nommu",
        "qemu-system-misc",
    ),
];

/// Packages, each with a command that works once it is there.
pub(crate) fn packages() -> impl Iterator<Item = (&'static str, &'static str)> {
    NEEDED.iter().map(|(_, proof, package)| (*package, *proof))
}

/// Names what is missing.
pub(crate) fn check(shell: &Shell) -> Result<()> {
    let missing = NEEDED.iter().filter(|(_, proof, _)| {
        let tried = cmd!(shell, "sh -c {proof}").quiet();
        tried.ignore_stdout().ignore_stderr().run().is_err()
    });
    let missing: Vec<_> = missing.collect();
    let what: Vec<_> = missing.iter().map(|(what, ..)| *what).collect();
    let packages: Vec<_> = missing.iter().map(|(.., package)| *package).collect();
    ensure!(
        missing.is_empty(),
        "the firmware needs {}; hint: `apt-get install {}` (Debian 12 or later), or see docs/firmware.md",
        what.join(", "),
        packages.join(" ")
    );
    Ok(())
}

/// The workspace of the firmware.
pub(crate) fn workspace(shell: &Shell) -> std::path::PathBuf {
    shell.current_dir().join(Path::new("firmware/lx106"))
}
