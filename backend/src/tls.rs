//! TLS of the API: the certificate that the station shows, of its own making or the person's, and
//! its fingerprint. Fed by `[api]` and the data folder; feeds the listener of [`crate::api`].

use std::{
    fs, io,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use sha2::{Digest as _, Sha256};
use signalbox_protocol::api::fingerprint::Fingerprint;
use tokio_rustls::TlsAcceptor;

use crate::config::ApiConfig;

/// Name of the station's own certificate in the data folder.
const CERT_NAME: &str = "tls.crt";
/// Name of its key.
const KEY_NAME: &str = "tls.key";
/// Only the daemon reads a key.
const KEY_MODE: u32 = 0o600;
/// The kernel's name for this machine.
const HOSTNAME: &str = "/proc/sys/kernel/hostname";

/// Why the station has no certificate to show.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or holds something else.
    #[error("`{path}` {problem}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// One of the two keys of the configuration stands alone.
    #[error("`api.{present}` needs `api.{missing}` beside it")]
    Half {
        /// What is there.
        present: &'static str,
        /// What is not.
        missing: &'static str,
    },
    /// No certificate can be made.
    #[error("no certificate can be made: {0}")]
    Make(String),
}

impl TlsError {
    /// What to do next.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::File { .. } | Self::Half { .. } => {
                "`api.cert_file` and `api.key_file` name PEM files; without both the station makes \
                 its own in the data folder"
            }
            Self::Make(_) => "is the data folder writable, and the disk not full?",
        }
    }
}

/// The certificate as it is now, for each new connection.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl Current {
    fn get(&self) -> Arc<CertifiedKey> {
        let current = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&current)
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.get())
    }
}

/// The station's side of TLS.
#[derive(Clone)]
pub struct ServerTls {
    acceptor: TlsAcceptor,
    current: Arc<Current>,
    data_dir: PathBuf,
}

impl std::fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerTls")
            .field("fingerprint", &self.fingerprint())
            .finish_non_exhaustive()
    }
}

impl ServerTls {
    /// Reads the configured certificate, else the station's own, which is made when missing.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn open(api: &ApiConfig, data_dir: &Path) -> Result<Self, TlsError> {
        let current = Arc::new(Current(RwLock::new(Arc::new(read(api, data_dir)?))));
        let provider = Arc::new(ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::Make(error.to_string()))?
            .with_no_client_auth()
            .with_cert_resolver(current.clone());
        Ok(Self {
            acceptor: Arc::new(config).into(),
            current,
            data_dir: data_dir.to_owned(),
        })
    }

    /// Reads it again: new connections get the new one.
    ///
    /// # Errors
    /// [`TlsError`]; the old one stays.
    pub fn reload(&self, api: &ApiConfig) -> Result<(), TlsError> {
        let new = Arc::new(read(api, &self.data_dir)?);
        let before = self.fingerprint();
        *self
            .current
            .0
            .write()
            .unwrap_or_else(PoisonError::into_inner) = new;
        let now = self.fingerprint();
        if now != before {
            tracing::info!("the certificate of the API is another one: SHA-256 {now}");
        }
        Ok(())
    }

    /// What people compare.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let current = self.current.get();
        // A certified key without a certificate is never kept.
        let leaf = current.cert.first().map_or(&[][..], AsRef::as_ref);
        Fingerprint(Sha256::digest(leaf).into())
    }

    pub(crate) const fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }
}

/// Whether the configured files, if any, can be used.
pub(crate) fn check(api: &ApiConfig) -> Result<(), TlsError> {
    chosen(api)?
        .map(|(cert, key)| load(&cert, &key))
        .transpose()?;
    Ok(())
}

fn chosen(api: &ApiConfig) -> Result<Option<(PathBuf, PathBuf)>, TlsError> {
    let half = |present, missing| Err(TlsError::Half { present, missing });
    match (&api.cert_file, &api.key_file) {
        (Some(cert), Some(key)) => Ok(Some((cert.clone(), key.clone()))),
        (Some(_), None) => half("cert_file", "key_file"),
        (None, Some(_)) => half("key_file", "cert_file"),
        (None, None) => Ok(None),
    }
}

fn read(api: &ApiConfig, data_dir: &Path) -> Result<CertifiedKey, TlsError> {
    let (cert, key) = if let Some(files) = chosen(api)? {
        files
    } else {
        let own = (data_dir.join(CERT_NAME), data_dir.join(KEY_NAME));
        // The key is written first: without the certificate it was never shown to anybody.
        if !own.0.exists() {
            make(&own.0, &own.1)?;
        }
        own
    };
    if fs::metadata(&key).is_ok_and(|meta| meta.permissions().mode() & 0o007 != 0) {
        tracing::warn!(path = %key.display(), "everybody on this machine can read the key of the API");
    }
    load(&cert, &key)
}

