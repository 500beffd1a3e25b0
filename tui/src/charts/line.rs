//! A line chart in Braille dots: means joined, minimum to maximum as bars, gaps as gaps, a
//! steady scale of round numbers, and a read-out at a cursor.

use chrono::{DateTime, Local, TimeDelta, Utc};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    symbols::Marker,
    widgets::{
        Widget as _,
        canvas::{Canvas, Line},
    },
};

use crate::{state::Point, theme::Theme, words};

/// Columns of the scale at the left.
const SCALE_COLUMNS: u16 = 9;

/// What to draw.
pub(crate) struct LineChart<'a> {
    pub(crate) points: &'a [Point],
    pub(crate) from: DateTime<Utc>,
    pub(crate) to: DateTime<Utc>,
    pub(crate) gap_ms: i64,
    /// How many points back the read-out is.
    pub(crate) cursor: Option<usize>,
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
    pub(crate) fn draw(&self, area: Rect, theme: Theme, buf: &mut Buffer) {
        if area.width < SCALE_COLUMNS + 10 || area.height < 4 {
            return;
        }
        let Some((low, high, step)) = self.scale() else {
            let text = "no values in this range";
            let x = area.x + area.width.saturating_sub(23) / 2;
            buf.set_string(x, area.y + area.height / 2, text, theme.dim());
            return;
        };
        let plot = Rect {
            x: area.x + SCALE_COLUMNS,
            y: area.y,
            width: area.width - SCALE_COLUMNS,
            height: area.height - 1,
        };
        self.draw_scale(area, plot, (low, high, step), theme, buf);
        self.draw_times(plot, theme, buf);
        self.draw_lines(plot, (low, high), theme, buf);
        self.draw_cursor(plot, theme, buf);
    }

    fn scale(&self) -> Option<(f64, f64, f64)> {
        let min = self.points.iter().map(|point| point.min).reduce(f64::min)?;
        let max = self.points.iter().map(|point| point.max).reduce(f64::max)?;
        Some(scale(min, max))
    }

    fn draw_scale(
        &self,
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

    fn draw_times(&self, plot: Rect, theme: Theme, buf: &mut Buffer) {
        let span = self.to - self.from;
        let format = if span > TimeDelta::days(2) {
            "%m-%d %H:%M"
        } else if span > TimeDelta::minutes(10) {
            "%H:%M"
        } else {
            "%H:%M:%S"
        };
        let y = plot.y + plot.height;
        let text = |at: DateTime<Utc>| at.with_timezone(&Local).format(format).to_string();
        let (first, last) = (text(self.from), text(self.to));
        let width = u16::try_from(last.len()).unwrap_or(0);
        buf.set_string(plot.x, y, first, theme.dim());
        if plot.width > width * 4 {
            let middle = text(self.from + span / 2);
            buf.set_string(plot.x + (plot.width - width) / 2, y, middle, theme.dim());
        }
        buf.set_string(
            plot.x + plot.width.saturating_sub(width),
            y,
            last,
            theme.dim(),
        );
    }

    fn x(&self, at: DateTime<Utc>) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a span of milliseconds")]
        let x = (at - self.from).num_milliseconds() as f64;
        x
    }

    fn draw_lines(&self, plot: Rect, (low, high): (f64, f64), theme: Theme, buf: &mut Buffer) {
        let colour = theme.line().fg.unwrap_or_default();
        let canvas = Canvas::default()
            .marker(Marker::Braille)
            .x_bounds([0.0, self.x(self.to)])
            .y_bounds([low, high])
            .paint(|context| {
                for point in self.points {
                    let x = self.x(point.at);
                    context.draw(&Line::new(x, point.min, x, point.max, colour));
                }
                for (one, next) in joined(self.points, self.gap_ms) {
                    let (x, next_x) = (self.x(one.at), self.x(next.at));
                    context.draw(&Line::new(x, one.mean, next_x, next.mean, colour));
                }
            });
        canvas.render(plot, buf);
    }

    fn draw_cursor(&self, plot: Rect, theme: Theme, buf: &mut Buffer) {
        let Some(point) = self.at_cursor() else {
            return;
        };
        let share = self.x(point.at) / self.x(self.to);
        let x = plot.x + round(share * f64::from(plot.width - 1));
        for y in plot.y..plot.y + plot.height {
            if let Some(cell) = buf.cell_mut((x, y)) {
                if cell.symbol() == " " || cell.symbol() == "\u{2800}" {
                    cell.set_symbol("│");
                    cell.set_style(theme.dim());
                } else {
                    cell.set_style(Style::new().patch(theme.selected()));
                }
            }
        }
    }

    /// The point under the cursor.
    pub(crate) fn at_cursor(&self) -> Option<&Point> {
        let back = self.cursor?;
        let last = self.points.len().checked_sub(1)?;
        self.points.get(last.saturating_sub(back))
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
    fn a_gap_is_not_bridged() {
        let point = |s: i64| Point {
            at: DateTime::from_timestamp(s, 0).unwrap(),
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
