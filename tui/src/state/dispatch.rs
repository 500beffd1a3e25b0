//! Commands become changes of the state and actions.

use signalbox_protocol::api::command::Action as Order;
use tui_input::Input;

use super::{
    Chart, LineState, Modal, NodeCharts, NodesView, PaletteState, Prompt, PromptKind, Scale, State,
};
use crate::{
    event::Action,
    keymap::{Cmd, Place},
    words,
};

/// Rows of the screen for each metric, with which a node's page shows all of them.
const STACKED_ROWS: usize = 11;
/// In a narrower terminal each node is a row.
const NARROW_COLUMNS: u16 = 60;
/// More nodes are a row each.
const TABLE_NODES_MAX: usize = 50;
/// A terminal for cards, which take more room.
const CARDS_COLUMNS: u16 = 180;
/// More nodes are no cards.
const CARDS_NODES_MAX: usize = 24;
/// Rows of a page key.
pub(super) const PAGE_ROWS: usize = 10;

impl State {
    pub(super) fn command(&mut self, cmd: Cmd) -> Vec<Action> {
        match cmd {
            Cmd::Quit => return vec![Action::Quit],
            Cmd::Help => {
                let filter = Input::default();
                self.modal = Some(Modal::Help { filter, top: 0 });
            }
            Cmd::Palette => self.modal = Some(Modal::Palette(PaletteState::default())),
            Cmd::Line => self.modal = Some(Modal::Line(LineState::default())),
            Cmd::Filter => self.begin_filter(),
            Cmd::Back => self.back(),
            Cmd::Undo => return self.undo(),
            Cmd::Copy => return self.copy(),
            Cmd::GoOverview => return self.go(Place::Overview),
            Cmd::GoRules => return self.go(Place::Rules),
            Cmd::GoIncidents => return self.go(Place::Incidents),
            Cmd::GoMessages => return self.go(Place::Messages),
            Cmd::GoCommands => return self.go(Place::Commands),
            Cmd::GoAdmin => return self.go(Place::Admin),
            Cmd::GoLog => return self.go(Place::Log),
            Cmd::Up | Cmd::Down | Cmd::PageUp | Cmd::PageDown | Cmd::First | Cmd::Last => {
                self.move_mark(cmd);
            }
            Cmd::Open => self.open_node(),
            Cmd::OpenChart => self.open_selected_chart(),
            Cmd::Layout => self.next_layout(),
            Cmd::Sort => {
                self.sort = self.sort.next();
                self.say(format!("sorted by {}", self.sort.word()), false);
            }
            Cmd::Toggle => return self.toggle(),
            Cmd::OnFor => self.ask_minutes(),
            Cmd::NextActuator => self.actuator = self.actuator.wrapping_add(1),
            Cmd::NextMetric
            | Cmd::Wider
            | Cmd::Narrower
            | Cmd::Earlier
            | Cmd::Later
            | Cmd::Now
            | Cmd::CursorLeft
            | Cmd::CursorRight
            | Cmd::CursorFarLeft
            | Cmd::CursorFarRight
            | Cmd::CursorOff
            | Cmd::Peak
            | Cmd::Mark
            | Cmd::Freeze
            | Cmd::Overlay
            | Cmd::Compare => self.on_chart(cmd),
            Cmd::Scale => self.next_scale(),
            Cmd::Range | Cmd::Export => self.prompt(cmd),
            Cmd::New => self.new_thing(),
            Cmd::Edit if self.place == Place::Node => self.edit_config(),
            Cmd::Edit | Cmd::Delete if self.place == Place::Admin => return self.on_account(cmd),
            Cmd::Edit | Cmd::Duplicate | Cmd::Pause if self.place == Place::Commands => {
                return self.on_schedule(cmd);
            }
            Cmd::Edit | Cmd::Delete | Cmd::Enable | Cmd::Duplicate | Cmd::DryRun => {
                return self.on_rule(cmd);
            }
            Cmd::Acknowledge | Cmd::AckUntil | Cmd::Silence | Cmd::EndSilence => {
                return self.on_alarm(cmd);
            }
            Cmd::Details => return self.details(),
            Cmd::OnlyBad => self.only_bad = !self.only_bad,
            Cmd::Decode => self.raw = !self.raw,
            Cmd::Pause => self.pause_or_go_on(),
            Cmd::Cancel => return self.cancel(),
            Cmd::Refresh => return vec![Action::LoadAdmin],
        }
        Vec::new()
    }

    fn begin_filter(&mut self) {
        if self.has_list() {
            self.filtering = true;
        } else {
            self.say("there is no list here to filter", true);
        }
    }

    /// Switches the marked actuator over; what repeats rests or runs again.
    fn toggle(&mut self) -> Vec<Action> {
        if self.lists_schedules() {
            self.on_schedule(Cmd::Pause)
        } else {
            self.switch(Order::Toggle, None)
        }
    }

    /// Holds the messages on the screen, or lets them run again.
    fn pause_or_go_on(&mut self) {
        self.paused = match self.paused.take() {
            Some(_) => None,
            None => Some(self.messages.clone()),
        }
    }

