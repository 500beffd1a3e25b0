//! A program that runs beside the test, and the lines that it prints.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use super::{DEADLINE, eventually, program::run};

/// Ended with the value.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    /// Open for as long as the program is to have a standard input.
    pub(crate) stdin: Option<ChildStdin>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("`{}`: {error}", command.get_program().display()));
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (send, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            lines,
            stdin,
        }
    }

    /// The next line that it prints.
    #[track_caller]
    pub(crate) fn next(&self) -> String {
        self.next_within(DEADLINE).expect("a line")
    }

    /// The next line that it prints, if it comes in time.
    pub(crate) fn next_within(&self, time: Duration) -> Option<String> {
        self.lines.recv_timeout(time).ok()
    }

    /// Ends it without a word.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end, by `INT` or `TERM`; its exit code.
    pub(crate) fn signal(&mut self, name: &str) -> Option<i32> {
        signal(&self.child, name);
        exit_code(&mut self.child)
    }
}

/// Sends a signal; the shell has the only `kill` that is everywhere.
pub(crate) fn signal(child: &Child, name: &str) {
    let order = format!("kill -{name} {}", child.id());
    run(Command::new("sh").args(["-c", &order]), "").good();
}

/// Waits for the end; the exit code, which a program ended by a signal has none of.
pub(crate) fn exit_code(child: &mut Child) -> Option<i32> {
    let status = eventually("it ends", || child.try_wait().unwrap());
    status.code()
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already; there is nothing more to do either way.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
