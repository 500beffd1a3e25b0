//! The form of a rule: text fields that become a new rule or a change of one.

use chrono::{DateTime, TimeDelta, Utc};
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent};
use signalbox_protocol::api::rule::{DryRunReply, NewRule, Rule, RuleCommand, RulePatch, Severity};
use tui_input::{Input, backend::crossterm::EventHandler as _};

use super::chart::Track;
use crate::{event::Action, words};

/// How far back a dry run looks.
const DRY_RUN_DAYS: i64 = 7;
/// Longest text of a field.
const FIELD_CHARS_MAX: usize = 254;

/// A field of the form.
#[derive(Debug)]
pub(crate) struct Field {
    /// As in the API, so that its errors find their place.
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    pub(crate) hint: &'static str,
    pub(crate) input: Input,
}

/// What the rule would have done.
#[derive(Debug)]
pub(crate) enum DryRunState {
    Asked,
    Failed(String),
    /// When it would have fired, and the values that it would have watched.
    Known(Box<DryRunReply>, Vec<Track>),
}

/// The form, with the field that has the focus.
#[derive(Debug)]
pub(crate) struct RuleForm {
    /// The rule that is changed; `None` for a new one.
    pub(crate) id: Option<String>,
    /// The rule as it was, for taking the change back.
    before: Option<Box<RulePatch>>,
    pub(crate) dry_run: Option<DryRunState>,
    pub(crate) fields: Vec<Field>,
    pub(crate) focus: usize,
    /// What is wrong, and the field at fault.
    pub(crate) error: Option<(String, Option<String>)>,
    /// Sent, and not answered yet.
    pub(crate) waiting: bool,
}

/// Name, label and hint of each field.
const FIELDS: [(&str, &str, &str); 11] = [
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

    /// Fills a field.
    pub(crate) fn set(&mut self, name: &str, text: &str) {
        let field = self.fields.iter_mut().find(|field| field.name == name);
        if let Some(field) = field {
            field.input = Input::new(text.to_owned());
        }
    }

    fn filled(id: Option<String>, text: impl Fn(&str) -> String) -> Self {
        let field = |(name, label, hint)| Field {
            name,
            label,
            hint,
            input: Input::new(text(name)),
        };
        Self {
            id,
            before: None,
            dry_run: None,
            fields: FIELDS.into_iter().map(field).collect(),
            focus: 0,
            error: None,
            waiting: false,
        }
    }

    pub(crate) fn next(&mut self) {
        self.focus = (self.focus + 1) % self.fields.len();
    }

    pub(crate) fn previous(&mut self) {
        self.focus = (self.focus + self.fields.len() - 1) % self.fields.len();
    }

    pub(crate) fn key(&mut self, key: KeyEvent) {
        type_into(&mut self.fields[self.focus].input, key);
        self.check();
    }

    /// Says at once what cannot be understood in the field that has the focus.
    fn check(&mut self) {
        let here = self.fields[self.focus].name;
        let empty = self.fields[self.focus].input.value().trim().is_empty();
        self.error = match self.read() {
            Err((field, text)) if field == here && !empty => Some((text, Some(field.to_owned()))),
            _ => None,
        };
    }

    /// The threshold, when it is a number.
    pub(crate) fn value(&self) -> Option<f64> {
        let field = self.fields.iter().find(|field| field.name == "value")?;
        field.input.value().trim().parse().ok()
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

    /// The rule; or the first field that cannot be understood gets the focus.
    fn understood(&mut self) -> Option<NewRule> {
        match self.read() {
            Ok(new) => {
                self.error = None;
                Some(new)
            }
            Err((field, text)) => {
                self.focus = FIELDS
                    .iter()
                    .position(|(name, ..)| *name == field)
                    .unwrap_or(0);
                self.error = Some((text, Some(field.to_owned())));
                None
            }
        }
    }

    pub(crate) fn paste(&mut self, text: &str) {
        paste_into(&mut self.fields[self.focus].input, text);
    }

    /// What to ask the station; or the first field that cannot be understood.
    pub(crate) fn submit(&mut self) -> Option<Action> {
        let new = self.understood()?;
        self.waiting = true;
        Some(match (&self.id, &self.before) {
            (Some(id), Some(back)) => Action::PatchRule {
                id: id.clone(),
                patch: Box::new(patch(new)),
                back: back.clone(),
            },
            _ => Action::AddRule(Box::new(new)),
        })
    }

    /// Shows the station's refusal at its field.
    pub(crate) fn refused(&mut self, text: String, field: Option<String>) {
        self.waiting = false;
        let place = field.as_deref().and_then(|field| {
            let head = field.split('.').next().unwrap_or(field);
            FIELDS.iter().position(|(name, ..)| *name == head)
        });
        self.focus = place.unwrap_or(self.focus);
        self.error = Some((text, field));
    }

    fn read(&self) -> Result<NewRule, (&'static str, String)> {
        let text = |wanted: &str| {
            let field = self.fields.iter().find(|field| field.name == wanted);
            field.map_or("", |field| field.input.value()).trim()
        };
        let optional = |name: &str| Some(text(name).to_owned()).filter(|text| !text.is_empty());
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

/// A key for a text field.
pub(crate) fn type_into(input: &mut Input, key: KeyEvent) {
    if input.value().chars().count() < FIELD_CHARS_MAX || !matches!(key.code, KeyCode::Char(_)) {
        input.handle_event(&Event::Key(key));
    }
}

/// Pasted text for a text field: one line, no control characters.
pub(crate) fn paste_into(input: &mut Input, text: &str) {
    let room = FIELD_CHARS_MAX.saturating_sub(input.value().chars().count());
    for c in text.chars().filter(|c| !c.is_control()).take(room) {
        input.handle(tui_input::InputRequest::InsertChar(c));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filled_form_becomes_a_rule_and_a_rule_a_form() {
        let mut form = RuleForm::new("temperature", "kitchen");
        assert!(form.submit().is_none());
        assert_eq!(form.fields[form.focus].name, "value");
        form.set("value", "30.5");
        form.set("hold_s", "5m");
        form.set("command", "fan=on:90s");
        let Some(Action::AddRule(new)) = form.submit() else {
            panic!("{:?}", form.error);
        };
        assert_eq!((new.value, new.hold_s), (30.5, 300));
        assert_eq!(new.node.as_deref(), Some("kitchen"));
        assert_eq!(new.command.unwrap().duration_s, Some(90));
    }

    #[test]
    fn a_refusal_finds_its_field() {
        let mut form = RuleForm::new("t", "");
        form.refused("no".to_owned(), Some("command.actuator".to_owned()));
        assert_eq!(form.fields[form.focus].name, "command");
    }

    #[test]
    fn fields_are_bounded_and_pasted_text_is_one_line() {
        let mut form = RuleForm::new("", "");
        form.paste("a\nb\u{1b}[c");
        assert_eq!(form.fields[0].input.value(), "ab[c");
        form.paste(&"x".repeat(1_000));
        assert_eq!(form.fields[0].input.value().len(), FIELD_CHARS_MAX);
    }
}
