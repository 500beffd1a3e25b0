//! The DHT11 (Aosong's data sheet): temperature and humidity over one wire that both sides pull low,
//! and that a resistor pulls up.
//!
//! The host pulls the wire low for 20 ms and lets it go. The sensor answers with 80 µs low and
//! 80 µs high, then sends 40 bits, each 50 µs low and then high for 26 µs (0) or 70 µs (1): so the
//! level 45 µs after it went up is the bit. Four bytes of data, and their sum. It wants a pause of a
//! second between two readings, and now and then it does not answer; then it is asked again.

use embedded_hal::{
    delay::DelayNs,
    digital::{InputPin, OutputPin},
};

/// Between two readings.
pub const PAUSE_MS_MIN: u64 = 1_000;
/// How often it is asked for one reading.
pub const TRIES_MAX: u8 = 3;

const START_MS: u32 = 20;
/// Longest level of the sensor's, with room for one that is slow, and for a slow host.
const LEVEL_US_MAX: u32 = 150;
const SAMPLE_US: u32 = 45;
const BYTES: usize = 5;

/// What came of asking.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Answer {
    /// A reading.
    Measured {
        /// °C.
        temperature: f32,
        /// Relative, %.
        humidity: f32,
    },
    /// To be asked again, not before this time.
    Again {
        /// On the clock that was given.
        at_ms: u64,
    },
    /// Not this time.
    Failed(Problem),
}

/// Why there is no reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Problem {
    /// The wire stays as it is: no sensor, or a broken wire.
    NoAnswer,
    /// The sum is not that of the bytes.
    Checksum,
    /// More than 100 %, or a temperature that the sensor does not stand.
    Implausible,
    /// The pin cannot be read or driven.
    Pin,
}

/// A sensor at a pin with an open drain.
#[derive(Debug)]
pub struct Dht11<P, D> {
    pin: P,
    delay: D,
    asked_ms: Option<u64>,
    failed: u8,
}

impl<P: InputPin + OutputPin, D: DelayNs> Dht11<P, D> {
    /// The pin must be an open drain with a resistor to the supply.
    pub const fn new(pin: P, delay: D) -> Self {
        Self {
            pin,
            delay,
            asked_ms: None,
            failed: 0,
        }
    }

    /// Asks the sensor, which takes 25 ms; at once `Again` when it was asked less than
    /// [`PAUSE_MS_MIN`] ago.
    pub fn ask(&mut self, now_ms: u64) -> Answer {
        if let Some(asked_ms) = self.asked_ms {
            let at_ms = asked_ms + PAUSE_MS_MIN;
            if now_ms < at_ms {
                return Answer::Again { at_ms };
            }
        }
        self.asked_ms = Some(now_ms);
        match self.receive().and_then(measured) {
            Ok(answer) => {
                self.failed = 0;
                answer
            }
            Err(problem) => {
                self.failed += 1;
                if self.failed < TRIES_MAX {
                    return Answer::Again {
                        at_ms: now_ms + PAUSE_MS_MIN,
                    };
                }
                self.failed = 0;
                Answer::Failed(problem)
            }
        }
    }

    fn receive(&mut self) -> Result<[u8; BYTES], Problem> {
        self.pin.set_low().map_err(|_| Problem::Pin)?;
        self.delay.delay_ms(START_MS);
        self.pin.set_high().map_err(|_| Problem::Pin)?;
        for high in [false, true, false] {
            self.wait_for(high)?;
        }
        let mut bytes = [0; BYTES];
        for byte in &mut bytes {
            for _ in 0..u8::BITS {
                self.wait_for(true)?;
                self.delay.delay_us(SAMPLE_US);
                let bit = self.pin.is_high().map_err(|_| Problem::Pin)?;
                *byte = *byte << 1 | u8::from(bit);
                self.wait_for(false)?;
            }
        }
        Ok(bytes)
    }

    fn wait_for(&mut self, high: bool) -> Result<(), Problem> {
        for _ in 0..LEVEL_US_MAX {
            if self.pin.is_high().map_err(|_| Problem::Pin)? == high {
                return Ok(());
            }
            self.delay.delay_us(1);
        }
        Err(Problem::NoAnswer)
    }
}

fn measured(bytes: [u8; BYTES]) -> Result<Answer, Problem> {
    const BELOW_ZERO: u8 = 0x80;
    let [percent, percent_tenths, degrees, degrees_tenths, sum] = bytes;
    let data = [percent, percent_tenths, degrees, degrees_tenths];
    if data.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte)) != sum {
        return Err(Problem::Checksum);
    }
    let tenths = degrees_tenths & !BELOW_ZERO;
    // Between what it measures (0 to 50 °C, 20 to 90 %) and this it is wrong, and worth seeing: the
    // station flags it.
    if percent > 100 || percent_tenths > 9 || degrees > 60 || tenths > 9 {
        return Err(Problem::Implausible);
    }
    let in_tenths =
        |whole: u8, tenths: u8| f32::from(u16::from(whole) * 10 + u16::from(tenths)) / 10.0;
    let temperature = in_tenths(degrees, tenths);
    Ok(Answer::Measured {
        temperature: if degrees_tenths & BELOW_ZERO == 0 {
            temperature
        } else {
            -temperature
        },
        humidity: in_tenths(percent, percent_tenths),
    })
}
