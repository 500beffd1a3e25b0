//! The database file: whose it is, who may read it, and that one daemon at a time has it.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::Read as _,
    path::Path,
};

use super::{Result, StoreError};

/// `SGBX`: tells our files from other programs' databases.
pub(super) const APPLICATION_ID: u32 = 0x5347_4258;
/// What every SQLite file begins with (<https://www.sqlite.org/fileformat.html>, 1.3).
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// Where the header keeps the application id, a big-endian number.
const APPLICATION_ID_AT: usize = 68;
/// Bytes of the header.
const HEADER_BYTES: u64 = 100;

/// What a file is, by its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// Nothing yet.
    New,
    /// Written by a signalbox of any version.
    Ours,
}

fn unavailable(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Unavailable {
        reason: format!("`{}`: {error}", path.display()),
    }
}

pub(super) fn unusable(path: &Path, reason: impl std::fmt::Display) -> StoreError {
    StoreError::Unusable {
        reason: format!("`{}` {reason}", path.display()),
    }
}

/// The lock of a database file; given up with the value.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing alone is not enough: a child of this process has the file too, from its fork
        // to its exec.
        if let Err(error) = self.0.unlock() {
            tracing::warn!(%error, "the lock of the database is given up with the process only");
        }
    }
}

/// Makes the folder and takes the lock.
pub(super) fn lock(path: &Path) -> Result<Lock> {
    let lock_path = path.with_extension("lock");
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| unavailable(folder, &error))?;
    }
    let lock = private(OpenOptions::new().write(true).create(true))
        .open(&lock_path)
        .map_err(|error| unavailable(&lock_path, &error))?;
    match lock.try_lock() {
        Ok(()) => Ok(Lock(lock)),
        Err(TryLockError::WouldBlock) => Err(unusable(path, "is open in another daemon")),
        Err(TryLockError::Error(error)) => Err(unavailable(&lock_path, &error)),
    }
}

/// Makes the file if there is none, readable for its user only (it holds password hashes; SQLite
/// gives its log the same mode), and looks whose it is, without a change to another's file.
pub(super) fn inspect(path: &Path) -> Result<Content> {
    let failed = |error: std::io::Error| unavailable(path, &error);
    let mut file = private(OpenOptions::new().read(true).write(true).create(true))
        .open(path)
        .map_err(failed)?;
    let mut header = Vec::new();
    file.by_ref()
        .take(HEADER_BYTES)
        .read_to_end(&mut header)
        .map_err(failed)?;
    if header.is_empty() {
        return Ok(Content::New);
    }
    let id = header
        .get(APPLICATION_ID_AT..APPLICATION_ID_AT + 4)
        .and_then(|bytes| bytes.try_into().ok())
        .map(u32::from_be_bytes);
    if !header.starts_with(MAGIC) || id != Some(APPLICATION_ID) {
        return Err(unusable(path, "is a file of another program"));
    }
    restrict(&file).map_err(failed)?;
    Ok(Content::Ours)
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    options.mode(0o600)
}

#[cfg(not(unix))]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// Takes back what others were given since, for example by a copy.
#[cfg(unix)]
fn restrict(file: &File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(std::fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn restrict(_file: &File) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_a_child_has_as_well_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let held = lock(&path).unwrap();
        let of_a_child = held.0.try_clone().unwrap();
        assert!(lock(&path).is_err());
        drop(held);
        lock(&path).unwrap();
        drop(of_a_child);
    }
}
