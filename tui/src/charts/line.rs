//! A line chart: means joined, minimum to maximum as bars, gaps as gaps with their cause, a
//! steady scale of round numbers, thresholds, incidents and commands, and cursors.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::{Color, Style},
    symbols::Marker,
    widgets::{
        Widget as _,
        canvas::{Canvas, Context, Line},
    },
};
use unicode_width::UnicodeWidthStr as _;

use super::times;
use crate::{
    state::{Gap, Point, SCALE_COLUMNS},
    theme::Theme,
    words,
};

/// One line.
pub(crate) struct Track<'a> {
    pub(crate) points: Cow<'a, [Point]>,
    pub(crate) gap_ms: i64,
    pub(crate) colour: Color,
}

impl Track<'_> {
    /// The same line where `from` of its own scale lies at `to` of another one.
    pub(crate) fn onto(mut self, from: (f64, f64), to: (f64, f64)) -> Self {
        let slope = (to.1 - to.0) / (from.1 - from.0);
        let moved = |value: f64| to.0 + (value - from.0) * slope;
        for point in self.points.to_mut() {
            point.min = moved(point.min);
            point.mean = moved(point.mean);
            point.max = moved(point.max);
        }
        self
    }

    /// Ends of the scale that this line has alone; `None` without points.
    pub(crate) fn ends(&self) -> Option<(f64, f64)> {
        let (low, high, _) = scale_of([self])?;
        Some((low, high))
    }
}

/// A scale for these lines.
fn scale_of<'a>(tracks: impl IntoIterator<Item = &'a Track<'a>>) -> Option<(f64, f64, f64)> {
    let points = tracks.into_iter().flat_map(|track| track.points.iter());
    let ends = points.fold(None, |ends: Option<(f64, f64)>, point| {
        let (min, max) = ends.unwrap_or((point.min, point.max));
        Some((min.min(point.min), max.max(point.max)))
    });
    ends.map(|(min, max)| scale(min, max))
}

/// Something that happened at a time, or from one time to another.
pub(crate) struct Span {
    pub(crate) from: DateTime<Utc>,
    pub(crate) to: DateTime<Utc>,
    pub(crate) mark: char,
    pub(crate) bad: bool,
}

/// What to draw.
pub(crate) struct LineChart<'a> {
    /// The one that is compared with first, the most important last.
    pub(crate) tracks: Vec<Track<'a>>,
    pub(crate) from: DateTime<Utc>,
    pub(crate) to: DateTime<Utc>,
    /// Ends of the scale; `None` goes by the points.
    pub(crate) bounds: Option<(f64, f64)>,
    pub(crate) thresholds: Vec<f64>,
    pub(crate) spans: Vec<Span>,
    pub(crate) gaps: Vec<Gap>,
    pub(crate) cursor: Option<DateTime<Utc>>,
    pub(crate) mark: Option<DateTime<Utc>>,
    pub(crate) marker: Marker,
}

/// A scale of round numbers around the data: low end, high end, step.
pub(crate) fn scale(min: f64, max: f64) -> (f64, f64, f64) {
    let span = (max - min).max(min.abs().max(max.abs()) * 0.01).max(1e-9);
    let rough = span / 4.0;
    let magnitude = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|round| round * magnitude)
        .find(|step| *step >= rough)
        .unwrap_or(10.0 * magnitude);
    let low = (min / step).floor() * step;
    let high = (max / step).ceil() * step;
    if high > low {
        (low, high, step)
    } else {
        (low - step, low + step, step)
    }
}

/// Pairs of neighbouring points that are joined.
pub(crate) fn joined(points: &[Point], gap_ms: i64) -> impl Iterator<Item = (&Point, &Point)> {
    points
        .windows(2)
        .filter(move |pair| (pair[1].at - pair[0].at).num_milliseconds() <= gap_ms)
        .map(|pair| (&pair[0], &pair[1]))
}

