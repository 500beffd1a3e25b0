//! `signalbox` without a verb: the terminal.

use std::{io::IsTerminal as _, path::PathBuf, process::ExitCode};

use signalbox_protocol::api::fingerprint::Fingerprint;
use signalbox_tui::{
    Confirm, Options, Settings,
    client::{Client, Endpoint},
};

use crate::{
    client_file::ClientFile,
    context::{Place, StationArgs, keep_token},
    trust::Said,
};

/// Arguments of the terminal. Not those of the verbs: these stand before none.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The station: unix://PATH, tcp://HOST:PORT, ssh://[USER@]HOST[:PORT] or a profile's name
    /// [default: the local socket]
    #[arg(long, env = "SIGNALBOX_HOST", value_name = "ADDRESS")]
    host: Option<Place>,
    /// Token of a session [default: the one that `signalbox login` keeps]
    #[arg(long, env = "SIGNALBOX_TOKEN", hide_env_values = true, hide = true)]
    token: Option<String>,
    /// Over tcp://, believe certificates of the authorities in this PEM file
    #[arg(long, value_name = "FILE", conflicts_with = "fingerprint")]
    ca: Option<PathBuf>,
    /// Over tcp://, believe the certificate with this fingerprint
    #[arg(long, value_name = "SHA256")]
    fingerprint: Option<Fingerprint>,
    /// Only look: nothing can be switched or changed
    #[arg(long)]
    read_only: bool,
    /// The theme: dark, light, contrast, colourblind, one of your own, or a file [default: by the
    /// terminal's background]
    #[arg(long, value_name = "NAME")]
    theme: Option<String>,
    /// What asks first: off, dangerous or all [default: dangerous]
    #[arg(long, value_name = "POLICY")]
    confirm: Option<Confirm>,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let said = Said {
        ca: args.ca,
        fingerprint: args.fingerprint,
    };
    let station = StationArgs::new(args.host, args.token, said);
    need_terminal("`signalbox watch` and the verbs of `signalbox help` work without one")?;
    let file = ClientFile::load()?;
    let mut settings = chosen(&file)?;
    let (endpoint, profile) = station.place()?;
    settings.read_only |=
        args.read_only || profile.as_ref().is_some_and(|profile| profile.read_only);
    if let Some(name) = args.theme {
        settings.theme = Some(name).filter(|name| name != "auto");
    }
    if let Some(policy) = args.confirm {
        settings.confirm = policy;
    }
    let token = station.token(&endpoint)?;
    let client = station.client_at(endpoint, profile.as_ref(), token)?;
    if matches!(client.endpoint(), Endpoint::Ssh(_) | Endpoint::Tcp(_)) {
        // While a person can still be asked for a passphrase or about a new key.
        client.connect().await?;
    }
    show(client, settings).await?;
    Ok(ExitCode::SUCCESS)
}

fn chosen(file: &ClientFile) -> anyhow::Result<Settings> {
    let variables: Vec<(String, String)> = ["NO_COLOR", "COLORTERM", "TERM"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?)))
        .collect();
    file.settings(&variables)
}

/// The settings of this person.
pub(crate) fn settings() -> anyhow::Result<Settings> {
    chosen(&ClientFile::load()?)
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
pub(crate) async fn show(client: Client, settings: Settings) -> anyhow::Result<()> {
    signalbox_tui::run(Options {
        client,
        keep_token: Box::new(|endpoint, token| {
            // The session works all the same; the next start asks again.
            if let Err(error) = keep_token(endpoint, Some(token.to_owned())) {
                tracing::warn!(%error, "the session's token could not be kept");
            }
        }),
        settings,
    })
    .await
}
