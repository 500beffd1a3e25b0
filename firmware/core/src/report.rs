//! Report by exception: of each metric a value is worth sending when it has moved by the dead
//! band since the last one reported, or when the last one is older than the heartbeat.

use signalbox_protocol::payload::Name;

use crate::drivers::soil::Calibration;

/// Metrics of a node.
pub const METRICS_MAX: usize = 8;

/// A metric of a node.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricOptions {
    /// Its name.
    pub name: Name,
    /// Smallest change that is reported before the heartbeat.
    pub dead_band: f32,
    /// Not measured itself, but worked out from the metric at this position, by the two points of
    /// the configuration; without them it has no value.
    pub worked_out_from: Option<usize>,
}

impl MetricOptions {
    /// One that is measured itself.
    #[must_use]
    pub const fn new(name: Name, dead_band: f32) -> Self {
        Self {
            name,
            dead_band,
            worked_out_from: None,
        }
    }
}

/// How a metric is put right and reported.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tuning {
    pub(crate) dead_band: f32,
    pub(crate) heartbeat_ms: u64,
    pub(crate) offset_milli: i32,
    pub(crate) points: Option<Calibration>,
}

/// Values measured at one time, by position of the metric; [`NOT_REPORTED`] was not measured or is
/// not worth reporting. Without `Option`, of which it would take 64 bytes, not 32.
pub(crate) type Values = [f32; METRICS_MAX];
/// Never measured: no sensor gives it, and [`Reporter::worth`] lets none through.
pub(crate) const NOT_REPORTED: f32 = f32::NAN;

#[derive(Debug, Clone)]
pub(crate) struct Reporter {
    reported: [Option<(f32, u64)>; METRICS_MAX],
}

impl Reporter {
    pub(crate) const fn new() -> Self {
        Self {
            reported: [None; METRICS_MAX],
        }
    }

    /// What of a reading is worth sending; `None` when nothing is.
    pub(crate) fn worth(
        &mut self,
        measured: &[Option<f32>; METRICS_MAX],
        tunings: &[Tuning; METRICS_MAX],
        now_ms: u64,
    ) -> Option<Values> {
        let mut worth = [NOT_REPORTED; METRICS_MAX];
        let mut any = false;
        let places = worth.iter_mut().zip(&mut self.reported);
        for ((place, reported), (value, tuning)) in places.zip(measured.iter().zip(tunings)) {
            let Some(new) = value.filter(|new| new.is_finite()) else {
                continue;
            };
            let quiet = reported.is_some_and(|(old, at_ms)| {
                let moved = if new > old { new - old } else { old - new };
                moved < tuning.dead_band && now_ms.saturating_sub(at_ms) < tuning.heartbeat_ms
            });
            if !quiet {
                *reported = Some((new, now_ms));
                *place = new;
                any = true;
            }
        }
        any.then_some(worth)
    }
}
