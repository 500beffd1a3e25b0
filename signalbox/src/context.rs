//! Which station a verb talks to, and as whom. Tokens of `signalbox login` are kept in a file of
//! the user's own, by address of the station.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::PathBuf,
    str::FromStr,
};

use anyhow::Context as _;
use signalbox_backend::{
    config::{self, Config},
    listeners,
};
use signalbox_tui::client::{Client, Endpoint, EndpointError};

use crate::client_file::{ClientFile, Profile};

/// Name of the file with tokens.
const TOKENS_NAME: &str = "sessions.json";

/// Place in the page of help; clap numbers a verb's own options from 0.
const AFTER_THE_VERBS_OWN: usize = 900;

/// Where a station is, as people say it.
#[derive(Debug, Clone)]
pub(crate) struct Place(String);

impl FromStr for Place {
    type Err = EndpointError;

    /// What looks like an address must be one; the name of a profile is looked up later.
    fn from_str(text: &str) -> Result<Self, EndpointError> {
        if text.contains("://") {
            text.parse::<Endpoint>()?;
        }
        Ok(Self(text.to_owned()))
    }
}

impl From<Endpoint> for Place {
    fn from(endpoint: Endpoint) -> Self {
        Self(endpoint.to_string())
    }
}

/// Every verb that asks a station takes these.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct StationArgs {
    /// The station: unix://PATH, tcp://HOST:PORT, ssh://[USER@]HOST[:PORT] or a profile's name
    /// [default: the local socket]
    #[arg(
        long,
        env = "SIGNALBOX_HOST",
        value_name = "ADDRESS",
        global = true,
        display_order = AFTER_THE_VERBS_OWN
    )]
    pub(crate) host: Option<Place>,
    /// Token of a session [default: the one that `signalbox login` keeps]
    #[arg(
        long,
        env = "SIGNALBOX_TOKEN",
        hide_env_values = true,
        hide = true,
        global = true
    )]
    token: Option<String>,
    /// Print JSON, as the API gives it
    #[arg(long, global = true, display_order = AFTER_THE_VERBS_OWN)]
    pub(crate) json: bool,
}

impl StationArgs {
    /// As if given to a verb.
    pub(crate) const fn new(host: Option<Place>, token: Option<String>) -> Self {
        Self {
            host,
            token,
            json: false,
        }
    }

    /// Where the station is.
    pub(crate) fn endpoint(&self) -> anyhow::Result<Endpoint> {
        self.place().map(|(endpoint, _)| endpoint)
    }

    /// Where the station is, and the profile that said so.
    pub(crate) fn place(&self) -> anyhow::Result<(Endpoint, Option<Profile>)> {
        let mut file = ClientFile::load()?;
        let named = self.host.as_ref().map(|place| place.0.clone());
        if let Some(text) = named.or_else(|| file.host.take()) {
            if let Some(profile) = file.profiles.remove(&text) {
                let endpoint = profile.host.parse()?;
                return Ok((endpoint, Some(profile)));
            }
            let endpoint = text.parse().map_err(anyhow::Error::new);
            // What looks like an address is told as one.
            return Ok((
                if text.contains("://") {
                    endpoint?
                } else {
                    endpoint.with_context(|| format!("`{text}` is no profile of `client.toml`"))?
                },
                None,
            ));
        }
        // The local daemon reads the same configuration; when it is broken, the daemon says so.
        let config = config::load(config::default_file().as_deref(), std::env::vars())
            .unwrap_or_else(|_| Config::default());
        Ok((Endpoint::Unix(listeners::local_socket(&config)?), None))
    }

    /// A client with the session that is kept for this station, if any.
    pub(crate) fn client(&self) -> anyhow::Result<Client> {
        let endpoint = self.endpoint()?;
        let token = self.token(&endpoint)?;
        Ok(Client::new(endpoint, token))
    }

    /// The token for a station: the one named, else the one kept.
    pub(crate) fn token(&self, endpoint: &Endpoint) -> anyhow::Result<Option<String>> {
        match &self.token {
            Some(token) => Ok(Some(token.clone())),
            None => Ok(tokens()?.remove(&endpoint.to_string())),
        }
    }
}

fn tokens_path() -> anyhow::Result<PathBuf> {
    let dirs = directories::ProjectDirs::from("", "", "signalbox")
        .context("no home folder is known for the session's token")?;
    let folder = dirs.state_dir().unwrap_or_else(|| dirs.data_local_dir());
    Ok(folder.join(TOKENS_NAME))
}

fn tokens() -> anyhow::Result<BTreeMap<String, String>> {
    let path = tokens_path()?;
    match fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .with_context(|| format!("`{}` cannot be read; hint: delete it", path.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error).with_context(|| format!("`{}`", path.display())),
    }
}

/// Keeps a token for a station, or forgets it.
pub(crate) fn keep_token(endpoint: &Endpoint, token: Option<String>) -> anyhow::Result<()> {
    let path = tokens_path()?;
    let mut all = tokens()?;
    match token {
        Some(token) => all.insert(endpoint.to_string(), token),
        None => all.remove(&endpoint.to_string()),
    };
    let write = || -> io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        // Written beside and moved, so that a crash leaves the old or the new file, whole.
        let beside = path.with_extension("new");
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&beside)?;
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        io::Write::write_all(&mut file, serde_json::to_string_pretty(&all)?.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, &path)
    };
    write().with_context(|| format!("`{}` cannot be written", path.display()))
}
