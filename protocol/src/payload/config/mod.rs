//! `signalbox/<node>/config`: how a node is to measure and report, QoS 1, retained. Only the
//! station publishes here; the node answers in its status.
//!
//! Numbers are whole thousandths, so that a node reads them without arithmetic on text, and what
//! it works by is exactly what was sent. What is absent is as the node's own program has it.
//! Unlike in other messages, a field that is not known is refused: a configuration holds whole or
//! not at all, and who sent it would believe that the node does what the field says.

mod read;

use femtopb::Message as _;
#[cfg(feature = "api")]
use femtopb::{EnumValue, Repeated, UnknownFields};
use serde::{Deserialize, Serialize, ser::SerializeMap};

pub use self::read::{Sink, read};
#[cfg(feature = "api")]
use super::{BufferTooSmall, to_json, to_protobuf};
use super::{DecodeError, Encoding, Name, from_json, wire};
use crate::limits::{
    ADC_MAX, CONFIG_METRICS_MAX, HEARTBEAT_MS_MAX, INTERVAL_MS_MAX, INTERVAL_MS_MIN, MILLI_MAX,
};

/// From which weight on a node tells what happens to it.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What went wrong.
    Error,
    /// And what may go wrong.
    Warn,
    /// And what a person wants to know.
    #[default]
    Info,
    /// And what helps to find a fault.
    Debug,
    /// Everything.
    Trace,
}

/// How one metric is measured and reported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct MetricConfig {
    /// Smallest change that is reported before the heartbeat, in thousandths of the metric's unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead_band_milli: Option<u32>,
    /// A value is reported at least this often.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heartbeat_ms: Option<u32>,
    /// Added to what is measured, in thousandths of the metric's unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset_milli: Option<i32>,
    /// What the converter gives in dry soil; together with `wet`, for the metric that is worked
    /// out from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry: Option<u16>,
    /// What the converter gives in wet soil.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wet: Option<u16>,
}

/// Name and settings of metrics; an object in JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MetricConfigs(pub heapless::Vec<(Name, MetricConfig), CONFIG_METRICS_MAX>);

/// A configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Config {
    /// From 1; another one for each other content.
    pub version: u32,
    /// Time between two readings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval_ms: Option<u32>,
    /// What of its log the node publishes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<LogLevel>,
    /// By metric.
    #[serde(skip_serializing_if = "MetricConfigs::is_empty")]
    pub metrics: MetricConfigs,
}

impl MetricConfigs {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

const fn wrong<T>(field: &'static str, problem: &'static str) -> Result<T, DecodeError> {
    Err(DecodeError::Field { field, problem })
}

fn check_interval(interval_ms: u32) -> Result<(), DecodeError> {
    if (INTERVAL_MS_MIN..=INTERVAL_MS_MAX).contains(&interval_ms) {
        Ok(())
    } else {
        wrong("interval_ms", "is not between 1 s and a day")
    }
}

impl Config {
    /// Reads either encoding, whole; a node reads it piece by piece, with [`read`].
    ///
    /// # Errors
    /// What is wrong with the payload.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut whole = Whole::default();
        whole.config.version = read(payload, &mut whole)?;
        match whole.problem {
            None => Ok(whole.config),
            Some(problem) => wrong("metrics", problem),
        }
    }

    /// The version alone, of what [`Config::decode`] refused, so that it can be answered.
    #[must_use]
    pub fn version_of(payload: &[u8]) -> Option<u32> {
        #[derive(Deserialize)]
        struct OnlyVersion {
            version: u32,
        }
        match Encoding::detect(payload) {
            Encoding::Json => Some(from_json::<OnlyVersion>(payload).ok()?.version),
            Encoding::Protobuf => Some(wire::Config::decode(payload).ok()?.version),
        }
    }

    /// Writes into a buffer; gives the length. Only the station does.
    ///
    /// # Errors
    /// The buffer is too small.
    #[cfg(feature = "api")]
    pub fn encode(&self, encoding: Encoding, buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
        match encoding {
            Encoding::Json => to_json(self, buffer),
            Encoding::Protobuf => {
                let metrics = self.metrics.0.iter().map(to_wire);
                let metrics: heapless::Vec<_, CONFIG_METRICS_MAX> = metrics.collect();
                let message = wire::Config {
                    version: self.version,
                    interval_ms: self.interval_ms,
                    log: EnumValue::Known(level_to_wire(self.log)),
                    metrics: Repeated::from_slice(&metrics),
                    unknown_fields: UnknownFields::default(),
                };
                to_protobuf(&message, buffer)
            }
        }
    }

