//! What is marked, as text for the clipboard.

use super::{AdminPage, CommandsPage, IncidentsPage, State};
use crate::{keymap::Place, words};

impl State {
    /// The text of what is marked; `None` when nothing is.
    pub(super) fn marked_text(&self) -> Option<String> {
        let row = self.row();
        match self.place {
            Place::Overview => Some(self.selected_node()?.name.clone()),
            Place::Node | Place::Chart => self.reading_text(),
            Place::Rules => {
                let rule = *self.shown_rules().get(row)?;
                serde_json::to_string(&words::new_rule(&rule.spec)).ok()
            }
            Place::Incidents if self.incidents_page == IncidentsPage::Silences => {
                Some(self.shown_silences().get(row)?.id.clone())
            }
            Place::Incidents => {
                let i = self.selected_incident()?;
                let at = words::exact(i.fired_at.unwrap_or(i.began_at));
                Some(format!("{} {} since {at}", i.node, i.condition))
            }
            Place::Messages => {
                let messages = self.shown_messages();
                let message = messages.get(row)?;
                Some(format!("{} {}", message.topic, message.head))
            }
            Place::Log => Some(self.shown_log().get(row)?.text.clone()),
            Place::Commands => match self.commands_page {
                CommandsPage::Actuators => {
                    let node = &self.selected_node()?.name;
                    Some(format!("{node}/{}", self.selected_actuator()?))
                }
                CommandsPage::Schedules => Some(self.shown_schedules().get(row)?.id.clone()),
                CommandsPage::Waiting | CommandsPage::History => {
                    Some(self.marked_command()?.id.clone())
                }
            },
            Place::Admin => match self.admin_page {
                AdminPage::Station => Some(self.admin.as_ref()?.station.id.clone()),
                AdminPage::Nodes => Some(self.selected_node()?.name.clone()),
                AdminPage::Users => Some(self.shown_users().get(row)?.username.clone()),
                AdminPage::Sessions => Some(self.shown_sessions().get(row)?.id.clone()),
                AdminPage::Mails => Some(self.shown_mails().get(row)?.subject.clone()),
            },
            Place::Anywhere => None,
        }
    }

    /// What the cursor of the chart reads, or the latest value.
    fn reading_text(&self) -> Option<String> {
        let (node, metric) = self.series()?;
        let unit = words::unit(&metric);
        let read = self.reading(self.chart.as_ref()?.cursor);
        if let Some(point) = read {
            let at = words::exact(point.at);
            let mean = words::value(point.mean);
            return Some(format!("{node} {metric} {mean}{unit} at {at}"));
        }
        let latest = self.nodes.get(&node)?.latest.get(&metric)?;
        let at = words::exact(latest.ts);
        let value = words::value(latest.value);
        Some(format!("{node} {metric} {value}{unit} at {at}"))
    }
}
