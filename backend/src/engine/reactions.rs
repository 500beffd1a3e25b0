//! What follows when an incident fires or clears: commands and mails.

use chrono::{DateTime, Utc};
use signalbox_protocol::api::{
    command::Origin,
    incident::Incident,
    node::Presence,
    rule::{Rule, RuleCommand},
};

use super::{draft::Draft, incidents::FRESH_MAX, open::Key, orders::Order, state::State};
use crate::{alerts::text, store::MailKind};

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
