//! Images of firmware, in a folder of the data directory: `firmware/BUILD.elf` as
//! `signalbox firmware add` puts them there, or any other `.elf` that somebody copies there.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use signalbox_logs::{IMAGE_BYTES_MAX, Table, TableError};
use signalbox_protocol::{api::log::Firmware, payload::log::Build};

use super::hex;

/// Images that are kept.
pub const IMAGES_MAX: usize = 64;
const FOLDER_MODE: u32 = 0o700;

/// Why an image is not taken.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// It has no symbol table of log lines.
    #[error("the file is no firmware image: {0}")]
    Table(#[from] TableError),
    /// There are too many.
    #[error("there are {IMAGES_MAX} images already")]
    Full,
    /// It cannot be written.
    #[error("the image cannot be stored")]
    Store(#[source] io::Error),
    /// Reading it ended badly.
    #[error("the image could not be read")]
    Failed,
}

/// An image that was read, and where it lies.
pub(super) type Found = (PathBuf, Table);

#[derive(Debug)]
pub(super) struct Tables {
    folder: PathBuf,
    tables: BTreeMap<Build, (PathBuf, Arc<Table>)>,
    /// Files that were looked at, readable or not.
    seen: BTreeSet<PathBuf>,
}

impl Tables {
    pub(super) const fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            tables: BTreeMap::new(),
            seen: BTreeSet::new(),
        }
    }

    pub(super) fn get(&self, build: Build) -> Option<Arc<Table>> {
        let (_, table) = self.tables.get(&build)?;
        Some(Arc::clone(table))
    }

    pub(super) fn list(&self) -> Vec<Firmware> {
        let tables = self.tables.values();
        tables.map(|(_, table)| firmware(table)).collect()
    }

    /// Files of the folder that were not looked at yet, as many as there is room for.
    pub(super) fn unseen(&mut self) -> io::Result<Vec<PathBuf>> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut new = Vec::new();
        for entry in entries {
            let path = entry?.path();
            let is_elf = path.extension().is_some_and(|ending| ending == "elf");
            if is_elf && self.seen.len() + new.len() < 4 * IMAGES_MAX && !self.seen.contains(&path)
            {
                new.push(path);
            }
        }
        self.seen.extend(new.iter().cloned());
        Ok(new)
    }

    pub(super) fn take(&mut self, found: Vec<Found>) {
        for (path, table) in found {
            if self.tables.len() >= IMAGES_MAX {
                tracing::warn!(path = %path.display(), "there are too many firmware images");
                return;
            }
            self.tables.insert(table.build(), (path, Arc::new(table)));
        }
    }

    /// Writes an image into the folder.
    pub(super) fn add(&mut self, image: &[u8], table: Table) -> Result<Firmware, AddError> {
        let build = table.build();
        if self.tables.len() >= IMAGES_MAX && !self.tables.contains_key(&build) {
            return Err(AddError::Full);
        }
        let path = self.folder.join(hex(build)).with_extension("elf");
        write(&self.folder, &path, image).map_err(AddError::Store)?;
        let firmware = firmware(&table);
        self.seen.insert(path.clone());
        self.tables.insert(build, (path, Arc::new(table)));
        Ok(firmware)
    }

    pub(super) fn remove(&mut self, build: &str) -> io::Result<bool> {
        let found = self.tables.iter().find(|(known, _)| hex(**known) == build);
        let Some((build, (path, _))) = found else {
            return Ok(false);
        };
        let (build, path) = (*build, path.clone());
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.seen.remove(&path);
        self.tables.remove(&build);
        Ok(true)
    }
}

/// Reads an image; one that cannot be read is logged, once.
pub(super) fn read(path: PathBuf) -> Option<Found> {
    let table = bytes_of(&path)
        .map_err(|error| error.to_string())
        .and_then(|image| Table::read(&image).map_err(|error| error.to_string()));
    match table {
        Ok(table) => Some((path, table)),
        Err(error) => {
            tracing::warn!(path = %path.display(), error, "a firmware image cannot be used");
            None
        }
    }
}

fn bytes_of(path: &Path) -> io::Result<Vec<u8>> {
    if fs::metadata(path)?.len() > IMAGE_BYTES_MAX {
        return Err(io::Error::other(format!(
            "it has more than {IMAGE_BYTES_MAX} bytes"
        )));
    }
    fs::read(path)
}

/// Beside it first, so that nobody ever finds half of it.
fn write(folder: &Path, path: &Path, image: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(FOLDER_MODE))?;
    let part = path.with_extension("part");
    fs::write(&part, image)?;
    fs::rename(&part, path)
}

fn firmware(table: &Table) -> Firmware {
    Firmware {
        build: hex(table.build()),
        lines: table.len() as u64,
    }
}
