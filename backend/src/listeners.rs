//! What the daemon opens before it starts: its data folder, the TCP port, the unix
//! socket. Every failure says what is wrong and the way out. Feeds [`crate::run`].

use std::{
    fs,
    io::{self, ErrorKind},
    net::SocketAddr,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use tokio::net::{TcpListener, UnixListener, UnixStream};

use crate::config::Config;

/// Name of the unix socket in the data folder.
const SOCKET_NAME: &str = "signalbox.sock";
/// Where the systemd service has its socket (`deploy/signalbox.service`).
const SERVICE_SOCKET: &str = "/run/signalbox/signalbox.sock";
/// Owner and group may connect; who they are is asked of the kernel for each connection.
const SOCKET_MODE: u32 = 0o660;
/// The data folder holds password hashes.
const DATA_DIR_MODE: u32 = 0o700;

/// Why the daemon cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// No home folder, so no default for the data folder.
    #[error("no data folder is known")]
    NoDataDir,
    /// The data folder cannot be made or written.
    #[error("the data folder `{path}` cannot be used")]
    DataDir {
        /// The folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The TCP address cannot be bound.
    #[error("cannot listen on `{address}`")]
    Tcp {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// The unix socket cannot be bound.
    #[error("cannot listen on the socket `{path}`")]
    Unix {
        /// Its path.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Somebody answers on the unix socket.
    #[error("another daemon answers on the socket `{path}`")]
    SocketInUse {
        /// Its path.
        path: PathBuf,
    },
    /// Something else is where the socket should be.
    #[error("`{path}` exists and is not a socket")]
    NotASocket {
        /// Its path.
        path: PathBuf,
    },
}

impl ListenError {
    /// What to do next.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        let kind = match self {
            Self::Tcp { source, .. } | Self::Unix { source, .. } | Self::DataDir { source, .. } => {
                source.kind()
            }
            _ => ErrorKind::Other,
        };
        match (self, kind) {
            (Self::NoDataDir, _) => "name one with `--data-dir` or `store.data_dir`",
            (Self::DataDir { .. }, ErrorKind::PermissionDenied) => {
                "make it writable for this user, or name another with `--data-dir`"
            }
            (Self::DataDir { .. }, _) => "name another with `--data-dir` or `store.data_dir`",
            (Self::Tcp { .. }, ErrorKind::AddrInUse) => {
                "another program has the port: stop it, or choose one with `--port` (0 picks a \
                 free one)"
            }
            (Self::Tcp { .. }, ErrorKind::PermissionDenied) => {
                "ports below 1024 need a privilege: choose a higher one with `--port`"
            }
            (Self::Tcp { .. }, _) => "choose an address of this machine with `--address`",
            (Self::Unix { .. }, ErrorKind::InvalidInput) => {
                "the path is too long for a socket (about 100 bytes): choose one with `--socket`"
            }
            (Self::Unix { .. }, _) => "choose a writable folder with `--socket`",
            (Self::SocketInUse { .. }, _) => {
                "stop the other daemon, or choose another path with `--socket`"
            }
            (Self::NotASocket { .. }, _) => "move it away, or choose another path with `--socket`",
        }
    }
}

/// Where the data folder is: the configured one, else the platform's.
///
/// # Errors
/// [`ListenError::NoDataDir`].
pub fn data_dir_path(config: &Config) -> Result<PathBuf, ListenError> {
    if let Some(path) = &config.store.data_dir {
        return Ok(path.clone());
    }
    directories::ProjectDirs::from("", "", "signalbox")
        .map(|dirs| dirs.data_local_dir().to_owned())
        .ok_or(ListenError::NoDataDir)
}

/// Where the unix socket is: the configured path, else in the data folder.
///
/// # Errors
/// [`ListenError::NoDataDir`].
pub fn socket_path(config: &Config) -> Result<PathBuf, ListenError> {
    match &config.api.socket {
        Some(path) => Ok(path.clone()),
        None => Ok(data_dir_path(config)?.join(SOCKET_NAME)),
    }
}

/// Where a local daemon is: the socket of one of this user's own, else the service's.
///
/// # Errors
/// [`ListenError::NoDataDir`].
pub fn local_socket(config: &Config) -> Result<PathBuf, ListenError> {
    let own = socket_path(config)?;
    let chosen = config.api.socket.is_some() || config.store.data_dir.is_some();
    Ok(nearest(own, chosen, Path::new(SERVICE_SOCKET)))
}

fn nearest(own: PathBuf, chosen: bool, service: &Path) -> PathBuf {
    if chosen || own.exists() || !service.exists() {
        own
    } else {
        service.to_owned()
    }
}

/// Makes the data folder, for this user only, where it is missing.
///
/// # Errors
/// [`ListenError::DataDir`].
pub fn make_data_dir(path: &Path) -> Result<(), ListenError> {
    let failed = |source| ListenError::DataDir {
        path: path.to_owned(),
        source,
    };
    if path.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(path).map_err(failed)?;
    fs::set_permissions(path, fs::Permissions::from_mode(DATA_DIR_MODE)).map_err(failed)
}

/// Binds the TCP address of the API.
///
/// # Errors
/// [`ListenError::Tcp`].
pub async fn bind_http(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| ListenError::Tcp { address, source })
}

