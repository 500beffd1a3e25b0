//! Why a request to the station failed, with what to do next.

use std::io;

use signalbox_protocol::api::{error::ErrorDetail, fingerprint::Fingerprint};

use super::Endpoint;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection.
    #[error("the station at `{endpoint}` cannot be reached")]
    Away {
        /// Where it should be.
        endpoint: Endpoint,
        /// The system's reason.
        source: io::Error,
    },
    /// `ssh` did not get through, or what it started over there did not.
    #[error("ssh to `{host}`: {reason}")]
    Ssh {
        /// The machine.
        host: String,
        /// What ssh or the far side said.
        reason: String,
        /// What to do next.
        hint: &'static str,
    },
    /// A certificate that nobody has vouched for.
    #[error("the certificate of `{endpoint}` is not trusted: {reason}; it is SHA-256 {shown}")]
    Unknown {
        /// The station.
        endpoint: Endpoint,
        /// What it showed.
        shown: Fingerprint,
        /// Why not.
        reason: String,
    },
    /// Another certificate than the one that is known.
    #[error(
        "the certificate of `{endpoint}` is another one than before: known is SHA-256 {known}, \
         shown is SHA-256 {shown}"
    )]
    Changed {
        /// The station.
        endpoint: Endpoint,
        /// What is known.
        known: Fingerprint,
        /// What it showed.
        shown: Fingerprint,
    },
    /// No authority vouches for the certificate.
    #[error("the certificate of `{endpoint}` is not trusted: {reason}")]
    Untrusted {
        /// The station.
        endpoint: Endpoint,
        /// What is wrong with it.
        reason: String,
    },
    /// The connection broke.
    #[error("the connection to the station was lost")]
    Lost(#[source] hyper::Error),
    /// No reply in time.
    #[error("the station does not answer")]
    Silent,
    /// The station said no.
    #[error("{}", detail.message)]
    Refused {
        /// HTTP status.
        status: u16,
        /// Its reason.
        detail: ErrorDetail,
    },
    /// Something answered that is not a station, or a proxy in between.
    #[error("what answers there is not a station (HTTP status {status})")]
    NotAStation {
        /// HTTP status.
        status: u16,
    },
    /// A reply that is not what the API says.
    #[error("the station's reply cannot be read")]
    Reply(#[source] serde_json::Error),
    /// A reply larger than any that the API gives.
    #[error("the station's reply is too large")]
    TooLarge,
    /// The daemon speaks no version of the API that this program speaks.
    #[error("the station speaks API version {min} to {max}, this program {own}")]
    Version {
        /// Oldest of the daemon.
        min: u32,
        /// Newest of the daemon.
        max: u32,
        /// This program's.
        own: u32,
    },
    /// The stream of events broke.
    #[error("the stream of events broke: {0}")]
    Events(String),
    /// A request that cannot be written.
    #[error("the request cannot be written: {0}")]
    Request(String),
}

impl ClientError {
    /// What to do next.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Away { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "your user may not use the socket: use `--host tcp://…` and log in"
            }
            Self::Away { source, .. } if source.kind() == io::ErrorKind::InvalidData => {
                "what answers there does not speak TLS: is the port right?"
            }
            Self::Unknown { .. } => {
                "compare it with what `signalbox fingerprint` prints over there, then use \
                 `--fingerprint SHA256`, or answer the question in a terminal"
            }
            Self::Changed { .. } => {
                "somebody may be listening in. If the station got a new certificate, compare it \
                 with what `signalbox fingerprint` prints over there, then `signalbox fingerprint \
                 --forget --host ADDRESS` forgets the old one"
            }
            Self::Untrusted { .. } => {
                "`--ca FILE` names the authority that signed it, `--fingerprint` the certificate \
                 itself"
            }
            Self::Away { .. } => {
                "is it running? `signalbox serve` starts it, `--host` names another address"
            }
            Self::Ssh { hint, .. } => hint,
            // A wrong password has no hint.
            Self::Refused {
                status: 401,
                detail,
            } if detail.hint.is_some() => "`signalbox login` opens a session",
            Self::Refused { detail, .. } => return detail.hint.clone(),
            Self::NotAStation { .. } => "check the address given with `--host`",
            Self::Version { .. } => "use the same version on both sides",
            Self::Lost(_) | Self::Silent | Self::Events(_) => "try again in a moment",
            Self::Reply(_) | Self::TooLarge | Self::Request(_) => return None,
        };
        Some(text.to_owned())
    }

    /// Whether a login is needed.
    #[must_use]
    pub const fn is_unauthorized(&self) -> bool {
        matches!(self, Self::Refused { status: 401, .. })
    }
}
