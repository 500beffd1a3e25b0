//! Plausibility and time of a sample. What is implausible is flagged, never dropped.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use signalbox_protocol::payload::telemetry::SampleTime;

use super::Sample;
use crate::config::MetricConfig;

/// How far ahead of the station a node's clock may be before it is not believed.
const AHEAD_MAX: TimeDelta = TimeDelta::seconds(60);
/// 2020-01-01: a clock that says an earlier time was never set.
const EPOCH_S_MIN: i64 = 1_577_836_800;

/// Plausible range of the built-in kinds: the DHT11 of the reference node (its data sheet:
/// 0 to 50 °C, 20 to 90 %) and a 10-bit ADC. `[metric.NAME]` changes them.
const BUILT_IN: [(&str, f64, f64); 3] = [
    ("temperature", 0.0, 50.0),
    ("humidity", 20.0, 90.0),
    ("soil", 0.0, 1023.0),
];

#[derive(Debug)]
pub(super) struct Validator {
    ranges: HashMap<String, (f64, f64)>,
}

impl Validator {
    pub(super) fn new(configured: &BTreeMap<String, MetricConfig>) -> Self {
        let mut ranges: HashMap<String, (f64, f64)> = BUILT_IN
            .into_iter()
            .map(|(name, min, max)| (name.to_owned(), (min, max)))
            .collect();
        for (name, metric) in configured {
            let range = ranges
                .entry(name.clone())
                .or_insert((f64::NEG_INFINITY, f64::INFINITY));
            range.0 = metric.min.unwrap_or(range.0);
            range.1 = metric.max.unwrap_or(range.1);
        }
        Self { ranges }
    }

    pub(super) fn sample(
        &self,
        metric: String,
        value: f64,
        time: Option<SampleTime>,
        received_at: DateTime<Utc>,
    ) -> Sample {
        let out_of_range = self
            .ranges
            .get(&metric)
            .is_some_and(|(min, max)| value < *min || value > *max);
        let mut sample = Sample {
            metric,
            ts: received_at,
            exact_ts: false,
            value,
            out_of_range,
            clock_suspect: false,
        };
        match time {
            None => {}
            Some(SampleTime::TsMs(ts_ms)) => match DateTime::from_timestamp_millis(ts_ms) {
                Some(ts) => self.set_time(&mut sample, ts, received_at),
                None => sample.clock_suspect = true,
            },
            Some(SampleTime::AgeMs(age_ms)) => {
                let ts = i64::try_from(age_ms)
                    .ok()
                    .and_then(TimeDelta::try_milliseconds)
                    .and_then(|age| received_at.checked_sub_signed(age));
                match ts {
                    Some(ts) if ts.timestamp() >= EPOCH_S_MIN => sample.ts = ts,
                    _ => sample.clock_suspect = true,
                }
            }
        }
        sample
    }

    /// Takes the node's absolute time, or flags it.
    pub(super) fn set_time(
        &self,
        sample: &mut Sample,
        ts: DateTime<Utc>,
        received_at: DateTime<Utc>,
    ) {
        if ts > received_at + AHEAD_MAX || ts.timestamp() < EPOCH_S_MIN {
            sample.clock_suspect = true;
        } else {
            sample.ts = ts;
            sample.exact_ts = true;
        }
    }
}
