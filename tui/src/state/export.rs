//! What the chart shows, as a file: CSV and JSON of its points, or SVG of its drawing.

use std::fmt::Write as _;

use chrono::SecondsFormat;

use super::{Point, Series, State};
use crate::{event::Action, words};

/// Size of the drawing in its own units.
const SVG: (f64, f64) = (960.0, 360.0);
/// Room for the scales.
const MARGIN: (f64, f64) = (70.0, 40.0);
/// Colours of the lines, told apart with every kind of colour blindness (Okabe and Ito, 2008).
const COLOURS: [&str; 6] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9",
];

impl State {
    /// A name for the file of what is seen.
    pub(super) fn export_name(&self) -> String {
        let (node, metric) = self.series().unwrap_or_default();
        let at = self.now.format("%Y%m%dT%H%M%SZ");
        format!("{node}-{metric}-{at}.csv")
    }

    /// The lines that are seen.
    fn seen(&self) -> Result<Vec<(Series, &[Point])>, String> {
        let (Some(chart), Some((_, metric))) = (&self.chart, self.series()) else {
            return Err("there is no chart to export".to_owned());
        };
        let lines: Vec<(Series, &[Point])> = chart
            .nodes()
            .map(|node| (node.clone(), metric.clone()))
            .map(|series| {
                let points = chart.points(&series, self.now);
                (series, points)
            })
            .collect();
        if lines.iter().all(|(_, points)| points.is_empty()) {
            return Err("there is nothing in this range to export".to_owned());
        }
        Ok(lines)
    }

    /// The file for a path; its ending says which kind.
    pub(super) fn export(&self, path: &str) -> Result<Action, String> {
        let lines = self.seen()?;
        let text = match path.rsplit_once('.').map(|(_, kind)| kind) {
            Some("csv") => csv(&lines),
            Some("json") => json(&lines),
            Some("svg") => self.svg(&lines),
            _ => return Err("the file must end in .csv, .json or .svg".to_owned()),
        };
        let path = path.to_owned();
        Ok(Action::Write { path, text })
    }

    fn svg(&self, lines: &[(Series, &[Point])]) -> String {
        let all = || lines.iter().flat_map(|(_, points)| points.iter());
        let low = all().map(|point| point.min).fold(f64::MAX, f64::min);
        let high = all().map(|point| point.max).fold(f64::MIN, f64::max);
        let (low, high, step) = crate::charts::scale(low, high);
        let (from, end) = match &self.chart {
            Some(chart) => (chart.from(self.now), chart.end(self.now)),
            None => (self.now, self.now),
        };
        #[expect(clippy::cast_precision_loss, reason = "a place in a drawing")]
        let span = (end - from).num_milliseconds().max(1) as f64;
        let (width, height) = (SVG.0 - MARGIN.0 - 20.0, SVG.1 - MARGIN.1 - 30.0);
        let x = |point: &Point| {
            #[expect(clippy::cast_precision_loss, reason = "a place in a drawing")]
            let off = (point.at - from).num_milliseconds() as f64;
            MARGIN.0 + off / span * width
        };
        let y = |value: f64| 30.0 + (high - value) / (high - low) * height;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" \
             font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" \
             fill=\"white\"/>\n",
            SVG.0, SVG.1
        );
        let mut mark = low;
        while mark <= high + step / 2.0 {
            let (line, text) = (y(mark), words::value((mark * 1e9).round() / 1e9));
            // Writing into a text cannot fail.
            let _ = writeln!(
                svg,
                "<line x1=\"{0}\" x2=\"{1}\" y1=\"{line:.1}\" y2=\"{line:.1}\" stroke=\"#ddd\"/>\
                 <text x=\"{2}\" y=\"{3:.1}\" text-anchor=\"end\">{text}</text>",
                MARGIN.0,
                MARGIN.0 + width,
                MARGIN.0 - 6.0,
                line + 4.0
            );
            mark += step;
        }
        for (at, (series, points)) in lines.iter().enumerate() {
            let colour = COLOURS[at % COLOURS.len()];
            let gap_ms = self.chart.as_ref().map_or(0, |chart| chart.gap_ms(points));
            let mut path = String::new();
            let mut last: Option<&Point> = None;
            for point in *points {
                let joined =
                    last.is_some_and(|last| (point.at - last.at).num_milliseconds() <= gap_ms);
                let letter = if joined { 'L' } else { 'M' };
                let _ = write!(path, "{letter}{:.1} {:.1} ", x(point), y(point.mean));
                last = Some(point);
            }
            let _ = writeln!(
                svg,
                "<path d=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>\
                 <text x=\"{}\" y=\"18\" fill=\"{colour}\">{} {}</text>",
                path.trim_end(),
                MARGIN.0 + 180.0 * f64::from(u8::try_from(at).unwrap_or(0)),
                series.0,
                series.1
            );
        }
        let foot = SVG.1 - 12.0;
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{foot}\">{}</text><text x=\"{}\" y=\"{foot}\" \
             text-anchor=\"end\">{}</text>\n</svg>",
            MARGIN.0,
            words::exact(from),
            MARGIN.0 + width,
            words::exact(end)
        );
        svg
    }
}

fn csv(lines: &[(Series, &[Point])]) -> String {
    let mut text = "node,metric,time,n,min,mean,max\n".to_owned();
    for ((node, metric), points) in lines {
        for point in *points {
            let at = point.at.to_rfc3339_opts(SecondsFormat::Millis, true);
            // Names have no commas or quotes: the station refuses them.
            let _ = writeln!(
                text,
                "{node},{metric},{at},{},{},{},{}",
                point.n, point.min, point.mean, point.max
            );
        }
    }
    text
}

fn json(lines: &[(Series, &[Point])]) -> String {
    let series: Vec<serde_json::Value> = lines
        .iter()
        .map(|((node, metric), points)| {
            let points: Vec<serde_json::Value> = points
                .iter()
                .map(|point| {
                    serde_json::json!({
                        "time": point.at.to_rfc3339_opts(SecondsFormat::Millis, true),
                        "n": point.n,
                        "min": point.min,
                        "mean": point.mean,
                        "max": point.max,
                    })
                })
                .collect();
            serde_json::json!({ "node": node, "metric": metric, "points": points })
        })
        .collect();
    let mut text = serde_json::json!({ "series": series }).to_string();
    text.push('\n');
    text
}
