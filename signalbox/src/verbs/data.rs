//! `signalbox data`: the newest samples, a range, statistics, or an export of everything.

use std::process::ExitCode;

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt as _;
use signalbox_protocol::api::data::{BucketsReply, LastQuery, RangeQuery, Sample, Samples};
use signalbox_tui::client::Client;

use crate::{
    context::StationArgs,
    output::{self, time, word},
};

/// Arguments of `data`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this node
    #[arg(long)]
    node: Option<String>,
    /// Only this metric
    #[arg(long)]
    metric: Option<String>,
    /// The newest N samples [default: 20]
    #[arg(long, short = 'n', value_name = "N", conflicts_with_all = ["from", "to", "all"])]
    last: Option<u32>,
    /// From this time, included, for example 2026-01-31T07:00:00+01:00; streams the range
    #[arg(long, value_name = "TIME")]
    from: Option<DateTime<Utc>>,
    /// To this time, excluded
    #[arg(long, value_name = "TIME")]
    to: Option<DateTime<Utc>>,
    /// Everything, oldest first
    #[arg(long)]
    all: bool,
    /// Statistics instead: the range cut into N equal buckets
    #[arg(long, value_name = "N", requires = "from")]
    buckets: Option<u32>,
    /// Print comma-separated values (ranges only; --json prints one object a line there)
    #[arg(long, conflicts_with_all = ["json", "last", "buckets"])]
    csv: bool,
    #[command(flatten)]
    station: StationArgs,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let client = args.station.client()?;
    let json = args.station.json;
    let ranged = args.all || args.csv || args.from.is_some() || args.to.is_some();
    if !ranged {
        let query = LastQuery {
            node: args.node,
            metric: args.metric,
            n: Some(args.last.unwrap_or(20)),
        };
        let reply: Samples = client.get("/api/v1/data/last", &query).await?;
        if json {
            output::json(&reply)?;
        } else {
            rows(&reply.samples)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let query = RangeQuery {
        from: args.from,
        to: args.to,
        node: args.node,
        metric: args.metric,
        buckets: args.buckets,
        ..RangeQuery::default()
    };
    if args.buckets.is_some() {
        let reply: BucketsReply = client.get("/api/v1/data/all", &query).await?;
        if json {
            output::json(&reply)?;
        } else {
            statistics(&reply)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let accept = if json {
        "application/x-ndjson"
    } else {
        "text/csv"
    };
    export(&client, &query, accept).await?;
    Ok(ExitCode::SUCCESS)
}

/// A range can be of any length, so it goes through as it comes.
async fn export(client: &Client, query: &RangeQuery, accept: &'static str) -> anyhow::Result<()> {
    let mut chunks = client.stream("/api/v1/data/all", query, accept).await?;
    while let Some(chunk) = chunks.try_next().await? {
        output::raw(&chunk)?;
    }
    Ok(())
}

fn rows(samples: &[Sample]) -> anyhow::Result<()> {
    let rows = samples.iter().map(|sample| {
        let flags: Vec<String> = sample.flags.iter().map(word).collect();
        vec![
            time(sample.ts),
            sample.node.clone(),
            sample.metric.clone(),
            sample.value.to_string(),
            flags.join(" "),
        ]
    });
    output::table(&["TIME", "NODE", "METRIC", "VALUE", ""], rows, "no samples")
}

fn statistics(reply: &BucketsReply) -> anyhow::Result<()> {
    let rows = reply.series.iter().flat_map(|series| {
        series.buckets.iter().map(|bucket| {
            vec![
                time(bucket.ts),
                series.node.clone(),
                series.metric.clone(),
                bucket.n.to_string(),
                bucket.min.to_string(),
                format!("{:.3}", bucket.mean),
                bucket.max.to_string(),
            ]
        })
    });
    let head = ["FROM", "NODE", "METRIC", "N", "MIN", "MEAN", "MAX"];
    output::table(&head, rows, "no samples")
}
