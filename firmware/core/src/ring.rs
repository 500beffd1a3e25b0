//! Readings in few bytes: a ring of bytes with one record after the other, the oldest first.
//!
//! | part | bytes | |
//! |---|---|---|
//! | time | 1 to 10 | milliseconds since the reading before, as a varint (LEB128) |
//! | metrics | 1 | a bit for each metric that has a value |
//! | each value | 1 to 5 | see below |
//!
//! A value that is a number of hundredths, tenths or wholes is a varint: the number (zigzag) times
//! four, plus how it is scaled. Whatever else it is takes the mark [`RAW`] and its own four bytes,
//! so that a value always comes out as it went in. A DHT11 and a 10-bit converter together take 10
//! bytes a reading when the readings are up to 35 minutes apart.

use crate::report::{METRICS_MAX, NOT_REPORTED, Values};

/// Most bytes of one reading.
pub const READING_BYTES_MAX: usize = 10 + 1 + 5 * METRICS_MAX;
/// What values are multiplied by to become whole; the place in the list is the scale's code.
const SCALES: [f32; 3] = [1.0, 10.0, 100.0];
/// Code of a value that is written as it is.
const RAW: u32 = 3;
/// Scaled values are below, so that with sign and scale they take at most four bytes.
const SCALED_MAX: i32 = 1 << 25;

/// Readings as bytes, in memory of at least [`READING_BYTES_MAX`].
#[derive(Debug)]
pub(crate) struct Ring<M> {
    bytes: M,
    begin: usize,
    used: usize,
    readings: usize,
    /// Time of the oldest reading; its own distance means nothing any more.
    first_ms: u64,
    last_ms: u64,
}

impl<M: AsRef<[u8]> + AsMut<[u8]>> Ring<M> {
    /// # Panics
    /// The memory is too small for a reading.
    pub(crate) fn new(memory: M) -> Self {
        assert!(
            memory.as_ref().len() >= READING_BYTES_MAX,
            "room for at least one reading is needed"
        );
        Self {
            bytes: memory,
            begin: 0,
            used: 0,
            readings: 0,
            first_ms: 0,
            last_ms: 0,
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.readings
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.readings == 0
    }

    /// Adds a reading; false, and nothing is done, when there is no room for it.
    pub(crate) fn push_back(&mut self, at_ms: u64, values: &Values) -> bool {
        if self.is_empty() {
            self.first_ms = at_ms;
            self.last_ms = at_ms;
        }
        let mut record = Record::default();
        record.varint(at_ms.saturating_sub(self.last_ms));
        let reported = values.iter().enumerate();
        let mask = reported
            .filter(|(_, value)| !value.is_nan())
            .fold(0, |mask, (at, _)| mask | (1 << at));
        record.byte(mask);
        for value in values.iter().filter(|value| !value.is_nan()) {
            record.value(*value);
        }
        let bytes = &record.bytes[..record.len];
        let room = self.bytes.as_ref().len();
        if room - self.used < bytes.len() {
            return false;
        }
        for byte in bytes {
            let end = (self.begin + self.used) % room;
            self.bytes.as_mut()[end] = *byte;
            self.used += 1;
        }
        self.readings += 1;
        self.last_ms = at_ms.max(self.last_ms);
        true
    }

    /// Takes the oldest reading away.
    pub(crate) fn pop_front(&mut self) {
        let mut all = self.iter();
        if all.next().is_none() {
            return;
        }
        let taken = all.at;
        if let Some((next_ms, _)) = all.next() {
            self.first_ms = next_ms;
        }
        self.begin = (self.begin + taken) % self.bytes.as_ref().len();
        self.used -= taken;
        self.readings -= 1;
    }

    /// Times and values, the oldest first.
    pub(crate) fn iter(&self) -> Readings<'_> {
        Readings {
            bytes: self.bytes.as_ref(),
            begin: self.begin,
            used: self.used,
            at: 0,
            at_ms: self.first_ms,
        }
    }
}

/// See [`Ring::iter`].
pub(crate) struct Readings<'a> {
    bytes: &'a [u8],
    begin: usize,
    used: usize,
    /// Bytes read.
    at: usize,
    at_ms: u64,
}

impl Readings<'_> {
    fn byte(&mut self) -> u8 {
        let byte = self.bytes[(self.begin + self.at) % self.bytes.len()];
        self.at += 1;
        byte
    }

    fn varint(&mut self) -> u64 {
        let mut value = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte();
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        value
    }

    fn value(&mut self) -> f32 {
        // What was written fits.
        let coded = self.varint() as u32;
        match SCALES.get((coded & 3) as usize) {
            Some(scale) => {
                let zigzag = coded >> 2;
                let whole = (zigzag >> 1).cast_signed() ^ -((zigzag & 1).cast_signed());
                #[expect(clippy::cast_precision_loss, reason = "below 2^25, see SCALED_MAX")]
                let value = whole as f32 / scale;
                value
            }
            None => f32::from_le_bytes([self.byte(), self.byte(), self.byte(), self.byte()]),
        }
    }
}

impl Iterator for Readings<'_> {
    type Item = (u64, Values);

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.used {
            return None;
        }
        let first = self.at == 0;
        let distance_ms = self.varint();
        if !first {
            self.at_ms += distance_ms;
        }
        let mask = self.byte();
        let mut values = [NOT_REPORTED; METRICS_MAX];
        for (at, value) in values.iter_mut().enumerate() {
            if mask & (1 << at) != 0 {
                *value = self.value();
            }
        }
        Some((self.at_ms, values))
    }
}

/// One reading while it is written.
struct Record {
    bytes: [u8; READING_BYTES_MAX],
    len: usize,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            bytes: [0; READING_BYTES_MAX],
            len: 0,
        }
    }
}

impl Record {
    fn byte(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    fn varint(&mut self, mut value: u64) {
        while value > 0x7f {
            self.byte(value as u8 | 0x80);
            value >>= 7;
        }
        self.byte(value as u8);
    }

    fn value(&mut self, value: f32) {
        for (code, scale) in (0_u32..).zip(SCALES) {
            if let Some(whole) = as_whole(value, scale) {
                let zigzag = (whole << 1) ^ (whole >> 31);
                self.varint(u64::from(zigzag.cast_unsigned() << 2 | code));
                return;
            }
        }
        self.varint(u64::from(RAW));
        for byte in value.to_le_bytes() {
            self.byte(byte);
        }
    }
}

/// The whole number that gives back the same value when it is divided by the scale.
fn as_whole(value: f32, scale: f32) -> Option<i32> {
    let half = if value < 0.0 { -0.5 } else { 0.5 };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the cast saturates and is compared"
    )]
    let whole = (value * scale + half) as i32;
    #[expect(
        clippy::cast_precision_loss,
        reason = "a loss makes the comparison fail"
    )]
    let back = whole as f32 / scale;
    let same = back.to_bits() == value.to_bits();
    (same && whole.abs() < SCALED_MAX).then_some(whole)
}
