//! `signalbox incidents`: what fired, and saying that one knows.

use std::process::ExitCode;

use signalbox_protocol::api::incident::{Incident, IncidentPage, IncidentQuery};
use signalbox_tui::client::segment;

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
    },
}

pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let client = args.station.client()?;
    let incidents = match args.verb {
        Some(IncidentVerb::Ack { id }) => {
            let path = format!("/api/v1/incidents/{}/ack", segment(&id));
            let incident: Incident = client.act(&path).await?;
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
        word(&incident.state),
        incident.node.clone(),
        incident.condition.clone(),
        maybe_time(incident.fired_at.or(Some(incident.began_at))),
        incident.peak.to_string(),
        lasted,
    ]
}
