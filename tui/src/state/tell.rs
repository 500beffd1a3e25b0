//! What is told to the person: a notice that goes away by itself, and the log that keeps it. And
//! what asks first, what is refused, what can be taken back.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Modal, State};
use crate::{
    event::{Action, Weight},
    settings::Confirm,
};

/// How long a notice stays.
const NOTICE_S: i64 = 6;
/// Sentences that the log keeps.
pub(crate) const LOG_MAX: usize = 500;
/// Edits that can be taken back.
pub(super) const UNDOS_MAX: usize = 50;

/// A sentence at the bottom that goes away by itself.
#[derive(Debug)]
pub(crate) struct Notice {
    pub(crate) text: String,
    pub(crate) bad: bool,
    until: DateTime<Utc>,
}

/// A sentence in the log.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) at: DateTime<Utc>,
    pub(crate) text: String,
    pub(crate) bad: bool,
}

impl State {
    pub(crate) fn say(&mut self, text: impl Into<String>, bad: bool) {
        let text = text.into();
        self.log.push_front(Told {
            at: self.now,
            text: text.clone(),
            bad,
        });
        self.log.truncate(LOG_MAX);
        self.notice = Some(Notice {
            text,
            bad,
            until: self.now + TimeDelta::seconds(NOTICE_S),
        });
    }

    pub(super) fn forget_notice(&mut self) {
        let now = self.now;
        self.notice.take_if(|notice| notice.until <= now);
    }

    /// An action goes out, is refused, or asks first.
    pub(super) fn ask(&mut self, action: Action) -> Vec<Action> {
        let weight = action.weight();
        if weight > Weight::Nothing && self.settings.read_only {
            self.say("this terminal only looks (--read-only)", true);
            return Vec::new();
        }
        let asks = match self.settings.confirm {
            Confirm::Off => false,
            Confirm::Dangerous => weight == Weight::Dangerous,
            Confirm::All => weight > Weight::Nothing,
        };
        if asks {
            self.modal = Some(Modal::Confirm(Box::new(action)));
            return Vec::new();
        }
        vec![action]
    }

    /// Takes the last edit back.
    pub(super) fn undo(&mut self) -> Vec<Action> {
        match self.undos.pop() {
            Some(undo) => {
                self.say(format!("taking back {}", undo.text), false);
                // It was asked for by name; taking back an edit is no new danger.
                vec![*undo.action]
            }
            None => {
                self.say("there is no edit to take back", true);
                Vec::new()
            }
        }
    }
}