impl LineChart<'_> {
    /// Draws, and gives the place of the lines themselves.
    pub(crate) fn draw(&self, area: Rect, theme: Theme, buf: &mut Buffer) -> Rect {
        if area.width < SCALE_COLUMNS + 10 || area.height < 3 {
            return Rect::default();
        }
        let Some((low, high, step)) = self.scale() else {
            let text = "no values in this range";
            let x = area.x + area.width.saturating_sub(23) / 2;
            buf.set_string(x, area.y + area.height / 2, text, theme.dim());
            return Rect::default();
        };
        let events = u16::from(!self.spans.is_empty() && area.height > 5);
        let plot = Rect {
            x: area.x + SCALE_COLUMNS,
            y: area.y,
            width: area.width - SCALE_COLUMNS,
            height: area.height - 1 - events,
        };
        draw_scale(area, plot, (low, high, step), theme, buf);
        self.draw_times(plot, area.y + area.height - 1, theme, buf);
        self.draw_gaps(plot, theme, buf);
        self.draw_lines(plot, (low, high), theme, buf);
        if events > 0 {
            self.draw_spans(plot, theme, buf);
        }
        for (at, style) in [(self.mark, theme.warn()), (self.cursor, theme.selected())] {
            if let Some(at) = at {
                self.draw_cursor(plot, at, style, theme, buf);
            }
        }
        plot
    }

    fn scale(&self) -> Option<(f64, f64, f64)> {
        let own = scale_of(&self.tracks)?;
        Some(self.bounds.map_or(own, |(min, max)| scale(min, max)))
    }

    fn draw_times(&self, plot: Rect, y: u16, theme: Theme, buf: &mut Buffer) {
        for tick in times::ticks(self.from, self.to, plot.width) {
            let Some(column) = self.column(plot, tick.at) else {
                continue;
            };
            let width = u16::try_from(tick.text.len()).unwrap_or(u16::MAX);
            let last = (plot.x + plot.width).saturating_sub(width);
            let x = column.saturating_sub(width / 2).min(last).max(plot.x);
            buf.set_string(x, y, &tick.text, theme.dim());
        }
    }

    fn x(&self, at: DateTime<Utc>) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a span of milliseconds")]
        let x = (at - self.from).num_milliseconds() as f64;
        x
    }

    /// The column of a time, if it is shown.
    fn column(&self, plot: Rect, at: DateTime<Utc>) -> Option<u16> {
        if at < self.from || at > self.to {
            return None;
        }
        let share = self.x(at) / self.x(self.to).max(1.0);
        Some(plot.x + round(share * f64::from(plot.width - 1)))
    }

    /// The columns of a span, as far as they are shown.
    fn columns(&self, plot: Rect, from: DateTime<Utc>, to: DateTime<Utc>) -> Option<(u16, u16)> {
        let first = self.column(plot, from.max(self.from))?;
        let last = self.column(plot, to.min(self.to))?;
        (first <= last).then_some((first, last))
    }

    fn draw_gaps(&self, plot: Rect, theme: Theme, buf: &mut Buffer) {
        let y = plot.y + plot.height / 2;
        for gap in &self.gaps {
            let Some((first, last)) = self.columns(plot, gap.from, gap.to) else {
                continue;
            };
            let room = usize::from(last.saturating_sub(first).saturating_sub(1));
            let width = gap.cause.width();
            if room >= width {
                let x = first + 1 + u16::try_from((room - width) / 2).unwrap_or(0);
                buf.set_string(x, y, gap.cause, theme.dim());
            }
        }
    }

    fn draw_lines(&self, plot: Rect, (low, high): (f64, f64), theme: Theme, buf: &mut Buffer) {
        let width = self.x(self.to);
        let paint = |context: &mut Context<'_>| {
            for threshold in self.thresholds.iter().filter(|t| **t >= low && **t <= high) {
                let colour = theme.threshold().fg.unwrap_or_default();
                // Dashed, so that it is told from a line without colours.
                for dash in (0_u16..100).step_by(2) {
                    let x = width / 100.0 * f64::from(dash);
                    let line = Line::new(x, *threshold, x + width / 150.0, *threshold, colour);
                    context.draw(&line);
                }
            }
            for track in &self.tracks {
                context.layer();
                for point in &*track.points {
                    let x = self.x(point.at);
                    context.draw(&Line::new(x, point.min, x, point.max, track.colour));
                }
                for (one, next) in joined(&track.points, track.gap_ms) {
                    let (x, next_x) = (self.x(one.at), self.x(next.at));
                    context.draw(&Line::new(x, one.mean, next_x, next.mean, track.colour));
                }
            }
        };
        // Drawn apart, so that what lies below the lines stays where they are not.
        let mut lines = Buffer::empty(plot);
        Canvas::default()
            .marker(self.marker)
            .x_bounds([0.0, width])
            .y_bounds([low, high])
            .paint(paint)
            .render(plot, &mut lines);
        for position in plot.positions() {
            let Some(cell) = lines.cell(position) else {
                continue;
            };
            if !matches!(cell.symbol(), " " | "\u{2800}")
                && let Some(to) = buf.cell_mut(position)
            {
                *to = cell.clone();
            }
        }
    }

    /// Incidents and commands, in the row below the lines.
    fn draw_spans(&self, plot: Rect, theme: Theme, buf: &mut Buffer) {
        let y = plot.y + plot.height;
        for span in &self.spans {
            let Some((first, last)) = self.columns(plot, span.from, span.to) else {
                continue;
            };
            let style = if span.bad { theme.bad() } else { theme.good() };
            for x in first..=last {
                let mark = if x == first { span.mark } else { '━' };
                if let Some(cell) = buf.cell_mut((x, y)) {
                    cell.set_char(mark).set_style(style);
                }
            }
        }
    }

    fn draw_cursor(
        &self,
        plot: Rect,
        at: DateTime<Utc>,
        style: Style,
        theme: Theme,
        buf: &mut Buffer,
    ) {
        let Some(x) = self.column(plot, at) else {
            return;
        };
        for y in plot.y..plot.y + plot.height {
            if let Some(cell) = buf.cell_mut((x, y)) {
                if matches!(cell.symbol(), " " | "\u{2800}") {
                    cell.set_symbol("│")
                        .set_style(theme.dim().patch(style_of_line(style)));
                } else {
                    cell.set_style(style);
                }
            }
        }
    }
}

