//! Checks what a person asks for before it becomes a rule.

use std::str::FromStr;

use lettre::Address;
use signalbox_protocol::{
    api::{
        command::Action,
        rule::{NewRule, RuleCommand, RulePatch, RuleSpec},
    },
    topic::check_name,
};

use super::{HOLD_S_MAX, RULE_NAME_CHARS_MAX};
use crate::{auth::EMAIL_BYTES_MAX, commands::DURATION_S_MAX, engine::RequestError};

/// The specification of a new rule.
///
/// # Errors
/// [`RequestError::Invalid`] with the field.
pub fn new_spec(new: &NewRule) -> Result<RuleSpec, RequestError> {
    let spec = RuleSpec {
        name: new.name.clone().unwrap_or_else(|| default_name(new)),
        node: new.node.clone(),
        metric: new.metric.clone(),
        op: new.op,
        value: new.value,
        hysteresis: new.hysteresis,
        hold_s: new.hold_s,
        command: new.command.clone(),
        clear_command: new.clear_command.clone(),
        email: new.email.clone(),
        severity: new.severity,
    };
    check(&spec)?;
    Ok(spec)
}

/// A specification with a patch applied.
///
/// # Errors
/// [`RequestError::Invalid`] with the field.
pub fn patched_spec(spec: &RuleSpec, patch: &RulePatch) -> Result<RuleSpec, RequestError> {
    let spec = RuleSpec {
        name: patch.name.clone().unwrap_or_else(|| spec.name.clone()),
        node: patch.node.clone().unwrap_or_else(|| spec.node.clone()),
        metric: patch.metric.clone().unwrap_or_else(|| spec.metric.clone()),
        op: patch.op.unwrap_or(spec.op),
        value: patch.value.unwrap_or(spec.value),
        hysteresis: patch.hysteresis.unwrap_or(spec.hysteresis),
        hold_s: patch.hold_s.unwrap_or(spec.hold_s),
        command: patch
            .command
            .clone()
            .unwrap_or_else(|| spec.command.clone()),
        clear_command: patch
            .clear_command
            .clone()
            .unwrap_or_else(|| spec.clear_command.clone()),
        email: patch.email.clone().unwrap_or_else(|| spec.email.clone()),
        severity: patch.severity.unwrap_or(spec.severity),
    };
    check(&spec)?;
    Ok(spec)
}

fn default_name(new: &NewRule) -> String {
    format!("{} {} {}", new.metric, new.op.sign(), new.value)
}

fn check(spec: &RuleSpec) -> Result<(), RequestError> {
    let chars = spec.name.chars().count();
    if chars == 0 || chars > RULE_NAME_CHARS_MAX || spec.name.chars().any(char::is_control) {
        return Err(invalid(
            "name",
            format!("a rule's name has 1 to {RULE_NAME_CHARS_MAX} printable characters"),
        ));
    }
    if let Some(node) = &spec.node {
        name("node", node)?;
    }
    name("metric", &spec.metric)?;
    if !spec.value.is_finite() {
        return Err(invalid(
            "value",
            format!("`{}` is not a finite number", spec.value),
        ));
    }
    if !spec.hysteresis.is_finite() || spec.hysteresis < 0.0 {
        return Err(invalid(
            "hysteresis",
            format!("`{}` is not a finite number from 0 up", spec.hysteresis),
        ));
    }
    if spec.hold_s > HOLD_S_MAX {
        return Err(invalid(
            "hold_s",
            format!("`{}` is more than {HOLD_S_MAX}", spec.hold_s),
        ));
    }
    check_command("command", spec.command.as_ref())?;
    check_command("clear_command", spec.clear_command.as_ref())?;
    match &spec.email {
        Some(email) if email.len() > EMAIL_BYTES_MAX => Err(invalid(
            "email",
            format!("an e-mail address has at most {EMAIL_BYTES_MAX} bytes"),
        )),
        Some(email) if Address::from_str(email).is_err() => Err(invalid(
            "email",
            format!("`{}` is not an e-mail address", email.escape_debug()),
        )),
        _ => Ok(()),
    }
}

