//! Readings that the station has not acknowledged yet. The oldest give way when there is no more
//! room, and are counted.
//!
//! One message is under way at a time. Its number belongs to the readings in it until the PUBACK:
//! when the connection breaks they go out again under the same number, so that the station can
//! tell a repetition from something new. For the same reason a message that goes out again never
//! has other readings than before, save for those that gave way: what the station may have stored
//! under one number must not come again under the next.

use heapless::Vec;
use signalbox_protocol::payload::{
    BufferTooSmall, Encoding,
    telemetry::{SampleRef, SampleTime, Writer},
};

use crate::{
    report::{METRICS_MAX, MetricOptions, Values},
    ring::Ring,
};

/// Readings of one message.
pub const MESSAGE_SAMPLES_MAX: usize = 16;
/// Bytes that a sample may grow by while it waits to go out again: an age of 1 digit becomes one
/// of 13, which is 300 years. In Protocol Buffers it grows by less.
const GROWTH_BYTES: usize = 12;

/// The readings at the front that have a number.
#[derive(Debug, Clone, Copy)]
struct Numbered {
    seq: u32,
    /// May become 0 while the message is under way; its PUBACK is then still to come, and is not
    /// the next message's.
    readings: usize,
    under_way: bool,
}

#[derive(Debug)]
pub(crate) struct Outbox<M> {
    readings: Ring<M>,
    numbered: Option<Numbered>,
    last_seq: u32,
    /// Readings that gave way to newer ones.
    pub(crate) dropped: u32,
}

impl<M: AsRef<[u8]> + AsMut<[u8]>> Outbox<M> {
    pub(crate) fn new(memory: M) -> Self {
        Self {
            readings: Ring::new(memory),
            numbered: None,
            last_seq: 0,
            dropped: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.readings.len()
    }

    pub(crate) fn push(&mut self, at_ms: u64, values: &Values) {
        while !self.readings.push_back(at_ms, values) {
            self.readings.pop_front();
            self.dropped = self.dropped.saturating_add(1);
            if self.dropped.is_power_of_two() {
                log!(
                    warn,
                    "memory full: {=u32} old readings gave way",
                    self.dropped
                );
            }
            self.forget_one_numbered();
        }
    }

    fn forget_one_numbered(&mut self) {
        if let Some(numbered) = &mut self.numbered {
            numbered.readings = numbered.readings.saturating_sub(1);
            self.forget_empty_number();
        }
    }

    /// A number whose readings are all gone is not used again.
    fn forget_empty_number(&mut self) {
        self.numbered = self
            .numbered
            .filter(|numbered| numbered.under_way || numbered.readings > 0);
    }

    /// Whether a message can go out now.
    pub(crate) fn ready(&self) -> bool {
        match self.numbered {
            Some(numbered) => !numbered.under_way,
            None => !self.readings.is_empty(),
        }
    }

    /// Writes the next message into the buffer and gives its length. When the buffer is too small
    /// for as many readings, fewer go. A message that goes out again needs a buffer as large as
    /// the first time.
    pub(crate) fn write(
        &mut self,
        boot: u32,
        metrics: &[MetricOptions],
        encoding: Encoding,
        now_ms: u64,
        buffer: &mut [u8],
    ) -> Option<usize> {
        if !self.ready() {
            return None;
        }
        let (seq, mut readings, growth) = match self.numbered {
            Some(numbered) => (numbered.seq, numbered.readings, 0),
            None => (
                self.last_seq + 1,
                self.readings.len().min(MESSAGE_SAMPLES_MAX),
                GROWTH_BYTES,
            ),
        };
        while readings > 0 {
            let room = buffer.len().saturating_sub(readings * growth);
            let part = &mut buffer[..room];
            if let Ok(len) = self.encode((boot, seq), readings, metrics, encoding, now_ms, part) {
                self.last_seq = seq;
                self.numbered = Some(Numbered {
                    seq,
                    readings,
                    under_way: true,
                });
                return Some(len);
            }
            readings /= 2;
        }
        None
    }

    #[inline(never)] // Else its frame would lie under that of the network: 80 KiB is little.
    fn encode(
        &self,
        (boot, seq): (u32, u32),
        readings: usize,
        metrics: &[MetricOptions],
        encoding: Encoding,
        now_ms: u64,
        buffer: &mut [u8],
    ) -> Result<usize, BufferTooSmall> {
        let mut writer = Writer::begin(encoding, boot, seq, buffer)?;
        for (at_ms, measured) in self.readings.iter().take(readings) {
            let named = metrics.iter().zip(measured);
            let values: Vec<(&str, f32), METRICS_MAX> = named
                .filter(|(_, value)| !value.is_nan())
                .map(|(metric, value)| (metric.name.as_str(), value))
                .collect();
            writer.sample(&SampleRef {
                time: SampleTime::AgeMs(now_ms.saturating_sub(at_ms)),
                values: &values,
            })?;
        }
        writer.finish()
    }

    /// The message under way has been acknowledged.
    pub(crate) fn acknowledged(&mut self) {
        if let Some(numbered) = self.numbered.filter(|numbered| numbered.under_way) {
            for _ in 0..numbered.readings {
                self.readings.pop_front();
            }
            self.numbered = None;
        }
    }

    /// The connection broke: what was under way goes out again.
    pub(crate) fn disconnected(&mut self) {
        if let Some(numbered) = &mut self.numbered {
            numbered.under_way = false;
        }
        self.forget_empty_number();
    }
}
