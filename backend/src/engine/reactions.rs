//! What follows when an incident fires or clears: commands and mails.

use chrono::{DateTime, Utc};
use signalbox_protocol::api::{
    command::Origin,
    incident::{Incident, Step, StepKind},
    node::Presence,
    rule::{Rule, RuleCommand},
};

use super::{draft::Draft, incidents::FRESH_MAX, open::Key, orders::Order, state::State};
use crate::{
    alerts::text,
    store::{MailHold, MailKind},
};

impl State {
    /// Whether what is known of an incident's node is not only history.
    pub(super) fn is_heard(&self, incident: &Incident, now: DateTime<Utc>) -> bool {
        let of_node = self.newest.get(&incident.node);
        let newest = of_node.and_then(|all| all.get(&incident.metric));
        self.presence(&incident.node) != Presence::Offline
            || newest.is_some_and(|newest| now - newest.ts <= FRESH_MAX)
    }

    /// Does once what a rule does on firing. That it was done is in the incident's row: it does
    /// not depend on which messages come in one batch, or on a restart.
    pub(super) fn act(&mut self, rule: &Rule, key: &Key, now: DateTime<Utc>, draft: &mut Draft) {
        let Some(incident) = self.incidents.get_mut(&key.0, &key.1) else {
            return;
        };
        if incident.acted_at.is_some() {
            return;
        }
        incident.acted_at = Some(now);
        draft.incident(incident);
        let incident = incident.clone();
        self.order_for(rule, &incident, rule.spec.command.as_ref(), now, draft);
    }

    /// Orders what a rule wants done about an incident.
    pub(super) fn order_for(
        &mut self,
        rule: &Rule,
        incident: &Incident,
        command: Option<&RuleCommand>,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) {
        let Some(command) = command else { return };
        let order = Order {
            node: command
                .node
                .clone()
                .unwrap_or_else(|| incident.node.clone()),
            actuator: command.actuator.clone(),
            action: command.action,
            for_ms: command
                .duration_s
                .map(|duration_s| duration_s.saturating_mul(1_000)),
            origin: Origin::Rule {
                rule: rule.id.clone(),
                incident: incident.id.clone(),
            },
            reason: Some(rule.spec.name.clone()),
            not_before: None,
        };
        if let Err(error) = self.order(order, now, draft) {
            tracing::warn!(rule = rule.spec.name, %error, "a rule's command could not be made");
        }
    }

    /// Tells people that an incident fires, for the first time or `again`; under a silence, when
    /// that is over.
    pub(super) fn tell(
        &mut self,
        rule: &Rule,
        key: &Key,
        again: bool,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) {
        if rule.spec.email.is_none() || !self.settings.mail {
            return;
        }
        let Some(incident) = self.incidents.get_mut(&key.0, &key.1) else {
            return;
        };
        let kind = if incident.silenced.is_some() {
            if incident.mail_held {
                return;
            }
            incident.mail_held = true;
            StepKind::Held
        } else {
            StepKind::Told
        };
        incident.note(Step {
            at: now,
            kind,
            by: None,
            until_at: None,
            note: None,
        });
        if kind == StepKind::Held {
            draft.incident(incident);
            return;
        }
        let told = incident.mails_told;
        let first = told == 0 && (incident.mail_held || !again);
        incident.mail_held = false;
        incident.mails_told = told.max(u32::from(!first)).saturating_add(1);
        draft.incident(incident);
        let kind = if first {
            MailKind::Firing
        } else {
            MailKind::Reminder(told.max(1))
        };
        let incident = incident.clone();
        self.mail(rule, &incident, kind, now, draft);
    }

    /// Writes the mail of an event of an incident, where the rule and the configuration have one.
    /// What nobody may hear of now waits until the silence is over.
    pub(super) fn mail(
        &mut self,
        rule: &Rule,
        incident: &Incident,
        kind: MailKind,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) {
        let Some(to) = rule.spec.email.as_deref().filter(|_| self.settings.mail) else {
            return;
        };
        let id = self.new_id(now);
        let mut mail = text::mail(id, incident, kind, to, self.settings.tz, now);
        mail.held = incident.silenced.as_ref().map(|silenced| MailHold {
            silence: silenced.id.clone(),
            until_at: silenced.until_at,
        });
        if let Some(hold) = &mail.held {
            self.held.note(incident.clone(), hold.silence.clone());
        }
        draft.mails.push(mail);
    }
}
