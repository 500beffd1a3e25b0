//! The points of a chart: history by buckets, and the samples that came since.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use signalbox_protocol::api::data::BucketsReply;

use super::{Chart, GAP_MS_MIN, History, Series};

/// Points that are kept of one series beyond the history.
const LIVE_POINTS_MAX: usize = 4_096;

/// One point of a chart: a bucket of history, or one live sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Point {
    pub(crate) at: DateTime<Utc>,
    /// How many samples it stands for.
    pub(crate) n: u64,
    pub(crate) min: f64,
    pub(crate) mean: f64,
    pub(crate) max: f64,
}

/// Oldest first.
pub(crate) type Track = Vec<Point>;

/// The points of the replies, with their times moved on by a shift.
pub(in crate::state) fn tracks(
    replies: &[BucketsReply],
    shift: TimeDelta,
) -> BTreeMap<Series, Track> {
    let mut tracks = BTreeMap::new();
    for reply in replies {
        let half = TimeDelta::milliseconds(bucket_ms(reply) / 2);
        for series in &reply.series {
            let points = series.buckets.iter().map(|bucket| Point {
                // A bucket stands for its middle.
                at: (bucket.ts + half).min(reply.to) + shift,
                n: bucket.n,
                min: bucket.min,
                mean: bucket.mean,
                max: bucket.max,
            });
            let key = (series.node.clone(), series.metric.clone());
            tracks.insert(key, points.collect());
        }
    }
    tracks
}

fn bucket_ms(reply: &BucketsReply) -> i64 {
    i64::try_from(reply.bucket_ms).unwrap_or(i64::MAX)
}

impl Chart {
    /// Takes an answer, unless another window is shown by now.
    pub(crate) fn set_history(&mut self, history: &History) {
        if history.question.id != self.question {
            return;
        }
        self.bucket_ms = history.present.iter().map(bucket_ms).max().unwrap_or(1);
        let mut fresh = tracks(&history.present, TimeDelta::zero());
        // A sample that came while the question was under way is not in the answer.
        let half = TimeDelta::milliseconds(self.bucket_ms / 2);
        for (series, came) in std::mem::take(&mut self.came) {
            let track: &mut Track = fresh.entry(series).or_default();
            let last = track.last().map(|point| point.at);
            let newer = came
                .into_iter()
                .filter(|point| last.is_none_or(|last| point.at > last + half));
            track.extend(newer);
        }
        self.tracks = fresh;
        let shift = history.question.shift.unwrap_or_default();
        self.before = tracks(&history.before, shift);
        self.loaded = true;
    }

    /// A live sample.
    pub(crate) fn add(&mut self, series: &Series, at: DateTime<Utc>, value: f64) {
        let live = self.follows() || self.frozen;
        if !live || !self.nodes().any(|node| *node == series.0) {
            return;
        }
        for tracks in [&mut self.tracks, &mut self.came] {
            let points = tracks.entry(series.clone()).or_default();
            // A late sample comes with the next load.
            if points.last().is_some_and(|last| last.at >= at) {
                continue;
            }
            points.push(Point {
                at,
                n: 1,
                min: value,
                mean: value,
                max: value,
            });
            let excess = points.len().saturating_sub(LIVE_POINTS_MAX);
            points.drain(..excess);
        }
    }

    /// The points of a series within the window.
    pub(crate) fn points(&self, series: &Series, now: DateTime<Utc>) -> &[Point] {
        self.within(self.tracks.get(series), now)
    }

    /// The points of the earlier time that is compared with, moved to the present one.
    pub(crate) fn points_before(&self, series: &Series, now: DateTime<Utc>) -> &[Point] {
        self.within(self.before.get(series), now)
    }

    fn within<'a>(&self, track: Option<&'a Track>, now: DateTime<Utc>) -> &'a [Point] {
        let (from, end) = (self.from(now), self.end(now));
        let points = track.map_or(&[][..], Vec::as_slice);
        let first = points.partition_point(|point| point.at < from);
        let last = points.partition_point(|point| point.at <= end);
        &points[first..last.max(first)]
    }

    /// Longer than this between two points is a gap.
    pub(crate) fn gap_ms(&self, points: &[Point]) -> i64 {
        let mut steps: Vec<i64> = points
            .windows(2)
            .map(|pair| (pair[1].at - pair[0].at).num_milliseconds())
            .collect();
        steps.sort_unstable();
        let median = steps.get(steps.len() / 2).copied().unwrap_or(0);
        (3 * median.max(self.bucket_ms)).max(GAP_MS_MIN)
    }

    /// The point nearest to a time, if it is not in a gap.
    pub(crate) fn reading(
        &self,
        series: &Series,
        at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Option<Point> {
        let points = self.points(series, now);
        let after = points.partition_point(|point| point.at < at);
        let near = [after.checked_sub(1), Some(after)];
        let candidates = near.into_iter().flatten().filter_map(|at| points.get(at));
        let nearest = candidates.min_by_key(|point| (point.at - at).num_milliseconds().abs())?;
        let off_ms = (nearest.at - at).num_milliseconds().abs();
        (off_ms <= self.gap_ms(points) / 2).then_some(*nearest)
    }

    /// Where nothing was measured, with the ends of the window as ends.
    pub(crate) fn gaps(
        &self,
        series: &Series,
        now: DateTime<Utc>,
    ) -> Vec<(DateTime<Utc>, DateTime<Utc>)> {
        let points = self.points(series, now);
        let gap = TimeDelta::milliseconds(self.gap_ms(points));
        let (from, end) = (self.from(now), self.end(now).min(now));
        let times = points.iter().map(|point| point.at);
        let ends = std::iter::once(from).chain(times.clone());
        let starts = times.chain(std::iter::once(end));
        ends.zip(starts)
            .filter(|(from, to)| *to - *from > gap)
            .collect()
    }

    /// Where a series was highest.
    pub(crate) fn peak(&self, series: &Series, now: DateTime<Utc>) -> Option<Point> {
        let points = self.points(series, now).iter();
        points
            .max_by(|one, other| one.max.total_cmp(&other.max))
            .copied()
    }
}

