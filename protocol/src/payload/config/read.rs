//! Reads a configuration piece by piece: a node that learns where each piece belongs needs no
//! memory for a whole one. Fed with a payload, feeds a [`Sink`].
//!
//! A field that is not known is wrong, in both encodings: the node would not do what the station
//! believes.

use core::fmt;

use femtopb::{EnumValue, Message as _, UnknownFields};
use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeSeed},
};

use super::{LogLevel, MetricConfig, check_interval};
use crate::{
    limits::{CONFIG_BYTES_MAX, CONFIG_METRICS_MAX},
    payload::{DecodeError, Encoding, Name, check_len, checked_name, wire},
};

/// Takes the pieces in the order in which they come. What it cannot take it remembers itself; when
/// [`read`] fails in the end, everything that it was given is void.
pub trait Sink {
    /// Time between two readings, within its limits.
    fn interval_ms(&mut self, interval_ms: u32);
    /// From which weight on the log is wanted.
    fn log(&mut self, level: LogLevel);
    /// Settings of a metric, within their limits. The same name may come again.
    fn metric(&mut self, name: &Name, config: &MetricConfig);
}

/// Reads either encoding; needs no heap. Gives the version, from 1.
///
/// # Errors
/// What is wrong with the payload.
pub fn read(payload: &[u8], sink: &mut dyn Sink) -> Result<u32, DecodeError> {
    check_len(payload, CONFIG_BYTES_MAX)?;
    let mut pieces = Pieces {
        sink,
        metrics: 0,
        problem: None,
    };
    let version = match Encoding::detect(payload) {
        Encoding::Json => json(payload, &mut pieces)?,
        Encoding::Protobuf => protobuf(payload, &mut pieces)?,
    };
    if version == 0 {
        return field("version", "is missing");
    }
    Ok(version)
}

const fn field<T>(field: &'static str, problem: &'static str) -> Result<T, DecodeError> {
    Err(DecodeError::Field { field, problem })
}

/// Checks each piece and hands it on.
struct Pieces<'s> {
    sink: &'s mut dyn Sink,
    metrics: usize,
    /// What a piece of JSON failed by: serde's errors cannot carry it.
    problem: Option<DecodeError>,
}

impl Pieces<'_> {
    fn interval_ms(&mut self, interval_ms: u32) -> Result<(), DecodeError> {
        check_interval(interval_ms)?;
        self.sink.interval_ms(interval_ms);
        Ok(())
    }

    #[inline(never)] // A large frame does not compile for the lx106.
    fn metric(&mut self, name: &Name, config: &MetricConfig) -> Result<(), DecodeError> {
        config.check()?;
        self.metrics += 1;
        if self.metrics > CONFIG_METRICS_MAX {
            return field("metrics", "has too many entries");
        }
        self.sink.metric(name, config);
        Ok(())
    }

    /// Ends the reading of JSON.
    fn fails<E: de::Error>(&mut self, problem: DecodeError) -> E {
        self.problem = Some(problem);
        E::custom("see the problem")
    }
}

#[inline(never)] // A large frame does not compile for the lx106.
fn protobuf(payload: &[u8], pieces: &mut Pieces<'_>) -> Result<u32, DecodeError> {
    let config = wire::Config::decode(payload)?;
    all_known(&config.unknown_fields)?;
    if let Some(interval_ms) = config.interval_ms {
        pieces.interval_ms(interval_ms)?;
    }
    if let Some(level) = level_from_wire(config.log)? {
        pieces.sink.log(level);
    }
    for metric in config.metrics.iter() {
        protobuf_metric(&metric?, pieces)?;
    }
    Ok(config.version)
}

#[inline(never)] // A large frame does not compile for the lx106.
fn protobuf_metric(
    wire: &wire::MetricConfig<'_>,
    pieces: &mut Pieces<'_>,
) -> Result<(), DecodeError> {
    all_known(&wire.unknown_fields)?;
    let steps = |steps: Option<u32>| {
        let steps = steps.map(u16::try_from).transpose();
        steps.or(field("dry and wet", "go from 0 to 1023"))
    };
    let config = MetricConfig {
        dead_band_milli: wire.dead_band_milli,
        heartbeat_ms: wire.heartbeat_ms,
        offset_milli: wire.offset_milli,
        dry: steps(wire.dry)?,
        wet: steps(wire.wet)?,
    };
    pieces.metric(&checked_name(wire.metric, "metrics")?, &config)
}

fn all_known(unknown: &UnknownFields<'_>) -> Result<(), DecodeError> {
    if *unknown == UnknownFields::empty() {
        Ok(())
    } else {
        Err(DecodeError::UnknownField)
    }
}

fn level_from_wire(wire: EnumValue<wire::LogLevel>) -> Result<Option<LogLevel>, DecodeError> {
    let EnumValue::Known(level) = wire else {
        return field("log", "is not known");
    };
    Ok(match level {
        wire::LogLevel::Unset => None,
        wire::LogLevel::Off => Some(LogLevel::Off),
        wire::LogLevel::Error => Some(LogLevel::Error),
        wire::LogLevel::Warn => Some(LogLevel::Warn),
        wire::LogLevel::Info => Some(LogLevel::Info),
        wire::LogLevel::Debug => Some(LogLevel::Debug),
        wire::LogLevel::Trace => Some(LogLevel::Trace),
    })
}

#[inline(never)] // A large frame does not compile for the lx106.
fn json(payload: &[u8], pieces: &mut Pieces<'_>) -> Result<u32, DecodeError> {
    let read = json_config(payload, pieces);
    read.map_err(|error| pieces.problem.take().unwrap_or(error))
}

