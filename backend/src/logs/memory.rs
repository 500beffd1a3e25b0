//! The newest lines of each node. Bounded twice: a node that talks a lot drops its own lines, and
//! when all nodes together have too many, the one with the most drops its oldest.

use std::collections::{BTreeMap, VecDeque};

use signalbox_protocol::api::log::{LogLine, LogQuery};

use super::Kept;

/// Lines that are kept of a node.
pub const LINES_PER_NODE_MAX: usize = 1_000;
/// Lines that are kept in all.
pub const LINES_MAX: usize = 50_000;

#[derive(Debug, Default)]
pub(super) struct Memory {
    nodes: BTreeMap<String, VecDeque<Kept>>,
    len: usize,
}

impl Memory {
    pub(super) fn push(&mut self, kept: Kept) {
        if self.len >= LINES_MAX {
            let longest = self.nodes.values_mut().max_by_key(|lines| lines.len());
            if longest.and_then(VecDeque::pop_front).is_some() {
                self.len -= 1;
            }
        }
        let lines = self.nodes.entry(kept.line.node.clone()).or_default();
        if lines.len() >= LINES_PER_NODE_MAX {
            lines.pop_front();
            self.len -= 1;
        }
        lines.push_back(kept);
        self.len += 1;
    }

    pub(super) fn lines(&self, node: &str, query: &LogQuery, limit: usize) -> Vec<LogLine> {
        let lines = self.nodes.get(node).into_iter().flatten().rev();
        lines
            .map(|kept| &kept.line)
            .filter(|line| query.before.is_none_or(|before| line.id < before))
            .filter(|line| match (query.level, line.level) {
                (Some(least), Some(level)) => level <= least,
                _ => true,
            })
            .take(limit)
            .cloned()
            .collect()
    }

    /// Lines that wait for their symbol table.
    pub(super) fn unreadable(&mut self) -> impl Iterator<Item = &mut Kept> {
        let all = self.nodes.values_mut().flatten();
        all.filter(|kept| kept.raw.is_some())
    }

    #[cfg(test)]
    pub(super) const fn len(&self) -> usize {
        self.len
    }
}
