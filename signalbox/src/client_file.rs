//! What a person has chosen for the terminal and for where stations are: `client.toml`,
//! `keys.toml` and `themes/` in the configuration folder.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde::Deserialize;
use signalbox_protocol::api::fingerprint::Fingerprint;
use signalbox_tui::{Depth, Keymap, Settings};

/// Name of the file.
const FILE_NAME: &str = "client.toml";
/// Name of the file of keys.
const KEYS_NAME: &str = "keys.toml";

/// `client.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ClientFile {
    /// An address or the name of a profile.
    pub(crate) host: Option<String>,
    theme: Option<String>,
    confirm: Option<String>,
    read_only: bool,
    mouse: Option<bool>,
    marks: Option<String>,
    /// Stations by name.
    pub(crate) profiles: BTreeMap<String, Profile>,
}

/// A station by name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    /// Its address.
    pub(crate) host: String,
    /// File of authorities whose certificates are believed over `tcp://`; beside this file when
    /// its path is not a full one.
    pub(crate) ca: Option<PathBuf>,
    /// The certificate that is believed over `tcp://`.
    pub(crate) fingerprint: Option<Fingerprint>,
    /// Whether its terminal only looks.
    #[serde(default)]
    pub(crate) read_only: bool,
}

/// The folder of a person's files.
pub(crate) fn folder() -> Option<PathBuf> {
    let dirs = directories::ProjectDirs::from("", "", "signalbox")?;
    Some(dirs.config_dir().to_owned())
}

impl ClientFile {
    /// Reads it; nothing when there is none.
    pub(crate) fn load() -> anyhow::Result<Self> {
        match folder() {
            Some(folder) => Self::load_from(&folder),
            None => Ok(Self::default()),
        }
    }

    fn load_from(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join(FILE_NAME);
        let Some(text) = read(&path)? else {
            return Ok(Self::default());
        };
        toml::from_str(&text).map_err(|error| {
            anyhow::anyhow!("`{}`: {}", path.display(), error.to_string().trim_end())
        })
    }

    /// The terminal's settings.
    pub(crate) fn settings(&self, variables: &[(String, String)]) -> anyhow::Result<Settings> {
        self.settings_from(folder().as_deref(), variables)
    }

    fn settings_from(
        &self,
        folder: Option<&Path>,
        variables: &[(String, String)],
    ) -> anyhow::Result<Settings> {
        let mut settings = Settings {
            read_only: self.read_only,
            mouse: self.mouse.unwrap_or(true),
            theme: self.theme.clone().filter(|name| name != "auto"),
            themes: folder.map(|folder| folder.join("themes")),
            depth: Depth::of_environment(|wanted| {
                let found = variables.iter().find(|(name, _)| name == wanted);
                found.map(|(_, value)| value.clone())
            }),
            ..Settings::default()
        };
        let wrong = |key: &str, text: String| anyhow::anyhow!("`{FILE_NAME}`: {key}: {text}");
        if let Some(word) = &self.confirm {
            settings.confirm = word.parse().map_err(|text| wrong("confirm", text))?;
        }
        if let Some(word) = &self.marks {
            settings.marks = word.parse().map_err(|text| wrong("marks", text))?;
        }
        if let Some(path) = folder.map(|folder| folder.join(KEYS_NAME))
            && let Some(text) = read(&path)?
        {
            settings.keymap =
                Keymap::from_toml(&text).with_context(|| format!("`{}`", path.display()))?;
        }
        Ok(settings)
    }
}

fn read(path: &Path) -> anyhow::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("`{}` cannot be read", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use signalbox_tui::{Confirm, Marks};

    use super::*;

    fn settings(client: &str, keys: &str) -> anyhow::Result<Settings> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE_NAME), client).unwrap();
        fs::write(folder.path().join(KEYS_NAME), keys).unwrap();
        let file = ClientFile::load_from(folder.path())?;
        file.settings_from(Some(folder.path()), &[])
    }

    #[test]
    fn every_key_of_the_documentation_is_read() {
        let doc = include_str!("../../docs/terminal.md");
        let mut parts = doc.split("```toml\n").skip(1);
        let mut next = || parts.next().unwrap().split("```").next().unwrap();
        let (client, keys) = (next(), next());
        let settings = settings(client, keys).unwrap();
        assert_eq!(settings.confirm, Confirm::Dangerous);
        assert_eq!(settings.marks, Marks::Braille);
        assert_eq!(settings.theme, None);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_file() {
        for (client, keys, part) in [
            ("colour = 1", "", "client.toml"),
            ("confirm = \"maybe\"", "", "confirm: `maybe` is none of off"),
            ("", "[nodes]\nfly = \"f\"", "keys.toml"),
        ] {
            let error = settings(client, keys).unwrap_err();
            assert!(format!("{error:#}").contains(part), "{error:#}");
        }
        assert!(settings("", "").is_ok());
    }
}
