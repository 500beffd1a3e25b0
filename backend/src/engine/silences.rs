//! Silences are made, begin, and are over by their time or by a person; open incidents are marked
//! with the one that holds their mails back, and what was held back is sent when none is left.
//! Silences say nothing to commands: a fan runs whether or not somebody wants to hear of it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use signalbox_protocol::api::{
    incident::{Incident, IncidentState, Silenced, Step, StepKind},
    silence::{NewSilence, Silence, SilenceState},
};

use super::{RequestError, draft::Draft, incidents::key_of, state::State};
use crate::{
    alerts::silence::{Matcher, check},
    store::MailRelease,
};

/// Silences that are planned or active.
pub const SILENCES_MAX: usize = 1_000;

/// Those that are not over.
#[derive(Debug, Default)]
pub(super) struct Silences(BTreeMap<String, (Silence, Matcher)>);

impl FromIterator<Silence> for Silences {
    fn from_iter<I: IntoIterator<Item = Silence>>(silences: I) -> Self {
        let mut all = Self::default();
        silences.into_iter().for_each(|one| all.insert(one));
        all
    }
}

impl Silences {
    fn insert(&mut self, silence: Silence) {
        let matcher = Matcher::new(&silence);
        self.0.insert(silence.id.clone(), (silence, matcher));
    }

    /// The active one for an incident that ends last.
    pub(super) fn of(&self, incident: &Incident) -> Option<Silenced> {
        let active = self.0.values().filter(|(silence, matcher)| {
            silence.state == SilenceState::Active && matcher.fits(incident)
        });
        let last = active.max_by_key(|(silence, _)| silence.until_at);
        last.map(|(silence, _)| Silenced {
            id: silence.id.clone(),
            by: silence.created_by.clone(),
            until_at: silence.until_at,
            comment: silence.comment.clone(),
        })
    }

    /// When the next one begins or ends by itself.
    fn next_at(&self) -> Option<DateTime<Utc>> {
        self.0
            .values()
            .map(|(silence, _)| changes_at(silence))
            .min()
    }
}

fn changes_at(silence: &Silence) -> DateTime<Utc> {
    match silence.state {
        SilenceState::Planned => silence.from_at,
        SilenceState::Active | SilenceState::Over => silence.until_at,
    }
}

/// The step of an incident that falls under a silence.
pub(super) fn silenced_step(silenced: &Silenced, at: DateTime<Utc>) -> Step {
    Step {
        at,
        kind: StepKind::Silenced,
        by: Some(silenced.by.clone()),
        until_at: Some(silenced.until_at),
        note: Some(silenced.comment.clone()).filter(|comment| !comment.is_empty()),
    }
}

impl State {
    pub(super) fn add_silence(
        &mut self,
        new: NewSilence,
        by: String,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) -> Result<Silence, RequestError> {
        let (from_at, until_at) = check(&new, now)?;
        if self.silences.0.len() >= SILENCES_MAX {
            return Err(RequestError::TooMany {
                what: "silences",
                max: SILENCES_MAX,
            });
        }
        let state = if from_at <= now {
            SilenceState::Active
        } else {
            SilenceState::Planned
        };
        let silence = Silence {
            id: self.new_id(now),
            rule: new.rule,
            node: new.node,
            metric: new.metric,
            from_at,
            until_at,
            comment: new.comment,
            created_by: by,
            created_at: now,
            state,
            ended_at: None,
            ended_by: None,
        };
        tracing::info!(silence.id, by = silence.created_by, until = %until_at, "silence made");
        draft.silence(&silence);
        self.silences.insert(silence.clone());
        if state == SilenceState::Active {
            self.mark_silenced(None, now, draft);
        }
        Ok(silence)
    }

    /// Ends a silence before its time.
    pub(super) fn end_silence(
        &mut self,
        id: &str,
        by: &str,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) -> Result<Silence, RequestError> {
        let Some((mut silence, _)) = self.silences.0.remove(id) else {
            return Err(RequestError::NotFound {
                what: "silence that is not over",
                id: id.to_owned(),
            });
        };
        tracing::info!(silence.id, by, "silence ended");
        let was_active = silence.state == SilenceState::Active;
        silence.state = SilenceState::Over;
        silence.ended_at = Some(now);
        silence.ended_by = Some(by.to_owned());
        draft.silence(&silence);
        if was_active {
            draft.mails_released.push(MailRelease {
                silence: id.to_owned(),
                at: now,
            });
            self.mark_silenced(Some(by), now, draft);
        }
        Ok(silence)
    }

    /// Begins and ends what is due.
    pub(super) fn turn_silences(&mut self, now: DateTime<Utc>, draft: &mut Draft) {
        if self.silences.next_at().is_none_or(|next| next > now) {
            return;
        }
        self.silences.0.retain(|_, (silence, _)| {
            if changes_at(silence) > now {
                return true;
            }
            silence.state = SilenceState::Active;
            if silence.until_at <= now {
                silence.state = SilenceState::Over;
                silence.ended_at = Some(silence.until_at);
            }
            draft.silence(silence);
            silence.state == SilenceState::Active
        });
        self.mark_silenced(None, now, draft);
    }

    /// When the next silence begins or ends.
    pub(super) fn next_silence_at(&self) -> Option<DateTime<Utc>> {
        self.silences.next_at()
    }

    /// Marks every open incident with the silence that it is under now, and lets what waits for one
    /// that is over wait for another that covers it; where there is none any
    /// more, tells what was held back, as far as it is still true.
    fn mark_silenced(&mut self, by: Option<&str>, now: DateTime<Utc>, draft: &mut Draft) {
        draft
            .mails_moved
            .extend(self.held.wait_anew(&self.silences));
        let changed: Vec<_> = self
            .incidents
            .iter()
            .filter_map(|incident| {
                let silenced = self.silences.of(incident);
                (silenced != incident.silenced).then(|| (key_of(incident), silenced))
            })
            .collect();
        for (key, silenced) in changed {
            let Some(incident) = self.incidents.get_mut(&key.0, &key.1) else {
                continue;
            };
            incident.note(match &silenced {
                Some(silenced) => silenced_step(silenced, now),
                None => Step {
                    at: now,
                    kind: StepKind::SilenceOver,
                    by: by.map(str::to_owned),
                    until_at: None,
                    note: None,
                },
            });
            let tell =
                silenced.is_none() && incident.mail_held && incident.state == IncidentState::Firing;
            incident.silenced = silenced;
            draft.incident(incident);
            if tell && let Some(rule) = self.rules.get(&key.0).cloned() {
                self.tell(&rule, &key, false, now, draft);
            }
        }
    }
}