fn check_command(field: &'static str, command: Option<&RuleCommand>) -> Result<(), RequestError> {
    let Some(command) = command else {
        return Ok(());
    };
    if let Some(node) = &command.node {
        name(field, node)?;
    }
    name(field, &command.actuator)?;
    match (command.action, command.duration_s) {
        (_, None) | (Action::On, Some(1..=DURATION_S_MAX)) => Ok(()),
        (Action::On, Some(duration_s)) => Err(invalid(
            field,
            format!("`duration_s` `{duration_s}` is not between 1 and {DURATION_S_MAX}"),
        )),
        (Action::Off | Action::Toggle, Some(_)) => Err(invalid(
            field,
            "`duration_s` goes only with the action `on`".to_owned(),
        )),
    }
}

fn name(field: &'static str, name: &str) -> Result<(), RequestError> {
    check_name(name).map_err(|error| invalid(field, format!("`{}`: {error}", name.escape_debug())))
}

const fn invalid(field: &'static str, message: String) -> RequestError {
    RequestError::Invalid { field, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(json: &str) -> NewRule {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_rule_gets_a_name() {
        let spec = new_spec(&new(r#"{"metric":"temperature","op":">","value":30}"#)).unwrap();
        assert_eq!(spec.name, "temperature > 30");
    }

    #[test]
    fn the_field_at_fault_is_named() {
        for (json, at) in [
            (r#"{"metric":"a b","op":">","value":1}"#, "metric"),
            (r#"{"metric":"a","op":">","value":1,"node":""}"#, "node"),
            (
                r#"{"metric":"a","op":">","value":1,"hysteresis":-1}"#,
                "hysteresis",
            ),
            (
                r#"{"metric":"a","op":">","value":1,"hold_s":604801}"#,
                "hold_s",
            ),
            (
                r#"{"metric":"a","op":">","value":1,"email":"nobody"}"#,
                "email",
            ),
            (
                r#"{"metric":"a","op":">","value":1,"email":"a@b.c\r\nBcc: x@y.z"}"#,
                "email",
            ),
            (
                r#"{"metric":"a","op":">","value":1,"name":"\u001b[2J"}"#,
                "name",
            ),
            (
                r#"{"metric":"a","op":">","value":1,
                    "command":{"actuator":"led","action":"off","duration_s":5}}"#,
                "command",
            ),
        ] {
            match new_spec(&new(json)) {
                Err(RequestError::Invalid { field, .. }) => assert_eq!(field, at),
                other => panic!("{json}: {other:?}"),
            }
        }
    }

    #[test]
    fn an_address_can_be_as_long_as_mail_allows() {
        let with = |bytes: usize| {
            let label = |bytes| "b".repeat(bytes);
            let domain = format!(
                "{}.{}.{}.{}",
                label(63),
                label(63),
                label(63),
                label(bytes - 194)
            );
            let mut new = new(r#"{"metric":"a","op":">","value":1}"#);
            new.email = Some(format!("a@{domain}"));
            assert_eq!(new.email.as_ref().unwrap().len(), bytes);
            new_spec(&new)
        };
        assert!(with(EMAIL_BYTES_MAX).is_ok());
        assert!(matches!(
            with(EMAIL_BYTES_MAX + 1),
            Err(RequestError::Invalid { field: "email", .. })
        ));
    }

    #[test]
    fn a_patch_keeps_what_it_does_not_name() {
        let spec = new_spec(&new(
            r#"{"metric":"a","op":">","value":1,"node":"n","email":"a@b.c","hold_s":5}"#,
        ))
        .unwrap();
        let patch: RulePatch = serde_json::from_str(r#"{"node":null,"value":2}"#).unwrap();
        let patched = patched_spec(&spec, &patch).unwrap();
        assert_eq!(patched.node, None);
        assert_eq!(patched.value, 2.0);
        assert_eq!(patched.email.as_deref(), Some("a@b.c"));
        assert_eq!(patched.hold_s, 5);
    }
}
