//! Small files of this person's state folder, for nobody else to read: text by the address of a
//! station.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;

/// Only its owner reads it.
const MODE: u32 = 0o600;

/// Text by address.
pub(crate) type Entries = BTreeMap<String, String>;

fn path_of(name: &str) -> anyhow::Result<PathBuf> {
    let dirs = directories::ProjectDirs::from("", "", "signalbox")
        .context("no home folder is known to keep things in")?;
    let folder = dirs.state_dir().unwrap_or_else(|| dirs.data_local_dir());
    Ok(folder.join(name))
}

/// All entries; none when there is no file.
pub(crate) fn read(name: &str) -> anyhow::Result<Entries> {
    read_at(&path_of(name)?)
}

/// Sets an entry, or forgets it.
pub(crate) fn set(name: &str, key: &str, value: Option<String>) -> anyhow::Result<()> {
    let path = path_of(name)?;
    set_at(&path, key, value)
}

fn read_at(path: &Path) -> anyhow::Result<Entries> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .with_context(|| format!("`{}` cannot be read; hint: delete it", path.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Entries::new()),
        Err(error) => Err(error).with_context(|| format!("`{}`", path.display())),
    }
}

fn set_at(path: &Path, key: &str, value: Option<String>) -> anyhow::Result<()> {
    let mut all = read_at(path)?;
    match value {
        Some(value) => all.insert(key.to_owned(), value),
        None => all.remove(key),
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
            .mode(MODE)
            .open(&beside)?;
        file.set_permissions(fs::Permissions::from_mode(MODE))?;
        io::Write::write_all(&mut file, serde_json::to_string_pretty(&all)?.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().with_context(|| format!("`{}` cannot be written", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_kept_for_their_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/known.json");
        assert!(read_at(&path).unwrap().is_empty());
        set_at(&path, "a", Some("1".to_owned())).unwrap();
        set_at(&path, "b", Some("2".to_owned())).unwrap();
        set_at(&path, "a", None).unwrap();
        let kept = Entries::from([("b".to_owned(), "2".to_owned())]);
        assert_eq!(read_at(&path).unwrap(), kept);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, MODE);
        fs::write(&path, "{").unwrap();
        let error = read_at(&path).unwrap_err();
        assert!(format!("{error:#}").contains("delete it"), "{error:#}");
    }
}
