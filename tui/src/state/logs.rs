//! Log lines of the node that is shown: asked for when its page opens, then as they come.

use std::collections::VecDeque;

use signalbox_protocol::api::log::LogLine;

use super::{LOG_LINES_MAX, Link, State};
use crate::{event::Action, keymap::Place};

/// Log lines of one node.
#[derive(Debug, Default)]
pub(crate) struct NodeLog {
    pub(crate) node: String,
    /// Newest first.
    pub(crate) lines: VecDeque<LogLine>,
}

impl State {
    /// Asks for the log of a node whose page has opened.
    pub(super) fn log_wish(&mut self) -> Option<Action> {
        if self.place != Place::Node || self.link != Link::Online {
            self.node_log = None;
            return None;
        }
        let node = &self.selected_node()?.name;
        if self.node_log.as_ref().is_some_and(|log| log.node == *node) {
            return None;
        }
        let node = node.clone();
        self.node_log = Some(NodeLog {
            node: node.clone(),
            lines: VecDeque::new(),
        });
        Some(Action::LoadLog(node))
    }

    /// What the station had when it was asked.
    pub(super) fn on_log(&mut self, node: &str, lines: Vec<LogLine>) {
        if self.node_log.as_ref().is_some_and(|log| log.node == node) {
            for line in lines.into_iter().rev() {
                self.on_log_line(line);
            }
        }
    }

    /// A line that came, or that can be read now.
    pub(super) fn on_log_line(&mut self, line: LogLine) {
        let Some(log) = &mut self.node_log else {
            return;
        };
        if log.node != line.node {
            return;
        }
        // The newest first: nearly always it belongs to the front.
        let at = log.lines.iter().position(|old| old.id <= line.id);
        let at = at.unwrap_or(log.lines.len());
        match log.lines.get_mut(at) {
            Some(old) if old.id == line.id => *old = line,
            _ => log.lines.insert(at, line),
        }
        log.lines.truncate(LOG_LINES_MAX);
    }
}
