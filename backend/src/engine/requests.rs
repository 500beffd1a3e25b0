//! What people and programs ask for: commands, schedules, rules, acknowledgements.

use chrono::{DateTime, TimeDelta, Utc};
use signalbox_protocol::api::{
    command::{CommandAccepted, CommandState, NewCommand, NewTimedCommand, Origin, Schedule},
    incident::{Incident, IncidentState},
    rule::{NewRule, Rule, RulePatch, RuleSpec},
};

use super::{Request, RequestError, draft::Draft, orders::Order, state::State};
use crate::{
    commands::{
        SCHEDULES_MAX,
        check::{self, When},
        schedule,
    },
    rules::{self, RULES_MAX},
};

/// How late a run of a schedule may come after the station was away; later ones are left out.
const MISSED_RUN_MAX: TimeDelta = TimeDelta::seconds(300);

/// Sends the answer to whoever asked; to be called after the commit.
pub(super) type Answer = Box<dyn FnOnce() + Send>;

macro_rules! answered {
    ($result:expr, $reply:expr) => {{
        let result = $result;
        // Who asked may have gone away meanwhile.
        Box::new(move || drop($reply.send(result)))
    }};
}

impl State {
    /// Carries a request out; the answer waits for the commit.
    pub(super) fn request(
        &mut self,
        request: Request,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) -> Answer {
        match request {
            Request::AddCommand { new, by, reply } => {
                answered!(self.add_command(new, by, now, draft), reply)
            }
            Request::AddTimedCommand { new, by, reply } => {
                answered!(self.add_timed(new, by, now, draft), reply)
            }
            Request::CancelCommand { id, by, reply } => {
                answered!(self.cancel(&id, &by, now, draft), reply)
            }
            Request::DeleteSchedule { id, by, reply } => {
                answered!(self.delete_schedule(&id, &by, draft), reply)
            }
            Request::AddRule { new, by, reply } => {
                answered!(self.add_rule(&new, by, now, draft), reply)
            }
            Request::PatchRule {
                id,
                patch,
                by,
                reply,
            } => {
                answered!(self.patch_rule(&id, &patch, &by, now, draft), reply)
            }
            Request::DeleteRule { id, by, reply } => {
                answered!(self.delete_rule(&id, &by, now, draft), reply)
            }
            Request::AckIncident { id, by, reply } => {
                answered!(self.acknowledge(&id, by, now, draft), reply)
            }
            Request::NodeAdded { name, reply } => {
                answered!(self.add_node(&name, draft), reply)
            }
        }
    }

    fn add_node(&mut self, name: &str, draft: &mut Draft) -> Result<(), RequestError> {
        check::target(name, "x", None)?;
        if self.know_node(name, draft) {
            draft.status.insert(name.to_owned());
            Ok(())
        } else {
            Err(RequestError::TooMany {
                what: "nodes",
                max: super::state::NODES_MAX,
            })
        }
    }

    fn add_command(
        &mut self,
        new: NewCommand,
        by: String,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) -> Result<signalbox_protocol::api::command::Command, RequestError> {
        check::target(&new.node, &new.actuator, new.reason.as_deref())?;
        let order = Order {
            node: new.node,
            actuator: new.actuator,
            action: new.action,
            for_ms: None,
            origin: Origin::User { username: by },
            reason: new.reason,
            not_before: None,
        };
        self.order(order, now, draft)
    }