/// A bound unix socket that removes its file when it is dropped.
#[derive(Debug)]
pub struct UnixSocket {
    /// Where it is.
    pub path: PathBuf,
    listener: Option<UnixListener>,
    /// Device and inode, so that only our own file is removed.
    file: (u64, u64),
}

impl UnixSocket {
    /// Binds the path. A socket file that nobody answers on is left over from a crash and is
    /// replaced.
    ///
    /// # Errors
    /// [`ListenError`].
    pub async fn bind(path: PathBuf) -> Result<Self, ListenError> {
        remove_stale(&path).await?;
        let bind = || {
            let listener = UnixListener::bind(&path)?;
            // Until the mode is set others may connect; without a token that gives them nothing.
            fs::set_permissions(&path, fs::Permissions::from_mode(SOCKET_MODE))?;
            Ok((listener, identity(&path)?))
        };
        match bind() {
            Ok((listener, file)) => Ok(Self {
                path,
                listener: Some(listener),
                file,
            }),
            Err(source) => Err(ListenError::Unix { path, source }),
        }
    }

    /// The listener, the first time.
    pub fn take_listener(&mut self) -> Option<UnixListener> {
        self.listener.take()
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|file| file == self.file)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(%error, path = %self.path.display(), "the socket file stays behind");
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|meta| (meta.dev(), meta.ino()))
}

async fn remove_stale(path: &Path) -> Result<(), ListenError> {
    let unix = |source| ListenError::Unix {
        path: path.to_owned(),
        source,
    };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unix(error)),
        Ok(meta) if !meta.file_type().is_socket() => {
            return Err(ListenError::NotASocket {
                path: path.to_owned(),
            });
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(unix)
        }
        Err(error) => Err(unix(error)),
        Ok(_) => Err(ListenError::SocketInUse {
            path: path.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_left_over_socket_is_replaced_and_a_live_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let socket = UnixSocket::bind(path.clone()).await.unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, SOCKET_MODE);
        let second = UnixSocket::bind(path.clone()).await;
        assert!(matches!(second, Err(ListenError::SocketInUse { .. })));
        drop(socket);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn what_is_not_a_socket_is_never_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("precious");
        fs::write(&path, "data").unwrap();
        let bound = UnixSocket::bind(path.clone()).await;
        assert!(matches!(bound, Err(ListenError::NotASocket { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), "data");
    }

    #[test]
    fn a_client_looks_for_a_station_of_its_own_before_that_of_the_service() {
        let dir = tempfile::tempdir().unwrap();
        let (own, service) = (dir.path().join("own"), dir.path().join("service"));
        let at = |chosen| nearest(own.clone(), chosen, &service);
        assert_eq!(at(false), own, "an error names the own one");
        fs::write(&service, "").unwrap();
        assert_eq!(at(false), service);
        assert_eq!(at(true), own);
        fs::write(&own, "").unwrap();
        assert_eq!(at(false), own);
    }

    #[test]
    fn a_new_data_folder_is_for_its_owner_only_and_a_bad_one_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data/deep");
        make_data_dir(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, DATA_DIR_MODE);
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let error = make_data_dir(&file.join("data")).unwrap_err();
        assert!(error.to_string().contains("file/data"), "{error}");
        assert!(error.hint().contains("--data-dir"));
    }

    #[tokio::test]
    async fn a_taken_port_names_the_way_out() {
        let first = bind_http(([127, 0, 0, 1], 0).into()).await.unwrap();
        let error = bind_http(first.local_addr().unwrap()).await.unwrap_err();
        assert!(error.to_string().contains("127.0.0.1"), "{error}");
        assert!(error.hint().contains("--port"), "{}", error.hint());
    }
}