fn load(cert: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let wrong = |path: &Path, problem: String| TlsError::File {
        path: path.to_owned(),
        problem,
    };
    let unreadable = |path: &Path, error: &dyn std::fmt::Display| {
        wrong(path, format!("cannot be read: {error}"))
    };
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable(cert, &error))?;
    if chain.is_empty() {
        return Err(wrong(cert, "holds no certificate in PEM form".to_owned()));
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, &error))?;
    let provider: CryptoProvider = ring::default_provider();
    CertifiedKey::from_der(chain, secret, &provider)
        .map_err(|error| wrong(key, format!("does not go with the certificate: {error}")))
}

/// Makes a certificate for all names of this machine, and its key.
fn make(cert: &Path, key: &Path) -> Result<(), TlsError> {
    let failed = |error: &dyn std::fmt::Display| TlsError::Make(error.to_string());
    let mut names = vec!["localhost".to_owned()];
    let own = fs::read_to_string(HOSTNAME).unwrap_or_default();
    let own = own.trim();
    if rustls::pki_types::DnsName::try_from(own).is_ok() && own != "localhost" {
        names.push(own.to_owned());
    }
    let mut wanted = rcgen::CertificateParams::new(names).map_err(|error| failed(&error))?;
    wanted.distinguished_name = rcgen::DistinguishedName::new();
    let title = format!("signalbox station {own}");
    wanted
        .distinguished_name
        .push(rcgen::DnType::CommonName, title.trim_end());
    let pair = rcgen::KeyPair::generate().map_err(|error| failed(&error))?;
    let made = wanted.self_signed(&pair).map_err(|error| failed(&error))?;
    write(key, KEY_MODE, &pair.serialize_pem()).map_err(|error| failed(&error))?;
    write(cert, 0o644, &made.pem()).map_err(|error| failed(&error))?;
    tracing::info!(path = %cert.display(), "made a certificate for the API");
    Ok(())
}

/// Written beside and moved, so that a crash leaves a whole file or none.
fn write(path: &Path, mode: u32, text: &str) -> io::Result<()> {
    let beside = path.with_extension("new");
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&beside)?;
    io::Write::write_all(&mut file, text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_own_certificate_is_made_once_and_its_key_is_nobodys_business() {
        let dir = tempfile::tempdir().unwrap();
        let api = ApiConfig::default();
        let first = ServerTls::open(&api, dir.path()).unwrap();
        let mode = |name: &str| {
            let meta = fs::metadata(dir.path().join(name)).unwrap();
            meta.permissions().mode() & 0o777
        };
        assert_eq!((mode(KEY_NAME), mode(CERT_NAME)), (0o600, 0o644));
        let second = ServerTls::open(&api, dir.path()).unwrap();
        assert_eq!(first.fingerprint(), second.fingerprint());
        assert!(!format!("{first:?}").contains("PRIVATE"));
        // A crash before the certificate was written.
        fs::remove_file(dir.path().join(CERT_NAME)).unwrap();
        let third = ServerTls::open(&api, dir.path()).unwrap();
        assert_ne!(first.fingerprint(), third.fingerprint());
    }

    #[test]
    fn another_certificate_is_read_again_and_a_bad_one_changes_nothing() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let tls = ServerTls::open(&ApiConfig::default(), one.path()).unwrap();
        let own = tls.fingerprint();
        let other = ServerTls::open(&ApiConfig::default(), two.path()).unwrap();
        let mut api = ApiConfig {
            cert_file: Some(two.path().join(CERT_NAME)),
            ..ApiConfig::default()
        };
        let error = tls.reload(&api).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`api.cert_file` needs `api.key_file` beside it"
        );
        api.key_file = Some(one.path().join(KEY_NAME));
        let error = tls.reload(&api).unwrap_err().to_string();
        assert!(
            error.contains("does not go with the certificate"),
            "{error}"
        );
        api.key_file = Some(two.path().join(CERT_NAME));
        let error = tls.reload(&api).unwrap_err().to_string();
        assert!(error.contains("tls.crt` cannot be read"), "{error}");
        assert_eq!(tls.fingerprint(), own);
        api.key_file = Some(two.path().join(KEY_NAME));
        tls.reload(&api).unwrap();
        assert_eq!(tls.fingerprint(), other.fingerprint());
    }
}
