//! `signalbox dial-stdio`: what `ssh://` starts on the far side. Standard input and output carry
//! many streams, each joined to the daemon's unix socket; the daemon sees the ssh user's uid.

use std::process::ExitCode;

use anyhow::Context as _;
use signalbox_tui::client::{Endpoint, relay};
use tokio::io::{join, stdin, stdout};

use crate::context::StationArgs;

/// Arguments of `dial-stdio`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    station: StationArgs,
}

pub(crate) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let Endpoint::Unix(socket) = args.station.endpoint()? else {
        anyhow::bail!("only a unix socket can be dialled");
    };
    relay::serve(join(stdin(), stdout()), &socket)
        .await
        .with_context(|| format!("the daemon at `{}` cannot be reached", socket.display()))?;
    Ok(ExitCode::SUCCESS)
}
