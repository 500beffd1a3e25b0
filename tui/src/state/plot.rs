//! What the chart shows, with what is known besides its points: thresholds, incidents, commands,
//! why there is a gap, what the metric's values are elsewhere.

use chrono::{DateTime, Utc};
use signalbox_protocol::api::{
    command::{Command, CommandState},
    incident::Incident,
    node::Presence,
    rule::Rule,
};

use super::{Chart, Point, Series, State};
use crate::{
    event::Action,
    keymap::{Cmd, Place},
};

/// Where nothing was measured, and why.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Gap {
    pub(crate) from: DateTime<Utc>,
    pub(crate) to: DateTime<Utc>,
    pub(crate) cause: &'static str,
}

impl State {
    /// Node and metric of the chart.
    pub(crate) fn series(&self) -> Option<Series> {
        let chart = self.chart.as_ref()?;
        let known = self.metrics();
        let wanted = chart.metric.clone();
        let metric = wanted.or_else(|| known.first().cloned())?;
        Some((chart.node.clone(), metric))
    }

    /// Metrics of the chart's node.
    pub(crate) fn metrics(&self) -> Vec<String> {
        let node = self.chart.as_ref().and_then(|c| self.nodes.get(&c.node));
        node.map_or_else(Vec::new, |node| node.latest.keys().cloned().collect())
    }

    /// What the first line reads at a time.
    pub(crate) fn reading(&self, at: Option<DateTime<Utc>>) -> Option<Point> {
        let series = self.series()?;
        self.chart.as_ref()?.reading(&series, at?, self.now)
    }

    /// Enabled rules that watch a series.
    pub(crate) fn rules_of<'a>(&'a self, series: &'a Series) -> impl Iterator<Item = &'a Rule> {
        self.rules.iter().filter(move |rule| {
            let node = rule.spec.node.as_ref();
            rule.enabled
                && rule.spec.metric == series.1
                && node.is_none_or(|node| *node == series.0)
        })
    }

