//! The chart: which series, which window of time, cursors, scale. Its points are in `data`.

mod data;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use signalbox_protocol::api::data::BucketsReply;

pub(super) use data::tracks;
pub(crate) use data::{Point, Track};

use super::NodeCharts;

/// Spans that zooming goes through, in seconds.
const SPANS_S: [i64; 16] = [
    60,
    300,
    900,
    3_600,
    3 * 3_600,
    6 * 3_600,
    12 * 3_600,
    86_400,
    2 * 86_400,
    3 * 86_400,
    7 * 86_400,
    14 * 86_400,
    30 * 86_400,
    90 * 86_400,
    366 * 86_400,
    3_660 * 86_400,
];
/// Between two points of a series that reports at least once a minute.
pub(crate) const GAP_MS_MIN: i64 = 90_000;
/// How far back one can go.
const BACK_DAYS_MAX: i64 = 3_660;
/// History is loaded anew after this part of the range, at least [`RELOAD_S_MIN`].
const RELOAD_PART: i64 = 200;
/// Shortest pause between two loads.
const RELOAD_S_MIN: i64 = 15;
/// Nodes that can be laid over the first one.
pub(crate) const OVERLAYS_MAX: usize = 5;
/// Columns to the left of a chart, for its scale.
pub(crate) const SCALE_COLUMNS: u16 = 9;

/// Node and metric.
pub(crate) type Series = (String, String);

/// The vertical scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scale {
    /// Round numbers around what is shown.
    Auto,
    /// These ends, whatever comes.
    Fixed(f64, f64),
    /// Around everything that is known of the metric at any node, so that charts compare.
    Shared,
}

/// An earlier time that is drawn under the present one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compare {
    No,
    Yesterday,
    LastWeek,
}

impl Compare {
    /// How much earlier.
    pub(crate) fn shift(self) -> Option<TimeDelta> {
        match self {
            Self::No => None,
            Self::Yesterday => Some(TimeDelta::days(1)),
            Self::LastWeek => Some(TimeDelta::days(7)),
        }
    }

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::No => "",
            Self::Yesterday => "the day before",
            Self::LastWeek => "a week before",
        }
    }

    pub(crate) const fn next(self) -> Self {
        match self {
            Self::No => Self::Yesterday,
            Self::Yesterday => Self::LastWeek,
            Self::LastWeek => Self::No,
        }
    }
}

/// What to ask the station for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    /// Answers to older questions are not taken.
    pub(crate) id: u64,
    pub(crate) nodes: Vec<String>,
    pub(crate) from: DateTime<Utc>,
    pub(crate) to: DateTime<Utc>,
    pub(crate) buckets: u32,
    /// Also the same hours so much earlier.
    pub(crate) shift: Option<TimeDelta>,
}

/// What the station answered.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) question: Question,
    pub(crate) present: Vec<BucketsReply>,
    pub(crate) before: Vec<BucketsReply>,
}

/// The chart.
#[derive(Debug)]
pub(crate) struct Chart {
    pub(crate) node: String,
    /// The metric; `None` is the node's first.
    pub(crate) metric: Option<String>,
    /// Nodes that are laid over.
    pub(crate) overlays: Vec<String>,
    pub(crate) span: TimeDelta,
    /// The right end; `None` follows the time.
    end: Option<DateTime<Utc>>,
    /// Whether the end was set by freezing: what comes is still taken in.
    pub(crate) frozen: bool,
    pub(crate) cursor: Option<DateTime<Utc>>,
    /// The second cursor.
    pub(crate) mark: Option<DateTime<Utc>>,
    pub(crate) scale: Scale,
    pub(crate) compare: Compare,
    /// How the node's metrics are shown on its page; `None` goes by the height.
    pub(crate) layout: Option<NodeCharts>,
    tracks: BTreeMap<Series, Track>,
    before: BTreeMap<Series, Track>,
    /// Live samples since the station was asked last.
    came: BTreeMap<Series, Track>,
    asked_at: Option<DateTime<Utc>>,
    question: u64,
    /// Whether the history on screen is of the present window.
    pub(crate) loaded: bool,
    bucket_ms: i64,
}

