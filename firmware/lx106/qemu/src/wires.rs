//! What is wired to the node on the bench: a DHT11, a soil probe, an LED that is on when its pin is
//! low, a pump at a relay that is on when its pin is high. The drivers on the other side are those
//! of real boards, so these wires behave as the data sheets say.

use core::{cell::RefCell, convert::Infallible};

use embedded_hal::{
    delay::DelayNs,
    digital::{ErrorType, InputPin, OutputPin},
};
use signalbox_node::drivers::soil::Adc;

use crate::{bench::Bench, clock::CycleClock};

/// What the node switches: name, and whether it is on when its pin is low.
pub(crate) const OUTPUTS: [(&str, bool); 2] = [("led", true), ("pump", false)];

/// From letting the wire go to the sensor's answer.
const ANSWER_US: u64 = 20;
const LOW_US: u64 = 50;
const ZERO_US: u64 = 26;
const ONE_US: u64 = 70;
const HELLO_US: u64 = 80;
/// One look at a pin.
const LOOK_NS: u64 = 300;

/// The wire to the DHT11. It has a time of its own, which the node's delays turn on: the emulator is
/// interrupted too often to keep microseconds.
#[derive(Debug, Default)]
pub(crate) struct DhtWire {
    now_ns: u64,
    released_ns: Option<u64>,
    held_low: bool,
    bytes: Option<[u8; 5]>,
}

impl DhtWire {
    /// Lets the sensor measure this; `None` is a broken wire.
    fn set(&mut self, measured: Option<(u16, u8)>) {
        self.bytes = measured.map(|(tenths, humidity)| {
            let degrees = (tenths / 10).min(u8::MAX.into()) as u8;
            let data = [humidity, 0, degrees, (tenths % 10) as u8];
            let sum = data.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte));
            [data[0], data[1], data[2], data[3], sum]
        });
    }

    fn is_high(&self) -> bool {
        let (Some(bytes), Some(released_ns)) = (self.bytes, self.released_ns) else {
            return !self.held_low;
        };
        let since_us = (self.now_ns - released_ns) / 1_000;
        let Some(mut left_us) = since_us.checked_sub(ANSWER_US) else {
            return true;
        };
        let bits = bytes
            .into_iter()
            .flat_map(|byte| (0..u8::BITS).rev().map(move |bit| byte >> bit & 1 == 1));
        let bits = bits.map(|one| (LOW_US, if one { ONE_US } else { ZERO_US }));
        for (low_us, high_us) in core::iter::once((HELLO_US, HELLO_US)).chain(bits) {
            if left_us < low_us {
                return false;
            }
            left_us -= low_us;
            if left_us < high_us {
                return true;
            }
            left_us -= high_us;
        }
        left_us >= LOW_US
    }
}

/// The node's end of the wire to the DHT11, and its delays.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DhtPin {
    pub(crate) wire: &'static RefCell<DhtWire>,
    pub(crate) bench: &'static RefCell<Bench>,
}

impl ErrorType for DhtPin {
    type Error = Infallible;
}

impl InputPin for DhtPin {
    fn is_high(&mut self) -> Result<bool, Infallible> {
        let mut wire = self.wire.borrow_mut();
        wire.now_ns += LOOK_NS;
        Ok(wire.is_high())
    }

    fn is_low(&mut self) -> Result<bool, Infallible> {
        self.is_high().map(|high| !high)
    }
}

impl OutputPin for DhtPin {
    fn set_low(&mut self) -> Result<(), Infallible> {
        let mut wire = self.wire.borrow_mut();
        wire.held_low = true;
        wire.released_ns = None;
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        let mut wire = self.wire.borrow_mut();
        wire.set(self.bench.borrow().dht11);
        wire.held_low = false;
        wire.released_ns = Some(wire.now_ns);
        Ok(())
    }
}

impl DelayNs for DhtPin {
    fn delay_ns(&mut self, ns: u32) {
        self.wire.borrow_mut().now_ns += u64::from(ns);
    }
}

/// The soil probe; every fifth reading is bad.
#[derive(Debug)]
pub(crate) struct Probe {
    bench: &'static RefCell<Bench>,
    readings: u8,
}

impl Probe {
    pub(crate) const fn new(bench: &'static RefCell<Bench>) -> Self {
        Self { bench, readings: 0 }
    }
}

impl Adc for Probe {
    fn read(&mut self) -> u16 {
        self.readings = (self.readings + 1) % 5;
        if self.readings == 0 {
            return 0;
        }
        self.bench.borrow().soil
    }
}

/// A pin with something to switch; the bench tells when it moves.
#[derive(Debug)]
pub(crate) struct Switched {
    pub(crate) name: &'static str,
    /// Its other side is at the supply.
    pub(crate) on_when_low: bool,
    pub(crate) bench: &'static RefCell<Bench>,
    pub(crate) clock: &'static CycleClock,
}

impl Switched {
    fn show(&self, on: bool) {
        let state = if on { "on" } else { "off" };
        let at_ms = self.clock.now_us() / 1_000;
        let mut bench = self.bench.borrow_mut();
        bench.say(format_args!("pin {} {state} {at_ms}", self.name));
    }
}

impl ErrorType for Switched {
    type Error = Infallible;
}

impl OutputPin for Switched {
    fn set_low(&mut self) -> Result<(), Infallible> {
        self.show(self.on_when_low);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        self.show(!self.on_when_low);
        Ok(())
    }
}
