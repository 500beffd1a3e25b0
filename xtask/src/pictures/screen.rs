//! The program in a pseudo-terminal, and what is on its screen.

use std::{
    io::{Read as _, Write},
    num::NonZero,
    path::Path,
    sync::mpsc::{self, Receiver},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// Columns and rows of the pictures.
const SIZE: (u16, u16) = (110, 32);
/// Within this time everything must have come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A terminal with the program in it; ended with the value.
pub(super) struct Screen {
    child: Box<dyn Child + Send + Sync>,
    /// The program loses its terminal when this goes.
    _master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    output: Receiver<Vec<u8>>,
    parser: vt100::Parser,
}

impl Screen {
    pub(super) fn open(program: &Path, host: &str, home: &Path) -> Result<Self> {
        let (cols, rows) = SIZE;
        let pty = native_pty_system().openpty(PtySize {
            rows,
            cols,
            pixel_width: 0,
            pixel_height: 0,
        })?;
        let mut command = CommandBuilder::new(program);
        command.args(["--host", host, "--theme", "dark"]);
        command.env("HOME", home);
        command.env("TERM", "xterm-256color");
        command.env("COLORTERM", "truecolor");
        command.env_remove("NO_COLOR");
        let child = pty.slave.spawn_command(command)?;
        drop(pty.slave);
        let mut reader = pty.master.try_clone_reader()?;
        let keys = pty.master.take_writer()?;
        let (send, output) = mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 65_536];
            while let Ok(n @ 1..) = reader.read(&mut buffer) {
                if send.send(buffer[..n].to_vec()).is_err() {
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
            parser: vt100::Parser::new(size(rows)?, size(cols)?, 0),
        })
    }

    pub(super) fn screen(&self) -> &vt100::Screen {
        self.parser.screen()
    }

    pub(super) fn keys(&mut self, keys: &str) -> Result<()> {
        self.keys.write_all(keys.as_bytes())?;
        Ok(self.keys.flush()?)
    }

    /// Waits until this text is on screen, and what belongs to it.
    pub(super) fn until(&mut self, text: &str) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        while !self.screen().contents().contains(text) {
            let left = end.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.parser.process(&bytes),
                Err(_) => bail!("`{text}` never came:\n{}", self.screen().contents()),
            }
        }
        self.watch(Duration::from_secs(1));
        Ok(())
    }

    /// Takes what comes in this time.
    pub(super) fn watch(&mut self, time: Duration) {
        let end = Instant::now() + time;
        let left = || end.saturating_duration_since(Instant::now());
        while let Ok(bytes) = self.output.recv_timeout(left()) {
            self.parser.process(&bytes);
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // It may have ended already; there is nothing more to do either way.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
