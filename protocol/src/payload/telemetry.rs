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
        if self.samples.len() > SAMPLES_MAX {
            return Err(BufferTooSmall);
        }
        match encoding {
            Encoding::Json => to_json(self, buffer),
            Encoding::Protobuf => self.encode_protobuf(buffer),
        }
    }

    /// One sample at a time: the repeated field's parts are written one behind the other, which
    /// is the same bytes as one message and needs no room for all of them at once.
    fn encode_protobuf(&self, buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let head = wire::Telemetry {
            boot: self.boot,
            seq: self.seq,
            ..Default::default()
        };
        let mut at = to_protobuf(&head, buffer)?;
        for sample in self.samples {
            let mut values = heapless::Vec::<wire::Value<'_>, VALUES_MAX>::new();
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
            at += to_protobuf(&part, &mut buffer[at..])?;
        }
        Ok(at)
    }
}

impl Serialize for TelemetryRef<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("boot", &self.boot)?;
        map.serialize_entry("seq", &self.seq)?;
        map.serialize_entry("samples", self.samples)?;
        map.end()
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
