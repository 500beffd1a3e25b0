//! Recovery mails that wait for a silence: of what, and for which. Their incidents are closed, so
//! that nothing else remembers them; a silence that ends early must not let them out while another
//! still covers them.

use std::collections::BTreeMap;

use signalbox_protocol::api::incident::Incident;

use super::silences::Silences;
use crate::store::{HeldIncident, MailHold, MailMove};

/// Incidents whose mails wait and that are remembered. A mail of more of them waits too, to the
/// planned or early end of the silence that it began to wait for.
pub(super) const HELD_MAX: usize = 10_000;

/// By the id of the incident.
#[derive(Debug, Default)]
pub(super) struct Held(BTreeMap<String, HeldIncident>);

impl FromIterator<HeldIncident> for Held {
    fn from_iter<I: IntoIterator<Item = HeldIncident>>(all: I) -> Self {
        let mut held = Self::default();
        for one in all {
            held.note(one.incident, one.silence);
        }
        held
    }
}

impl Held {
    /// A mail about an incident waits for a silence.
    pub(super) fn note(&mut self, incident: Incident, silence: String) {
        if self.0.len() < HELD_MAX {
            let id = incident.id.clone();
            self.0.insert(id, HeldIncident { incident, silence });
        }
    }

    /// The silences are others now: which mails wait for another one. Those that wait for none
    /// any more are forgotten.
    pub(super) fn wait_anew(&mut self, silences: &Silences) -> Vec<MailMove> {
        let mut moves = Vec::new();
        self.0.retain(|id, held| {
            let Some(now) = silences.of(&held.incident) else {
                return false;
            };
            if now.id != held.silence {
                moves.push(MailMove {
                    incident: id.clone(),
                    from: std::mem::replace(&mut held.silence, now.id.clone()),
                    to: MailHold {
                        silence: now.id,
                        until_at: now.until_at,
                    },
                });
            }
            true
        });
        moves
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_bounded() {
        let json = serde_json::json!({"id": "I", "rule": "R", "rule_name": "r", "node": "n",
            "metric": "m", "condition": "m > 1", "severity": "warning", "state": "closed",
            "began_at": "2026-11-21T00:00:00Z", "peak": 1.0, "peak_at": "2026-11-21T00:00:00Z",
            "last_value": 1.0});
        let one: Incident = serde_json::from_value(json).unwrap();
        let all = (0..HELD_MAX + 5).map(|n| HeldIncident {
            incident: Incident {
                id: n.to_string(),
                ..one.clone()
            },
            silence: "S".to_owned(),
        });
        let mut held: Held = all.collect();
        assert_eq!(held.0.len(), HELD_MAX);
        assert_eq!(held.wait_anew(&Silences::default()), []);
        assert!(held.0.is_empty());
    }
}
