//! `signalbox health`: how the station is, for people and for a container's health check.

use std::process::ExitCode;

use crate::{context::StationArgs, output};

/// Arguments of `health`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    station: StationArgs,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let health = args.station.client()?.health().await?;
    if args.station.json {
        output::json(&health)?;
    } else {
        output::line(&format!(
            "{}: store {}, broker {}",
            health.status, health.store, health.broker
        ))?;
    }
    let well = health.status == "ok";
    Ok(if well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