    fn add_timed(
        &mut self,
        new: NewTimedCommand,
        by: String,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) -> Result<CommandAccepted, RequestError> {
        check::target(&new.node, &new.actuator, new.reason.as_deref())?;
        let for_ms = check::for_ms(new.action, new.duration_s)?;
        match check::when(&new, self.settings.tz, now)? {
            When::Once(not_before) => {
                let order = Order {
                    node: new.node,
                    actuator: new.actuator,
                    action: new.action,
                    for_ms,
                    origin: Origin::User { username: by },
                    reason: new.reason,
                    not_before,
                };
                let command = self.order(order, now, draft)?;
                Ok(CommandAccepted {
                    id: command.id,
                    state: command.state,
                    next_at: None,
                })
            }
            When::Cron(cron, text, tz) => {
                if !self.nodes.contains_key(&new.node) {
                    return Err(RequestError::NotFound {
                        what: "node",
                        id: new.node,
                    });
                }
                if self.schedules.len() >= SCHEDULES_MAX {
                    return Err(RequestError::TooMany {
                        what: "schedules",
                        max: SCHEDULES_MAX,
                    });
                }
                let next_at = schedule::next(&cron, tz, now).ok_or_else(|| {
                    let message = format!("`{text}` never comes");
                    RequestError::Invalid {
                        field: "cron",
                        message,
                    }
                })?;
                let made = Schedule {
                    id: self.new_id(now),
                    node: new.node,
                    actuator: new.actuator,
                    action: new.action,
                    duration_s: new.duration_s,
                    cron: text,
                    tz: tz.name().to_owned(),
                    created_by: by,
                    created_at: now,
                    next_at: Some(next_at),
                };
                let id = made.id.clone();
                draft.schedules.insert(id.clone(), Some(made.clone()));
                self.schedules.insert(id.clone(), made);
                Ok(CommandAccepted {
                    id,
                    state: CommandState::Requested,
                    next_at: Some(next_at),
                })
            }
        }
    }

    fn delete_schedule(
        &mut self,
        id: &str,
        by: &str,
        draft: &mut Draft,
    ) -> Result<(), RequestError> {
        if self.schedules.remove(id).is_none() {
            return Err(RequestError::NotFound {
                what: "schedule",
                id: id.to_owned(),
            });
        }
        tracing::info!(schedule = id, by, "schedule deleted");
        draft.schedules.insert(id.to_owned(), None);
        Ok(())
    }

    /// Makes the commands of schedules that are due.
    pub(super) fn run_schedules(&mut self, now: DateTime<Utc>, draft: &mut Draft) {
        for id in self.schedules.keys().cloned().collect::<Vec<_>>() {
            let Some(schedule) = self.schedules.get(&id) else {
                continue;
            };
            let Some(due) = schedule.next_at.filter(|due| *due <= now) else {
                continue;
            };
            let mut schedule = schedule.clone();
            schedule.next_at = next_run(&schedule, now);
            draft.schedules.insert(id.clone(), Some(schedule.clone()));
            self.schedules.insert(id.clone(), schedule.clone());
            if now - due > MISSED_RUN_MAX {
                tracing::warn!(schedule = id, %due, "a run was missed while the station was away");
                continue;
            }
            let order = Order {
                node: schedule.node,
                actuator: schedule.actuator,
                action: schedule.action,
                for_ms: schedule
                    .duration_s
                    .map(|duration_s| duration_s.saturating_mul(1_000)),
                origin: Origin::Schedule {
                    schedule: id.clone(),
                },
                reason: None,
                not_before: None,
            };
            if let Err(error) = self.order(order, now, draft) {
                tracing::warn!(schedule = id, %error, "a scheduled command could not be made");
            }
        }
    }

    pub(super) fn next_run_at(&self) -> Option<DateTime<Utc>> {
        self.schedules
            .values()
            .filter_map(|schedule| schedule.next_at)
            .min()
    }

    fn add_rule(
        &mut self,
        new: &NewRule,
        by: String,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) -> Result<Rule, RequestError> {
        let spec = rules::new_spec(new)?;
        if self.rules.len() >= RULES_MAX {
            return Err(RequestError::TooMany {
                what: "rules",
                max: RULES_MAX,
            });
        }
        let rule = Rule {
            id: self.new_id(now),
            enabled: true,
            created_by: by,
            created_at: now,
            spec,
        };
        self.put_rule(rule.clone(), draft);
        self.judge_latest(&rule, now, draft);
        Ok(rule)
    }

