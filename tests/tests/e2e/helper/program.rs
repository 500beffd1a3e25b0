//! Programs: ours, and those of others.

use std::{
    env,
    ffi::OsStr,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Of our own environment, what a program gets.
const KEPT: [&str; 2] = ["PATH", "TMPDIR"];

/// What a program that has ended leaves.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its exit code; a signal is -1.
    pub(crate) code: i32,
    /// What it printed.
    pub(crate) out: String,
    /// What it complained about.
    pub(crate) err: String,
}

impl Ended {
    /// What it printed, after it ended well.
    #[track_caller]
    pub(crate) fn good(self) -> String {
        assert_eq!(self.code, 0, "{}\n{}", self.out, self.err);
        self.out
    }
}

/// Whether everything is to be tested, also what takes long.
pub(crate) fn full() -> bool {
    env::var_os("SIGNALBOX_TEST_FULL").is_some_and(|value| value == "1")
}

/// A program with a home of its own and nothing of our environment that could change it.
pub(crate) fn tool(program: impl AsRef<OsStr>, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("HOME", home).current_dir(home);
    for name in KEPT {
        if let Some(value) = env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// The program under test.
pub(crate) fn signalbox(home: &Path) -> Command {
    tool(wanted("SIGNALBOX_BIN"), home)
}

/// Python with the packages of the tests.
pub(crate) fn python(home: &Path) -> Command {
    tool(bin("python"), home)
}

/// A program of the Python environment.
pub(crate) fn bin(name: &str) -> PathBuf {
    let path = wanted("SIGNALBOX_VENV").join("bin").join(name);
    assert!(
        path.exists(),
        "`{}` is missing; hint: run `cargo xtask test`, which makes the environment",
        path.display()
    );
    path
}

/// The file that a variable names.
pub(crate) fn wanted(variable: &str) -> PathBuf {
    let hint = "hint: run `cargo xtask test`, which sets it";
    let path = env::var_os(variable).unwrap_or_else(|| panic!("`{variable}` is not set; {hint}"));
    // Tests run in the folder of their crate, people call them from elsewhere.
    let path = PathBuf::from(path);
    assert!(
        path.is_absolute() && path.exists(),
        "`{variable}` names `{}`, which is not there as a full path; {hint}",
        path.display()
    );
    path
}

/// Runs a program to its end.
#[track_caller]
pub(crate) fn run(command: &mut Command, input: &str) -> Ended {
    let name = command.get_program().to_owned();
    let spawned = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = spawned.unwrap_or_else(|error| {
        panic!(
            "`{}` cannot be run: {error}; hint: `cargo xtask test` installs what tests need",
            name.display()
        )
    });
    let mut stdin = child.stdin.take().unwrap();
    // Who does not read has ended, and its output tells why.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    Ended {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
