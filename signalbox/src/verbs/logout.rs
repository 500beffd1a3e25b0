//! `signalbox logout`: ends the session and forgets its token.

use std::process::ExitCode;

use crate::{
    context::{StationArgs, keep_token},
    output,
};

/// Arguments of `logout`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    station: StationArgs,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let endpoint = args.station.endpoint()?;
    let client = args.station.client()?;
    let ended = client.log_out().await;
    // A session that the station does not know any more is forgotten as well.
    if ended.is_ok() || ended.as_ref().is_err_and(|error| error.is_unauthorized()) {
        keep_token(&endpoint, None)?;
    }
    match ended {
        Err(error) if !error.is_unauthorized() => return Err(error.into()),
        _ => output::line(&format!("logged out at {endpoint}"))?,
    }
    Ok(ExitCode::SUCCESS)
}
