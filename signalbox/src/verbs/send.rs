//! `signalbox send`: switches an actuator, and says whether the node did it.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use signalbox_protocol::api::command::{
    Action, Command, CommandAccepted, CommandState, NewCommand, NewTimedCommand,
};
use signalbox_tui::client::{Client, segment};

use super::commands;
use crate::{context::StationArgs, output};

/// Pause between two looks at a command.
const LOOK: Duration = Duration::from_millis(100);

/// Arguments of `send`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The node
    node: String,
    /// Its actuator
    actuator: String,
    /// What to do
    #[arg(value_parser = action)]
    action: Action,
    /// With `on`: off again after this time, for example 10m or 1h30m; the node sees to it
    #[arg(long = "for", value_name = "DURATION")]
    duration: Option<humantime::Duration>,
    /// Once, at this time, for example 2026-01-31T07:00:00+01:00
    #[arg(long, conflicts_with = "cron", value_name = "TIME")]
    at: Option<DateTime<Utc>>,
    /// Again and again: minute, hour, day of month, month, day of week
    #[arg(long, value_name = "EXPRESSION")]
    cron: Option<String>,
    /// Time zone of --cron, for example Europe/Paris [default: the station's]
    #[arg(long, requires = "cron", value_name = "ZONE")]
    tz: Option<String>,
    /// Why, for the history
    #[arg(long)]
    reason: Option<String>,
    /// Wait this long for the node's answer
    #[arg(long, default_value = "15s", value_name = "DURATION")]
    wait: humantime::Duration,
    /// Do not wait for the node's answer
    #[arg(long, conflicts_with = "wait")]
    no_wait: bool,
    #[command(flatten)]
    station: StationArgs,
}

pub(super) fn action(word: &str) -> Result<Action, String> {
    match word.to_ascii_lowercase().as_str() {
        "on" => Ok(Action::On),
        "off" => Ok(Action::Off),
        "toggle" => Ok(Action::Toggle),
        _ => Err("must be on, off or toggle".to_owned()),
    }
}

pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let client = args.station.client()?;
    let json = args.station.json;
    let later = args.at.is_some() || args.cron.is_some();
    let (wait, no_wait) = (*args.wait, args.no_wait);
    let accepted = ask(&client, args).await?;
    if later || no_wait {
        if json {
            output::json(&accepted)?;
        } else {
            let next = accepted
                .next_at
                .map_or_else(String::new, |at| format!(", next at {}", output::time(at)));
            let state = output::word(&accepted.state);
            output::line(&format!("{} {state}{next}", accepted.id))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let command = outcome(&client, &accepted.id, wait).await?;
    if json {
        output::json(&command)?;
    } else {
        commands::rows(std::slice::from_ref(&command))?;
    }
    if command.state == CommandState::Confirmed {
        return Ok(ExitCode::SUCCESS);
    }
    if !command.state.is_final() {
        eprintln!("not confirmed yet; `signalbox commands` shows what becomes of it");
    }
    Ok(ExitCode::FAILURE)
}

async fn ask(client: &Client, args: Args) -> anyhow::Result<CommandAccepted> {
    let timed = args.duration.is_some() || args.at.is_some() || args.cron.is_some();
    if !timed {
        let new = NewCommand {
            node: args.node,
            actuator: args.actuator,
            action: args.action,
            reason: args.reason,
        };
        return Ok(client.post("/api/v1/command/add", &new).await?);
    }
    let duration_s = match args.duration {
        Some(duration) => Some(u32::try_from(duration.as_secs())?),
        None => None,
    };
    let new = NewTimedCommand {
        node: args.node,
        actuator: args.actuator,
        action: args.action,
        reason: args.reason,
        duration_s,
        at: args.at,
        cron: args.cron,
        tz: args.tz,
    };
    Ok(client.post("/api/v1/command/timed", &new).await?)
}

/// The command when it is final, or as it is when the wait is over.
async fn outcome(client: &Client, id: &str, wait: Duration) -> anyhow::Result<Command> {
    let path = format!("/api/v1/command/{}", segment(id));
    let until = Instant::now() + wait;
    loop {
        let command: Command = client.get(&path, &()).await?;
        if command.state.is_final() || Instant::now() >= until {
            return Ok(command);
        }
        tokio::time::sleep(LOOK).await;
    }
}
