//! `signalbox silence`: no mails about something, for a while.

use std::process::ExitCode;

use chrono::{DateTime, Utc};
use signalbox_protocol::api::silence::{NewSilence, Silence, SilencePage, SilenceQuery};
use signalbox_tui::{client::segment, until};

use crate::{
    context::StationArgs,
    output::{self, time, word},
};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum SilenceVerb {
    /// Make one, for example: silence add --node 'cellar-*' --for 2h --comment 'new pump'
    Add(Box<AddArgs>),
    /// List those that are planned or active
    List(ListArgs),
    /// End one before its time
    End {
        /// Its id
        id: String,
        #[command(flatten)]
        station: StationArgs,
    },
}

/// What is silenced, and how long.
#[derive(Debug, clap::Args)]
pub(crate) struct AddArgs {
    /// Only rules of this name or id; * and ? stand for other characters
    #[arg(long, value_name = "PATTERN", required_unless_present_any = ["node", "metric"])]
    rule: Option<String>,
    /// Only nodes of this name; * and ? stand for other characters
    #[arg(long, value_name = "PATTERN")]
    node: Option<String>,
    /// Only metrics of this name; * and ? stand for other characters
    #[arg(long, value_name = "PATTERN")]
    metric: Option<String>,
    /// For how long, for example 2h
    #[arg(
        long = "for",
        value_name = "DURATION",
        required_unless_present = "until"
    )]
    duration: Option<humantime::Duration>,
    /// Until when, for example 08:00 or '2026-01-31 08:00'
    #[arg(long, value_name = "TIME", value_parser = end, conflicts_with = "duration")]
    until: Option<DateTime<Utc>>,
    /// From when on, written like --until [default: now]
    #[arg(long, value_name = "TIME", value_parser = end)]
    from: Option<DateTime<Utc>>,
    /// Why, for others
    #[arg(long, default_value = "", hide_default_value = true)]
    comment: String,
    #[command(flatten)]
    station: StationArgs,
}

/// Which silences.
#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    /// Also those that are over
    #[arg(long)]
    all: bool,
    /// How many
    #[arg(long, short = 'n', default_value_t = 100)]
    limit: u32,
    #[command(flatten)]
    station: StationArgs,
}

fn end(text: &str) -> Result<DateTime<Utc>, String> {
    until::read(text, Utc::now())
}

pub(crate) async fn run(verb: SilenceVerb) -> anyhow::Result<ExitCode> {
    let (silence, json): (Silence, bool) = match verb {
        SilenceVerb::List(args) => return list(args).await,
        SilenceVerb::Add(args) => {
            let client = args.station.client()?;
            let json = args.station.json;
            let new = new(*args)?;
            (client.post("/api/v1/silences", &new).await?, json)
        }
        SilenceVerb::End { id, station } => {
            let path = format!("/api/v1/silences/{}/end", segment(&id));
            (station.client()?.act(&path).await?, station.json)
        }
    };
    if json {
        output::json(&silence)?;
    } else {
        rows(&[silence])?;
    }
    Ok(ExitCode::SUCCESS)
}

fn new(args: AddArgs) -> anyhow::Result<NewSilence> {
    let duration_s = match args.duration {
        Some(duration) => Some(u32::try_from(duration.as_secs())?),
        None => None,
    };
    Ok(NewSilence {
        rule: args.rule,
        node: args.node,
        metric: args.metric,
        from_at: args.from,
        until_at: args.until,
        duration_s,
        comment: args.comment,
    })
}

async fn list(args: ListArgs) -> anyhow::Result<ExitCode> {
    let query = SilenceQuery {
        open: (!args.all).then_some(true),
        limit: Some(args.limit),
        after: None,
    };
    let client = args.station.client()?;
    let page: SilencePage = client.get("/api/v1/silences", &query).await?;
    if args.station.json {
        output::json(&page)?;
    } else {
        rows(&page.silences)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn rows(silences: &[Silence]) -> anyhow::Result<()> {
    let rows = silences.iter().map(|silence| {
        let ended = silence.ended_by.as_ref();
        let until = silence.ended_at.unwrap_or(silence.until_at);
        vec![
            silence.id.clone(),
            word(&silence.state),
            signalbox_tui::words::silenced(silence),
            time(silence.from_at),
            ended.map_or_else(|| time(until), |by| format!("{} by {by}", time(until))),
            silence.created_by.clone(),
            silence.comment.clone(),
        ]
    });
    let head = ["ID", "STATE", "WHAT", "FROM", "UNTIL", "BY", "COMMENT"];
    output::table(&head, rows, "no silences")
}
