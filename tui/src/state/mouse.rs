//! The mouse does what the key beside it does: tabs, keys of the footer, rows, charts.

use super::State;
use crate::{
    event::{Action, Mouse, Target},
    keymap::{Cmd, Place},
};

impl State {
    pub(super) fn on_mouse(&mut self, mouse: Mouse) -> Vec<Action> {
        // What is in front has to be answered first.
        if self.modal.is_some() {
            return Vec::new();
        }
        match mouse {
            Mouse::Click(Target::Tab(place)) => self.go(place),
            Mouse::Click(Target::Page(page)) => {
                self.turn_to(page);
                Vec::new()
            }
            Mouse::Click(Target::Cmd(cmd)) => self.command(cmd),
            Mouse::Click(Target::Row(row)) => {
                // The second click opens.
                if row == self.row() && self.place == Place::Overview {
                    return self.command(Cmd::Open);
                }
                self.set_row(row);
                Vec::new()
            }
            Mouse::Click(Target::Chart(share)) => {
                let now = self.now;
                if let Some(chart) = &mut self.chart {
                    let at = time_at(chart, share, now);
                    chart.cursor = Some(at);
                }
                Vec::new()
            }
            Mouse::Wheel {
                up,
                over: Some(Target::Chart(share)),
            } => {
                let now = self.now;
                if let Some(chart) = &mut self.chart {
                    let at = time_at(chart, share, now);
                    chart.zoom(!up, Some(at), now);
                }
                Vec::new()
            }
            Mouse::Sideways {
                left,
                over: Some(Target::Chart(_)),
            } => self.command(if left { Cmd::Earlier } else { Cmd::Later }),
            Mouse::Sideways { .. } => Vec::new(),
            Mouse::Wheel { up, .. } => self.command(if up { Cmd::Up } else { Cmd::Down }),
        }
    }
}

fn time_at(
    chart: &super::Chart,
    share: f64,
    now: chrono::DateTime<chrono::Utc>,
) -> chrono::DateTime<chrono::Utc> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "a place on screen"
    )]
    let ms = (chart.span.num_milliseconds() as f64 * share.clamp(0.0, 1.0)) as i64;
    chart.from(now) + chrono::TimeDelta::milliseconds(ms)
}