    fn patch_rule(
        &mut self,
        id: &str,
        patch: &RulePatch,
        by: &str,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) -> Result<Rule, RequestError> {
        let old = self.rule(id)?;
        let spec = rules::patched_spec(&old.spec, patch)?;
        let rule = Rule {
            enabled: patch.enabled.unwrap_or(old.enabled),
            spec,
            ..old.clone()
        };
        if rule == old {
            return Ok(rule);
        }
        tracing::info!(
            rule = rule.spec.name,
            by,
            enabled = rule.enabled,
            "rule changed"
        );
        let anew = watched(&rule.spec) != watched(&old.spec);
        if !rule.enabled && old.enabled {
            self.end_incidents(&old, "rule disabled", now, draft);
        } else if anew {
            self.end_incidents(&old, "rule changed", now, draft);
        }
        self.put_rule(rule.clone(), draft);
        if rule.enabled && (anew || !old.enabled) {
            self.judge_latest(&rule, now, draft);
        }
        Ok(rule)
    }

    fn delete_rule(
        &mut self,
        id: &str,
        by: &str,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) -> Result<(), RequestError> {
        let rule = self.rule(id)?;
        tracing::info!(rule = rule.spec.name, by, "rule deleted");
        self.end_incidents(&rule, "rule deleted", now, draft);
        self.rules.remove(id);
        self.index_rules();
        draft.rules.insert(id.to_owned(), None);
        Ok(())
    }

    fn rule(&self, id: &str) -> Result<Rule, RequestError> {
        self.rules
            .get(id)
            .cloned()
            .ok_or_else(|| RequestError::NotFound {
                what: "rule",
                id: id.to_owned(),
            })
    }

    fn put_rule(&mut self, rule: Rule, draft: &mut Draft) {
        draft.rules.insert(rule.id.clone(), Some(rule.clone()));
        self.rules.insert(rule.id.clone(), rule);
        self.index_rules();
    }

    /// A new condition is judged at once by what is known.
    fn judge_latest(&mut self, rule: &Rule, now: DateTime<Utc>, draft: &mut Draft) {
        let latest: Vec<(String, DateTime<Utc>, f64)> = self
            .newest
            .iter()
            .filter(|(node, _)| rule.spec.node.as_ref().is_none_or(|only| only == *node))
            .filter_map(|(node, metrics)| {
                let (ts, value) = metrics.get(&rule.spec.metric)?;
                (now - *ts <= super::incidents::FRESH_MAX).then(|| (node.clone(), *ts, *value))
            })
            .collect();
        for (node, ts, value) in latest {
            self.evaluate_rule(&rule.id, &node, ts, value, now, draft);
        }
    }

    fn acknowledge(
        &mut self,
        id: &str,
        by: String,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) -> Result<Incident, RequestError> {
        let Some(incident) = self
            .incidents
            .values_mut()
            .find(|incident| incident.id == id)
        else {
            return Err(RequestError::NotFound {
                what: "open incident",
                id: id.to_owned(),
            });
        };
        match incident.state {
            IncidentState::Pending => Err(RequestError::Conflict {
                message: format!("incident `{id}` has not fired yet"),
            }),
            IncidentState::Firing => {
                incident.state = IncidentState::Acknowledged;
                incident.acknowledged_at = Some(now);
                incident.acknowledged_by = Some(by);
                draft.incident(incident);
                Ok(incident.clone())
            }
            IncidentState::Acknowledged | IncidentState::Closed => Ok(incident.clone()),
        }
    }
}

/// The part of a rule that its incidents depend on.
fn watched(spec: &RuleSpec) -> (&Option<String>, &str, &'static str, u64, u64, u32) {
    (
        &spec.node,
        &spec.metric,
        spec.op.sign(),
        spec.value.to_bits(),
        spec.hysteresis.to_bits(),
        spec.hold_s,
    )
}

fn next_run(made: &Schedule, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let cron = schedule::parse(&made.cron).ok()?;
    schedule::next(&cron, made.tz.parse().ok()?, now)
}
