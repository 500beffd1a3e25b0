//! The test bench at the serial line: whoever sits there sets what sensors measure, sees pins
//! move, pulls the network's plug, and sets the node up. A line each way for everything:
//!
//! | line in | |
//! |---|---|
//! | `set NAME PASSWORD ADDRESS:PORT INTERVAL_MS` | login, broker, time between readings; `-` is no password. Kept in flash; a running node starts anew with it |
//! | `dht 21.5 40`, `dht -` | what the DHT11 measures, or that it does not answer |
//! | `soil 512` | what the converter gives |
//! | `net off`, `net on` | the cable |
//! | `reset` | the reset button |
//! | `hang` | the node does nothing any more |
//! | `memory` | how much stack was used at most |
//!
//! Lines out: `settings?`, `start REASON`, `pin NAME on|off AT_MS`, `mqtt connected`,
//! `mqtt lost REASON`.

use core::{
    cell::RefCell,
    fmt::{self, Write as _},
    net::SocketAddrV4,
    str::FromStr,
};

use heapless::String;
use signalbox_node::{
    Login,
    flash::{RECORD_BYTES_MAX, Record},
};
use signalbox_protocol::{payload::Name, topic::check_name};

use crate::{
    clock::CycleClock,
    cpu,
    flash::{BoardFlash, now},
    uart::Uart,
};

/// Bytes of a line; what is longer is not understood.
const LINE_BYTES_MAX: usize = 160;

/// What a node needs to know.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) login: Login,
    pub(crate) broker: SocketAddrV4,
    pub(crate) interval_ms: u64,
}

impl FromStr for Settings {
    type Err = ();

    /// As they stand in the line, behind `set`.
    fn from_str(line: &str) -> Result<Self, ()> {
        let mut words = line.split_ascii_whitespace();
        let mut word = || words.next().ok_or(());
        let (name, password, broker, interval_ms) = (word()?, word()?, word()?, word()?);
        let name = Name::from_str(name).map_err(|_| ())?;
        check_name(&name).map_err(|_| ())?;
        Ok(Self {
            login: Login {
                name,
                password: match password {
                    "-" => None,
                    password => Some(String::from_str(password).map_err(|_| ())?),
                },
            },
            broker: broker.parse().map_err(|_| ())?,
            interval_ms: interval_ms.parse().map_err(|_| ())?,
        })
    }
}

/// What the bench shows the node.
#[derive(Debug)]
pub(crate) struct Bench {
    line: String<LINE_BYTES_MAX>,
    too_long: bool,
    /// Tenths of a degree, and percent.
    pub(crate) dht11: Option<(u16, u8)>,
    pub(crate) soil: u16,
    pub(crate) plugged: bool,
    settings: Option<String<LINE_BYTES_MAX>>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Uart::wake_on_received();
        Self {
            line: String::new(),
            too_long: false,
            dht11: Some((215, 40)),
            soil: 512,
            plugged: true,
            settings: None,
        }
    }

    /// Prints a line.
    pub(crate) fn say(&mut self, what: fmt::Arguments<'_>) {
        // The serial line cannot fail.
        let _ = writeln!(Uart, "{what}");
    }

    /// Does what has come in.
    pub(crate) fn listen(&mut self) {
        while let Some(byte) = Uart::receive() {
            match byte {
                b'\n' | b'\r' => {
                    let line = core::mem::take(&mut self.line);
                    let whole = !core::mem::take(&mut self.too_long);
                    let understood = whole && self.order(&line).is_some();
                    if !line.is_empty() && !understood {
                        self.say(format_args!("not understood"));
                    }
                }
                byte => self.too_long |= self.line.push(byte.into()).is_err(),
            }
        }
    }

    fn order(&mut self, line: &str) -> Option<()> {
        let mut words = line.split_ascii_whitespace();
        match (words.next()?, words.next()) {
            ("set", Some(_)) => {
                let settings = line.strip_prefix("set ")?;
                Settings::from_str(settings).ok()?;
                self.settings = Some(String::from_str(settings).ok()?);
            }
            ("dht", Some("-")) => self.dht11 = None,
            ("dht", Some(temperature)) => {
                let (whole, tenths) = temperature.split_once('.')?;
                let whole: u16 = whole.parse().ok()?;
                let tenths: u16 = tenths.parse().ok()?;
                self.dht11 = Some((whole * 10 + tenths, words.next()?.parse().ok()?));
            }
            ("soil", Some(steps)) => self.soil = steps.parse().ok()?,
            ("net", Some("on")) => self.plugged = true,
            ("net", Some("off")) => self.plugged = false,
            ("reset", None) => cpu::reset(cpu::Started::Reset),
            ("hang", None) => loop {
                core::hint::spin_loop();
            },
            ("memory", None) => {
                let (used, most) = cpu::stack_bytes();
                self.say(format_args!("stack {used} of {most} bytes"));
            }
            _ => return None,
        }
        Some(())
    }
}

/// The node's settings: from flash, or, the first time, from whoever sits at the bench.
pub(crate) fn settings(
    bench: &RefCell<Bench>,
    flash: &RefCell<BoardFlash>,
    clock: &CycleClock,
) -> Settings {
    if let Some(settings) = stored(&mut flash.borrow_mut()) {
        return settings;
    }
    bench.borrow_mut().say(format_args!("settings?"));
    loop {
        bench.borrow_mut().listen();
        store(bench, flash);
        if let Some(settings) = stored(&mut flash.borrow_mut()) {
            return settings;
        }
        clock.idle();
    }
}

fn stored(flash: &mut BoardFlash) -> Option<Settings> {
    let mut buffer = [0; RECORD_BYTES_MAX];
    let found = now(flash.get(Record::Settings, &mut buffer));
    let line = core::str::from_utf8(found.ok().flatten()?).ok()?;
    line.parse().ok()
}

/// Writes new settings into flash; true when there were any.
pub(crate) fn store(bench: &RefCell<Bench>, flash: &RefCell<BoardFlash>) -> bool {
    let Some(line) = bench.borrow_mut().settings.take() else {
        return false;
    };
    let mut flash = flash.borrow_mut();
    let stored = now(flash.set(Record::Settings, line.as_bytes()));
    if stored.is_err() {
        bench.borrow_mut().say(format_args!("flash failed"));
    }
    true
}
