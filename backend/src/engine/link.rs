//! What an external broker's coming and going means. Fed by [`crate::mqtt`] in order with the
//! messages; commands wait here, in their rows, and never in the link.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use signalbox_protocol::api::node::Presence;

use super::{draft::Draft, state::State};
use crate::ingest::LinkNews;

impl State {
    /// Takes the news in. Applied twice, it does the same as once.
    pub(super) fn link_news(
        &mut self,
        news: LinkNews,
        at: DateTime<Utc>,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) {
        match news {
            LinkNews::Deaf => self.lose_sight(at, draft),
            LinkNews::Mute => {
                self.speaks = false;
                for node in self.nodes_with_commands() {
                    self.take_back_sent(&node, draft);
                }
            }
            LinkNews::Speaking => {
                self.speaks = true;
                for node in self.nodes_with_commands() {
                    self.send_waiting(&node, now, draft);
                }
                self.send_pending_configs(draft);
            }
        }
    }

    /// Who was online may have gone since; who was offline is so until it says otherwise.
    fn lose_sight(&mut self, at: DateTime<Utc>, draft: &mut Draft) {
        let online: Vec<String> = self
            .nodes
            .values()
            .filter(|node| node.presence == Presence::Online)
            .map(|node| node.name.clone())
            .collect();
        for name in online {
            self.set_presence(&name, Presence::Unknown, at, draft);
        }
    }

    fn nodes_with_commands(&self) -> BTreeSet<String> {
        let rows = self.commands.values();
        rows.map(|row| row.command.node.clone()).collect()
    }
}
