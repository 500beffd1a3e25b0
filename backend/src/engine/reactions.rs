//! What follows when an incident fires or clears: commands and mails.

use chrono::{DateTime, Utc};
use signalbox_protocol::api::{
    command::Origin,
    incident::Incident,
    rule::{Rule, RuleCommand},
};

use super::{draft::Draft, incidents::FRESH_MAX, orders::Order, state::State};
use crate::{alerts::text, store::MailKind};

impl State {
    /// At the end of a batch: orders what fired in it and still does.
    pub(super) fn act_on_fired(&mut self, now: DateTime<Utc>, draft: &mut Draft) {
        for key in std::mem::take(&mut draft.fired) {
            let (Some(incident), Some(rule)) = (
                self.incidents.get(&key.0, &key.1).cloned(),
                self.rules.get(&key.0).cloned(),
            ) else {
                continue;
            };
            let newest = self
                .newest
                .get(&incident.node)
                .and_then(|all| all.get(&incident.metric));
            if newest.is_some_and(|newest| now - newest.ts <= FRESH_MAX) {
                self.act(&rule, &incident, rule.spec.command.as_ref(), now, draft);
            }
        }
    }

    /// Orders what a rule wants done about an incident.
    pub(super) fn act(
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

    /// Writes the mail of an event of an incident, where the rule and the configuration have one.
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
        draft
            .mails
            .push(text::mail(id, incident, kind, to, self.settings.tz, now));
    }
}