#[cfg(feature = "api")]
fn json_config(payload: &[u8], pieces: &mut Pieces<'_>) -> Result<u32, DecodeError> {
    use alloc::string::ToString as _;
    let mut json = serde_json::Deserializer::from_slice(payload);
    let read = ConfigSeed(pieces).deserialize(&mut json);
    read.and_then(|version| json.end().map(|()| version))
        .map_err(|error| DecodeError::Json(error.to_string()))
}

#[cfg(not(feature = "api"))]
fn json_config(payload: &[u8], pieces: &mut Pieces<'_>) -> Result<u32, DecodeError> {
    let mut json = serde_json_core::de::Deserializer::new(payload, None);
    let read = ConfigSeed(pieces).deserialize(&mut json);
    read.and_then(|version| json.end().map(|_| version))
        .map_err(|_| DecodeError::JsonOnNode)
}

/// The whole object; gives the version, 0 without one.
struct ConfigSeed<'p, 's>(&'p mut Pieces<'s>);

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum ConfigField {
    Version,
    IntervalMs,
    Log,
    Metrics,
    #[serde(other)]
    Unknown,
}

impl<'de> DeserializeSeed<'de> for ConfigSeed<'_, '_> {
    type Value = u32;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<u32, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> de::Visitor<'de> for ConfigSeed<'_, '_> {
    type Value = u32;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a configuration")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<u32, A::Error> {
        let pieces = self.0;
        let (mut version, mut interval_ms, mut log, mut metrics) = (None, None, None, None);
        while let Some(known) = map.next_key::<ConfigField>()? {
            match known {
                ConfigField::Version => once(&mut version, "version", &mut map, pieces)?,
                ConfigField::IntervalMs => {
                    once(&mut interval_ms, "interval_ms", &mut map, pieces)?;
                }
                ConfigField::Log => once(&mut log, "log", &mut map, pieces)?,
                ConfigField::Metrics => {
                    if metrics.replace(()).is_some() {
                        return Err(pieces.fails(TWICE_METRICS));
                    }
                    map.next_value_seed(MetricsSeed(pieces))?;
                }
                ConfigField::Unknown => return Err(pieces.fails(DecodeError::UnknownField)),
            }
        }
        if let Some(interval_ms) = interval_ms {
            pieces
                .interval_ms(interval_ms)
                .map_err(|problem| pieces.fails(problem))?;
        }
        if let Some(level) = log {
            pieces.sink.log(level);
        }
        Ok(version.unwrap_or_default())
    }
}

const TWICE: &str = "appears twice";
const TWICE_METRICS: DecodeError = DecodeError::Field {
    field: "metrics",
    problem: TWICE,
};

/// Reads a field's value, which must not come again.
fn once<'de, T: Deserialize<'de>, A: de::MapAccess<'de>>(
    place: &mut Option<T>,
    field: &'static str,
    map: &mut A,
    pieces: &mut Pieces<'_>,
) -> Result<(), A::Error> {
    if place.is_some() {
        let problem = TWICE;
        return Err(pieces.fails(DecodeError::Field { field, problem }));
    }
    *place = Some(map.next_value()?);
    Ok(())
}

/// The object of metrics.
struct MetricsSeed<'p, 's>(&'p mut Pieces<'s>);

impl<'de> DeserializeSeed<'de> for MetricsSeed<'_, '_> {
    type Value = ();

    #[inline(never)] // A large frame does not compile for the lx106.
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> de::Visitor<'de> for MetricsSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of metrics")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let pieces = self.0;
        while let Some(text) = map.next_key::<&str>()? {
            let config = map.next_value_seed(MetricSeed(pieces))?;
            let taken =
                checked_name(text, "metrics").and_then(|name| pieces.metric(&name, &config));
            taken.map_err(|problem| pieces.fails(problem))?;
        }
        Ok(())
    }
}

/// The object of one metric.
struct MetricSeed<'p, 's>(&'p mut Pieces<'s>);

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum MetricField {
    DeadBandMilli,
    HeartbeatMs,
    OffsetMilli,
    Dry,
    Wet,
    #[serde(other)]
    Unknown,
}

impl<'de> DeserializeSeed<'de> for MetricSeed<'_, '_> {
    type Value = MetricConfig;

    #[inline(never)] // A large frame does not compile for the lx106.
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<MetricConfig, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> de::Visitor<'de> for MetricSeed<'_, '_> {
    type Value = MetricConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of a metric's settings")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<MetricConfig, A::Error> {
        let pieces = self.0;
        let mut config = MetricConfig::default();
        while let Some(known) = map.next_key::<MetricField>()? {
            match known {
                MetricField::DeadBandMilli => {
                    let place = &mut config.dead_band_milli;
                    once(place, "dead_band_milli", &mut map, pieces)?;
                }
                MetricField::HeartbeatMs => {
                    once(&mut config.heartbeat_ms, "heartbeat_ms", &mut map, pieces)?;
                }
                MetricField::OffsetMilli => {
                    once(&mut config.offset_milli, "offset_milli", &mut map, pieces)?;
                }
                MetricField::Dry => once(&mut config.dry, "dry", &mut map, pieces)?,
                MetricField::Wet => once(&mut config.wet, "wet", &mut map, pieces)?,
                MetricField::Unknown => return Err(pieces.fails(DecodeError::UnknownField)),
            }
        }
        Ok(config)
    }
}
