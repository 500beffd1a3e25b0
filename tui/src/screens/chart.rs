//! The chart: what it shows in words, the lines, and what the cursors read.

use chrono::{TimeDelta, Utc};
use ratatui::{buffer::Buffer, layout::Rect, style::Style};
use signalbox_protocol::api::command::Action;
use unicode_width::UnicodeWidthStr as _;

use super::{Hits, overview::value, put, row};
use crate::{
    charts::line::{LineChart, Span, Track},
    event::Target,
    state::{Chart, Compare, Scale, Series, State},
    theme::Theme,
    words,
};

/// Rows of what the cursors read.
const WORDS_ROWS_MAX: u16 = 3;

pub(super) fn draw(state: &State, theme: Theme, area: Rect, buf: &mut Buffer, hits: &mut Hits) {
    let (Some(chart), Some(series)) = (&state.chart, state.series()) else {
        put(buf, area, 1, 1, "nothing measured yet", theme.dim());
        return;
    };
    names(state, chart, &series, theme, row(area, 0), buf);
    let below = Rect {
        y: area.y + 1,
        height: area.height.saturating_sub(1),
        ..area
    };
    draw_series(state, &series, false, theme, below, buf, hits);
}

/// The lines with their colours and signs, and how the chart is set.
fn names(
    state: &State,
    chart: &Chart,
    (_, metric): &Series,
    theme: Theme,
    area: Rect,
    buf: &mut Buffer,
) {
    let mut x = 1;
    for (at, node) in chart.nodes().enumerate() {
        let style = Style::new().fg(theme.series(at)).patch(theme.bold());
        let style = Style {
            fg: Some(theme.series(at)),
            ..style
        };
        let latest = state
            .nodes
            .get(node)
            .and_then(|node| node.latest.get(metric));
        let value = latest.map_or_else(String::new, |latest| value(latest, theme).0);
        let text = format!("{node} {value}");
        x += put(buf, area, x, 0, &text, style) + 2;
    }
    x += put(buf, area, x, 0, metric, theme.bold()) + 2;
    let mut set = Vec::new();
    match chart.scale {
        Scale::Auto => {}
        Scale::Fixed(..) => set.push("steady scale"),
        Scale::Shared => set.push("shared scale"),
    }
    if chart.compare != Compare::No {
        set.push(chart.compare.word());
    }
    put(buf, area, x, 0, &set.join(" · "), theme.dim());
}

/// One series with its overlays, a line of words above.
pub(super) fn draw_series(
    state: &State,
    series: &Series,
    stacked: bool,
    theme: Theme,
    area: Rect,
    buf: &mut Buffer,
    hits: &mut Hits,
) {
    let Some(chart) = &state.chart else { return };
    let lines = shape(state, chart, series, stacked, area, theme);
    let words = words_above(state, chart, series, stacked, theme, area, buf);
    let inside = Rect {
        y: area.y + words.min(area.height),
        height: area.height.saturating_sub(words),
        ..area
    };
    if !chart.loaded && lines.tracks.iter().all(|track| track.points.is_empty()) {
        put(buf, inside, 1, inside.height / 2, "loading…", theme.dim());
        return;
    }
    let plot = lines.draw(inside, theme, buf);
    hits.add(plot, Target::Chart(0.0));
}

pub(super) fn shape<'a>(
    state: &'a State,
    chart: &'a Chart,
    series: &Series,
    stacked: bool,
    area: Rect,
    theme: Theme,
) -> LineChart<'a> {
    // The right end moves with the columns, so that the chart is not drawn anew all the time.
    let columns = i64::from(area.width.max(20)) * 2;
    let step_ms = (chart.span.num_milliseconds() / columns).max(1_000);
    let end_ms = chart.end(state.now).timestamp_millis();
    let to = chrono::DateTime::<Utc>::from_timestamp_millis((end_ms / step_ms + 1) * step_ms)
        .unwrap_or(state.now);
    let mut tracks = Vec::new();
    let before = chart.points_before(series, state.now);
    if chart.compare != Compare::No && !stacked {
        tracks.push(Track {
            points: before.into(),
            gap_ms: chart.gap_ms(before),
            colour: theme.dim().fg.unwrap_or_default(),
        });
    }
    let nodes: Vec<&String> = if stacked {
        vec![&series.0]
    } else {
        chart.nodes().collect()
    };
    for (at, node) in nodes.into_iter().enumerate().rev() {
        let points = chart.points(&(node.clone(), series.1.clone()), state.now);
        tracks.push(Track {
            points: points.into(),
            gap_ms: chart.gap_ms(points),
            colour: theme.series(at),
        });
    }
    let bounds = match chart.scale {
        Scale::Auto => None,
        Scale::Fixed(low, high) => (!stacked).then_some((low, high)),
        Scale::Shared => {
            let all = || tracks.iter().flat_map(|track| track.points.iter());
            let known = state.shared_bounds(&series.1);
            let low = all()
                .map(|point| point.min)
                .chain(known.map(|(low, _)| low));
            let high = all()
                .map(|point| point.max)
                .chain(known.map(|(_, high)| high));
            low.reduce(f64::min).zip(high.reduce(f64::max))
        }
    };
    LineChart {
        tracks,
        from: to - chart.span,
        to,
        bounds,
        thresholds: state.rules_of(series).map(|rule| rule.spec.value).collect(),
        spans: spans(state, chart, series),
        gaps: state.gaps(series),
        cursor: chart.cursor,
        mark: chart.mark,
        marker: state.settings.marks.marker(),
    }
}

