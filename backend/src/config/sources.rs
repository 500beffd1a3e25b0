//! The files that a configuration is made of: one, and those of `conf.d` beside it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use toml::{Table, Value};

use super::{Config, load::ConfigError};

/// Folder beside the file.
const FOLDER: &str = "conf.d";
/// Only files with this ending count.
const ENDING: &str = "toml";
/// Files in it, at most.
const FILES_MAX: usize = 256;

/// A file as it was read.
#[derive(Debug)]
pub(super) struct Source {
    path: PathBuf,
    text: String,
}

/// The file, then those of the folder by name. Hidden ones are somebody's copies.
pub(super) fn read(file: &Path) -> Result<Vec<Source>, ConfigError> {
    let mut sources = vec![Source::read(file.to_owned())?];
    let folder = file.with_file_name(FOLDER);
    let failed = |source| ConfigError::Read {
        path: folder.clone(),
        source,
    };
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(sources),
        Err(error) => return Err(failed(error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        let hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension().is_some_and(|ending| ending == ENDING) {
            paths.push(path);
        }
    }
    if paths.len() > FILES_MAX {
        let problem = format!(
            "there are {} files, at most {FILES_MAX} are read",
            paths.len()
        );
        return Err(failed(io::Error::other(problem)));
    }
    paths.sort();
    for path in paths {
        sources.push(Source::read(path)?);
    }
    Ok(sources)
}

impl Source {
    fn read(path: PathBuf) -> Result<Self, ConfigError> {
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Self { path, text }),
            Err(source) => Err(ConfigError::Read { path, source }),
        }
    }

    /// What it says, after a look at its keys and kinds: only the file itself knows the line of
    /// a mistake. Another file may have the rest of a section.
    pub(super) fn table(&self) -> Result<Table, ConfigError> {
        let table = toml::from_str(&self.text).map_err(|error| self.refused(&error))?;
        match toml::from_str::<Config>(&self.text) {
            Err(error) if !error.message().starts_with("missing field") => {
                Err(self.refused(&error))
            }
            _ => Ok(table),
        }
    }

    /// Whether it is a configuration by itself.
    pub(super) fn whole(&self) -> Result<(), ConfigError> {
        match toml::from_str::<Config>(&self.text) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.refused(&error)),
        }
    }

    fn refused(&self, error: &toml::de::Error) -> ConfigError {
        ConfigError::File {
            path: self.path.clone(),
            reason: error.to_string().trim_end().to_owned(),
        }
    }
}

/// Lays a table over another: values replace values, sections are laid over sections, and what
/// can be there many times adds up.
pub(super) fn lay_over(below: &mut Table, above: Table) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => lay_over(below, above),
            (Some(Value::Array(below)), Value::Array(above))
                if above.iter().all(Value::is_table) =>
            {
                below.extend(above);
            }
            (_, value) => {
                below.insert(key, value);
            }
        }
    }
}

/// Where a key stands that counts: file and line, or the file, or the environment and flags.
pub(super) fn place(sources: &[Source], key: &str) -> String {
    let found = sources.iter().rev().find_map(|source| {
        let line = line_of(&source.text, key)?;
        Some(format!("{}:{line}", source.path.display()))
    });
    found.unwrap_or_else(|| match sources.first() {
        Some(source) => source.path.display().to_string(),
        None => "configuration".to_owned(),
    })
}

/// Line of a dotted key, counted from 1.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let document = toml::de::DeTable::parse(text).ok()?;
    let mut table = document.get_ref();
    let mut start = None;
    for part in key.split('.') {
        let value = table.get(part)?;
        start = Some(value.span().start);
        match value.get_ref().as_table() {
            Some(inner) => table = inner,
            None => break,
        }
    }
    Some(text.get(..start?)?.matches('\n').count() + 1)
}
