//! A node's firmware on an emulated ESP8266 processor, with its test bench at the serial line
//! (`firmware/lx106/qemu/src/bench.rs` has the lines).

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::{DEADLINE, Running, program::wanted, tool};

/// Ended with the value.
pub(crate) struct Board {
    machine: Running,
    home: PathBuf,
    /// What outlives a power cut.
    flash: PathBuf,
    seen: Vec<String>,
}

impl Board {
    /// Switches a node on that has a login; `port` is the broker's on loopback.
    pub(crate) fn start(home: &Path, name: &str, password: &str, port: &str) -> Self {
        // To the emulated machine, 10.0.2.2 is the host's loopback.
        let setup = format!("set {name} {password} 10.0.2.2:{port} {INTERVAL_MS}");
        let flash = home.join(format!("{name}.flash"));
        let chip = fs::File::create_new(&flash).expect("a node of its own name");
        // Holes read as zeros, erased flash as ones.
        (&chip).write_all(&[0xff; ERASED_BYTES]).expect("room");
        chip.set_len(FLASH_BYTES).expect("room");
        let mut board = Self {
            machine: power(home, &flash),
            home: home.to_owned(),
            flash,
            seen: Vec::new(),
        };
        board.expect("settings?");
        board.tell(&setup);
        board.expect("start power on");
        board
    }

    /// Pulls the power plug and puts it back.
    pub(crate) fn cut_power(&mut self) {
        self.machine.kill();
        self.machine = power(&self.home, &self.flash);
        self.expect("start power on");
    }

    /// Sends a line to the bench.
    pub(crate) fn tell(&mut self, line: &str) {
        let stdin = self.machine.stdin.as_mut().expect("the serial line");
        writeln!(stdin, "{line}").expect("the machine runs");
    }

    /// Presses the reset button.
    pub(crate) fn reset(&mut self) {
        self.tell("reset");
        self.expect("start reset");
    }

    /// The next line that begins so; what follows. Lines before it are passed over.
    #[track_caller]
    pub(crate) fn expect(&mut self, begin: &str) -> String {
        self.look(DEADLINE, begin)
            .unwrap_or_else(|| panic!("no line `{begin}`; there were {:#?}", self.seen))
    }

    /// The same, if it comes in time.
    pub(crate) fn look(&mut self, time: Duration, begin: &str) -> Option<String> {
        let until = Instant::now() + time;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let line = self.machine.next_within(left)?;
            let line = line.trim_end().to_owned();
            for bad in ["panic", "fault", "not understood"] {
                assert!(!line.starts_with(bad), "{line}; before it {:#?}", self.seen);
            }
            self.seen.push(line.clone());
            if let Some(rest) = line.strip_prefix(begin) {
                return Some(rest.trim().to_owned());
            }
        }
    }

    /// Waits until a pin has this state; when it got it, in milliseconds since the start.
    #[track_caller]
    pub(crate) fn pin(&mut self, name: &str, state: &str) -> u64 {
        let at_ms = self.expect(&format!("pin {name} {state} "));
        at_ms.parse().expect("a time")
    }
}

/// Time between two readings.
pub(crate) const INTERVAL_MS: u32 = 1_000;

/// Of the board's flash chip.
const FLASH_BYTES: u64 = 4 << 20;
/// Of it, what the node uses.
const ERASED_BYTES: usize = 128 << 10;

fn power(home: &Path, flash: &Path) -> Running {
    let mut machine = tool("qemu-system-xtensa", home);
    machine.args(["-M", "lx60-nommu", "-cpu", "lx106", "-semihosting"]);
    machine.args(["-display", "none", "-monitor", "none", "-serial", "stdio"]);
    let flash = format!("if=pflash,format=raw,file={}", flash.display());
    machine.args(["-drive", &flash]);
    machine.args(["-nic", "user,model=open_eth", "-kernel"]);
    Running::start(machine.arg(wanted("SIGNALBOX_FIRMWARE")))
}
