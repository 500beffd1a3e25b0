//! `signalbox node log NODE`: what a node says of itself.

use std::process::ExitCode;

use signalbox_protocol::{
    api::{
        event::Event,
        log::{LogLine, LogLines, LogQuery},
    },
    payload::log::LogLevel,
};
use signalbox_tui::client::segment;

use crate::{context::StationArgs, output};

/// Arguments of `node log`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The node
    name: String,
    /// Lines of this level and of graver ones
    #[arg(long, value_parser = level)]
    level: Option<LogLevel>,
    /// How many, 1 to 1,000
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// Go on with what comes
    #[arg(long)]
    follow: bool,
    #[command(flatten)]
    station: StationArgs,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let client = args.station.client()?;
    // First, so that nothing is missed in between.
    let events = match args.follow {
        true => Some(client.events().await?),
        false => None,
    };
    let path = format!("/api/v1/nodes/{}/logs", segment(&args.name));
    let query = LogQuery {
        level: args.level,
        before: None,
        limit: Some(args.limit),
    };
    let mut found: LogLines = client.get(&path, &query).await?;
    let newest = found.lines.first().map_or(0, |line| line.id);
    let Some(mut events) = events else {
        if args.station.json {
            output::json(&found)?;
            return Ok(ExitCode::SUCCESS);
        }
        if found.lines.is_empty() {
            output::line("no log lines since the station started")?;
        }
        for line in found.lines.iter().rev() {
            print(line, false)?;
        }
        return Ok(ExitCode::SUCCESS);
    };
    found.lines.reverse();
    for line in &found.lines {
        print(line, args.station.json)?;
    }
    while let Some(event) = events.next().await {
        if let Event::Log { line } = event?
            && line.node == args.name
            && line.id > newest
            && is_wanted(&line, args.level)
        {
            print(&line, args.station.json)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn is_wanted(line: &LogLine, least: Option<LogLevel>) -> bool {
    match (least, line.level) {
        (Some(least), Some(level)) => level <= least,
        _ => true,
    }
}

fn print(line: &LogLine, json: bool) -> anyhow::Result<()> {
    if json {
        return output::line(&serde_json::to_string(line)?);
    }
    let level = line.level.as_ref().map_or("-".to_owned(), output::word);
    // What comes from nodes must not steer the terminal.
    let text: String = line.text.chars().filter(|c| !c.is_control()).collect();
    output::line(&format!("{} {level:<5} {text}", output::time(line.at)))
}

fn level(text: &str) -> Result<LogLevel, String> {
    let value = serde_json::Value::String(text.to_owned());
    serde_json::from_value(value)
        .ok()
        .filter(|level| *level != LogLevel::Off)
        .ok_or_else(|| "one of error, warn, info, debug, trace".to_owned())
}
