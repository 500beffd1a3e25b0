//! Which station a verb talks to, and as whom. Tokens of `signalbox login` are kept in a file of
//! the user's own, by address of the station.

use std::{path::PathBuf, str::FromStr};

use anyhow::Context as _;
use signalbox_backend::{
    config::{self, Config},
    listeners,
};
use signalbox_protocol::api::fingerprint::Fingerprint;
use signalbox_tui::client::{Client, Endpoint, EndpointError};

use crate::{
    client_file::{ClientFile, Profile},
    state_file,
    trust::{self, Said},
};

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
    /// Over tcp://, believe certificates of the authorities in this PEM file
    #[arg(
        long,
        value_name = "FILE",
        global = true,
        conflicts_with = "fingerprint",
        display_order = AFTER_THE_VERBS_OWN
    )]
    ca: Option<PathBuf>,
    /// Over tcp://, believe the certificate with this fingerprint
    #[arg(
        long,
        value_name = "SHA256",
        global = true,
        display_order = AFTER_THE_VERBS_OWN
    )]
    fingerprint: Option<Fingerprint>,
    /// Print JSON, as the API gives it
    #[arg(long, global = true, display_order = AFTER_THE_VERBS_OWN)]
    pub(crate) json: bool,
}

impl StationArgs {
    /// As if given to a verb.
    pub(crate) fn new(host: Option<Place>, token: Option<String>, said: Said) -> Self {
        Self {
            host,
            token,
            ca: said.ca,
            fingerprint: said.fingerprint,
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
        let (endpoint, profile) = self.place()?;
        let token = self.token(&endpoint)?;
        self.client_at(endpoint, profile.as_ref(), token)
    }

    /// A client of a station as somebody else.
    pub(crate) fn client_at(
        &self,
        endpoint: Endpoint,
        profile: Option<&Profile>,
        token: Option<String>,
    ) -> anyhow::Result<Client> {
        let said = Said {
            ca: self.ca.clone(),
            fingerprint: self.fingerprint,
        };
        let trust = trust::trust(&endpoint, &said, profile)?;
        Ok(Client::trusting(endpoint, trust, token))
    }

    /// The token for a station: the one named, else the one kept.
    pub(crate) fn token(&self, endpoint: &Endpoint) -> anyhow::Result<Option<String>> {
        match &self.token {
            Some(token) => Ok(Some(token.clone())),
            None => Ok(state_file::read(TOKENS_NAME)?.remove(&endpoint.to_string())),
        }
    }
}

/// Keeps a token for a station, or forgets it.
pub(crate) fn keep_token(endpoint: &Endpoint, token: Option<String>) -> anyhow::Result<()> {
    state_file::set(TOKENS_NAME, &endpoint.to_string(), token)
}
