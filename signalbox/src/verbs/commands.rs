//! `signalbox commands`: the history of commands, schedules, and taking one back.

use std::process::ExitCode;

use chrono::Utc;
use signalbox_protocol::{
    api::command::{
        Action, Command, CommandPage, CommandQuery, Origin, Schedule, SchedulePatch, Schedules,
    },
    schedule,
};
use signalbox_tui::client::{Client, segment};

use super::send;
use crate::{
    context::StationArgs,
    output::{self, maybe, time, word},
};

/// Runs of a schedule that are listed.
const RUNS_SHOWN: usize = 3;

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
    /// Only those that something can still happen to
    #[arg(long)]
    open: bool,
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
    /// List repeating commands with their next runs
    Schedules,
    /// Change a repeating command; what is not named stays
    Edit(Box<EditArgs>),
    /// Pause a repeating command
    Pause {
        /// Its id
        id: String,
    },
    /// Let a paused command run again; what it has missed is not made up for
    Resume {
        /// Its id
        id: String,
    },
    /// Delete a repeating command
    Unschedule {
        /// Its id
        id: String,
    },
}

/// What to change.
#[derive(Debug, clap::Args)]
struct EditArgs {
    /// Its id
    id: String,
    /// What to do
    #[arg(long, value_parser = send::action)]
    action: Option<Action>,
    /// With `on`: off again after this time, for example 10m; 0s to stay on
    #[arg(long = "for", value_name = "DURATION")]
    duration: Option<humantime::Duration>,
    /// Minute, hour, day of month, month, day of week
    #[arg(long, value_name = "EXPRESSION")]
    cron: Option<String>,
    /// Time zone of the expression, for example Europe/Paris
    #[arg(long, value_name = "ZONE")]
    tz: Option<String>,
    /// Why, for the history; empty for none
    #[arg(long)]
    reason: Option<String>,
}

impl EditArgs {
    fn patch(self) -> anyhow::Result<SchedulePatch> {
        let duration_s = match self.duration.map(|duration| duration.as_secs()) {
            Some(0) => Some(None),
            Some(s) => Some(Some(u32::try_from(s)?)),
            // Only what is switched on goes off again.
            None if self.action.is_some_and(|action| action != Action::On) => Some(None),
            None => None,
        };
        Ok(SchedulePatch {
            action: self.action,
            duration_s,
            cron: self.cron,
            tz: self.tz,
            reason: self
                .reason
                .map(|reason| Some(reason).filter(|reason| !reason.is_empty())),
            ..SchedulePatch::default()
        })
    }
}

pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let client = args.station.client()?;
    let json = args.station.json;
    match args.verb {
        None => {
            let query = CommandQuery {
                node: args.node,
                open: args.open.then_some(true),
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
                show(&schedules.schedules)?;
            }
        }
        Some(CommandVerb::Edit(edit)) => {
            let id = edit.id.clone();
            change(&client, &id, &edit.patch()?, json).await?;
        }
        Some(CommandVerb::Pause { id }) => change(&client, &id, &paused(true), json).await?,
        Some(CommandVerb::Resume { id }) => change(&client, &id, &paused(false), json).await?,
        Some(CommandVerb::Unschedule { id }) => {
            let path = format!("/api/v1/schedules/{}", segment(&id));
            client.delete(&path).await?;
            output::line(&format!("schedule `{id}` is deleted"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn paused(paused: bool) -> SchedulePatch {
    SchedulePatch {
        paused: Some(paused),
        ..SchedulePatch::default()
    }
}

/// Changes a schedule and shows it.
async fn change(
    client: &Client,
    id: &str,
    patch: &SchedulePatch,
    json: bool,
) -> anyhow::Result<()> {
    let path = format!("/api/v1/schedules/{}", segment(id));
    let changed: Schedule = client.patch(&path, patch).await?;
    if json {
        output::json(&changed)
    } else {
        show(&[changed])
    }
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

fn show(schedules: &[Schedule]) -> anyhow::Result<()> {
    let rows = schedules.iter().map(|schedule| {
        let timed = schedule.duration_s.map_or_else(String::new, |s| {
            let duration = std::time::Duration::from_secs(s.into());
            format!(" for {}", humantime::format_duration(duration))
        });
        vec![
            schedule.id.clone(),
            format!("{}/{}", schedule.node, schedule.actuator),
            format!("{}{timed}", word(&schedule.action)),
            format!("{} ({})", schedule.cron, schedule.tz),
            next(schedule),
            schedule.created_by.clone(),
            maybe(schedule.reason.as_ref()),
        ]
    });
    let head = ["ID", "WHAT", "ACTION", "CRON", "NEXT", "BY", "WHY"];
    output::table(&head, rows, "no schedules")
}

/// The next runs of a schedule, a line each.
fn next(made: &Schedule) -> String {
    if made.paused {
        return "paused".to_owned();
    }
    let Some(first) = made.next_at else {
        return "never".to_owned();
    };
    let mut runs = vec![first];
    if let (Ok(cron), Ok(tz)) = (schedule::parse(&made.cron), schedule::zone(&made.tz)) {
        let after = first.max(Utc::now());
        runs.extend(schedule::runs(&cron, tz, after, RUNS_SHOWN - 1));
    }
    let runs: Vec<String> = runs.into_iter().map(time).collect();
    runs.join("\n")
}