    /// Incidents of a series that reach into the chart's window, that fired.
    pub(crate) fn incidents_of<'a>(
        &'a self,
        series: &'a Series,
        chart: &'a Chart,
    ) -> impl Iterator<Item = &'a Incident> {
        let (from, end) = (chart.from(self.now), chart.end(self.now));
        self.incidents.iter().filter(move |incident| {
            incident.node == series.0
                && incident.metric == series.1
                && incident.fired_at.is_some_and(|at| at <= end)
                && incident.closed_at.is_none_or(|at| at >= from)
        })
    }

    /// Commands of a node that it carried out within the chart's window.
    pub(crate) fn commands_within<'a>(
        &'a self,
        node: &'a str,
        chart: &'a Chart,
    ) -> impl Iterator<Item = (DateTime<Utc>, &'a Command)> {
        let (from, end) = (chart.from(self.now), chart.end(self.now));
        self.commands_of(node).filter_map(move |command| {
            let at = command.finished_at?;
            let done = command.state == CommandState::Confirmed;
            (done && at >= from && at <= end).then_some((at, command))
        })
    }

    /// Where a series has no values, with what is known of why.
    pub(crate) fn gaps(&self, series: &Series) -> Vec<Gap> {
        let Some(chart) = &self.chart else {
            return Vec::new();
        };
        let gaps = chart.gaps(series, self.now).into_iter();
        gaps.map(|(from, to)| Gap {
            from,
            to,
            cause: self.cause(chart, series, from, to),
        })
        .collect()
    }

    fn cause(
        &self,
        chart: &Chart,
        series: &Series,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> &'static str {
        let now_offline = self.nodes.get(&series.0).is_some_and(|node| {
            node.presence == Presence::Offline && node.presence_since.is_some_and(|at| at < to)
        });
        let until_now = to >= chart.end(self.now).min(self.now);
        let left = self.presences.iter().any(|change| {
            change.node == series.0
                && change.presence == Presence::Offline
                && change.at >= from
                && change.at <= to
        });
        if left || (now_offline && until_now) {
            return "offline";
        }
        let others = self.metrics().into_iter().any(|metric| {
            let other = (series.0.clone(), metric);
            let within = |point: &Point| point.at > from && point.at < to;
            other != *series && chart.points(&other, self.now).iter().any(within)
        });
        if others {
            "this sensor was silent"
        } else {
            "nothing was heard"
        }
    }

    /// Least and greatest value of a metric that is known at any node.
    pub(crate) fn shared_bounds(&self, metric: &str) -> Option<(f64, f64)> {
        let latest = self.nodes.values().filter_map(|node| {
            let latest = node.latest.get(metric)?;
            latest.flags.is_empty().then_some(latest.value)
        });
        let seen = self
            .sparks
            .iter()
            .filter(|((_, known), _)| known == metric)
            .filter_map(|(_, spark)| spark.bounds())
            .flat_map(|(min, max)| [min, max]);
        let all: Vec<f64> = latest.chain(seen).collect();
        let min = all.iter().copied().reduce(f64::min)?;
        let max = all.iter().copied().reduce(f64::max)?;
        Some((min, max))
    }

    /// Opens the chart of a series, or of the selected node.
    pub(super) fn open_chart(&mut self, node: String, metric: Option<String>) {
        let same = self.chart.as_ref().is_some_and(|chart| chart.node == node);
        if !same {
            self.chart = Some(Chart::new(node.clone(), None));
        }
        if let Some(chart) = &mut self.chart
            && metric.is_some()
        {
            chart.metric = metric;
        }
        if self.place != Place::Chart {
            self.from_place = self.place;
        }
        self.node = Some(node);
        self.place = Place::Chart;
    }

    /// History for the chart on screen, when it is due.
    pub(super) fn chart_wish(&mut self) -> Option<Action> {
        let shown = matches!(self.place, Place::Node | Place::Chart);
        if self.link != super::Link::Online || !shown {
            return None;
        }
        let question = self.chart.as_mut()?.wish(self.size.0, self.now)?;
        Some(Action::LoadChart(Box::new(question)))
    }

    /// Commands that change what the chart shows.
    pub(super) fn on_chart(&mut self, cmd: Cmd) {
        let metrics = self.metrics();
        let Some(series) = self.series() else { return };
        let shared = self.next_overlay();
        let (now, columns) = (self.now, self.size.0.saturating_sub(super::SCALE_COLUMNS));
        let Some(chart) = &mut self.chart else { return };
        match cmd {
            Cmd::NextMetric => {
                let at = metrics.iter().position(|metric| *metric == series.1);
                let next = at.map_or(0, |at| (at + 1) % metrics.len().max(1));
                chart.metric = metrics.get(next).cloned();
            }
            Cmd::Wider => chart.zoom(true, chart.cursor, now),
            Cmd::Narrower => chart.zoom(false, chart.cursor, now),
            Cmd::Earlier => chart.pan(true, 2, now),
            Cmd::Later => chart.pan(false, 2, now),
            Cmd::Now => chart.show(chart.span, None),
            Cmd::CursorLeft => chart.move_cursor(-1, columns, &series, now),
            Cmd::CursorRight => chart.move_cursor(1, columns, &series, now),
            Cmd::CursorFarLeft => chart.move_cursor(-10, columns, &series, now),
            Cmd::CursorFarRight => chart.move_cursor(10, columns, &series, now),
            Cmd::Peak => chart.cursor = chart.peak(&series, now).map(|point| point.at),
            Cmd::Mark => {
                chart.mark = if chart.mark.is_some() {
                    None
                } else {
                    chart.cursor
                }
            }
            Cmd::Freeze => chart.freeze(now),
            Cmd::Compare => {
                chart.compare = chart.compare.next();
                chart.ask_anew();
            }
            Cmd::Overlay => {
                match shared {
                    Some(node) => chart.overlays.push(node),
                    None => chart.overlays.clear(),
                }
                chart.ask_anew();
            }
            _ => (chart.cursor, chart.mark) = (None, None),
        }
    }

    /// The next node with the same metric that is not yet in the chart; `None` after the last.
    fn next_overlay(&self) -> Option<String> {
        let (node, metric) = self.series()?;
        let chart = self.chart.as_ref()?;
        if chart.overlays.len() >= super::chart::OVERLAYS_MAX {
            return None;
        }
        let having = self
            .nodes
            .values()
            .filter(|other| other.name != node && other.latest.contains_key(&metric));
        let last = chart.overlays.last();
        having
            .map(|other| &other.name)
            .find(|name| last.is_none_or(|last| *name > last))
            .cloned()
    }
}
