//! Rules against samples and the clock: incidents begin, fire, are acknowledged, close.

use chrono::{DateTime, TimeDelta, Utc};
use signalbox_protocol::api::command::Origin;
use signalbox_protocol::api::{
    incident::{Incident, IncidentState},
    rule::{Rule, RuleCommand, RuleSpec},
};

use super::{draft::Draft, orders::Order, state::State};
use crate::{alerts::text, rules::threshold, store::MailKind};

/// A rule acts on an actuator only when the value that it judges is this fresh: what a node
/// measured while it was cut off is history.
pub const FRESH_MAX: TimeDelta = TimeDelta::seconds(300);

impl State {
    /// Judges a sample by all rules of its metric.
    pub(super) fn evaluate(
        &mut self,
        node: &str,
        metric: &str,
        ts: DateTime<Utc>,
        value: f64,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) {
        let Some(rules) = self.rules_of_metric.get(metric) else {
            return;
        };
        for id in rules.clone() {
            self.evaluate_rule(&id, node, ts, value, now, draft);
        }
    }

    /// Judges a sample by one rule, when it watches the node.
    pub(super) fn evaluate_rule(
        &mut self,
        id: &str,
        node: &str,
        ts: DateTime<Utc>,
        value: f64,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) {
        let Some(rule) = self.rules.get(id) else {
            return;
        };
        if rule.spec.node.as_deref().is_none_or(|only| only == node) {
            let rule = rule.clone();
            self.judge(&rule, node, ts, value, now, draft);
        }
    }

    fn judge(
        &mut self,
        rule: &Rule,
        node: &str,
        ts: DateTime<Utc>,
        value: f64,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) {
        let key = (rule.id.clone(), node.to_owned());
        let spec = &rule.spec;
        let violated = threshold::is_violated(spec, value);
        let Some(incident) = self.incidents.get_mut(&key) else {
            if violated {
                self.begin(rule, node, ts, value, now, draft);
            }
            return;
        };
        incident.last_value = value;
        if threshold::is_worse(spec.op, value, incident.peak) {
            incident.peak = value;
            incident.peak_at = ts;
        }
        match incident.state {
            IncidentState::Pending => {
                let due = incident.began_at + hold(spec);
                if ts >= due {
                    self.fire(rule, &key, due, now, draft);
                }
                if !violated {
                    self.end_or_drop(rule, &key, ts, now, draft);
                }
            }
            IncidentState::Firing | IncidentState::Acknowledged => {
                if threshold::is_cleared(spec, value) {
                    self.close(rule, &key, ts, "cleared", now, draft);
                } else {
                    draft.incident(incident);
                }
            }
            IncidentState::Closed => {}
        }
    }

    fn begin(
        &mut self,
        rule: &Rule,
        node: &str,
        ts: DateTime<Utc>,
        value: f64,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) {
        let spec = &rule.spec;
        let incident = Incident {
            id: self.new_id(now),
            rule: rule.id.clone(),
            rule_name: spec.name.clone(),
            node: node.to_owned(),
            metric: spec.metric.clone(),
            condition: format!("{} {} {}", spec.metric, spec.op.sign(), spec.value),
            severity: spec.severity,
            state: IncidentState::Pending,
            began_at: ts,
            fired_at: None,
            acknowledged_at: None,
            acknowledged_by: None,
            closed_at: None,
            closed_because: None,
            peak: value,
            peak_at: ts,
            last_value: value,
            duration_ms: None,
        };
        draft.incident(&incident);
        let key = (rule.id.clone(), node.to_owned());
        self.incidents.insert(key.clone(), incident);
        if spec.hold_s == 0 {
            self.fire(rule, &key, ts, now, draft);
        }
    }

    fn fire(
        &mut self,
        rule: &Rule,
        key: &(String, String),
        at: DateTime<Utc>,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) {
        let Some(incident) = self.incidents.get_mut(key) else {
            return;
        };
        incident.state = IncidentState::Firing;
        incident.fired_at = Some(at);
        draft.incident(incident);
        draft.fired.insert(key.clone());
        let incident = incident.clone();
        tracing::info!(
            rule = rule.spec.name,
            node.id = incident.node,
            value = incident.last_value,
            "an incident fires"
        );
        self.mail(rule, &incident, MailKind::Firing, now, draft);
    }

