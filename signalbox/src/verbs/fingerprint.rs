//! `signalbox fingerprint`: the fingerprint of the station's certificate, to compare it with what
//! another machine asks about; or forgets what is known here of a station.

use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::json;
use signalbox_protocol::api::station::Station;

use crate::{context::StationArgs, output, trust};

/// Arguments of `fingerprint`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Forget the certificate that is known here of the station at `--host`; the next connection
    /// asks again
    #[arg(long)]
    forget: bool,
    #[command(flatten)]
    station: StationArgs,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    if args.forget {
        let endpoint = args.station.endpoint()?;
        let text = if trust::forget(&endpoint)? {
            format!("the certificate of `{endpoint}` is forgotten")
        } else {
            format!("no certificate of `{endpoint}` is known here")
        };
        output::line(&text)?;
        return Ok(ExitCode::SUCCESS);
    }
    let client = args.station.client()?;
    let station: Station = client.get("/api/v1/station", &()).await?;
    let fingerprint = station
        .fingerprint
        .context("the station is of a version that has no certificate")?;
    if args.station.json {
        output::json(&json!({ "fingerprint": fingerprint }))?;
    } else {
        output::line(&format!("SHA256:{fingerprint}"))?;
    }
    Ok(ExitCode::SUCCESS)
}