/// Only the colour: a cursor's own line is not reversed.
fn style_of_line(style: Style) -> Style {
    style.fg.map_or_else(Style::new, |fg| Style::new().fg(fg))
}

fn draw_scale(
    area: Rect,
    plot: Rect,
    (low, high, step): (f64, f64, f64),
    theme: Theme,
    buf: &mut Buffer,
) {
    let mut mark = low;
    while mark <= high + step / 2.0 {
        let share = (high - mark) / (high - low);
        let y = plot.y + round(share * f64::from(plot.height - 1));
        // Sums of steps like 0.1 are not round any more.
        let round_mark = (mark / step).round() * step;
        let text = words::value((round_mark * 1e9).round() / 1e9);
        let width = usize::from(SCALE_COLUMNS - 1);
        buf.set_stringn(area.x, y, format!("{text:>width$}"), width, theme.dim());
        mark += step;
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place on screen"
)]
fn round(place: f64) -> u16 {
    place.round().max(0.0) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_round_and_hold_the_data() {
        assert_eq!(scale(20.3, 23.9), (20.0, 24.0, 1.0));
        assert_eq!(scale(0.0, 1_023.0), (0.0, 1_500.0, 500.0));
        let (low, high, _) = scale(21.0, 21.0);
        assert!(low < 21.0 && high > 21.0 || low == 21.0 || high == 21.0);
        assert!(low < high);
        for (min, max) in [(-5.0, 5.0), (0.0, 0.0), (1e-6, 2e-6), (-1e9, 1e9)] {
            let (low, high, step) = scale(min, max);
            assert!(low <= min && high >= max && step > 0.0, "{min} {max}");
            assert!((high - low) / step <= 12.0);
        }
    }

    #[test]
    fn a_line_keeps_its_place_on_another_scale() {
        let point = |value: f64| Point {
            at: DateTime::UNIX_EPOCH,
            n: 1,
            min: value - 1.0,
            mean: value,
            max: value + 1.0,
        };
        let track = Track {
            points: Cow::Owned(vec![point(20.0), point(24.0)]),
            gap_ms: 0,
            colour: Color::Red,
        };
        assert_eq!(track.ends(), Some((18.0, 26.0)));
        let moved = track.onto((18.0, 26.0), (400.0, 480.0));
        let means: Vec<f64> = moved.points.iter().map(|point| point.mean).collect();
        assert_eq!(means, [420.0, 460.0]);
        assert_eq!((moved.points[0].min, moved.points[0].max), (410.0, 430.0));
        assert_eq!(moved.ends(), Some((400.0, 480.0)));
    }

    #[test]
    fn a_gap_is_not_bridged() {
        let point = |s: i64| Point {
            at: DateTime::from_timestamp(s, 0).unwrap(),
            n: 1,
            min: 0.0,
            mean: 0.0,
            max: 0.0,
        };
        let points = [point(0), point(10), point(100), point(110)];
        assert_eq!(joined(&points, 30_000).count(), 2);
        assert_eq!(joined(&points[..1], 30_000).count(), 0);
        assert_eq!(joined(&[], 30_000).count(), 0);
    }
}
