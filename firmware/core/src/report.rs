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

/// Values measured at one time, by position of the metric; `None` was not measured or is not
/// worth reporting.
pub(crate) type Values = [Option<f32>; METRICS_MAX];

#[derive(Debug, Clone)]
pub(crate) struct Reporter {
    dead_bands: Vec<f32, METRICS_MAX>,
    heartbeat_ms: u64,
    reported: [Option<(f32, u64)>; METRICS_MAX],
}

impl Reporter {
    pub(crate) fn new(metrics: &[MetricOptions], heartbeat_ms: u64) -> Self {
        Self {
            dead_bands: metrics.iter().map(|metric| metric.dead_band).collect(),
            heartbeat_ms,
            reported: [None; METRICS_MAX],
        }
    }

    /// What of a reading is worth sending; `None` when nothing is.
    pub(crate) fn worth(&mut self, mut values: Values, now_ms: u64) -> Option<Values> {
        let mut any = false;
        for (at, value) in values.iter_mut().enumerate() {
            let Some(new) = value.filter(|new| new.is_finite()) else {
                *value = None;
                continue;
            };
            let Some(dead_band) = self.dead_bands.get(at) else {
                *value = None;
                continue;
            };
            let quiet = self.reported[at].is_some_and(|(old, at_ms)| {
                let moved = if new > old { new - old } else { old - new };
                moved < *dead_band && now_ms.saturating_sub(at_ms) < self.heartbeat_ms
            });
            if quiet {
                *value = None;
            } else {
                self.reported[at] = Some((new, now_ms));
                any = true;
            }
        }
        any.then_some(values)
    }
}
