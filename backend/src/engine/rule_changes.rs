//! Rules are made, changed and deleted; their incidents end or begin with them.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use signalbox_protocol::api::rule::{NewRule, Rule, RulePatch, RuleSpec};

use super::{
    RequestError,
    draft::Draft,
    incidents::FRESH_MAX,
    state::{Newest, State},
};
use crate::rules::{self, RULES_MAX};

impl State {
    pub(super) fn add_rule(
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

    pub(super) fn patch_rule(
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
            ..Rule::clone(&old)
        };
        if rule == *old {
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

    pub(super) fn delete_rule(
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

    fn rule(&self, id: &str) -> Result<Arc<Rule>, RequestError> {
        self.rules
            .get(id)
            .map(Arc::clone)
            .ok_or_else(|| RequestError::NotFound {
                what: "rule",
                id: id.to_owned(),
            })
    }

    fn put_rule(&mut self, rule: Rule, draft: &mut Draft) {
        draft.rules.insert(rule.id.clone(), Some(rule.clone()));
        self.rules.insert(rule.id.clone(), Arc::new(rule));
        self.index_rules();
    }

    /// A new condition is judged at once by what is known.
    fn judge_latest(&mut self, rule: &Rule, now: DateTime<Utc>, draft: &mut Draft) {
        let mut latest: Vec<(String, Newest)> = self
            .newest
            .iter()
            .filter(|(node, _)| rule.spec.node.as_ref().is_none_or(|only| only == *node))
            .filter_map(|(node, metrics)| Some((node.clone(), *metrics.get(&rule.spec.metric)?)))
            .filter(|(_, newest)| !newest.flagged && now - newest.ts <= FRESH_MAX)
            .collect();
        latest.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (node, newest) in latest {
            self.evaluate_rule(rule, &node, newest.ts, newest.value, now, draft);
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
