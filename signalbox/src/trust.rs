//! Whose certificate is believed over TCP: what the command line or the profile says, else what
//! was believed before, else what the person answers, once.

use std::{
    fs,
    io::{self, BufRead, IsTerminal as _, Write},
    path::PathBuf,
    sync::Arc,
};

use anyhow::Context as _;
use signalbox_protocol::api::fingerprint::Fingerprint;
use signalbox_tui::client::{Endpoint, Trust};

use crate::{
    client_file::{self, Profile},
    state_file,
};

/// Name of the file with the fingerprints that were believed, by address of the station.
const KNOWN_NAME: &str = "known_stations.json";
/// Times that a person is asked again after an answer that is none.
const ANSWERS_MAX: usize = 3;

/// What the command line says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Said {
    /// A file of authorities.
    pub(crate) ca: Option<PathBuf>,
    /// The certificate itself.
    pub(crate) fingerprint: Option<Fingerprint>,
}

/// Whose certificate is believed at a station.
pub(crate) fn trust(
    endpoint: &Endpoint,
    said: &Said,
    profile: Option<&Profile>,
) -> anyhow::Result<Trust> {
    let is_tls = matches!(endpoint, Endpoint::Tcp(_));
    anyhow::ensure!(
        is_tls || (said.ca.is_none() && said.fingerprint.is_none()),
        "`--ca` and `--fingerprint` are for `tcp://`, not for `{endpoint}`"
    );
    if !is_tls {
        return Ok(Trust::Ask(Arc::new(|_, _| Err("there is none".to_owned()))));
    }
    let (ca, fingerprint) = match (&said.ca, said.fingerprint) {
        (None, None) => (
            profile.and_then(|profile| profile.ca.as_ref()).map(|ca| {
                let folder = client_file::folder().unwrap_or_default();
                folder.join(ca)
            }),
            profile.and_then(|profile| profile.fingerprint),
        ),
        (ca, fingerprint) => (ca.clone(), fingerprint),
    };
    if let Some(fingerprint) = fingerprint {
        return Ok(Trust::Pinned(fingerprint));
    }
    if let Some(path) = ca {
        let pem = fs::read(&path)
            .with_context(|| format!("the authorities `{}` cannot be read", path.display()))?;
        return Trust::authorities(&pem)
            .map_err(|problem| anyhow::anyhow!("the authorities `{}`: {problem}", path.display()));
    }
    match known(endpoint)? {
        Some(fingerprint) => Ok(Trust::Pinned(fingerprint)),
        None => Ok(Trust::Ask(Arc::new(at_first_use))),
    }
}

fn known(endpoint: &Endpoint) -> anyhow::Result<Option<Fingerprint>> {
    let found = state_file::read(KNOWN_NAME)?.remove(&endpoint.to_string());
    let read = found.map(|text| text.parse::<Fingerprint>());
    read.transpose()
        .with_context(|| format!("`{KNOWN_NAME}`, `{endpoint}`"))
}

/// Forgets what was believed; whether there was something.
pub(crate) fn forget(endpoint: &Endpoint) -> anyhow::Result<bool> {
    let was = known(endpoint)?.is_some();
    if was {
        state_file::set(KNOWN_NAME, &endpoint.to_string(), None)?;
    }
    Ok(was)
}

/// Asks, and keeps a yes.
fn at_first_use(endpoint: &Endpoint, shown: &Fingerprint) -> Result<(), String> {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Err("it is not known here, and there is no terminal to ask".to_owned());
    }
    let answered = answer(endpoint, shown, &mut io::stdin().lock(), &mut io::stderr());
    match answered {
        Ok(true) => state_file::set(KNOWN_NAME, &endpoint.to_string(), Some(shown.to_string()))
            .map_err(|error| format!("{error:#}")),
        Ok(false) => Err("you did not say yes".to_owned()),
        Err(error) => Err(format!("no answer could be read: {error}")),
    }
}

/// Whether the person says that it is the station's: `yes`, or the fingerprint itself.
fn answer(
    endpoint: &Endpoint,
    shown: &Fingerprint,
    input: &mut impl BufRead,
    out: &mut impl Write,
) -> io::Result<bool> {
    let text = shown.to_string();
    // Two lines of 16 bytes are easier to compare than one of 32.
    let (first, second) = text.split_at(text.len() / 2 + 1);
    writeln!(
        out,
        "The certificate of `{endpoint}` is not known here. Its fingerprint is SHA-256\n  \
         {first}\n  {second}\n\
         Compare it with what `signalbox fingerprint` prints on the machine of the station."
    )?;
    let mut question = "Is it the same (yes, no, or the fingerprint)? ";
    for _ in 0..ANSWERS_MAX {
        write!(out, "{question}")?;
        out.flush()?;
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
            return Ok(false);
        }
        let line = line.trim();
        if line.eq_ignore_ascii_case("yes") {
            return Ok(true);
        }
        if line.eq_ignore_ascii_case("no") {
            return Ok(false);
        }
        if let Ok(pasted) = line.parse::<Fingerprint>() {
            return Ok(pasted == *shown);
        }
        question = "Please type yes, no, or the fingerprint: ";
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(lines: &str) -> (bool, String) {
        let endpoint: Endpoint = "tcp://pi:8080".parse().unwrap();
        let mut out = Vec::new();
        let shown = Fingerprint([7; 32]);
        let yes = answer(&endpoint, &shown, &mut lines.as_bytes(), &mut out).unwrap();
        (yes, String::from_utf8(out).unwrap())
    }

    #[test]
    fn only_a_whole_yes_or_the_same_fingerprint_is_one() {
        assert!(said("yes\n").0);
        assert!(said("Yes\n").0);
        assert!(said("y\n\nyes\n").0, "asked again");
        assert!(!said("y\n\nwhat\nyes\n").0, "not for ever");
        assert!(!said("no\nyes\n").0);
        assert!(!said("").0);
        assert!(said(&format!("{}\n", Fingerprint([7; 32]))).0);
        assert!(!said(&format!("{}\nyes\n", Fingerprint([8; 32]))).0);
    }

    #[test]
    fn the_question_names_the_station_and_fits_into_80_columns() {
        let (_, text) = said("no\n");
        assert!(text.contains("`tcp://pi:8080`"));
        assert_eq!(text.matches("07").count(), 32);
        for line in text.lines() {
            assert!(line.chars().count() <= 84, "{line}");
        }
    }

    #[test]
    fn certificates_are_for_tcp_only() {
        let endpoint: Endpoint = "http://localhost".parse().unwrap();
        let said = Said {
            fingerprint: Some(Fingerprint([0; 32])),
            ca: None,
        };
        let error = trust(&endpoint, &said, None).unwrap_err();
        assert!(error.to_string().contains("`http://localhost:8080`"));
    }
}