impl Chart {
    pub(crate) fn new(node: String, metric: Option<String>) -> Self {
        Self {
            node,
            metric,
            overlays: Vec::new(),
            span: TimeDelta::hours(1),
            end: None,
            frozen: false,
            cursor: None,
            mark: None,
            scale: Scale::Auto,
            compare: Compare::No,
            layout: None,
            tracks: BTreeMap::new(),
            before: BTreeMap::new(),
            came: BTreeMap::new(),
            asked_at: None,
            question: 0,
            loaded: false,
            bucket_ms: 1,
        }
    }

    /// Whether the right end goes with the time.
    pub(crate) const fn follows(&self) -> bool {
        self.end.is_none()
    }

    /// The right end.
    pub(crate) fn end(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.end.unwrap_or(now)
    }

    /// The left end.
    pub(crate) fn from(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.end(now) - self.span
    }

    /// The nodes whose lines are drawn.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.node).chain(&self.overlays)
    }

    /// Another window is shown: what was asked is of no use.
    pub(crate) fn ask_anew(&mut self) {
        self.asked_at = None;
        self.loaded = false;
        self.question += 1;
    }

    /// Sets the window.
    pub(crate) fn show(&mut self, span: TimeDelta, end: Option<DateTime<Utc>>) {
        let span = span.clamp(TimeDelta::seconds(10), TimeDelta::days(BACK_DAYS_MAX));
        if (span, end) == (self.span, self.end) {
            return;
        }
        self.span = span;
        self.end = end;
        self.frozen = false;
        self.ask_anew();
    }

    /// The next longer or shorter span, around a time; without one the right end stays.
    pub(crate) fn zoom(&mut self, wider: bool, around: Option<DateTime<Utc>>, now: DateTime<Utc>) {
        let span_s = self.span.num_seconds();
        let next = if wider {
            SPANS_S.into_iter().find(|s| *s > span_s)
        } else {
            SPANS_S.into_iter().rev().find(|s| *s < span_s)
        };
        let Some(next_s) = next else { return };
        let next = TimeDelta::seconds(next_s);
        let end = around.map_or(self.end, |around| {
            let rest_ms = (self.end(now) - around).num_milliseconds();
            let rest_ms = i128::from(rest_ms) * i128::from(next_s) / i128::from(span_s.max(1));
            let rest = TimeDelta::milliseconds(i64::try_from(rest_ms).unwrap_or(0));
            Some(around + rest)
        });
        self.show(next, end.filter(|end| *end < now));
    }

    /// Moves by a part of the span to earlier or later times; never beyond the present.
    pub(crate) fn pan(&mut self, earlier: bool, parts: i32, now: DateTime<Utc>) {
        let step = self.span / parts.max(1);
        let end = self.end(now);
        let oldest = now - TimeDelta::days(BACK_DAYS_MAX);
        let end = if earlier {
            (end - step).max(oldest)
        } else {
            end + step
        };
        self.show(self.span, Some(end).filter(|end| *end < now));
    }

    /// Stops the window, or lets it go on; what comes meanwhile is taken in either way.
    pub(crate) fn freeze(&mut self, now: DateTime<Utc>) {
        if self.frozen {
            self.frozen = false;
            self.end = None;
            self.ask_anew();
        } else if self.end.is_none() {
            self.end = Some(now);
            self.frozen = true;
        }
    }

    /// Time of one of so many columns.
    pub(crate) fn step(&self, columns: u16) -> TimeDelta {
        self.span / i32::from(columns.max(1))
    }

    /// Moves the cursor by columns; the first move puts it at the newest point.
    pub(crate) fn move_cursor(
        &mut self,
        steps: i32,
        columns: u16,
        series: &Series,
        now: DateTime<Utc>,
    ) {
        let (from, end) = (self.from(now), self.end(now));
        let newest = || {
            self.points(series, now)
                .last()
                .map_or(end, |point| point.at)
        };
        let at = self
            .cursor
            .map_or_else(newest, |at| at + self.step(columns) * steps);
        self.cursor = Some(at.clamp(from, end));
    }

    /// Whether history should be loaded now; notes that it is.
    pub(crate) fn wish(&mut self, width: u16, now: DateTime<Utc>) -> Option<Question> {
        let pause_s = (self.span.num_seconds() / RELOAD_PART).max(RELOAD_S_MIN);
        let due = match self.asked_at {
            None => true,
            Some(at) => self.follows() && now - at >= TimeDelta::seconds(pause_s),
        };
        if !due {
            return None;
        }
        self.asked_at = Some(now);
        self.came.clear();
        let columns = i64::from(width.saturating_sub(SCALE_COLUMNS).clamp(20, 400)) * 2;
        // Borders that stay when time goes on, so that the same bucket is drawn the same way.
        let step_ms = (self.span.num_milliseconds() / columns).max(1_000);
        let end_ms = self.end(now).timestamp_millis();
        let to_ms = (end_ms / step_ms + 1) * step_ms;
        let count = self.span.num_milliseconds() / step_ms + 1;
        let at = |ms| DateTime::from_timestamp_millis(ms).unwrap_or(now);
        Some(Question {
            id: self.question,
            nodes: self.nodes().cloned().collect(),
            from: at(to_ms - count * step_ms),
            to: at(to_ms),
            buckets: u32::try_from(count).unwrap_or(u32::MAX),
            shift: self.compare.shift(),
        })
    }

    /// After a lost connection.
    pub(crate) fn forget_asking(&mut self) {
        self.asked_at = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + s, 0).unwrap()
    }

    fn chart() -> Chart {
        Chart::new("a".to_owned(), Some("t".to_owned()))
    }

    #[test]
    fn zooming_keeps_the_place_of_the_cursor() {
        let mut chart = chart();
        chart.zoom(false, Some(at(-1_800)), at(0));
        assert_eq!(chart.span, TimeDelta::minutes(15));
        // In the middle before, in the middle after.
        assert_eq!(chart.end(at(0)), at(-1_800 + 450));
        assert!(!chart.follows());
        chart.zoom(true, Some(at(-1_800)), at(0));
        assert_eq!((chart.from(at(0)), chart.end(at(0))), (at(-3_600), at(0)));
        assert!(chart.follows());
        for _ in 0..40 {
            chart.zoom(true, None, at(0));
        }
        assert_eq!(chart.span, TimeDelta::days(BACK_DAYS_MAX));
        for _ in 0..40 {
            chart.zoom(false, None, at(0));
        }
        assert_eq!(chart.span, TimeDelta::minutes(1));
        assert!(chart.follows());
    }

    #[test]
    fn earlier_times_are_asked_for_once_and_the_present_again_and_again() {
        let mut chart = chart();
        chart.pan(false, 2, at(0));
        assert!(chart.follows());
        let first = chart.wish(100, at(0)).unwrap();
        assert!(first.to >= at(0) && first.from <= at(-3_600));
        assert_eq!(chart.wish(100, at(14)), None);
        assert!(chart.wish(100, at(30)).is_some());
        chart.pan(true, 2, at(30));
        chart.pan(true, 2, at(30));
        assert_eq!(chart.end(at(30)), at(30 - 3_600));
        let earlier = chart.wish(100, at(31)).unwrap();
        assert!(earlier.id > first.id);
        assert_eq!(chart.wish(100, at(10_000)), None);
        chart.forget_asking();
        assert!(chart.wish(100, at(10_000)).is_some());
    }

    #[test]
    fn buckets_keep_their_borders_while_time_goes_on() {
        let mut chart = chart();
        let first = chart.wish(129, at(0)).unwrap();
        let second = chart.wish(129, at(47)).unwrap();
        let width = |q: &Question| (q.to - q.from).num_milliseconds() / i64::from(q.buckets);
        assert_eq!(width(&first), width(&second));
        let off = (second.from - first.from).num_milliseconds() % width(&first);
        assert_eq!(off, 0);
    }

    #[test]
    fn a_frozen_chart_stands_still_and_comes_back() {
        let mut chart = chart();
        chart.freeze(at(0));
        assert_eq!((chart.end(at(50)), chart.frozen), (at(0), true));
        chart.freeze(at(50));
        assert_eq!(chart.end(at(60)), at(60));
        assert!(!chart.frozen);
    }

    #[test]
    fn the_cursor_moves_by_columns_and_stays_inside() {
        let mut chart = chart();
        let series = ("a".to_owned(), "t".to_owned());
        chart.move_cursor(-1, 60, &series, at(0));
        assert_eq!(chart.cursor, Some(at(0)));
        chart.move_cursor(-2, 60, &series, at(0));
        assert_eq!(chart.cursor, Some(at(-120)));
        chart.move_cursor(-1_000, 60, &series, at(0));
        assert_eq!(chart.cursor, Some(at(-3_600)));
        chart.move_cursor(5_000, 60, &series, at(0));
        assert_eq!(chart.cursor, Some(at(0)));
    }
}
