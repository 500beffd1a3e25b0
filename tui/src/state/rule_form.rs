//! The form of a rule: text fields that become a new rule or a change of one.

use chrono::{DateTime, TimeDelta, Utc};
use signalbox_protocol::api::rule::{DryRunReply, NewRule, Rule, RuleCommand, RulePatch, Severity};

use super::{
    chart::Track,
    form::{Form, Named, Wrong},
};
use crate::{event::Action, words};

/// How far back a dry run looks.
const DRY_RUN_DAYS: i64 = 7;

/// What the rule would have done.
#[derive(Debug)]
pub(crate) enum DryRunState {
    Asked,
    Failed(String),
    /// When it would have fired, and the values that it would have watched.
    Known(Box<DryRunReply>, Vec<Track>),
}

/// The form.
#[derive(Debug)]
pub(crate) struct RuleForm {
    pub(crate) form: Form,
    /// The rule that is changed; `None` for a new one.
    pub(crate) id: Option<String>,
    /// The rule as it was, for taking the change back.
    before: Option<Box<RulePatch>>,
    pub(crate) dry_run: Option<DryRunState>,
}

/// Name, label and hint of each field.
const FIELDS: [Named; 11] = [
    ("metric", "Metric", "temperature, humidity, soil, …"),
    ("op", "Comparison", "> >= < <="),
    ("value", "Threshold", "a number"),
    ("node", "Node", "empty: every node that has the metric"),
    ("hold_s", "Hold", "how long before it fires: 0, 30s, 5m"),
    ("hysteresis", "Hysteresis", "how far back before it clears"),
    (
        "command",
        "On firing",
        "[node/]actuator=on|off|toggle[:10m], or empty",
    ),
    ("clear_command", "On clearing", "the same, or empty"),
    ("email", "Mail to", "an address, or empty"),
    ("severity", "Severity", "info, warning, critical"),
    ("name", "Name", "empty: made from the condition"),
];

impl RuleForm {
    /// An empty form, with the metric and node that the person looks at.
    pub(crate) fn new(metric: &str, node: &str) -> Self {
        Self::filled(None, |name| match name {
            "metric" => metric.to_owned(),
            "op" => ">".to_owned(),
            "node" => node.to_owned(),
            "hold_s" | "hysteresis" => "0".to_owned(),
            "severity" => "warning".to_owned(),
            _ => String::new(),
        })
    }

    /// A form with a rule's values.
    pub(crate) fn edit(rule: &Rule) -> Self {
        let spec = &rule.spec;
        let order = |order: &Option<RuleCommand>| {
            order.as_ref().map_or_else(String::new, words::order_text)
        };
        let mut form = Self::filled(Some(rule.id.clone()), |name| match name {
            "metric" => spec.metric.clone(),
            "op" => spec.op.sign().to_owned(),
            "value" => spec.value.to_string(),
            "node" => spec.node.clone().unwrap_or_default(),
            "hold_s" => format!("{}s", spec.hold_s),
            "hysteresis" => spec.hysteresis.to_string(),
            "command" => order(&spec.command),
            "clear_command" => order(&spec.clear_command),
            "email" => spec.email.clone().unwrap_or_default(),
            "severity" => severity_word(spec.severity).to_owned(),
            _ => spec.name.clone(),
        });
        form.before = Some(Box::new(patch(words::new_rule(spec))));
        form
    }

    fn filled(id: Option<String>, text: impl Fn(&str) -> String) -> Self {
        Self {
            form: Form::new(&FIELDS, text),
            id,
            before: None,
            dry_run: None,
        }
    }

    /// Says at once what cannot be understood in the field that has the focus.
    pub(super) fn check(&mut self) {
        let read = self.read().map(|_| ());
        self.form.check(read);
    }

    /// The threshold, when it is a number.
    pub(crate) fn value(&self) -> Option<f64> {
        self.form.text("value").parse().ok()
    }

    /// Asks what the rule would have done in the last days.
    pub(crate) fn dry_run(&mut self, now: DateTime<Utc>) -> Option<Action> {
        let rule = self.understood()?;
        self.dry_run = Some(DryRunState::Asked);
        Some(Action::DryRun {
            rule: Box::new(rule),
            from: now - TimeDelta::days(DRY_RUN_DAYS),
            to: now,
        })
    }

    fn understood(&mut self) -> Option<NewRule> {
        let read = self.read();
        self.form.understood(read)
    }

    /// What to ask the station; or the first field that cannot be understood.
    pub(crate) fn submit(&mut self) -> Option<Action> {
        let new = self.understood()?;
        self.form.waiting = true;
        Some(match (&self.id, &self.before) {
            (Some(id), Some(back)) => Action::PatchRule {
                id: id.clone(),
                patch: Box::new(patch(new)),
                back: back.clone(),
            },
            _ => Action::AddRule(Box::new(new)),
        })
    }

    fn read(&self) -> Result<NewRule, Wrong> {
        let text = |name: &str| self.form.text(name);
        let optional = |name: &str| self.form.optional(name);
        let number = |name: &'static str| {
            let text = text(name);
            text.parse::<f64>()
                .map_err(|_| (name, format!("`{text}` is no number")))
        };
        let order = |name: &'static str| {
            optional(name)
                .map(|text| words::order(&text).map_err(|error| (name, error)))
                .transpose()
        };
        if text("metric").is_empty() {
            return Err(("metric", "a rule needs a metric".to_owned()));
        }
        Ok(NewRule {
            name: optional("name"),
            node: optional("node"),
            metric: text("metric").to_owned(),
            op: words::comparison(text("op")).map_err(|error| ("op", error))?,
            value: number("value")?,
            hysteresis: number("hysteresis")?,
            hold_s: words::duration_s(text("hold_s")).map_err(|error| ("hold_s", error))?,
            command: order("command")?,
            clear_command: order("clear_command")?,
            email: optional("email"),
            severity: match text("severity") {
                "info" => Severity::Info,
                "warning" => Severity::Warning,
                "critical" => Severity::Critical,
                _ => return Err(("severity", "must be info, warning or critical".to_owned())),
            },
        })
    }
}

fn patch(new: NewRule) -> RulePatch {
    RulePatch {
        enabled: None,
        name: new.name,
        node: Some(new.node),
        metric: Some(new.metric),
        op: Some(new.op),
        value: Some(new.value),
        hysteresis: Some(new.hysteresis),
        hold_s: Some(new.hold_s),
        command: Some(new.command),
        clear_command: Some(new.clear_command),
        email: Some(new.email),
        severity: Some(new.severity),
    }
}

/// The word for a severity.
pub(crate) const fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filled_form_becomes_a_rule_and_a_rule_a_form() {
        let mut form = RuleForm::new("temperature", "kitchen");
        assert!(form.submit().is_none());
        assert!(form.form.is_at("value"));
        form.form.set("value", "30.5");
        form.form.set("hold_s", "5m");
        form.form.set("command", "fan=on:90s");
        let Some(Action::AddRule(new)) = form.submit() else {
            panic!("{:?}", form.form.error);
        };
        assert_eq!((new.value, new.hold_s), (30.5, 300));
        assert_eq!(new.node.as_deref(), Some("kitchen"));
        assert_eq!(new.command.unwrap().duration_s, Some(90));
    }
}
