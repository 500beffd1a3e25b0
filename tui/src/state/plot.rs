//! The chart of one node: history by buckets, and the samples that came since.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use signalbox_protocol::api::data::BucketsReply;

/// Selectable ranges with their names.
pub(crate) const RANGES: [(i64, &str); 7] = [
    (300, "5 min"),
    (3_600, "1 h"),
    (6 * 3_600, "6 h"),
    (24 * 3_600, "24 h"),
    (3 * 86_400, "3 days"),
    (7 * 86_400, "7 days"),
    (30 * 86_400, "30 days"),
];
/// How far back one can go.
const BACK_S_MAX: i64 = 10 * 366 * 86_400;
/// An answer that is later than this belongs to another question.
const ANSWER_S_MAX: i64 = 60;
/// Points that are kept of one series beyond the history.
const LIVE_POINTS_MAX: usize = 4_096;
/// History is loaded anew after this part of the range, at least [`RELOAD_S_MIN`].
const RELOAD_PART: i64 = 200;
/// Shortest pause between two loads.
const RELOAD_S_MIN: i64 = 15;

/// One point of a chart: a bucket of history, or one live sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Point {
    pub(crate) at: DateTime<Utc>,
    pub(crate) min: f64,
    pub(crate) mean: f64,
    pub(crate) max: f64,
}

/// The chart's data and what of it is shown.
#[derive(Debug, Clone)]
pub(crate) struct Plot {
    pub(crate) node: String,
    /// Index into [`RANGES`].
    pub(crate) range: usize,
    /// How far before now the right end is; 0 follows the time.
    pub(crate) back_s: i64,
    /// Index into the node's metrics.
    pub(crate) metric: usize,
    /// How many points back the read-out is.
    pub(crate) cursor: Option<usize>,
    points: BTreeMap<String, Vec<Point>>,
    /// When history was last asked for.
    asked_at: Option<DateTime<Utc>>,
    /// Whether the history on screen is of the present range.
    pub(crate) loaded: bool,
    bucket_ms: i64,
}

impl Plot {
    pub(crate) fn new(node: String) -> Self {
        Self {
            node,
            range: 1,
            back_s: 0,
            metric: 0,
            cursor: None,
            points: BTreeMap::new(),
            asked_at: None,
            loaded: false,
            bucket_ms: 1,
        }
    }

    pub(crate) fn range_s(&self) -> i64 {
        RANGES[self.range].0
    }

    /// Chooses a neighbouring range.
    pub(crate) fn zoom(&mut self, wider: bool) {
        let next = if wider {
            (self.range + 1).min(RANGES.len() - 1)
        } else {
            self.range.saturating_sub(1)
        };
        if next != self.range {
            self.range = next;
            self.show_another();
        }
    }

    /// Moves by half of the range to earlier or later times.
    pub(crate) fn pan(&mut self, earlier: bool) {
        let half_s = self.range_s() / 2;
        let back_s = if earlier {
            (self.back_s + half_s).min(BACK_S_MAX)
        } else {
            (self.back_s - half_s).max(0)
        };
        if back_s != self.back_s {
            self.back_s = back_s;
            self.show_another();
        }
    }

    fn show_another(&mut self) {
        self.asked_at = None;
        self.loaded = false;
        self.cursor = None;
    }

    /// The right end.
    pub(crate) fn end(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        now - TimeDelta::seconds(self.back_s)
    }

    /// Whether history should be loaded now; notes that it is.
    pub(crate) fn wants_history(&mut self, now: DateTime<Utc>) -> bool {
        let pause_s = (self.range_s() / RELOAD_PART).max(RELOAD_S_MIN);
        let due = self
            .asked_at
            .is_none_or(|at| now - at >= TimeDelta::seconds(pause_s));
        if due {
            self.asked_at = Some(now);
        }
        due
    }

    /// After a lost connection.
    pub(crate) fn forget_asking(&mut self) {
        self.asked_at = None;
    }

    pub(crate) fn set_history(&mut self, reply: &BucketsReply, now: DateTime<Utc>) {
        let asked_ms = (reply.to - reply.from).num_milliseconds();
        let off_s = (self.end(now) - reply.to).num_seconds().abs();
        if (asked_ms - self.range_s() * 1_000).abs() > 1_000 || off_s > ANSWER_S_MAX {
            // The answer to a question that was asked before the range was changed.
            return;
        }
        self.bucket_ms = i64::try_from(reply.bucket_ms).unwrap_or(i64::MAX);
        self.loaded = true;
        self.points = reply
            .series
            .iter()
            .map(|series| {
                let half = TimeDelta::milliseconds(self.bucket_ms / 2);
                let points = series.buckets.iter().map(|bucket| Point {
                    // A bucket stands for its middle.
                    at: (bucket.ts + half).min(reply.to),
                    min: bucket.min,
                    mean: bucket.mean,
                    max: bucket.max,
                });
                (series.metric.clone(), points.collect())
            })
            .collect();
    }

