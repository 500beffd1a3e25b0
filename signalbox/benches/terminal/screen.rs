//! The program in a pseudo-terminal: keys go in, and what comes out is a screen with the instant
//! at which each part of it came.

use std::{
    io::{Read as _, Write},
    num::NonZero,
    path::Path,
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use vt100::Parser;

/// Columns and rows.
const SIZE: (u16, u16) = (120, 40);
/// Within this time everything must have come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A terminal with the program in it; ended with the value.
pub(crate) struct Screen {
    child: Box<dyn Child + Send + Sync>,
    /// The program loses its terminal when this goes.
    _master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    output: Receiver<(Instant, Vec<u8>)>,
    parser: Parser,
    /// Bytes that the program has written.
    pub(crate) written: u64,
    /// When the last of them came.
    came_at: Instant,
}

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
    pub(crate) fn open(host: &str, home: &Path) -> Result<Self> {
        let (cols, rows) = SIZE;
        let pty = native_pty_system().openpty(PtySize {
            rows,
            cols,
            pixel_width: 0,
            pixel_height: 0,
        })?;
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_signalbox"));
        // This terminal does not tell its background, and waiting for it would be measured.
        command.args(["--host", host, "--theme", "dark"]);
        command.env("HOME", home);
        command.env("TERM", "xterm-256color");
        let child = pty.slave.spawn_command(command)?;
        drop(pty.slave);
        let mut reader = pty.master.try_clone_reader()?;
        let keys = pty.master.take_writer()?;
        let (send, output) = mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 65_536];
            while let Ok(n @ 1..) = reader.read(&mut buffer) {
                if send.send((Instant::now(), buffer[..n].to_vec())).is_err() {
                    return;
                }
            }
        });
        let size = |n| NonZero::new(n).context("a size");
        Ok(Self {
            child,
            _master: pty.master,
            keys,
            output,
            parser: Parser::new(size(rows)?, size(cols)?, 0),
            written: 0,
            came_at: Instant::now(),
        })
    }

    /// Presses keys; when.
    pub(crate) fn press(&mut self, keys: &str) -> Result<Instant> {
        let at = Instant::now();
        self.keys.write_all(keys.as_bytes())?;
        self.keys.flush()?;
        Ok(at)
    }

    pub(crate) fn text(&self) -> String {
        self.parser.screen().contents()
    }

    /// The row of the selected node.
    pub(crate) fn selected(&self) -> Option<String> {
        let mut rows = self.parser.screen().rows(0, SIZE.0);
        let row = rows.find(|row| row.starts_with('▌'))?;
        let name = row.trim_start_matches('▌').split(' ').next()?;
        Some(name.to_owned())
    }

    /// Waits until the screen is as wanted; when it became so.
    pub(crate) fn until(&mut self, what: &str, good: impl Fn(&Self) -> bool) -> Result<Instant> {
        let end = Instant::now() + PATIENCE;
        while !good(self) {
            let left = end.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(part) => self.take(part),
                Err(RecvTimeoutError::Timeout) => bail!("never seen: {what}\n{}", self.text()),
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("it ended before: {what}\n{}", self.text())
                }
            }
        }
        Ok(self.came_at)
    }

    pub(crate) fn until_text(&mut self, text: &str) -> Result<Instant> {
        self.until(text, |screen| screen.text().contains(text))
    }

    /// Takes what comes in this time.
    pub(crate) fn watch(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while let Ok(part) = self
            .output
            .recv_timeout(end.saturating_duration_since(Instant::now()))
        {
            self.take(part);
        }
    }

    fn take(&mut self, (at, bytes): (Instant, Vec<u8>)) {
        self.came_at = at;
        self.written += bytes.len() as u64;
        self.parser.process(&bytes);
    }

    pub(crate) fn used(&self) -> Result<Used> {
        let pid = self.child.process_id().context("it has ended")?;
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

impl Drop for Screen {
    fn drop(&mut self) {
        // It may have ended already; there is nothing more to do either way.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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
