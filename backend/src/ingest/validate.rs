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
const BUILT_IN: [(&str, f64, f64); 4] = [
    ("temperature", 0.0, 50.0),
    ("humidity", 20.0, 90.0),
    ("soil", 0.0, 1023.0),
    ("moisture", 0.0, 100.0),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn received_at() -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_219_200, 0).unwrap()
    }

    fn sample(metric: &str, value: f64, time: Option<SampleTime>) -> Sample {
        let validator = Validator::new(&BTreeMap::new());
        validator.sample(metric.to_owned(), value, time, received_at())
    }

    #[test]
    fn ranges_are_inclusive_and_can_be_changed() {
        for (metric, value, out) in [
            ("temperature", 0.0, false),
            ("temperature", 50.0, false),
            ("temperature", -0.1, true),
            ("temperature", 50.1, true),
            ("humidity", 20.0, false),
            ("humidity", 19.9, true),
            ("soil", 1_023.0, false),
            ("soil", 1_024.0, true),
            ("pressure", 1e300, false),
        ] {
            assert_eq!(
                sample(metric, value, None).out_of_range,
                out,
                "{metric} {value}"
            );
        }
        let only_min = MetricConfig {
            min: Some(-40.0),
            ..MetricConfig::default()
        };
        let new_one = MetricConfig {
            max: Some(5.0),
            ..MetricConfig::default()
        };
        let configured = [
            ("temperature".to_owned(), only_min),
            ("battery".to_owned(), new_one),
        ];
        let validator = Validator::new(&configured.into());
        let out = |metric: &str, value| {
            let sample = validator.sample(metric.to_owned(), value, None, received_at());
            sample.out_of_range
        };
        assert!(!out("temperature", -40.0) && out("temperature", 50.1));
        assert!(!out("battery", -1e9) && out("battery", 5.1));
    }

    #[test]
    fn a_time_that_cannot_be_is_replaced_and_flagged() {
        let now_ms = received_at().timestamp_millis();
        for (time, ts_ms, exact, suspect) in [
            (None, now_ms, false, false),
            (Some(SampleTime::AgeMs(0)), now_ms, false, false),
            (Some(SampleTime::AgeMs(5_000)), now_ms - 5_000, false, false),
            (Some(SampleTime::AgeMs(u64::MAX)), now_ms, false, true),
            (
                Some(SampleTime::AgeMs(20 * 365 * 86_400_000)),
                now_ms,
                false,
                true,
            ),
            (Some(SampleTime::TsMs(now_ms - 1)), now_ms - 1, true, false),
            (
                Some(SampleTime::TsMs(now_ms + 60_000)),
                now_ms + 60_000,
                true,
                false,
            ),
            (Some(SampleTime::TsMs(now_ms + 60_001)), now_ms, false, true),
            (Some(SampleTime::TsMs(0)), now_ms, false, true),
            (Some(SampleTime::TsMs(i64::MIN)), now_ms, false, true),
            (Some(SampleTime::TsMs(i64::MAX)), now_ms, false, true),
        ] {
            let sample = sample("t", 1.0, time);
            assert_eq!(sample.ts.timestamp_millis(), ts_ms, "{time:?}");
            assert_eq!(
                (sample.exact_ts, sample.clock_suspect),
                (exact, suspect),
                "{time:?}"
            );
        }
    }
}
