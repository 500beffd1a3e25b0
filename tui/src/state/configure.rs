//! Settings of the selected node, written in the line behind `:`.

use signalbox_protocol::api::config::{NewNodeConfig, NodeSettings};
use tui_input::Input;

use super::{LineState, Modal, State};
use crate::{event::Action, node_settings};

/// Alone behind `config`: all settings are the node's own again.
const RESET: &str = "reset";

impl State {
    /// Sets what the line says: all of it, so that a setting that is gone from it is the node's own
    /// again.
    pub(super) fn configure(&mut self, rest: &str) -> Result<Vec<Action>, String> {
        let node = self.selected_node().map(|node| node.name.clone());
        let node = node.ok_or_else(|| "no node is selected".to_owned())?;
        if rest.is_empty() {
            self.edit_config();
            return Ok(Vec::new());
        }
        let mut settings = NodeSettings::default();
        for word in rest.split_whitespace().filter(|word| *word != RESET) {
            node_settings::change(&mut settings, word)?;
        }
        let desired = self
            .configs
            .get(&node)
            .and_then(|known| known.desired.as_ref());
        let new = NewNodeConfig {
            replaces: desired.map_or(0, |desired| desired.version),
            settings,
        };
        let back = desired.map(|desired| desired.settings.clone());
        Ok(vec![Action::SetConfig {
            node,
            new: Box::new(new),
            back: Box::new(back.unwrap_or_default()),
        }])
    }

    /// Opens the line with the selected node's settings as they are wanted now, to be changed.
    pub(super) fn edit_config(&mut self) {
        let Some(node) = self.selected_node() else {
            return;
        };
        let desired = self
            .configs
            .get(&node.name)
            .and_then(|known| known.desired.as_ref());
        let text = desired.map_or_else(String::new, |desired| {
            node_settings::text(&desired.settings)
        });
        let mut line = LineState::default();
        line.input = Input::new(format!("config {text}"));
        self.modal = Some(Modal::Line(line));
    }
}
