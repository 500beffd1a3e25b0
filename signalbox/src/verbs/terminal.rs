//! `signalbox` without a verb: the terminal.

use std::{io::IsTerminal as _, process::ExitCode};

use signalbox_tui::{Options, client::Endpoint};

use crate::context::{StationArgs, keep_token};

/// Arguments of the terminal. Not those of the verbs: these stand before none.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The station: unix://PATH or tcp://HOST:PORT [default: the local socket]
    #[arg(long, env = "SIGNALBOX_HOST", value_name = "ADDRESS")]
    host: Option<Endpoint>,
    /// Token of a session [default: the one that `signalbox login` keeps]
    #[arg(long, env = "SIGNALBOX_TOKEN", hide_env_values = true, hide = true)]
    token: Option<String>,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let station = StationArgs::new(args.host, args.token);
    need_terminal("the verbs of `signalbox help` work without one")?;
    let endpoint = station.endpoint()?;
    let token = station.token(&endpoint)?;
    show(endpoint, token).await?;
    Ok(ExitCode::SUCCESS)
}

/// Refuses to draw on what is no terminal.
pub(crate) fn need_terminal(hint: &str) -> anyhow::Result<()> {
    anyhow::ensure!(
        std::io::stdin().is_terminal() && std::io::stdout().is_terminal(),
        "this is not a terminal\nhint: {hint}"
    );
    Ok(())
}

/// Shows a station until the person leaves.
pub(crate) async fn show(endpoint: Endpoint, token: Option<String>) -> anyhow::Result<()> {
    signalbox_tui::run(Options {
        endpoint,
        token,
        keep_token: Box::new(|endpoint, token| {
            // The session works all the same; the next start asks again.
            if let Err(error) = keep_token(endpoint, Some(token.to_owned())) {
                tracing::warn!(%error, "the session's token could not be kept");
            }
        }),
        colour: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
    })
    .await
}
