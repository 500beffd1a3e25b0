//! Acknowledging incidents and silencing what would be mailed, by keys.

use chrono::{DateTime, Utc};
use signalbox_protocol::api::{
    incident::{Acknowledge, IncidentState},
    silence::{NewSilence, SilenceState},
};

use super::{IncidentsPage, Modal, Prompt, PromptKind, State};
use crate::{
    event::Action,
    keymap::{Cmd, Place},
    until, words,
};

/// What an end looks like, and what may stand behind it.
const END_HINT: &str = "2h, until 08:00, until 2026-11-23 08:00; then why, if you like";

/// Asks for all of a silence.
pub(super) fn new_silence() -> Modal {
    let hint = "[rule=P] [node=P] [metric=P] 2h|until 08:00 [why], like node=cellar-* 2h";
    let title = "Silence".to_owned();
    Prompt::open(PromptKind::Silence(None), title, hint, "node=")
}

/// A pattern that fits a name and nothing else.
fn literal(name: &str) -> String {
    let escape = |c: char| match c {
        '*' | '?' | '[' | ']' => format!("[{c}]"),
        c => c.to_string(),
    };
    name.chars().map(escape).collect()
}

/// What was typed for an acknowledgement or a silence.
pub(super) fn read_prompt(
    kind: PromptKind,
    text: &str,
    now: DateTime<Utc>,
) -> Result<Action, String> {
    Ok(match kind {
        PromptKind::AckUntil { id } => {
            let (until, note) = until::lead(text, now)?;
            let ack = Acknowledge {
                until_at: Some(until),
                duration_s: None,
                note: Some(note.to_owned()).filter(|note| !note.is_empty()),
            };
            Action::Acknowledge { id, ack }
        }
        PromptKind::Silence(None) => Action::AddSilence(Box::new(words::new_silence(text, now)?)),
        PromptKind::Silence(Some(what)) => {
            let (until, comment) = until::lead(text, now)?;
            Action::AddSilence(Box::new(NewSilence {
                until_at: Some(until),
                comment: comment.to_owned(),
                ..*what
            }))
        }
        _ => return Err("this is about something else".to_owned()),
    })
}

impl State {
    pub(super) fn on_alarm(&mut self, cmd: Cmd) -> Vec<Action> {
        match cmd {
            Cmd::Silence => self.ask_silence(),
            Cmd::EndSilence => return self.end_silence(),
            _ => return self.acknowledge(cmd),
        }
        Vec::new()
    }

    fn acknowledge(&mut self, cmd: Cmd) -> Vec<Action> {
        let found = self.selected_incident().cloned();
        let open = found.filter(|incident| match incident.state {
            IncidentState::Firing => true,
            IncidentState::Acknowledged => cmd == Cmd::AckUntil,
            IncidentState::Pending | IncidentState::Closed => false,
        });
        let Some(incident) = open else {
            self.say("only a firing incident can be acknowledged", true);
            return Vec::new();
        };
        let id = incident.id;
        if cmd == Cmd::AckUntil {
            let title = format!("Acknowledge {} on {}", incident.condition, incident.node);
            let kind = PromptKind::AckUntil { id };
            self.modal = Some(Prompt::open(kind, words::safe(&title), END_HINT, "2h"));
            return Vec::new();
        }
        let ack = Acknowledge::default();
        self.ask(Action::Acknowledge { id, ack })
    }

    /// Asks how long the marked incident, or the node on screen, is not to be mailed about.
    fn ask_silence(&mut self) {
        let (what, title) = if self.place == Place::Incidents {
            let Some(incident) = self.selected_incident() else {
                self.modal = Some(new_silence());
                return;
            };
            let what = NewSilence {
                rule: Some(literal(&incident.rule)),
                node: Some(literal(&incident.node)),
                ..NewSilence::default()
            };
            let title = format!("Silence `{}` on {} for", incident.rule_name, incident.node);
            (what, title)
        } else {
            let Some(node) = self.selected_node() else {
                self.say("no node is marked", true);
                return;
            };
            let what = NewSilence {
                node: Some(literal(&node.name)),
                ..NewSilence::default()
            };
            (what, format!("Silence everything of {} for", node.name))
        };
        let kind = PromptKind::Silence(Some(Box::new(what)));
        self.modal = Some(Prompt::open(kind, words::safe(&title), END_HINT, "2h"));
    }

    /// Ends the marked silence, or the one that the marked incident is under.
    fn end_silence(&mut self) -> Vec<Action> {
        let row = self.row();
        let id = match self.incidents_page {
            IncidentsPage::Silences => {
                let shown = self.shown_silences();
                shown.get(row).map(|silence| silence.id.clone())
            }
            IncidentsPage::Incidents => {
                let silenced = self.selected_incident().and_then(|i| i.silenced.as_ref());
                silenced.map(|silenced| silenced.id.clone())
            }
        };
        let mut open = self
            .silences
            .iter()
            .filter(|silence| silence.state != SilenceState::Over);
        let found = id.and_then(|id| open.find(|silence| silence.id == id).cloned());
        match found {
            Some(silence) => self.ask(Action::EndSilence(Box::new(silence))),
            None => {
                self.say("no silence is marked that could be ended", true);
                Vec::new()
            }
        }
    }
}
