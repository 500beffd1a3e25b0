//! `signalbox/<node>/telemetry`: measurements, QoS 1, not retained.
//!
//! A node writes [`TelemetryRef`] from slices without a heap; the station reads [`Telemetry`].

use femtopb::{Repeated, UnknownFields};
use serde::{Serialize, ser::SerializeMap};

use super::{BufferTooSmall, Encoding, to_json, to_protobuf, wire};
use crate::limits::{SAMPLES_MAX, VALUES_MAX};

/// When a sample was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleTime {
    /// So long before the message was sent: for nodes without a clock.
    AgeMs(u64),
    /// Milliseconds since 1970-01-01 UTC.
    TsMs(i64),
}

/// A message as a node writes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TelemetryRef<'a> {
    /// Id of this start; another one at each start.
    pub boot: u32,
    /// Counts messages from 1 within a boot; a message that is sent again keeps its number.
    pub seq: u32,
    /// 1 to [`SAMPLES_MAX`].
    pub samples: &'a [SampleRef<'a>],
}

/// Values measured at one time, as a node writes them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SampleRef<'a> {
    /// When.
    pub time: SampleTime,
    /// Metric and value; 1 to [`VALUES_MAX`].
    pub values: &'a [(&'a str, f32)],
}

/// Whole numbers are written without a fraction, and so take fewer bytes.
fn as_whole(value: f32) -> Option<i32> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the cast saturates and is compared"
    )]
    let whole = value as i32;
    #[expect(
        clippy::cast_precision_loss,
        reason = "a loss makes the comparison fail"
    )]
    let same = whole as f32 == value;
    same.then_some(whole)
}

impl TelemetryRef<'_> {
    /// Writes into a buffer; gives the length.
    ///
    /// # Errors
    /// The buffer is too small, or there are more than [`SAMPLES_MAX`] samples or
    /// [`VALUES_MAX`] values.
    pub fn encode(&self, encoding: Encoding, buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let mut writer = Writer::begin(encoding, self.boot, self.seq, buffer)?;
        self.samples
            .iter()
            .try_for_each(|sample| writer.sample(sample))?;
        writer.finish()
    }
}

/// Writes a message one sample after the other: a node has no room for all of them at once. The
/// same bytes as [`TelemetryRef::encode`] writes.
#[derive(Debug)]
pub struct Writer<'b> {
    encoding: Encoding,
    buffer: &'b mut [u8],
    written: usize,
    samples: usize,
}

/// Values of one sample that are written with little memory.
const VALUES_USUAL: usize = 4;

/// What comes before the samples.
#[derive(Serialize)]
struct Head {
    boot: u32,
    seq: u32,
}

impl<'b> Writer<'b> {
    /// Begins a message.
    ///
    /// # Errors
    /// The buffer is too small.
    pub fn begin(
        encoding: Encoding,
        boot: u32,
        seq: u32,
        buffer: &'b mut [u8],
    ) -> Result<Self, BufferTooSmall> {
        let mut writer = Self {
            encoding,
            buffer,
            written: 0,
            samples: 0,
        };
        match encoding {
            Encoding::Json => {
                writer.written = to_json(&Head { boot, seq }, writer.buffer)?;
                // The list of samples is the object's last member.
                writer.written -= "}".len();
                writer.text(r#","samples":["#)?;
            }
            Encoding::Protobuf => {
                let head = wire::Telemetry {
                    boot,
                    seq,
                    ..Default::default()
                };
                writer.written = to_protobuf(&head, writer.buffer)?;
            }
        }
        Ok(writer)
    }

    fn text(&mut self, text: &str) -> Result<(), BufferTooSmall> {
        let place = self.buffer[self.written..].get_mut(..text.len());
        place
            .ok_or(BufferTooSmall)?
            .copy_from_slice(text.as_bytes());
        self.written += text.len();
        Ok(())
    }

    /// Adds a sample.
    ///
    /// # Errors
    /// The buffer is too small, or it is more than [`SAMPLES_MAX`] samples or [`VALUES_MAX`]
    /// values.
    pub fn sample(&mut self, sample: &SampleRef<'_>) -> Result<(), BufferTooSmall> {
        if self.samples == SAMPLES_MAX {
            return Err(BufferTooSmall);
        }
        match self.encoding {
            Encoding::Json => {
                if self.samples > 0 {
                    self.text(",")?;
                }
                self.written += to_json(sample, &mut self.buffer[self.written..])?;
            }
            // A node's stack has no room for the longest when it writes the usual.
            Encoding::Protobuf if sample.values.len() <= VALUES_USUAL => {
                self.sample_protobuf::<VALUES_USUAL>(sample)?;
            }
            Encoding::Protobuf => self.sample_protobuf::<VALUES_MAX>(sample)?,
        }
        self.samples += 1;
        Ok(())
    }

    /// The repeated field's parts, written one behind the other, are the same bytes as one message.
    #[inline(never)]
    fn sample_protobuf<const N: usize>(
        &mut self,
        sample: &SampleRef<'_>,
    ) -> Result<(), BufferTooSmall> {
        let mut values = heapless::Vec::<wire::Value<'_>, N>::new();
        for (metric, value) in sample.values {
            let number = as_whole(*value).map_or(wire::Number::Float(*value), |whole| {
                wire::Number::Int(whole.into())
            });
            values
                .push(wire::Value {
                    metric,
                    value: Some(number),
                    unknown_fields: UnknownFields::default(),
                })
                .map_err(|_| BufferTooSmall)?;
        }
        let one = [wire::Sample {
            time: Some(match sample.time {
                SampleTime::AgeMs(age_ms) => wire::Time::AgeMs(age_ms),
                SampleTime::TsMs(ts_ms) => wire::Time::TsMs(ts_ms),
            }),
            values: Repeated::from_slice(&values),
            unknown_fields: UnknownFields::default(),
        }];
        let part = wire::Telemetry {
            samples: Repeated::from_slice(&one),
            ..Default::default()
        };
        self.written += to_protobuf(&part, &mut self.buffer[self.written..])?;
        Ok(())
    }

    /// Ends the message; its length.
    ///
    /// # Errors
    /// The buffer is too small.
    pub fn finish(mut self) -> Result<usize, BufferTooSmall> {
        if self.encoding == Encoding::Json {
            self.text("]}")?;
        }
        Ok(self.written)
    }
}

impl Serialize for SampleRef<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        match self.time {
            SampleTime::AgeMs(age_ms) => map.serialize_entry("age_ms", &age_ms)?,
            SampleTime::TsMs(ts_ms) => map.serialize_entry("ts_ms", &ts_ms)?,
        }
        map.serialize_entry("values", &ValuesRef(self.values))?;
        map.end()
    }
}

struct ValuesRef<'a>(&'a [(&'a str, f32)]);

impl Serialize for ValuesRef<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (metric, value) in self.0 {
            match as_whole(*value) {
                Some(whole) => map.serialize_entry(metric, &whole)?,
                None => map.serialize_entry(metric, value)?,
            }
        }
        map.end()
    }
}

#[cfg(feature = "api")]
pub use owned::{Sample, Telemetry};

#[cfg(feature = "api")]
mod owned;
