//! Telemetry as the station reads it.

use alloc::{format, string::String, vec::Vec};
use core::fmt;

use femtopb::Message as _;
use serde::{Deserialize, de};

use super::SampleTime;
use crate::{
    limits::{SAMPLES_MAX, TELEMETRY_BYTES_MAX, VALUES_MAX},
    payload::{DecodeError, Encoding, check_len, from_json, wire},
    topic::check_name,
};

/// A message as the station reads it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Telemetry {
    /// Id of the node's start.
    pub boot: u32,
    /// Number of the message within the boot.
    pub seq: u32,
    /// At least 1, at most [`SAMPLES_MAX`].
    #[serde(deserialize_with = "bounded_samples")]
    pub samples: Vec<Sample>,
}

/// Values measured at one time. A value that is null was not measured and is left out.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// When.
    pub time: SampleTime,
    /// Metric (a valid name, each once) and finite value.
    pub values: Vec<(String, f64)>,
}

impl Telemetry {
    /// Reads either encoding.
    ///
    /// # Errors
    /// What is wrong with the payload.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        check_len(payload, TELEMETRY_BYTES_MAX)?;
        match Encoding::detect(payload) {
            Encoding::Json => from_json(payload),
            Encoding::Protobuf => Self::from_wire(&wire::Telemetry::decode(payload)?),
        }
    }

    fn from_wire(message: &wire::Telemetry<'_>) -> Result<Self, DecodeError> {
        let mut samples = Vec::new();
        for sample in message.samples.iter() {
            if samples.len() == SAMPLES_MAX {
                return Err(DecodeError::Field {
                    field: "samples",
                    problem: "has too many entries",
                });
            }
            samples.push(sample_from_wire(&sample?)?);
        }
        if samples.is_empty() {
            return Err(DecodeError::Field {
                field: "samples",
                problem: "is empty",
            });
        }
        Ok(Self {
            boot: message.boot,
            seq: message.seq,
            samples,
        })
    }
}

fn sample_from_wire(sample: &wire::Sample<'_>) -> Result<Sample, DecodeError> {
    let time = match sample.time {
        Some(wire::Time::AgeMs(age_ms)) => SampleTime::AgeMs(age_ms),
        Some(wire::Time::TsMs(ts_ms)) => SampleTime::TsMs(ts_ms),
        None => SampleTime::AgeMs(0),
    };
    let mut values = Vec::new();
    for value in sample.values.iter() {
        let value = value?;
        if values.len() == VALUES_MAX {
            return Err(DecodeError::Field {
                field: "values",
                problem: "has too many entries",
            });
        }
        check_name(value.metric).map_err(|_| DecodeError::Field {
            field: "metric",
            problem: "is not a valid name",
        })?;
        let number = match value.value {
            #[expect(
                clippy::cast_precision_loss,
                reason = "a reading beyond 2^53 has no meaning"
            )]
            Some(wire::Number::Int(whole)) => whole as f64,
            Some(wire::Number::Float(single)) => widen(single),
            Some(wire::Number::Double(double)) => double,
            None => 0.0,
        };
        if !number.is_finite() {
            return Err(DecodeError::Field {
                field: "value",
                problem: "is not finite",
            });
        }
        if values.iter().any(|(metric, _)| metric == value.metric) {
            return Err(DecodeError::Field {
                field: "values",
                problem: "has a metric twice",
            });
        }
        values.push((value.metric.into(), number));
    }
    Ok(Sample { time, values })
}

/// The `f64` that is written like the `f32`: 21.3 stays 21.3, as it would in JSON.
fn widen(single: f32) -> f64 {
    if !single.is_finite() {
        return f64::from(single);
    }
    format!("{single}")
        .parse()
        .unwrap_or_else(|_| f64::from(single))
}

fn bounded_samples<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Sample>, D::Error> {
    struct Visitor;
    impl<'de> de::Visitor<'de> for Visitor {
        type Value = Vec<Sample>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of 1 to {SAMPLES_MAX} samples")
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut samples = Vec::new();
            while let Some(sample) = seq.next_element()? {
                if samples.len() == SAMPLES_MAX {
                    return Err(de::Error::custom(format_args!(
                        "more than {SAMPLES_MAX} samples"
                    )));
                }
                samples.push(sample);
            }
            if samples.is_empty() {
                return Err(de::Error::custom("no samples"));
            }
            Ok(samples)
        }
    }
    deserializer.deserialize_seq(Visitor)
}

/// Metric and value as an object; the classic topic has the same form.
struct Values(Vec<(String, f64)>);

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Values;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an object of at most {VALUES_MAX} metrics and numbers")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut values: Vec<(String, f64)> = Vec::new();
                while let Some(metric) = map.next_key::<String>()? {
                    check_name(&metric).map_err(|error| {
                        de::Error::custom(format_args!(
                            "metric `{}`: {error}",
                            metric.escape_debug().take(64).collect::<String>()
                        ))
                    })?;
                    if values.iter().any(|(known, _)| *known == metric) {
                        return Err(de::Error::custom(format_args!(
                            "metric `{metric}` appears twice"
                        )));
                    }
                    let Some(value) = map.next_value::<Option<f64>>()? else {
                        continue;
                    };
                    if values.len() == VALUES_MAX {
                        return Err(de::Error::custom(format_args!(
                            "more than {VALUES_MAX} values"
                        )));
                    }
                    values.push((metric, value));
                }
                Ok(Values(values))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

#[derive(Deserialize)]
struct RawSample {
    age_ms: Option<u64>,
    ts_ms: Option<i64>,
    values: Values,
}

impl<'de> Deserialize<'de> for Sample {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = RawSample::deserialize(deserializer)?;
        let time = match (raw.age_ms, raw.ts_ms) {
            (Some(age_ms), None) => SampleTime::AgeMs(age_ms),
            (None, Some(ts_ms)) => SampleTime::TsMs(ts_ms),
            (None, None) => return Err(de::Error::custom("a sample needs `age_ms` or `ts_ms`")),
            (Some(_), Some(_)) => {
                return Err(de::Error::custom("a sample has both `age_ms` and `ts_ms`"));
            }
        };
        Ok(Self {
            time,
            values: raw.values.0,
        })
    }
}
