//! Rules against samples and the clock: incidents begin, fire, are acknowledged, close.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use signalbox_protocol::api::{
    incident::{Acknowledge, Incident, IncidentState, Step, StepKind},
    rule::{Rule, RuleSpec},
};

use super::{RequestError, draft::Draft, open::Key, silences::silenced_step, state::State};
use crate::{alerts::silence, rules::threshold, store::MailKind};

/// Rules judge a sample only when it is at most this old at its receipt, and act on an actuator
/// only when the newest value is: what a node measured while it was cut off is history.
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
        let Some(rules) = self.rules_of_metric.get(metric).map(Arc::clone) else {
            return;
        };
        for rule in rules.iter() {
            self.evaluate_rule(rule, node, ts, value, now, draft);
        }
    }

    /// Judges a sample by one rule, when it watches the node.
    pub(super) fn evaluate_rule(
        &mut self,
        rule: &Rule,
        node: &str,
        ts: DateTime<Utc>,
        value: f64,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) {
        if rule.spec.node.as_deref().is_some_and(|only| only != node) {
            return;
        }
        let spec = &rule.spec;
        let violated = threshold::is_violated(spec, value);
        let Some(incident) = self.incidents.get_mut(&rule.id, node) else {
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
        draft.incident(incident);
        let due = incident.began_at + hold(spec);
        let key = (rule.id.clone(), node.to_owned());
        match incident.state {
            IncidentState::Pending if ts >= due => {
                // Up to this sample the condition held: it fires even if this one ends it, as
                // it would have by the clock.
                self.fire(rule, &key, due, now, draft);
                self.go_on(rule, &key, ts, value, now, draft);
            }
            IncidentState::Pending if violated => {}
            IncidentState::Pending => self.drop_pending(&key, "cleared", ts, draft),
            IncidentState::Firing | IncidentState::Acknowledged => {
                self.go_on(rule, &key, ts, value, now, draft);
            }
            IncidentState::Closed => {}
        }
    }

    /// What a sample means for an incident that fires: it ends, or it goes on; then the rule
    /// acts now if it could not when it fired.
    fn go_on(
        &mut self,
        rule: &Rule,
        key: &Key,
        ts: DateTime<Utc>,
        value: f64,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) {
        if threshold::is_cleared(&rule.spec, value) {
            self.close(rule, key, ts, "cleared", now, draft);
        } else if now - ts <= FRESH_MAX {
            self.act(rule, key, now, draft);
        }
    }

    fn drop_pending(&mut self, key: &Key, because: &str, at: DateTime<Utc>, draft: &mut Draft) {
        if let Some(incident) = self.incidents.remove(key) {
            draft.drop_incident(incident, because, at);
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
        let mut incident = Incident {
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
            acted_at: None,
            acknowledged_at: None,
            acknowledged_by: None,
            acknowledged_until: None,
            acknowledged_note: None,
            silenced: None,
            mail_held: false,
            mails_told: 0,
            steps: Vec::new(),
            closed_at: None,
            closed_because: None,
            peak: value,
            peak_at: ts,
            last_value: value,
            duration_ms: None,
        };
        incident.silenced = self.silences.of(&incident);
        if let Some(silenced) = &incident.silenced {
            let step = silenced_step(silenced, now);
            incident.note(step);
        }
        draft.incident(&incident);
        let key = (rule.id.clone(), node.to_owned());
        self.incidents.insert(incident);
        if spec.hold_s == 0 {
            self.fire(rule, &key, ts, now, draft);
        }
    }

    fn fire(
        &mut self,
        rule: &Rule,
        key: &Key,
        at: DateTime<Utc>,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) {
        let Some(incident) = self.incidents.get_mut(&key.0, &key.1) else {
            return;
        };
        incident.state = IncidentState::Firing;
        incident.fired_at = Some(at);
        draft.incident(incident);
        let incident = incident.clone();
        tracing::info!(
            rule = rule.spec.name,
            node.id = incident.node,
            value = incident.last_value,
            "an incident fires"
        );
        self.tell(rule, key, false, now, draft);
        if now - at <= FRESH_MAX && self.is_heard(&incident, now) {
            self.act(rule, key, now, draft);
        }
    }

    fn close(
        &mut self,
        rule: &Rule,
        key: &Key,
        at: DateTime<Utc>,
        because: &str,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) {
        let Some(mut incident) = self.incidents.remove(key) else {
            return;
        };
        // What cleared it may have been measured before the clock fired it.
        let at = incident.fired_at.map_or(at, |fired| at.max(fired));
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
        // Whoever was not told of it need not be told that it is over.
        if incident.mails_told > 0 || !incident.mail_held {
            self.mail(rule, &incident, MailKind::Recovery, now, draft);
        }
        if because == "cleared" && incident.acted_at.is_some() {
            let command = rule.spec.clear_command.as_ref();
            self.order_for(rule, &incident, command, now, draft);
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
        let of_rule = self.incidents.iter().filter(|one| one.rule == rule.id);
        let ended: Vec<(Key, bool)> = of_rule
            .map(|one| (key_of(one), one.state == IncidentState::Pending))
            .collect();
        for (key, pending) in ended {
            if pending {
                self.drop_pending(&key, because, now, draft);
            } else {
                self.close(rule, &key, now, because, now, draft);
            }
        }
    }

    /// Fires what has held long enough, with or without a further sample.
    pub(super) fn fire_due(&mut self, now: DateTime<Utc>, draft: &mut Draft) {
        let due: Vec<_> = self
            .pending()
            .filter(|(_, _, due)| *due <= now)
            .map(|(incident, rule, due)| (key_of(incident), Arc::clone(rule), due))
            .collect();
        for (key, rule, due) in due {
            self.fire(&rule, &key, due, now, draft);
        }
    }

    /// When the next pending incident fires.
    pub(super) fn next_fire(&self) -> Option<DateTime<Utc>> {
        self.pending().map(|(_, _, due)| due).min()
    }

    /// Pending incidents with their rules and when they fire.
    fn pending(&self) -> impl Iterator<Item = (&Incident, &Arc<Rule>, DateTime<Utc>)> {
        let pending = self
            .incidents
            .iter()
            .filter(|incident| incident.state == IncidentState::Pending);
        pending.filter_map(|incident| {
            let rule = self.rules.get(&incident.rule)?;
            Some((incident, rule, incident.began_at + hold(&rule.spec)))
        })
    }

    /// A person says that they know, for good or until a time.
    pub(super) fn acknowledge(
        &mut self,
        id: &str,
        ack: Acknowledge,
        by: String,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) -> Result<Incident, RequestError> {
        let until_at = silence::until(now, ack.until_at, ack.duration_s)?;
        let note = ack.note.filter(|note| !note.is_empty());
        silence::note("note", note.as_deref())?;
        let Some(incident) = self.incidents.find_mut(id) else {
            return Err(RequestError::NotFound {
                what: "open incident",
                id: id.to_owned(),
            });
        };
        match incident.state {
            IncidentState::Pending => {
                return Err(RequestError::Conflict {
                    message: format!("incident `{id}` has not fired yet"),
                });
            }
            // Saying it once more changes nothing; saying something else does.
            IncidentState::Acknowledged if until_at.is_none() && note.is_none() => {}
            IncidentState::Firing | IncidentState::Acknowledged => {
                incident.state = IncidentState::Acknowledged;
                incident.acknowledged_at = Some(now);
                incident.acknowledged_by = Some(by.clone());
                incident.acknowledged_until = until_at;
                incident.acknowledged_note.clone_from(&note);
                incident.note(Step {
                    at: now,
                    kind: StepKind::Acknowledged,
                    by: Some(by),
                    until_at,
                    note,
                });
                draft.incident(incident);
            }
            IncidentState::Closed => {}
        }
        Ok(incident.clone())
    }

    /// Ends acknowledgements whose time is over: what still fires is told again.
    pub(super) fn end_acks(&mut self, now: DateTime<Utc>, draft: &mut Draft) {
        let due: Vec<Key> = self
            .incidents
            .iter()
            .filter(|incident| {
                incident
                    .acknowledged_until
                    .is_some_and(|until| until <= now)
            })
            .map(key_of)
            .collect();
        for key in due {
            let Some(incident) = self.incidents.get_mut(&key.0, &key.1) else {
                continue;
            };
            incident.state = IncidentState::Firing;
            incident.acknowledged_at = None;
            incident.acknowledged_by = None;
            incident.acknowledged_until = None;
            incident.acknowledged_note = None;
            incident.note(Step {
                at: now,
                kind: StepKind::AckOver,
                by: None,
                until_at: None,
                note: None,
            });
            draft.incident(incident);
            if let Some(rule) = self.rules.get(&key.0).map(Arc::clone) {
                self.tell(&rule, &key, true, now, draft);
            }
        }
    }

    /// When the next acknowledgement ends.
    pub(super) fn next_ack_over(&self) -> Option<DateTime<Utc>> {
        let open = self.incidents.iter();
        open.filter_map(|incident| incident.acknowledged_until)
            .min()
    }
}

fn hold(spec: &RuleSpec) -> TimeDelta {
    TimeDelta::seconds(spec.hold_s.into())
}

pub(super) fn key_of(incident: &Incident) -> Key {
    (incident.rule.clone(), incident.node.clone())
}