    /// Checks what can be checked without knowing the node.
    ///
    /// # Errors
    /// The field that is wrong, and how.
    pub fn check(&self) -> Result<(), DecodeError> {
        if self.version == 0 {
            return wrong("version", "is missing");
        }
        check_interval(self.interval_ms.unwrap_or(INTERVAL_MS_MIN))?;
        self.metrics
            .0
            .iter()
            .try_for_each(|(_, metric)| metric.check())
    }
}

impl MetricConfig {
    /// Checks what can be checked without knowing the node.
    ///
    /// # Errors
    /// The field that is wrong, and how.
    pub fn check(self) -> Result<(), DecodeError> {
        if self.dead_band_milli.is_some_and(|milli| milli > MILLI_MAX) {
            return wrong("dead_band_milli", "is more than a million units");
        }
        if self
            .offset_milli
            .is_some_and(|milli| milli.unsigned_abs() > MILLI_MAX)
        {
            return wrong("offset_milli", "is more than a million units");
        }
        let heartbeat_ms = self.heartbeat_ms.unwrap_or(INTERVAL_MS_MIN);
        if !(INTERVAL_MS_MIN..=HEARTBEAT_MS_MAX).contains(&heartbeat_ms) {
            return wrong("heartbeat_ms", "is not between 1 s and 7 days");
        }
        match (self.dry, self.wet) {
            (None, None) => Ok(()),
            (Some(dry), Some(wet)) if dry > ADC_MAX || wet > ADC_MAX => {
                wrong("dry and wet", "go from 0 to 1023")
            }
            (Some(dry), Some(wet)) if dry == wet => wrong("dry and wet", "are the same"),
            (Some(_), Some(_)) => Ok(()),
            _ => wrong("dry and wet", "go together"),
        }
    }
}

#[cfg(feature = "api")]
fn to_wire((name, metric): &(Name, MetricConfig)) -> wire::MetricConfig<'_> {
    wire::MetricConfig {
        metric: name,
        dead_band_milli: metric.dead_band_milli,
        heartbeat_ms: metric.heartbeat_ms,
        offset_milli: metric.offset_milli,
        dry: metric.dry.map(u32::from),
        wet: metric.wet.map(u32::from),
        unknown_fields: UnknownFields::default(),
    }
}

#[cfg(feature = "api")]
const fn level_to_wire(level: Option<LogLevel>) -> wire::LogLevel {
    match level {
        None => wire::LogLevel::Unset,
        Some(LogLevel::Off) => wire::LogLevel::Off,
        Some(LogLevel::Error) => wire::LogLevel::Error,
        Some(LogLevel::Warn) => wire::LogLevel::Warn,
        Some(LogLevel::Info) => wire::LogLevel::Info,
        Some(LogLevel::Debug) => wire::LogLevel::Debug,
        Some(LogLevel::Trace) => wire::LogLevel::Trace,
    }
}

impl Serialize for MetricConfigs {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, metric) in &self.0 {
            map.serialize_entry(name, metric)?;
        }
        map.end()
    }
}

/// Collects a whole configuration.
#[derive(Default)]
struct Whole {
    config: Config,
    /// Of `metrics`.
    problem: Option<&'static str>,
}

impl Sink for Whole {
    fn interval_ms(&mut self, interval_ms: u32) {
        self.config.interval_ms = Some(interval_ms);
    }

    fn log(&mut self, level: LogLevel) {
        self.config.log = Some(level);
    }

    fn metric(&mut self, name: &Name, config: &MetricConfig) {
        let metrics = &mut self.config.metrics.0;
        if metrics.iter().any(|(known, _)| known == name) {
            self.problem = Some("has a name twice");
        } else if metrics.push((name.clone(), *config)).is_err() {
            self.problem = Some("has too many entries");
        }
    }
}

#[cfg(all(test, feature = "api"))]
mod tests;
