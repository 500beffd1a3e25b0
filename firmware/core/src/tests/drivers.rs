//! Drivers at wires that behave as the data sheets say, or worse.

use std::{cell::RefCell, convert::Infallible, rc::Rc};

use embedded_hal::{
    delay::DelayNs,
    digital::{ErrorType, InputPin, OutputPin},
};
use proptest::prelude::*;

use super::*;
use crate::drivers::{
    dht11::{Answer, Dht11, PAUSE_MS_MIN, Problem, TRIES_MAX},
    output::Output,
    soil::{Adc, Calibration, READING_MAX, READINGS, median},
};

/// The wire: time goes on with the host's delays, and a little with each look.
#[derive(Default)]
struct Wire {
    now_ns: u64,
    host_low_since: Option<u64>,
    released_ns: Option<u64>,
    /// The sensor's levels after the host has let go: low, high, low ... in µs. Empty is no sensor.
    levels_us: Vec<u64>,
    looks: usize,
}

impl Wire {
    fn is_high(&self) -> bool {
        if self.host_low_since.is_some() {
            return false;
        }
        let Some(released_ns) = self.released_ns else {
            return true;
        };
        // The resistor pulls it up, the sensor takes 20 µs to answer.
        let mut at_ns = released_ns + 20_000;
        if self.now_ns < at_ns {
            return true;
        }
        for (n, level_us) in self.levels_us.iter().enumerate() {
            at_ns += level_us * 1_000;
            if self.now_ns < at_ns {
                return n % 2 == 1;
            }
        }
        true
    }
}

#[derive(Clone, Default)]
struct Pin(Rc<RefCell<Wire>>);

impl ErrorType for Pin {
    type Error = Infallible;
}

impl InputPin for Pin {
    fn is_high(&mut self) -> Result<bool, Infallible> {
        let mut wire = self.0.borrow_mut();
        wire.now_ns += 300;
        wire.looks += 1;
        Ok(wire.is_high())
    }

    fn is_low(&mut self) -> Result<bool, Infallible> {
        self.is_high().map(|high| !high)
    }
}

impl OutputPin for Pin {
    fn set_low(&mut self) -> Result<(), Infallible> {
        let mut wire = self.0.borrow_mut();
        wire.host_low_since = Some(wire.now_ns);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        let mut wire = self.0.borrow_mut();
        if let Some(since_ns) = wire.host_low_since.take() {
            // The data sheet wants at least 18 ms.
            let long_enough = wire.now_ns - since_ns >= 18_000_000;
            wire.released_ns = long_enough.then_some(wire.now_ns);
        }
        Ok(())
    }
}

impl DelayNs for Pin {
    fn delay_ns(&mut self, ns: u32) {
        self.0.borrow_mut().now_ns += u64::from(ns);
    }
}

/// The sensor's levels for five bytes; `off_us` is how far each level is from the data sheet.
fn levels(bytes: [u8; 5], mut off_us: impl FnMut() -> i64) -> Vec<u64> {
    let mut all = Vec::new();
    let mut level = |us: i64| all.push(u64::try_from(us + off_us()).unwrap());
    level(80);
    level(80);
    for byte in bytes {
        for bit in (0..8).rev() {
            level(50);
            level(if byte >> bit & 1 == 1 { 70 } else { 26 });
        }
    }
    level(50);
    all
}

fn summed([a, b, c, d]: [u8; 4]) -> [u8; 5] {
    let sum = a.wrapping_add(b).wrapping_add(c).wrapping_add(d);
    [a, b, c, d, sum]
}

fn sensor(bytes: [u8; 5]) -> (Pin, Dht11<Pin, Pin>) {
    let pin = Pin::default();
    pin.0.borrow_mut().levels_us = levels(bytes, || 0);
    (pin.clone(), Dht11::new(pin.clone(), pin))
}

fn measured(temperature: f32, humidity: f32) -> Answer {
    Answer::Measured {
        temperature,
        humidity,
    }
}

#[test]
fn a_reading_is_read() {
    for (bytes, answer) in [
        ([40, 0, 21, 5], measured(21.5, 40.0)),
        ([90, 0, 50, 0], measured(50.0, 90.0)),
        ([20, 3, 0, 0x89], measured(-0.9, 20.3)),
        ([100, 0, 60, 9], measured(60.9, 100.0)),
    ] {
        assert_eq!(sensor(summed(bytes)).1.ask(0), answer);
    }
}

