//! `signalbox commands`: the history of commands, schedules, and taking one back.

use std::process::ExitCode;

use signalbox_protocol::api::command::{Command, CommandPage, CommandQuery, Origin, Schedules};
use signalbox_tui::client::segment;

use crate::{
    context::StationArgs,
    output::{self, maybe, maybe_time, time, word},
};

/// Arguments of `commands`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    /// Only this node
    #[arg(long)]
    node: Option<String>,
    /// How many
    #[arg(long, short = 'n', default_value_t = 20)]
    limit: u32,
    #[command(subcommand)]
    verb: Option<CommandVerb>,
    #[command(flatten)]
    station: StationArgs,
}

#[derive(Debug, clap::Subcommand)]
enum CommandVerb {
    /// Take back a command that was not sent yet
    Cancel {
        /// Its id
        id: String,
    },
    /// List repeating commands
    Schedules,
    /// Delete a repeating command
    Unschedule {
        /// Its id
        id: String,
    },
}

pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let client = args.station.client()?;
    let json = args.station.json;
    match args.verb {
        None => {
            let query = CommandQuery {
                node: args.node,
                limit: Some(args.limit),
                after: None,
            };
            let page: CommandPage = client.get("/api/v1/command/all", &query).await?;
            if json {
                output::json(&page)?;
            } else {
                rows(&page.commands)?;
            }
        }
        Some(CommandVerb::Cancel { id }) => {
            let path = format!("/api/v1/command/{}/cancel", segment(&id));
            let command: Command = client.act(&path).await?;
            if json {
                output::json(&command)?;
            } else {
                rows(&[command])?;
            }
        }
        Some(CommandVerb::Schedules) => {
            let schedules: Schedules = client.get("/api/v1/schedules", &()).await?;
            if json {
                output::json(&schedules)?;
            } else {
                show(&schedules)?;
            }
        }
        Some(CommandVerb::Unschedule { id }) => {
            let path = format!("/api/v1/schedules/{}", segment(&id));
            client.delete(&path).await?;
            output::line(&format!("schedule `{id}` is deleted"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Commands as a table.
pub(crate) fn rows(commands: &[Command]) -> anyhow::Result<()> {
    let rows = commands.iter().map(|command| {
        vec![
            command.id.clone(),
            time(command.requested_at),
            who(&command.origin),
            format!("{}/{}", command.node, command.actuator),
            word(&command.action),
            word(&command.state),
            maybe(command.outcome.as_ref()),
        ]
    });
    let head = ["ID", "ASKED", "BY", "WHAT", "ACTION", "STATE", "OUTCOME"];
    output::table(&head, rows, "no commands")
}

fn who(origin: &Origin) -> String {
    match origin {
        Origin::User { username } => username.clone(),
        Origin::Rule { rule, .. } => format!("rule {rule}"),
        Origin::Schedule { schedule } => format!("schedule {schedule}"),
        Origin::Station => "station".to_owned(),
    }
}

fn show(schedules: &Schedules) -> anyhow::Result<()> {
    let rows = schedules.schedules.iter().map(|schedule| {
        vec![
            schedule.id.clone(),
            format!("{}/{}", schedule.node, schedule.actuator),
            word(&schedule.action),
            format!("{} ({})", schedule.cron, schedule.tz),
            maybe_time(schedule.next_at),
            schedule.created_by.clone(),
        ]
    });
    let head = ["ID", "WHAT", "ACTION", "CRON", "NEXT", "BY"];
    output::table(&head, rows, "no schedules")
}