    fn move_mark(&mut self, cmd: Cmd) {
        let row = self.row();
        self.set_row(match cmd {
            Cmd::Up => row.saturating_sub(1),
            Cmd::Down => row + 1,
            Cmd::PageUp => row.saturating_sub(PAGE_ROWS),
            Cmd::PageDown => row + PAGE_ROWS,
            Cmd::First => 0,
            _ => usize::MAX,
        });
    }

    fn back(&mut self) {
        let cursor = self
            .chart
            .as_ref()
            .is_some_and(|chart| chart.cursor.is_some());
        if self.has_list() && !self.filter.value().is_empty() {
            self.filter.reset();
        } else if matches!(self.place, Place::Node | Place::Chart) && cursor {
            self.on_chart(Cmd::CursorOff);
        } else if self.place == Place::Chart {
            self.place = self.from_place;
        } else {
            self.place = Place::Overview;
        }
    }

    fn copy(&mut self) -> Vec<Action> {
        match self.marked_text() {
            Some(text) => {
                // Terminals do not say whether they took it, and many do not.
                let shown: String = words::safe(&text).chars().take(60).collect();
                self.say(format!("given to the terminal to copy: {shown}"), false);
                vec![Action::Copy(text)]
            }
            None => {
                self.say("nothing is marked", true);
                Vec::new()
            }
        }
    }

    fn open_node(&mut self) {
        if let Some(node) = self.selected_node().map(|node| node.name.clone()) {
            if self.chart.as_ref().is_none_or(|chart| chart.node != node) {
                self.chart = Some(Chart::new(node.clone(), None));
            }
            self.node = Some(node);
            self.place = Place::Node;
            self.actuator = 0;
        }
    }

    fn open_selected_chart(&mut self) {
        if self.place == Place::Incidents {
            let found = self.selected_incident().cloned();
            if let Some(incident) = found {
                self.open_chart(incident.node, Some(incident.metric));
                let at = incident.fired_at.unwrap_or(incident.began_at);
                if let Some(chart) = &mut self.chart {
                    let end = (at + chart.span / 2).min(self.now);
                    chart.show(chart.span, Some(end).filter(|end| *end < self.now));
                    chart.cursor = Some(at);
                }
            }
            return;
        }
        if let Some(node) = self.selected_node().map(|node| node.name.clone()) {
            self.open_chart(node, None);
        }
    }

    fn next_layout(&mut self) {
        match self.place {
            Place::Overview => self.chosen_view = Some(self.nodes_view().next()),
            Place::Incidents | Place::Commands | Place::Admin => self.turn_to(self.page() + 1),
            _ => {
                let layout = self.node_charts();
                if let Some(chart) = &mut self.chart {
                    chart.layout = Some(layout.next());
                }
            }
        }
    }

    /// How a node's page shows its metrics: as chosen, else as there is room.
    pub(crate) fn node_charts(&self) -> NodeCharts {
        let chosen = self.chart.as_ref().and_then(|chart| chart.layout);
        chosen.unwrap_or_else(|| {
            let many = self.metrics().len().max(1);
            let roomy = usize::from(self.size.1) / many >= STACKED_ROWS;
            if many > 1 && roomy {
                NodeCharts::Stacked
            } else {
                NodeCharts::One
            }
        })
    }

    /// How nodes are shown: as chosen, else as it suits their number and the width.
    pub(crate) fn nodes_view(&self) -> NodesView {
        let many = self.nodes.len();
        self.chosen_view.unwrap_or(match self.size.0 {
            0..NARROW_COLUMNS => NodesView::Rows,
            _ if many > TABLE_NODES_MAX => NodesView::Rows,
            CARDS_COLUMNS.. if many <= CARDS_NODES_MAX => NodesView::Cards,
            _ => NodesView::Table,
        })
    }

    fn next_scale(&mut self) {
        let Some(series) = self.series() else { return };
        let now = self.now;
        let Some(chart) = &mut self.chart else { return };
        let points = chart.points(&series, now);
        let min = points.iter().map(|point| point.min).reduce(f64::min);
        let max = points.iter().map(|point| point.max).reduce(f64::max);
        chart.scale = match (chart.scale, min, max) {
            (Scale::Auto, Some(min), Some(max)) => Scale::Fixed(min, max),
            (Scale::Fixed(..), ..) => Scale::Shared,
            _ => Scale::Auto,
        };
        let text = match chart.scale {
            Scale::Auto => "scale: automatic",
            Scale::Fixed(..) => "scale: stays as it is now",
            Scale::Shared => "scale: the same for every node",
        };
        self.say(text, false);
    }

    fn prompt(&mut self, cmd: Cmd) {
        if self.series().is_none() {
            self.say("nothing is measured here yet", true);
            return;
        }
        self.modal = Some(if cmd == Cmd::Range {
            let hint = "last 6h, yesterday, 06:00 .. 09:00, 2026-11-01 .. 2026-11-03";
            Prompt::open(PromptKind::Range, "Range".to_owned(), hint, "")
        } else {
            let hint = "a file ending in .csv, .json or .svg";
            let name = self.export_name();
            Prompt::open(
                PromptKind::Export,
                "Export what is seen".to_owned(),
                hint,
                &name,
            )
        });
    }
}
