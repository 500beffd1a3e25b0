//! The programs in `python/`: each is told what to do, and tells what happened, a JSON object a
//! line.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{DEADLINE, program::python};

/// A running script; ended with the value.
pub(crate) struct Script {
    name: String,
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<Value>,
    /// Read, and not asked for yet.
    seen: Vec<Value>,
}

impl Script {
    pub(crate) fn start(name: &str, args: &[&str], home: &Path) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("python");
        let mut child = python(home)
            .arg("-u")
            .arg(folder.join(name))
            .args(args)
            // Nothing is written next to the sources.
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (send, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let value = serde_json::from_str(&line)
                    .unwrap_or_else(|error| panic!("`{line}` is no event: {error}"));
                if send.send(value).is_err() {
                    return;
                }
            }
        });
        Self {
            name: name.to_owned(),
            child,
            stdin,
            lines,
            seen: Vec::new(),
        }
    }

    /// Tells it to do something.
    pub(crate) fn tell(&mut self, what: &Value) {
        writeln!(self.stdin, "{what}").unwrap();
    }

    /// The first event of this kind, of those that were not asked for yet.
    #[track_caller]
    pub(crate) fn expect(&mut self, event: &str) -> Value {
        self.expect_where(event, |_| true)
    }

    /// The first event of this kind with something about it.
    #[track_caller]
    pub(crate) fn expect_where(&mut self, event: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        match self.look_for(event, &is_it, DEADLINE) {
            Some(value) => value,
            None => panic!(
                "{}: no `{event}` came; but there were {:#?}",
                self.name, self.seen
            ),
        }
    }

    /// Asserts that no such event comes, for as long as it takes to believe that.
    #[track_caller]
    pub(crate) fn expect_none(&mut self, event: &str, time: Duration) {
        if let Some(value) = self.look_for(event, &|_| true, time) {
            panic!("{}: {value}", self.name);
        }
    }

    fn look_for(
        &mut self,
        event: &str,
        is_it: &dyn Fn(&Value) -> bool,
        time: Duration,
    ) -> Option<Value> {
        let fits = |value: &Value| value["event"] == event && is_it(value);
        if let Some(at) = self.seen.iter().position(fits) {
            return Some(self.seen.remove(at));
        }
        let until = Instant::now() + time;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(value) if fits(&value) => return Some(value),
                Ok(value) => self.seen.push(value),
                Err(RecvTimeoutError::Timeout) => return None,
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("{} has ended; it said {:#?}", self.name, self.seen)
                }
            }
        }
    }

    /// All events of this kind that have come and were not asked for yet.
    pub(crate) fn come(&mut self, event: &str) -> Vec<Value> {
        self.seen.extend(self.lines.try_iter());
        let (fits, other) = self
            .seen
            .drain(..)
            .partition(|value| value["event"] == event);
        self.seen = other;
        fits
    }

    /// Ends it without a word, as a power cut does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // It may have ended already; there is nothing more to do either way.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
