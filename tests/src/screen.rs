//! The program in a real pseudo-terminal, and what a person sees in it.

use std::{
    io::{Read as _, Write},
    num::NonZero,
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use vt100::Parser;

use crate::DEADLINE;

/// A terminal with the program in it.
pub struct Screen {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    output: Receiver<(Instant, Vec<u8>)>,
    parser: Parser,
    /// Bytes that the program has written.
    pub written: usize,
    /// When the last of what is on screen was written.
    pub came_at: Instant,
}

const fn pty_size(columns: u16, rows: u16) -> PtySize {
    PtySize {
        rows,
        cols: columns,
        pixel_width: 0,
        pixel_height: 0,
    }
}

fn nonzero(n: u16) -> NonZero<u16> {
    NonZero::new(n).unwrap()
}

impl Screen {
    /// Starts a program in a terminal of this size, with times in UTC.
    ///
    /// # Panics
    /// There is no pseudo-terminal, or the program cannot be started.
    #[must_use]
    pub fn run(mut command: CommandBuilder, columns: u16, rows: u16) -> Self {
        let pty = native_pty_system()
            .openpty(pty_size(columns, rows))
            .unwrap();
        command.env("TERM", "xterm-256color");
        command.env("TZ", "UTC");
        let child = pty.slave.spawn_command(command).unwrap();
        drop(pty.slave);
        let mut reader = pty.master.try_clone_reader().unwrap();
        let keys = pty.master.take_writer().unwrap();
        let (send, output) = mpsc::channel();
        thread::spawn(move || {
            let mut buffer = [0; 65_536];
            while let Ok(n @ 1..) = reader.read(&mut buffer) {
                if send.send((Instant::now(), buffer[..n].to_vec())).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            master: pty.master,
            keys,
            output,
            parser: Parser::new(nonzero(rows), nonzero(columns), 0),
            written: 0,
            came_at: Instant::now(),
        }
    }

    /// Types.
    ///
    /// # Panics
    /// The terminal is gone.
    pub fn keys(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Gives the terminal another size.
    ///
    /// # Panics
    /// The terminal is gone.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        self.master.resize(pty_size(columns, rows)).unwrap();
        self.parser
            .screen_mut()
            .set_size(nonzero(rows), nonzero(columns));
    }

    /// What is on screen.
    #[must_use]
    pub fn screen(&self) -> &vt100::Screen {
        self.parser.screen()
    }

    /// The text on screen.
    #[must_use]
    pub fn text(&self) -> String {
        self.parser.screen().contents()
    }

    /// Waits until the screen shows what is wanted.
    ///
    /// # Panics
    /// It was not shown within [`DEADLINE`], or the program ended before.
    #[track_caller]
    pub fn until(&mut self, what: &str, good: impl Fn(&str) -> bool) -> String {
        self.until_screen(what, |screen| good(&screen.contents()));
        self.text()
    }

    /// Waits until the screen is as it is wanted.
    ///
    /// # Panics
    /// As [`Screen::until`].
    #[track_caller]
    pub fn until_screen(&mut self, what: &str, good: impl Fn(&vt100::Screen) -> bool) {
        let end = Instant::now() + DEADLINE;
        while !good(self.screen()) {
            let left = end.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(part) => self.take(part),
                Err(RecvTimeoutError::Timeout) => panic!("never seen: {what}\n{}", self.text()),
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("ended before: {what}\n{}", self.text())
                }
            }
        }
    }

    /// Waits until this text is on screen.
    ///
    /// # Panics
    /// As [`Screen::until`].
    #[track_caller]
    pub fn until_text(&mut self, text: &str) -> String {
        self.until(text, |seen| seen.contains(text))
    }

    fn take(&mut self, (at, bytes): (Instant, Vec<u8>)) {
        self.came_at = at;
        self.written += bytes.len();
        self.parser.process(&bytes);
    }

    /// Takes what comes in this time.
    pub fn watch(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while let Ok(part) = self
            .output
            .recv_timeout(end.saturating_duration_since(Instant::now()))
        {
            self.take(part);
        }
    }

    /// The program's own id.
    ///
    /// # Panics
    /// It has ended.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.process_id().unwrap()
    }

    /// Tells the program to end.
    ///
    /// # Panics
    /// It has ended.
    pub fn terminate(&self) {
        let pid = self.pid();
        let status = std::process::Command::new("kill")
            .args(["-TERM", &pid.to_string()])
            .status();
        assert!(status.unwrap().success());
    }

    /// Waits for the end and looks at the terminal that it leaves: whether it went well.
    ///
    /// # Panics
    /// It did not end within [`DEADLINE`], or the terminal is not as it was.
    pub fn ended(&mut self) -> bool {
        let end = Instant::now() + DEADLINE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(part) => self.take(part),
                Err(RecvTimeoutError::Timeout) => panic!("it did not end\n{}", self.text()),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let screen = self.parser.screen();
        assert!(!screen.alternate_screen(), "left in the alternate screen");
        assert!(!screen.hide_cursor(), "left without a cursor");
        assert!(!screen.bracketed_paste(), "left with bracketed paste");
        self.child.wait().unwrap().success()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // It may have ended already; there is nothing more to do either way.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
