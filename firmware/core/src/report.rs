//! Report by exception: of each metric a value is worth sending when it has moved by the dead
//! band since the last one reported, or when the last one is older than the heartbeat.

use heapless::Vec;
use signalbox_protocol::payload::Name;

/// Metrics of a node.
pub const METRICS_MAX: usize = 8;

/// A metric of a node.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricOptions {
    /// Its name.
    pub name: Name,
    /// Smallest change that is reported before the heartbeat.
    pub dead_band: f32,
}

/// Values measured at one time, by position of the metric; [`NOT_REPORTED`] was not measured or is
/// not worth reporting. Without `Option`, of which it would take 64 bytes, not 32.
pub(crate) type Values = [f32; METRICS_MAX];
/// Never measured: no sensor gives it, and [`Reporter::worth`] lets none through.
pub(crate) const NOT_REPORTED: f32 = f32::NAN;

#[derive(Debug, Clone)]
pub(crate) struct Reporter {
    dead_bands: Vec<f32, METRICS_MAX>,
    heartbeat_ms: u64,
    reported: [Option<(f32, u64)>; METRICS_MAX],
}

impl Reporter {
    /// Before [`Reporter::set_up`].
    pub(crate) const fn unset() -> Self {
        Self {
            dead_bands: Vec::new(),
            heartbeat_ms: 0,
            reported: [None; METRICS_MAX],
        }
    }

    pub(crate) fn set_up(&mut self, metrics: &[MetricOptions], heartbeat_ms: u64) {
        let dead_bands = metrics.iter().map(|metric| metric.dead_band);
        self.dead_bands.extend(dead_bands);
        self.heartbeat_ms = heartbeat_ms;
    }

    /// What of a reading is worth sending; `None` when nothing is.
    pub(crate) fn worth(&mut self, measured: &[Option<f32>], now_ms: u64) -> Option<Values> {
        let mut worth = [NOT_REPORTED; METRICS_MAX];
        let mut any = false;
        let places = worth.iter_mut().zip(&mut self.reported);
        for ((place, reported), (value, dead_band)) in
            places.zip(measured.iter().zip(&self.dead_bands))
        {
            let Some(new) = value.filter(|new| new.is_finite()) else {
                continue;
            };
            let quiet = reported.is_some_and(|(old, at_ms)| {
                let moved = if new > old { new - old } else { old - new };
                moved < *dead_band && now_ms.saturating_sub(at_ms) < self.heartbeat_ms
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