#[test]
fn a_sensor_is_asked_again_after_a_pause_and_given_up() {
    let (pin, mut sensor) = sensor([40, 0, 21, 5, 1]);
    for n in 0..2 {
        let problem = [Problem::Checksum, Problem::NoAnswer][n];
        let begin_ms = n as u64 * 10_000;
        for again in 1..u64::from(TRIES_MAX) {
            let now_ms = begin_ms + (again - 1) * PAUSE_MS_MIN;
            let at_ms = now_ms + PAUSE_MS_MIN;
            assert_eq!(sensor.ask(now_ms), Answer::Again { at_ms });
            // Not touched in between.
            let looks = pin.0.borrow().looks;
            assert_eq!(sensor.ask(at_ms - 1), Answer::Again { at_ms });
            assert_eq!(pin.0.borrow().looks, looks);
        }
        let last_ms = begin_ms + u64::from(TRIES_MAX - 1) * PAUSE_MS_MIN;
        assert_eq!(sensor.ask(last_ms), Answer::Failed(problem));
        pin.0.borrow_mut().levels_us.clear();
    }
    pin.0.borrow_mut().levels_us = levels(summed([40, 0, 21, 5]), || 0);
    assert_eq!(sensor.ask(60_000), measured(21.5, 40.0));
}

#[test]
fn what_cannot_be_is_not_believed() {
    for bytes in [
        [101, 0, 20, 0],
        [50, 10, 20, 0],
        [50, 0, 61, 0],
        [50, 0, 20, 10],
    ] {
        let (_, mut sensor) = sensor(summed(bytes));
        let mut answer = sensor.ask(0);
        for n in 1..u64::from(TRIES_MAX) {
            answer = sensor.ask(n * PAUSE_MS_MIN);
        }
        assert_eq!(answer, Answer::Failed(Problem::Implausible), "{bytes:?}");
    }
}

struct Probe(Vec<u16>);

impl Adc for Probe {
    fn read(&mut self) -> u16 {
        self.0.remove(0)
    }
}

#[test]
fn one_or_two_bad_readings_do_not_count() {
    assert_eq!(median(&mut Probe(vec![500, 1_023, 502, 0, 501])), 501);
    assert_eq!(median(&mut Probe(vec![u16::MAX; READINGS])), READING_MAX);
}

#[test]
fn moisture_lies_between_two_points() {
    // Capacitive, then resistive.
    let probe = Calibration::new(800, 300).unwrap();
    for (reading, percent) in [(900, 0.0), (800, 0.0), (550, 50.0), (301, 99.8), (0, 100.0)] {
        assert!(
            (probe.moisture(reading) - percent).abs() < 0.01,
            "{reading}"
        );
    }
    let probe = Calibration::new(100, 900).unwrap();
    for (reading, percent) in [(0, 0.0), (500, 50.0), (1_023, 100.0)] {
        assert!(
            (probe.moisture(reading) - percent).abs() < 0.01,
            "{reading}"
        );
    }
    assert_eq!(Calibration::new(500, 500), None);
    assert_eq!(Calibration::new(0, 1_024), None);
}

#[test]
fn an_output_may_be_the_other_way_round() {
    let pin = Pin::default();
    for (active_low, on) in [(false, true), (false, false), (true, true), (true, false)] {
        let mut output = Output::new(pin.clone(), active_low);
        output.set(on).unwrap();
        let is_low = pin.0.borrow().host_low_since.is_some();
        assert_eq!(is_low, on == active_low);
        assert!(output.pin().is_high().is_ok());
    }
}

proptest! {
    /// Levels may be off by some microseconds, as those of cheap sensors are.
    #[test]
    fn a_sloppy_sensor_is_read_right(
        bytes in (0_u8..=100, 0_u8..10, 0_u8..=60, 0_u8..10),
        off_us in proptest::collection::vec(-8_i64..=8, 83),
    ) {
        let bytes = [bytes.0, bytes.1, bytes.2, bytes.3];
        let pin = Pin::default();
        let mut off_us = off_us.into_iter();
        pin.0.borrow_mut().levels_us = levels(summed(bytes), || off_us.next().unwrap());
        let answer = Dht11::new(pin.clone(), pin).ask(0);
        let value = |whole: u8, tenths: u8| (f32::from(whole) * 10.0 + f32::from(tenths)) / 10.0;
        prop_assert_eq!(answer, measured(value(bytes[2], bytes[3]), value(bytes[0], bytes[1])));
    }

    /// Whatever the wire does, there is an answer, and no panic.
    #[test]
    fn any_wire_gives_an_answer(levels_us in proptest::collection::vec(0_u64..200, 0..100)) {
        let pin = Pin::default();
        pin.0.borrow_mut().levels_us = levels_us;
        let mut sensor = Dht11::new(pin.clone(), pin);
        for n in 0..u64::from(TRIES_MAX) {
            let answer = sensor.ask(n * PAUSE_MS_MIN);
            let good = match answer {
                Answer::Measured { temperature, humidity } => {
                    temperature.abs() < 61.0 && (0.0..=100.9).contains(&humidity)
                }
                Answer::Again { at_ms } => at_ms == (n + 1) * PAUSE_MS_MIN,
                Answer::Failed(_) => n + 1 == u64::from(TRIES_MAX),
            };
            prop_assert!(good, "{answer:?}");
        }
    }
}