/// Incidents of the series and commands of its node.
fn spans(state: &State, chart: &Chart, series: &Series) -> Vec<Span> {
    let incidents = state.incidents_of(series, chart).map(|incident| Span {
        from: incident.fired_at.unwrap_or(incident.began_at),
        to: incident.closed_at.unwrap_or(state.now),
        mark: '▼',
        bad: true,
    });
    let commands = state
        .commands_within(&series.0, chart)
        .map(|(at, command)| Span {
            from: at,
            to: at,
            mark: match command.action {
                Action::On => '1',
                Action::Off => '0',
                Action::Toggle => 't',
            },
            bad: false,
        });
    incidents.chain(commands).collect()
}

/// What is read at the cursors, or else the range and what it holds. Gives the rows it took.
fn words_above(
    state: &State,
    chart: &Chart,
    series: &Series,
    stacked: bool,
    theme: Theme,
    area: Rect,
    buf: &mut Buffer,
) -> u16 {
    let unit = words::unit(&series.1);
    let mut x = 1;
    if stacked {
        x += put(buf, area, x, 0, &series.1, theme.bold()) + 2;
    }
    if let Some(at) = chart.cursor {
        let parts = read_out(state, chart, series, at, unit);
        return put_parts(&parts, x, theme, area, buf);
    }
    x += put(buf, area, x, 0, &span_text(chart.span), theme.bold()) + 2;
    if chart.frozen {
        let text = "FROZEN, still recording";
        x += put(buf, area, x, 0, text, theme.warn()) + 2;
    } else if !chart.follows() {
        let until = format!("until {}", words::exact(chart.end(state.now)));
        x += put(buf, area, x, 0, &until, theme.warn()) + 2;
    }
    if !chart.loaded {
        put(buf, area, x, 0, "loading…", theme.dim());
        return 1;
    }
    let latest = state
        .nodes
        .get(&series.0)
        .and_then(|node| node.latest.get(&series.1));
    if let Some(latest) = latest {
        x += put(buf, area, x, 0, "now ", theme.dim());
        let (text, style) = value(latest, theme);
        x += put(buf, area, x, 0, &format!("{text}{unit}"), style) + 2;
    }
    let points = chart.points(series, state.now);
    let min = points.iter().map(|point| point.min).reduce(f64::min);
    let max = points.iter().map(|point| point.max).reduce(f64::max);
    if let (Some(min), Some(max)) = (min, max) {
        let text = format!("min {}  max {}", words::value(min), words::value(max));
        put(buf, area, x, 0, &text, theme.dim());
    }
    1
}

/// Writes parts of a sentence one after the other, in as many rows as they need; gives the rows.
fn put_parts(parts: &[String], begin: u16, theme: Theme, area: Rect, buf: &mut Buffer) -> u16 {
    let (mut x, mut y) = (begin, 0);
    for part in parts {
        let width = u16::try_from(part.width()).unwrap_or(u16::MAX);
        if x > begin && x.saturating_add(width) > area.width && y < WORDS_ROWS_MAX - 1 {
            (x, y) = (begin, y + 1);
        }
        x += put(buf, area, x, y, part, theme.warn()) + 2;
    }
    y + 1
}

/// When, the value there, what the bucket holds, and the way to the second cursor.
fn read_out(
    state: &State,
    chart: &Chart,
    series: &Series,
    at: chrono::DateTime<Utc>,
    unit: &str,
) -> Vec<String> {
    let Some(point) = chart.reading(series, at, state.now) else {
        let gaps = state.gaps(series);
        let gap = gaps.iter().find(|gap| gap.from <= at && at <= gap.to);
        let cause = gap.map_or("no value", |gap| gap.cause);
        return vec![format!("{}: {cause}", words::exact(at))];
    };
    let value = words::value;
    let mut parts = vec![format!(
        "{}: {}{unit}",
        words::exact(point.at),
        value(point.mean)
    )];
    if point.n > 1 {
        let (min, mean, max) = (value(point.min), value(point.mean), value(point.max));
        parts.push(format!("min {min} mean {mean} max {max} of {}", point.n));
    }
    if let Some(other) = chart
        .mark
        .and_then(|at| chart.reading(series, at, state.now))
    {
        let (delta, span) = (point.mean - other.mean, point.at - other.at);
        #[expect(clippy::cast_precision_loss, reason = "a span of milliseconds")]
        let hours = span.num_milliseconds() as f64 / 3_600_000.0;
        let mut text = format!("Δ {}{unit} in {}", value(delta), signed(span));
        if hours != 0.0 {
            text = format!("{text}, {}{unit}/h", value(delta / hours));
        }
        parts.push(text);
    }
    parts
}

fn signed(span: TimeDelta) -> String {
    if span < TimeDelta::zero() {
        format!("-{}", words::rest(-span))
    } else {
        words::rest(span)
    }
}

/// A span as people say it.
pub(super) fn span_text(span: TimeDelta) -> String {
    let s = span.num_seconds();
    match s {
        _ if s % 86_400 == 0 && s > 86_400 => format!("{} days", s / 86_400),
        _ if s % 3_600 == 0 => format!("{} h", s / 3_600),
        _ if s % 60 == 0 => format!("{} min", s / 60),
        _ => words::rest(span),
    }
}