    fn end_or_drop(
        &mut self,
        rule: &Rule,
        key: &(String, String),
        ts: DateTime<Utc>,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) {
        let Some(incident) = self.incidents.get(key) else {
            return;
        };
        if incident.state == IncidentState::Pending {
            draft.incidents.insert(incident.id.clone(), None);
            self.incidents.remove(key);
        } else if threshold::is_cleared(&rule.spec, incident.last_value) {
            self.close(rule, key, ts, "cleared", now, draft);
        }
    }

    fn close(
        &mut self,
        rule: &Rule,
        key: &(String, String),
        at: DateTime<Utc>,
        because: &str,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) {
        let Some(mut incident) = self.incidents.remove(key) else {
            return;
        };
        incident.state = IncidentState::Closed;
        incident.closed_at = Some(at);
        incident.closed_because = Some(because.to_owned());
        incident.duration_ms = incident
            .fired_at
            .map(|fired| u64::try_from((at - fired).num_milliseconds()).unwrap_or(0));
        draft.incident(&incident);
        tracing::info!(
            rule = rule.spec.name,
            node.id = incident.node,
            because,
            "an incident is over"
        );
        self.mail(rule, &incident, MailKind::Recovery, now, draft);
        // What fired and cleared within one batch has ordered nothing that must be undone.
        if !draft.fired.remove(key) && because == "cleared" && now - at <= FRESH_MAX {
            self.act(
                rule,
                &incident,
                rule.spec.clear_command.as_ref(),
                now,
                draft,
            );
        }
    }

    /// Closes or drops every open incident of a rule, because the rule itself changed.
    pub(super) fn end_incidents(
        &mut self,
        rule: &Rule,
        because: &str,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) {
        let keys: Vec<_> = self
            .incidents
            .keys()
            .filter(|(id, _)| *id == rule.id)
            .cloned()
            .collect();
        for key in keys {
            match self.incidents.get(&key) {
                Some(incident) if incident.state == IncidentState::Pending => {
                    draft.incidents.insert(incident.id.clone(), None);
                    self.incidents.remove(&key);
                }
                _ => self.close(rule, &key, now, because, now, draft),
            }
        }
    }

    /// Fires what has held long enough, with or without a further sample.
    pub(super) fn fire_due(&mut self, now: DateTime<Utc>, draft: &mut Draft) {
        let due: Vec<_> = self
            .incidents
            .iter()
            .filter(|(_, incident)| incident.state == IncidentState::Pending)
            .filter_map(|(key, incident)| {
                let rule = self.rules.get(&key.0)?;
                let at = incident.began_at + hold(&rule.spec);
                (at <= now).then(|| (key.clone(), rule.clone(), at))
            })
            .collect();
        for (key, rule, at) in due {
            self.fire(&rule, &key, at, now, draft);
        }
    }

    /// When the next pending incident fires.
    pub(super) fn next_fire(&self) -> Option<DateTime<Utc>> {
        self.incidents
            .iter()
            .filter(|(_, incident)| incident.state == IncidentState::Pending)
            .filter_map(|(key, incident)| {
                Some(incident.began_at + hold(&self.rules.get(&key.0)?.spec))
            })
            .min()
    }

    /// At the end of a batch: orders what fired in it and still does.
    pub(super) fn act_on_fired(&mut self, now: DateTime<Utc>, draft: &mut Draft) {
        for key in std::mem::take(&mut draft.fired) {
            let (Some(incident), Some(rule)) = (
                self.incidents.get(&key).cloned(),
                self.rules.get(&key.0).cloned(),
            ) else {
                continue;
            };
            let newest = self
                .newest
                .get(&incident.node)
                .and_then(|all| all.get(&incident.metric));
            if newest.is_some_and(|(ts, _)| now - *ts <= FRESH_MAX) {
                self.act(&rule, &incident, rule.spec.command.as_ref(), now, draft);
            }
        }
    }

    fn act(
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

    fn mail(
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

fn hold(spec: &RuleSpec) -> TimeDelta {
    TimeDelta::seconds(spec.hold_s.into())
}
