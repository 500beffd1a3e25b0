//! Configuration of nodes: `/api/v1/nodes/{node}/config`.

use alloc::{
    borrow::ToOwned as _,
    collections::BTreeMap,
    format,
    string::{String, ToString as _},
    vec::Vec,
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use crate::payload::config::LogLevel;
use crate::{
    limits::{CONFIG_BYTES_MAX, CONFIG_METRICS_MAX, MILLI_MAX},
    payload::{
        DecodeError, Encoding, Name,
        config::{Config as Wire, MetricConfig, MetricConfigs},
    },
    topic::check_name,
};

/// What a node is to work by. What is absent is as the node's own program has it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeSettings {
    /// Time between two readings, 1 s to a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1000, maximum = 86_400_000)]
    pub interval_ms: Option<u32>,
    /// From which weight on the node publishes its log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<LogLevel>,
    /// By metric, at most 8.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<String, MetricSettings>,
}

/// How a metric is measured and reported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MetricSettings {
    /// Smallest change that is reported before the heartbeat, in the metric's unit, to a
    /// thousandth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0)]
    pub dead_band: Option<f64>,
    /// A value is reported at least this often, 1 s to 7 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1000, maximum = 604_800_000)]
    pub heartbeat_ms: Option<u32>,
    /// Added to what is measured, in the metric's unit, to a thousandth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<f64>,
    /// Steps of the converter in dry soil, with `wet`: for the metric that is worked out from
    /// them (`moisture`). The steps themselves (`soil`) stay as they are measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 1023)]
    pub dry: Option<u16>,
    /// Steps of the converter in wet soil.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 1023)]
    pub wet: Option<u16>,
}

/// Which setting is wrong, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsError {
    /// The field's path, as `metrics.soil.dry`.
    pub field: String,
    /// One sentence.
    pub problem: String,
}

fn wrong(field: impl Into<String>, problem: impl Into<String>) -> SettingsError {
    SettingsError {
        field: field.into(),
        problem: problem.into(),
    }
}

impl NodeSettings {
    /// As it is sent to a node.
    ///
    /// # Errors
    /// The setting that cannot be sent.
    pub fn to_wire(&self, version: u32) -> Result<Wire, SettingsError> {
        let mut metrics = MetricConfigs::default();
        for (name, settings) in &self.metrics {
            let path = format!("metrics.{name}");
            check_name(name).map_err(|error| wrong("metrics", format!("`{name}`: {error}")))?;
            let wire = settings.to_wire(&path)?;
            let name = Name::try_from(name.as_str()).unwrap_or_default();
            metrics
                .0
                .push((name, wire))
                .map_err(|_| wrong("metrics", format!("has more than {CONFIG_METRICS_MAX}")))?;
        }
        let wire = Wire {
            version,
            interval_ms: self.interval_ms,
            log: self.log,
            metrics,
        };
        wire.check().map_err(|error| match error {
            DecodeError::Field { field, problem } => wrong(field, problem),
            other => wrong("settings", other.to_string()),
        })?;
        let mut buffer = [0; CONFIG_BYTES_MAX];
        match wire.encode(Encoding::Json, &mut buffer) {
            Ok(_) => Ok(wire),
            Err(_) => Err(wrong(
                "settings",
                format!("take more than the {CONFIG_BYTES_MAX} bytes that a node can keep"),
            )),
        }
    }
}

impl MetricSettings {
    fn to_wire(self, path: &str) -> Result<MetricConfig, SettingsError> {
        let wire = MetricConfig {
            dead_band_milli: milli(self.dead_band, path, "dead_band")?
                .map(|milli| {
                    u32::try_from(milli)
                        .map_err(|_| wrong(format!("{path}.dead_band"), "is below 0"))
                })
                .transpose()?,
            heartbeat_ms: self.heartbeat_ms,
            offset_milli: milli(self.offset, path, "offset")?,
            dry: self.dry,
            wet: self.wet,
        };
        // Here, where the path is known.
        wire.check().map_err(|error| match error {
            DecodeError::Field { field, problem } => wrong(
                format!("{path}.{}", field.trim_end_matches("_milli")),
                problem,
            ),
            other => wrong(path, other.to_string()),
        })?;
        Ok(wire)
    }
}

/// Whole thousandths.
fn milli(value: Option<f64>, path: &str, field: &str) -> Result<Option<i32>, SettingsError> {
    let Some(value) = value else { return Ok(None) };
    let milli = (value * 1_000.0).round();
    if milli.is_nan() || milli.abs() > f64::from(MILLI_MAX) {
        return Err(wrong(
            format!("{path}.{field}"),
            "is more than a million units",
        ));
    }
    if (milli - value * 1_000.0).abs() > 1e-6 * value.abs().max(1.0) {
        return Err(wrong(
            format!("{path}.{field}"),
            format!("`{value}` is finer than a thousandth"),
        ));
    }
    #[expect(clippy::cast_possible_truncation, reason = "whole, and bounded above")]
    let milli = milli as i32;
    Ok(Some(milli))
}

