//! TLS to a station: whose certificate is believed. An authority's word, a fingerprint that is
//! known, or a person's answer to the question at first use; nothing is ever sent before that.

use std::{
    fmt, io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use sha2::{Digest as _, Sha256};
use signalbox_protocol::api::fingerprint::Fingerprint;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{ClientError, Endpoint};

/// A station that does not agree on TLS for this long is away.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Asks a person whether a certificate of this fingerprint is the station's, and keeps the
/// answer. An error is the reason why not, and what to do next.
pub type Ask = dyn Fn(&Endpoint, &Fingerprint) -> Result<(), String> + Send + Sync;

/// Whose certificate is believed.
#[derive(Clone)]
pub enum Trust {
    /// One that an authority of this list vouches for, for the name that is dialled.
    Authorities(Arc<RootCertStore>),
    /// The one with this fingerprint, whatever its name and age.
    Pinned(Fingerprint),
    /// The one that this function believes, at first use.
    Ask(Arc<Ask>),
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authorities(roots) => f.debug_tuple("Authorities").field(&roots.len()).finish(),
            Self::Pinned(fingerprint) => f.debug_tuple("Pinned").field(fingerprint).finish(),
            Self::Ask(_) => f.write_str("Ask"),
        }
    }
}

impl Trust {
    /// Authorities in PEM form.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn authorities(pem: &[u8]) -> Result<Self, String> {
        use rustls::pki_types::pem::PemObject as _;
        let mut roots = RootCertStore::empty();
        for found in CertificateDer::pem_slice_iter(pem) {
            let found = found.map_err(|error| error.to_string())?;
            roots.add(found).map_err(|error| error.to_string())?;
        }
        if roots.is_empty() {
            return Err("holds no certificate in PEM form".to_owned());
        }
        Ok(Self::Authorities(Arc::new(roots)))
    }

    /// One that nobody is known for: every certificate is refused.
    pub(super) fn none() -> Self {
        Self::Ask(Arc::new(|_, _| {
            Err("its certificate is not known here".to_owned())
        }))
    }
}

/// Makes TLS connections to one station.
pub(super) struct Tls {
    connector: TlsConnector,
    seen: Arc<Seen>,
    known: Option<Fingerprint>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("known", &self.known)
            .finish_non_exhaustive()
    }
}

impl Tls {
    /// What a trust leads to; who must be asked is asked here.
    pub(super) async fn prepare(endpoint: &Endpoint, trust: &Trust) -> Result<Self, ClientError> {
        match trust {
            Trust::Authorities(roots) => {
                let inner = WebPkiServerVerifier::builder_with_provider(roots.clone(), provider())
                    .build()
                    .map_err(|error| ClientError::Request(error.to_string()))?;
                Self::new(Wanted::Vouched(inner), None)
            }
            Trust::Pinned(known) => Self::new(Wanted::Exactly(*known), Some(*known)),
            Trust::Ask(ask) => {
                let shown = Self::look(endpoint).await?;
                let (ask, place) = (ask.clone(), endpoint.clone());
                // It waits for a person.
                let answer = tokio::task::spawn_blocking(move || ask(&place, &shown)).await;
                let answer = answer.unwrap_or_else(|error| Err(error.to_string()));
                answer.map_err(|reason| ClientError::Unknown {
                    endpoint: endpoint.clone(),
                    shown,
                    reason,
                })?;
                Self::new(Wanted::Exactly(shown), Some(shown))
            }
        }
    }

    fn new(wanted: Wanted, known: Option<Fingerprint>) -> Result<Self, ClientError> {
        let seen = Arc::new(Seen {
            provider: provider(),
            wanted,
            last: Mutex::default(),
        });
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| ClientError::Request(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(seen.clone())
            .with_no_client_auth();
        config.alpn_protocols.clear();
        Ok(Self {
            connector: Arc::new(config).into(),
            seen,
            known,
        })
    }

    /// The fingerprint that a station shows, on a connection on which nothing else happens.
    async fn look(endpoint: &Endpoint) -> Result<Fingerprint, ClientError> {
        let tls = Self::new(Wanted::Any, None)?;
        drop(tls.connect(endpoint).await?);
        tls.seen.last().ok_or_else(|| ClientError::Away {
            endpoint: endpoint.clone(),
            source: io::Error::other("it showed no certificate"),
        })
    }

    /// A new connection.
    pub(super) async fn connect(
        &self,
        endpoint: &Endpoint,
    ) -> Result<TlsStream<TcpStream>, ClientError> {
        let away = |source| ClientError::Away {
            endpoint: endpoint.clone(),
            source,
        };
        let name = ServerName::try_from(endpoint.name().to_owned())
            .map_err(|error| ClientError::Request(error.to_string()))?;
        let connected = async {
            let stream = TcpStream::connect(endpoint.host()).await?;
            stream.set_nodelay(true)?;
            self.connector.connect(name, stream).await
        };
        let source = match timeout(HANDSHAKE, connected).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(source)) => source,
            Err(_) => return Err(away(io::ErrorKind::TimedOut.into())),
        };
        let Some(Error::InvalidCertificate(reason)) = of_tls(&source) else {
            return Err(away(source));
        };
        let shown = self.seen.last();
        Err(match (self.known, shown) {
            (Some(known), Some(shown)) if known != shown => ClientError::Changed {
                endpoint: endpoint.clone(),
                known,
                shown,
            },
            _ => ClientError::Untrusted {
                endpoint: endpoint.clone(),
                reason: reason.to_string(),
            },
        })
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn of_tls(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

/// Looks at the certificate that is shown, and remembers its fingerprint.
#[derive(Debug)]
struct Seen {
    provider: Arc<CryptoProvider>,
    wanted: Wanted,
    last: Mutex<Option<Fingerprint>>,
}

#[derive(Debug)]
enum Wanted {
    /// Only to look at it.
    Any,
    Exactly(Fingerprint),
    Vouched(Arc<WebPkiServerVerifier>),
}

impl Seen {
    fn last(&self) -> Option<Fingerprint> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ServerCertVerifier for Seen {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown = Fingerprint(Sha256::digest(leaf).into());
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(shown);
        match &self.wanted {
            Wanted::Any => Ok(ServerCertVerified::assertion()),
            Wanted::Exactly(known) if *known == shown => Ok(ServerCertVerified::assertion()),
            Wanted::Exactly(_) => Err(CertificateError::ApplicationVerificationFailure.into()),
            Wanted::Vouched(inner) => inner.verify_server_cert(leaf, others, name, ocsp, now),
        }
    }

    // That the far side has the key of the certificate is checked whatever is believed.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[cfg(test)]
#[path = "trust_tests.rs"]
mod tests;
