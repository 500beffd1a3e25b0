//! `signalbox rules`: threshold rules.

use std::process::ExitCode;

use signalbox_protocol::api::{
    command::Action,
    rule::{Comparison, NewRule, Rule, RuleCommand, RulePatch, Rules, Severity},
};
use signalbox_tui::client::segment;

use crate::{
    context::StationArgs,
    output::{self, maybe, word},
};

/// Arguments of `rules`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Option<RuleVerb>,
    #[command(flatten)]
    station: StationArgs,
}

#[derive(Debug, clap::Subcommand)]
enum RuleVerb {
    /// Make a rule, for example: rules add temperature gt 30 --hold 1m --command fan/relay=on
    Add(Box<AddArgs>),
    /// Switch a rule on
    Enable {
        /// Its id
        id: String,
    },
    /// Switch a rule off; closes its incidents
    Disable {
        /// Its id
        id: String,
    },
    /// Delete a rule; closes its incidents
    Delete {
        /// Its id
        id: String,
    },
}

#[derive(Debug, clap::Args)]
struct AddArgs {
    /// The metric watched
    metric: String,
    /// gt, ge, lt, le (or quoted: '>', '>=', '<', '<=')
    #[arg(value_parser = comparison)]
    op: Comparison,
    /// The threshold
    #[arg(allow_negative_numbers = true)]
    value: f64,
    /// Only this node [default: every node with the metric]
    #[arg(long)]
    node: Option<String>,
    /// For people [default: made from the condition]
    #[arg(long)]
    name: Option<String>,
    /// How far back behind the threshold before it counts as cleared
    #[arg(long, default_value_t = 0.0)]
    hysteresis: f64,
    /// How long the condition must hold, for example 1m
    #[arg(long, default_value = "0s", value_name = "DURATION")]
    hold: humantime::Duration,
    /// Sent on firing: ACTUATOR=ACTION, or for example fan/relay=on:10m for another node, for 10 minutes
    #[arg(long, value_parser = command, value_name = "COMMAND")]
    command: Option<RuleCommand>,
    /// Sent on clearing, written like --command
    #[arg(long, value_parser = command, value_name = "COMMAND")]
    clear_command: Option<RuleCommand>,
    /// Mailed on firing and on clearing
    #[arg(long)]
    email: Option<String>,
    /// info, warning or critical
    #[arg(long, default_value = "warning", value_parser = severity)]
    severity: Severity,
}

fn comparison(word: &str) -> Result<Comparison, String> {
    match word {
        ">" | "gt" => Ok(Comparison::Above),
        ">=" | "ge" => Ok(Comparison::AtLeast),
        "<" | "lt" => Ok(Comparison::Below),
        "<=" | "le" => Ok(Comparison::AtMost),
        _ => Err("must be gt, ge, lt or le".to_owned()),
    }
}

fn severity(word: &str) -> Result<Severity, String> {
    match word {
        "info" => Ok(Severity::Info),
        "warning" => Ok(Severity::Warning),
        "critical" => Ok(Severity::Critical),
        _ => Err("must be info, warning or critical".to_owned()),
    }
}

fn command(text: &str) -> Result<RuleCommand, String> {
    let form = || "must be like `kitchen/led=on:10m` or `led=off`".to_owned();
    let (target, order) = text.split_once('=').ok_or_else(form)?;
    let (node, actuator) = match target.split_once('/') {
        Some((node, actuator)) => (Some(node.to_owned()), actuator),
        None => (None, target),
    };
    let (action, duration) = match order.split_once(':') {
        Some((action, duration)) => (action, Some(duration)),
        None => (order, None),
    };
    let action = match action {
        "on" => Action::On,
        "off" => Action::Off,
        "toggle" => Action::Toggle,
        _ => return Err(form()),
    };
    let duration_s = match duration {
        Some(text) => {
            let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
            Some(u32::try_from(duration.as_secs()).map_err(|error| error.to_string())?)
        }
        None => None,
    };
    Ok(RuleCommand {
        node,
        actuator: actuator.to_owned(),
        action,
        duration_s,
    })
}

pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let client = args.station.client()?;
    let json = args.station.json;
    let enable = |enabled| RulePatch {
        enabled: Some(enabled),
        ..RulePatch::default()
    };
    let path = |id: &str| format!("/api/v1/rules/{}", segment(id));
    let rule: Rule = match args.verb {
        None => {
            let rules: Rules = client.get("/api/v1/rules", &()).await?;
            if json {
                output::json(&rules)?;
            } else {
                rows(&rules.rules)?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        Some(RuleVerb::Delete { id }) => {
            client.delete(&path(&id)).await?;
            output::line(&format!("rule `{id}` is deleted"))?;
            return Ok(ExitCode::SUCCESS);
        }
        Some(RuleVerb::Add(add)) => client.post("/api/v1/rules", &new(*add)?).await?,
        Some(RuleVerb::Enable { id }) => client.patch(&path(&id), &enable(true)).await?,
        Some(RuleVerb::Disable { id }) => client.patch(&path(&id), &enable(false)).await?,
    };
    if json {
        output::json(&rule)?;
    } else {
        rows(&[rule])?;
    }
    Ok(ExitCode::SUCCESS)
}

fn new(add: AddArgs) -> anyhow::Result<NewRule> {
    Ok(NewRule {
        name: add.name,
        node: add.node,
        metric: add.metric,
        op: add.op,
        value: add.value,
        hysteresis: add.hysteresis,
        hold_s: u32::try_from(add.hold.as_secs())?,
        command: add.command,
        clear_command: add.clear_command,
        email: add.email,
        severity: add.severity,
    })
}

fn rows(rules: &[Rule]) -> anyhow::Result<()> {
    let rows = rules.iter().map(|rule| {
        let spec = &rule.spec;
        let order = |command: &RuleCommand| {
            let node = command.node.as_deref().unwrap_or("same node");
            format!("{node}/{}={}", command.actuator, word(&command.action))
        };
        vec![
            rule.id.clone(),
            if rule.enabled { "on" } else { "off" }.to_owned(),
            spec.name.clone(),
            spec.node.clone().unwrap_or_else(|| "every".to_owned()),
            format!("{} {} {}", spec.metric, spec.op.sign(), spec.value),
            format!("{} s", spec.hold_s),
            spec.command.as_ref().map_or_else(|| "-".to_owned(), order),
            maybe(spec.email.as_ref()),
        ]
    });
    let head = [
        "ID",
        "",
        "NAME",
        "NODE",
        "CONDITION",
        "HOLD",
        "COMMAND",
        "MAIL",
    ];
    output::table(&head, rows, "no rules yet; `signalbox rules add` makes one")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_of_rules_are_read() {
        let timed = command("kitchen/led=on:1m30s").unwrap();
        assert_eq!(timed.node.as_deref(), Some("kitchen"));
        assert_eq!((timed.actuator.as_str(), timed.action), ("led", Action::On));
        assert_eq!(timed.duration_s, Some(90));
        let same = command("led=off").unwrap();
        assert_eq!((same.node, same.duration_s), (None, None));
        for bad in ["led", "led=blink", "led=on:soon"] {
            assert!(command(bad).is_err(), "{bad}");
        }
    }
}