/// Where a node's configuration stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConfigState {
    /// Nobody has set one: the node works by its own program.
    Unset,
    /// The node has not said yet that it works by it.
    Pending,
    /// The node works by it.
    Applied,
    /// The node has refused it.
    Refused,
}

/// What the station wants of a node, and what the node says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NodeConfig {
    /// The node.
    pub node: String,
    /// Where it stands.
    pub state: ConfigState,
    /// What is wanted; null when nobody has set anything.
    pub desired: Option<DesiredConfig>,
    /// What the node says it works by; null until it has said so.
    pub reported: Option<ReportedConfig>,
    /// The last one that the node refused, unless it has taken one since.
    pub refused: Option<RefusedConfig>,
}

/// Reply of `GET /api/v1/configs`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NodeConfigs {
    /// By node.
    pub configs: Vec<NodeConfig>,
}

/// What is wanted of a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DesiredConfig {
    /// Rises with each change.
    pub version: u32,
    /// What the node is to work by.
    pub settings: NodeSettings,
    /// Account that set it.
    pub set_by: String,
    /// When.
    pub set_at: DateTime<Utc>,
}

/// What a node works by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReportedConfig {
    /// As the node tells; null is its own program's.
    pub version: Option<u32>,
    /// What that version holds; null when the station does not know it.
    pub settings: Option<NodeSettings>,
    /// Since when the node has told this version.
    pub since: DateTime<Utc>,
}

/// What a node has refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusedConfig {
    /// Of the configuration.
    pub version: u32,
    /// The node's reason.
    pub reason: String,
    /// When the station heard of it.
    pub at: DateTime<Utc>,
}

impl NodeConfig {
    /// Of a node that nobody has configured, and that has told nothing.
    #[must_use]
    pub fn unset(node: &str) -> Self {
        Self {
            node: node.to_owned(),
            state: ConfigState::Unset,
            desired: None,
            reported: None,
            refused: None,
        }
    }

    /// Works out where it stands.
    #[must_use]
    pub fn stands(&self) -> ConfigState {
        let Some(desired) = &self.desired else {
            return ConfigState::Unset;
        };
        let reported = self.reported.as_ref().and_then(|told| told.version);
        let refused = self.refused.as_ref().map(|refused| refused.version);
        if refused == Some(desired.version) {
            ConfigState::Refused
        } else if reported == Some(desired.version) {
            ConfigState::Applied
        } else {
            ConfigState::Pending
        }
    }
}

/// Body of `PUT /api/v1/nodes/{node}/config` (operators).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewNodeConfig {
    /// The version that this replaces, so that nobody overwrites what they have not seen: that of
    /// `desired`, 0 when there is none.
    pub replaces: u32,
    /// All settings; what is absent goes back to the node's own.
    pub settings: NodeSettings,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(settings: MetricSettings) -> NodeSettings {
        NodeSettings {
            metrics: [("soil".to_owned(), settings)].into(),
            ..NodeSettings::default()
        }
    }

    #[test]
    fn decimals_become_whole_thousandths() {
        let settings = metric(MetricSettings {
            dead_band: Some(0.1),
            offset: Some(-1.005),
            ..MetricSettings::default()
        });
        let wire = settings.to_wire(1).unwrap();
        assert_eq!(wire.metrics.0[0].1.dead_band_milli, Some(100));
        assert_eq!(wire.metrics.0[0].1.offset_milli, Some(-1_005));
    }

    /// What takes the most bytes.
    const FULL: MetricSettings = MetricSettings {
        dead_band: Some(1e6),
        heartbeat_ms: Some(604_800_000),
        offset: Some(-1e6),
        dry: Some(1_023),
        wet: Some(1_022),
    };

    #[test]
    fn what_cannot_be_sent_names_its_field() {
        let one = MetricSettings::default();
        let cases = [
            (
                metric(MetricSettings {
                    dead_band: Some(-1.0),
                    ..one
                }),
                "metrics.soil.dead_band",
            ),
            (
                metric(MetricSettings {
                    offset: Some(0.000_1),
                    ..one
                }),
                "metrics.soil.offset",
            ),
            (
                metric(MetricSettings {
                    offset: Some(f64::NAN),
                    ..one
                }),
                "metrics.soil.offset",
            ),
            (
                metric(MetricSettings {
                    dry: Some(1),
                    ..one
                }),
                "metrics.soil.dry and wet",
            ),
            (
                metric(MetricSettings {
                    heartbeat_ms: Some(5),
                    ..one
                }),
                "metrics.soil.heartbeat_ms",
            ),
            (
                NodeSettings {
                    interval_ms: Some(999),
                    ..NodeSettings::default()
                },
                "interval_ms",
            ),
            (
                NodeSettings {
                    metrics: (0..9).map(|n| (format!("m{n}"), one)).collect(),
                    ..NodeSettings::default()
                },
                "metrics",
            ),
            (
                NodeSettings {
                    metrics: (0..4).map(|n| (format!("{n:032}"), FULL)).collect(),
                    ..NodeSettings::default()
                },
                "settings",
            ),
        ];
        for (settings, field) in cases {
            assert_eq!(settings.to_wire(1).unwrap_err().field, field);
        }
    }
}
