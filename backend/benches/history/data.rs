//! Made-up measurements that compress like real ones: slow waves of day and year, weather, noise.

use chrono::{DateTime, Utc};
use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng};
use signalbox_backend::{
    ingest::Sample,
    store::{Batch, NodeSamples},
};

/// 2025-01-01.
pub(crate) const START_S: i64 = 1_735_689_600;
pub(crate) const DAY_S: i64 = 86_400;

/// What a sensor is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// DHT11: whole degrees, at whole seconds.
    Whole,
    /// The same, at milliseconds that jitter.
    WholeJitter,
    /// Ten bits of an analogue input with noise of some bits, at whole seconds.
    Adc,
}

/// One sensor through time.
pub(crate) struct Sensor {
    kind: Kind,
    random: SmallRng,
    weather: f64,
}

impl Sensor {
    pub(crate) fn new(kind: Kind, seed: u64) -> Self {
        Self {
            kind,
            random: SmallRng::seed_from_u64(seed),
            weather: 0.0,
        }
    }

    /// The reading that is due at a second: microseconds and value.
    pub(crate) fn read(&mut self, due_s: i64) -> (i64, f64) {
        let day = due_s as f64 / DAY_S as f64 * std::f64::consts::TAU;
        self.weather = self.weather * 0.9995 + self.random.random_range(-0.05..0.05);
        let slow = 4.0 * day.sin() - 8.0 * (day / 365.0).cos() + self.weather;
        let noise = self.random.random_range(-0.2..0.2);
        match self.kind {
            Kind::Whole => {
                // The node's loop slips by a second now and then.
                let slip = i64::from(self.random.random_range(0..40) == 0);
                ((due_s + slip) * 1_000_000, (14.0 + slow + noise).round())
            }
            Kind::WholeJitter => {
                let jitter = self.random.random_range(0..40);
                (
                    due_s * 1_000_000 + jitter * 1_000,
                    (14.0 + slow + noise).round(),
                )
            }
            Kind::Adc => {
                let noise: f64 = (0..4).map(|_| self.random.random_range(-6.0..6.0)).sum();
                let level = (500.0 + 20.0 * slow + noise).round();
                (due_s * 1_000_000, level.clamp(0.0, 1_023.0))
            }
        }
    }
}

pub(crate) fn sample(metric: &str, (us, value): (i64, f64)) -> Sample {
    Sample {
        metric: metric.to_owned(),
        ts: time(us),
        exact_ts: true,
        value,
        out_of_range: false,
        clock_suspect: false,
    }
}

pub(crate) fn time(us: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(us).expect("a time of our days")
}

pub(crate) fn batch(samples: Vec<NodeSamples>) -> Batch {
    Batch {
        samples,
        ..Batch::default()
    }
}
