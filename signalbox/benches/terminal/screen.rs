//! The program in a pseudo-terminal: keys go in, and what comes out is a screen with the instant
//! at which it was complete; and what the process has used.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use portable_pty::CommandBuilder;

/// Columns and rows.
const SIZE: (u16, u16) = (120, 40);

/// A terminal with the program in it; ended with the value.
pub(crate) struct Screen(signalbox_tests::Screen);

/// What the process has used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Used {
    /// On the processor, all threads together.
    pub(crate) cpu: Duration,
    /// Largest resident memory, with the pages of the program's file.
    pub(crate) peak_mib: f64,
    /// Memory that is its own.
    pub(crate) private_mib: f64,
}

impl Screen {
    pub(crate) fn open(host: &str, home: &Path) -> Self {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_signalbox"));
        // This terminal does not tell its background, and waiting for it would be measured.
        command.args(["--host", host, "--theme", "dark"]);
        command.env("HOME", home);
        Self(signalbox_tests::Screen::run(command, SIZE.0, SIZE.1))
    }

    /// Presses keys; when.
    pub(crate) fn press(&mut self, keys: &str) -> Instant {
        let at = Instant::now();
        self.0.keys(keys);
        at
    }

    pub(crate) const fn written(&self) -> usize {
        self.0.written
    }

    /// The row of the selected node.
    pub(crate) fn selected(&self) -> Option<String> {
        selected(self.0.screen())
    }

    /// Waits for the mark on a node that is wanted; when it was there.
    pub(crate) fn until_selected(&mut self, good: impl Fn(&str) -> bool) -> Instant {
        self.0.until_screen("the mark on the node", |screen| {
            selected(screen).is_some_and(|name| good(&name))
        });
        self.0.came_at
    }

    /// Waits until the text on screen is as wanted; when it was.
    pub(crate) fn until(&mut self, what: &str, good: impl Fn(&str) -> bool) -> Instant {
        self.0.until(what, good);
        self.0.came_at
    }

    pub(crate) fn until_text(&mut self, text: &str) -> Instant {
        self.0.until_text(text);
        self.0.came_at
    }

    /// Takes what comes in this time.
    pub(crate) fn watch(&mut self, time: Duration) {
        self.0.watch(time);
    }

    pub(crate) fn used(&self) -> Result<Used> {
        let pid = self.0.pid();
        let mut cpu_ns = 0;
        for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
            // A thread may end meanwhile.
            let text = std::fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
            let first = text.split(' ').next().unwrap_or_default();
            cpu_ns += first.parse().unwrap_or(0);
        }
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
        Ok(Used {
            cpu: Duration::from_nanos(cpu_ns),
            peak_mib: mib(&status, "VmHWM:")?,
            private_mib: mib(&rollup, "Private_Clean:")? + mib(&rollup, "Private_Dirty:")?,
        })
    }
}

fn selected(screen: &vt100::Screen) -> Option<String> {
    let mut rows = screen.rows(0, SIZE.0);
    let row = rows.find(|row| row.starts_with('▌'))?;
    let name = row.trim_start_matches('▌').split(' ').next()?;
    Some(name.to_owned())
}

/// A line in KiB of a file of the process.
fn mib(text: &str, key: &str) -> Result<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    let word = line.and_then(|rest| rest.split_whitespace().next());
    let kib: f64 = word
        .with_context(|| format!("no {key} of the process"))?
        .parse()?;
    Ok(kib / 1_024.0)
}