    pub(crate) fn add(&mut self, metric: &str, at: DateTime<Utc>, value: f64) {
        if self.back_s > 0 {
            return;
        }
        let points = self.points.entry(metric.to_owned()).or_default();
        // A late sample comes with the next load.
        if points.last().is_some_and(|last| last.at >= at) {
            return;
        }
        points.push(Point {
            at,
            min: value,
            mean: value,
            max: value,
        });
        let excess = points.len().saturating_sub(LIVE_POINTS_MAX);
        points.drain(..excess);
    }

    /// The points of a metric within the range.
    pub(crate) fn points(&self, metric: &str, now: DateTime<Utc>) -> &[Point] {
        let from = self.end(now) - TimeDelta::seconds(self.range_s());
        let points = self.points.get(metric).map_or(&[][..], Vec::as_slice);
        &points[points.partition_point(|point| point.at < from)..]
    }

    /// Longer than this between two points is a gap.
    pub(crate) fn gap_ms(&self, points: &[Point]) -> i64 {
        let mut steps: Vec<i64> = points
            .windows(2)
            .map(|pair| (pair[1].at - pair[0].at).num_milliseconds())
            .collect();
        steps.sort_unstable();
        let median = steps.get(steps.len() / 2).copied().unwrap_or(0);
        3 * median.max(self.bucket_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + s, 0).unwrap()
    }

    #[test]
    fn points_older_than_the_range_are_not_shown_and_late_ones_wait() {
        let mut plot = Plot::new("a".to_owned());
        plot.zoom(false);
        assert_eq!(plot.range_s(), 300);
        for s in 0..400 {
            plot.add("t", at(s), 1.0);
        }
        plot.add("t", at(5), 9.0);
        let points = plot.points("t", at(400));
        assert_eq!(points.len(), 300);
        assert!(points.iter().all(|point| point.mean < 2.0));
        assert_eq!(plot.points("x", at(400)), []);
    }

    #[test]
    fn a_gap_is_three_times_the_usual_step() {
        let plot = Plot::new("a".to_owned());
        let point = |s| Point {
            at: at(s),
            min: 0.0,
            mean: 0.0,
            max: 0.0,
        };
        let points = [point(0), point(10), point(20), point(120)];
        assert_eq!(plot.gap_ms(&points), 30_000);
    }

    #[test]
    fn earlier_times_are_asked_for_and_live_values_stay_out_of_them() {
        let mut plot = Plot::new("a".to_owned());
        plot.pan(false);
        assert_eq!(plot.end(at(0)), at(0));
        assert!(plot.wants_history(at(0)));
        plot.pan(true);
        plot.pan(true);
        assert_eq!(plot.end(at(0)), at(-3_600));
        assert!(plot.wants_history(at(0)));
        let reply = |to: i64| BucketsReply {
            from: at(to - 3_600),
            to: at(to),
            bucket_ms: 1_000,
            series: Vec::new(),
        };
        plot.set_history(&reply(-1_800), at(1));
        assert!(!plot.loaded);
        plot.set_history(&reply(-3_600), at(1));
        assert!(plot.loaded);
        plot.add("t", at(0), 1.0);
        assert_eq!(plot.points("t", at(0)), []);
        plot.pan(false);
        plot.pan(false);
        assert_eq!(plot.back_s, 0);
        assert!(!plot.loaded);
    }

    #[test]
    fn history_of_another_range_is_not_taken() {
        let mut plot = Plot::new("a".to_owned());
        let reply = |s: i64| BucketsReply {
            from: at(-s),
            to: at(0),
            bucket_ms: 1_000,
            series: Vec::new(),
        };
        plot.set_history(&reply(300), at(1));
        assert!(!plot.loaded);
        plot.set_history(&reply(3_600), at(1));
        assert!(plot.loaded);
        assert!(plot.wants_history(at(0)));
        assert!(!plot.wants_history(at(10)));
        plot.zoom(true);
        assert!(plot.wants_history(at(10)));
    }
}
