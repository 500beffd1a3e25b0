//! `signalbox incidents`: what fired, and saying that one knows.

use std::process::ExitCode;

use chrono::{DateTime, Utc};
use signalbox_protocol::api::incident::{Acknowledge, Incident, IncidentPage, IncidentQuery};
use signalbox_tui::{client::segment, until};

use crate::{
    context::StationArgs,
    output::{self, maybe_time, word},
};

/// Arguments of `incidents`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    /// Only open ones
    #[arg(long)]
    open: bool,
    /// How many
    #[arg(long, short = 'n', default_value_t = 20)]
    limit: u32,
    #[command(subcommand)]
    verb: Option<IncidentVerb>,
    #[command(flatten)]
    station: StationArgs,
}

#[derive(Debug, clap::Subcommand)]
enum IncidentVerb {
    /// Say that you know of a firing incident
    Ack {
        /// Its id
        id: String,
        /// For how long, for example 2h; then it is told again [default: until it is over]
        #[arg(long = "for", value_name = "DURATION")]
        duration: Option<humantime::Duration>,
        /// Until when, for example 08:00 or '2026-01-31 08:00'
        #[arg(long, value_name = "TIME", value_parser = end, conflicts_with = "duration")]
        until: Option<DateTime<Utc>>,
        /// What is being done about it, for others
        #[arg(long)]
        note: Option<String>,
    },
}

fn end(text: &str) -> Result<DateTime<Utc>, String> {
    until::read(text, Utc::now())
}

pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let client = args.station.client()?;
    let incidents = match args.verb {
        Some(IncidentVerb::Ack {
            id,
            duration,
            until,
            note,
        }) => {
            let ack = Acknowledge {
                until_at: until,
                duration_s: match duration {
                    Some(duration) => Some(u32::try_from(duration.as_secs())?),
                    None => None,
                },
                note,
            };
            let path = format!("/api/v1/incidents/{}/ack", segment(&id));
            let incident: Incident = client.post(&path, &ack).await?;
            if args.station.json {
                output::json(&incident)?;
                return Ok(ExitCode::SUCCESS);
            }
            vec![incident]
        }
        None => {
            let query = IncidentQuery {
                open: args.open.then_some(true),
                limit: Some(args.limit),
                after: None,
            };
            let page: IncidentPage = client.get("/api/v1/incidents", &query).await?;
            if args.station.json {
                output::json(&page)?;
                return Ok(ExitCode::SUCCESS);
            }
            page.incidents
        }
    };
    let head = [
        "ID",
        "STATE",
        "NODE",
        "CONDITION",
        "SINCE",
        "PEAK",
        "LASTED",
    ];
    output::table(&head, incidents.iter().map(row), "no incidents")?;
    Ok(ExitCode::SUCCESS)
}

fn row(incident: &Incident) -> Vec<String> {
    let lasted = incident.duration_ms.map_or_else(
        || "-".to_owned(),
        |ms| {
            let whole_s = std::time::Duration::from_secs(ms / 1_000);
            humantime::format_duration(whole_s).to_string()
        },
    );
    vec![
        incident.id.clone(),
        match &incident.silenced {
            Some(_) => format!("{}, silenced", word(&incident.state)),
            None => word(&incident.state),
        },
        incident.node.clone(),
        incident.condition.clone(),
        maybe_time(incident.fired_at.or(Some(incident.began_at))),
        incident.peak.to_string(),
        lasted,
    ]
}