#[cfg(test)]
mod tests {
    use signalbox_protocol::api::data::{Bucket, SeriesBuckets};

    use super::*;
    use crate::state::chart::{Compare, Question};

    fn at(s: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + s, 0).unwrap()
    }

    fn series() -> Series {
        ("a".to_owned(), "t".to_owned())
    }

    fn chart() -> Chart {
        Chart::new("a".to_owned(), Some("t".to_owned()))
    }

    fn reply(times_s: &[i64]) -> BucketsReply {
        let bucket = |s: &i64| Bucket {
            ts: at(*s),
            n: 1,
            min: 1.0,
            mean: 2.0,
            max: 3.0 + f64::from(*s == times_s[1]),
        };
        BucketsReply {
            from: at(-3_600),
            to: at(0),
            bucket_ms: 10_000,
            series: vec![SeriesBuckets {
                node: "a".to_owned(),
                metric: "t".to_owned(),
                buckets: times_s.iter().map(bucket).collect(),
            }],
        }
    }

    fn history(question: Question, present: BucketsReply, before: Vec<BucketsReply>) -> History {
        History {
            question,
            present: vec![present],
            before,
        }
    }

    #[test]
    fn points_outside_the_window_are_not_shown_and_late_ones_wait() {
        let mut chart = chart();
        chart.zoom(false, None, at(0));
        chart.zoom(false, None, at(0));
        assert_eq!(chart.span, TimeDelta::minutes(5));
        for s in 0..400 {
            chart.add(&series(), at(s), 1.0);
        }
        chart.add(&series(), at(5), 9.0);
        let points = chart.points(&series(), at(399));
        assert_eq!(points.len(), 301);
        assert!(points.iter().all(|point| point.mean < 2.0));
        chart.add(&("b".to_owned(), "t".to_owned()), at(500), 1.0);
        assert_eq!(chart.tracks.len(), 1);
    }

    #[test]
    fn live_points_are_bounded() {
        let mut chart = chart();
        for s in 0..5_000 {
            chart.add(&series(), at(s), 1.0);
        }
        assert_eq!(chart.tracks[&series()].len(), LIVE_POINTS_MAX);
    }

    #[test]
    fn an_answer_to_an_older_question_is_not_taken() {
        let mut chart = chart();
        let old = chart.wish(100, at(0)).unwrap();
        chart.zoom(true, None, at(0));
        chart.set_history(&history(old, reply(&[-100, -90]), Vec::new()));
        assert!(!chart.loaded);
        let new = chart.wish(100, at(0)).unwrap();
        chart.add(&series(), at(0), 7.0);
        chart.set_history(&history(new, reply(&[-100, -90]), Vec::new()));
        assert!(chart.loaded);
        // What came meanwhile is kept.
        assert_eq!(chart.points(&series(), at(0)).len(), 3);
    }

    #[test]
    fn points_of_an_older_window_do_not_stay() {
        let mut chart = chart();
        let asked = chart.wish(100, at(0)).unwrap();
        chart.set_history(&history(asked, reply(&[-100, -90, -80]), Vec::new()));
        chart.zoom(false, Some(at(-100)), at(0));
        let asked = chart.wish(100, at(0)).unwrap();
        chart.set_history(&history(asked, reply(&[-100, -90]), Vec::new()));
        assert_eq!(chart.points(&series(), at(0)).len(), 2);
    }

    #[test]
    fn a_reading_is_near_and_a_gap_has_none() {
        let mut chart = chart();
        let asked = chart.wish(100, at(0)).unwrap();
        let times = [-3_600, -3_590, -3_580, -60, -50, -10];
        chart.set_history(&history(asked, reply(&times), Vec::new()));
        let read = |s| chart.reading(&series(), at(s), at(0)).map(|point| point.at);
        assert_eq!(read(-3_588), Some(at(-3_585)));
        assert_eq!(read(-40), Some(at(-45)));
        assert_eq!(read(-1_000), None);
        let gaps = chart.gaps(&series(), at(0));
        assert_eq!(gaps, [(at(-3_575), at(-55))]);
        assert_eq!(chart.peak(&series(), at(0)).unwrap().at, at(-3_585));
    }

    #[test]
    fn an_earlier_time_is_moved_under_the_present_one() {
        let mut chart = chart();
        chart.compare = Compare::Yesterday;
        let asked = chart.wish(100, at(0)).unwrap();
        let earlier = reply(&[-86_400 - 100, -86_400 - 90]);
        let before = BucketsReply {
            to: at(-86_400),
            ..earlier
        };
        chart.set_history(&history(asked, reply(&[-100, -90]), vec![before]));
        let points = chart.points_before(&series(), at(0));
        assert_eq!(points[0].at, at(-95));
    }
}
