//! Why there is no connection to the broker, in words for people.

use std::io;

use rumqttc::tokio_rustls::rustls;

use super::wire::{Refusal, WireError};

/// Why a connection did not come about, or ended. The text is shown to whoever asks for the
/// station's health: it never names addresses, users or passwords.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// No TCP connection.
    #[error("no connection: {0}")]
    Connect(#[source] io::Error),
    /// The certificate, or what should be TLS.
    #[error("no TLS connection: {0}")]
    Tls(String),
    /// It ended in the middle of the handshake.
    #[error("no TLS connection: {0}")]
    TlsLost(#[source] io::Error),
    /// Nothing came for too long after connecting.
    #[error("it accepts connections and does not answer")]
    NoAnswer,
    /// It hung up on our introduction.
    #[error("it closed the connection instead of answering")]
    NotWelcome,
    /// Something else listens there, or a broker of another version.
    #[error("what answers there does not speak this version of MQTT")]
    NotMqtt,
    /// The broker says no.
    #[error("it refuses us: {}", words(.0))]
    Refused(Refusal),
    /// The network.
    #[error("the connection was lost: {0}")]
    Lost(#[source] io::Error),
    /// The broker closed it without a word.
    #[error("it closed the connection")]
    Closed,
    /// The broker closed it and said why.
    #[error("it closed the connection: {0}")]
    Goodbye(String),
    /// Nothing came for longer than the keep-alive.
    #[error("nothing was heard of it for longer than the keep-alive")]
    Silent,
    /// Bytes that are no packet, or one too large.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A subscription that we cannot do without.
    #[error("it does not let us subscribe to `{filter}`: {why}")]
    NotSubscribed {
        /// The filter.
        filter: String,
        /// The broker's reason.
        why: String,
    },
    /// A group was configured, and would get nothing.
    #[error("`mqtt.share_group` cannot be used: {0}")]
    NoShare(String),
    /// A message was not committed, so nothing that came after it may be acknowledged.
    #[error("a message could not be stored")]
    NotStored,
}

impl Fault {
    /// What to do next, for the log.
    pub(super) fn hint(&self) -> &'static str {
        match self {
            Self::Connect(_) => "is it running, and are host and port in `mqtt.broker` right?",
            Self::Tls(reason) if reason.contains("UnknownIssuer") => {
                "name the authority that signed its certificate with `mqtt.broker_ca_file`"
            }
            Self::Tls(reason) if reason.contains("NotValidForName") => {
                "its certificate is for another name: use that one in `mqtt.broker`"
            }
            Self::Tls(reason) if reason.contains("Expired") => {
                "its certificate has expired, or the clock of this machine is wrong"
            }
            Self::Tls(_) | Self::TlsLost(_) => {
                "does this port speak TLS? `mqtt://` is without, `mqtts://` is with TLS"
            }
            Self::NoAnswer => "a port that speaks TLS is reached with `mqtts://`",
            Self::NotWelcome => {
                "its log may say why; if it does not speak MQTT 5, set `mqtt.version` to `3.1.1`"
            }
            Self::NotMqtt => "is this the port of an MQTT broker? try `mqtt.version` `3.1.1`",
            Self::Refused(Refusal::Login | Refusal::NotAllowed) => {
                "set the user in `mqtt.broker` (`mqtt://user@host`) and the password in \
                 SIGNALBOX_MQTT__BROKER_PASSWORD"
            }
            Self::Refused(Refusal::Version) => "set `mqtt.version` to `3.1.1`",
            Self::Refused(Refusal::ClientId) => "choose another `mqtt.client_id`",
            Self::Refused(Refusal::Other(_)) => "its log may say more",
            Self::Goodbye(reason) if reason == "SessionTakenOver" => {
                "another program uses the same `mqtt.client_id`: every station needs its own"
            }
            Self::Lost(source) if is_certificate_refused(source) => {
                "it wants a certificate: set `mqtt.broker_cert_file` and `mqtt.broker_key_file`"
            }
            Self::Closed | Self::Lost(_) => {
                "it is tried again until it works; when it happens again and again, does another \
                 program use the same `mqtt.client_id`?"
            }
            Self::Goodbye(_) | Self::Silent => "it is tried again until it works",
            Self::Wire(WireError::TooLarge) => "raise `mqtt.packet_bytes_max`",
            Self::Wire(WireError::Malformed(_)) => "is this the port of an MQTT broker?",
            Self::NotSubscribed { .. } => "its access rules must let the station read this topic",
            Self::NoShare(_) => "remove `mqtt.share_group`: one station hears everything",
            Self::NotStored => "the messages before this one have the cause",
        }
    }
}

fn words(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Login => "unknown user or wrong password".to_owned(),
        Refusal::NotAllowed => "not authorised (a wrong user or password, on most brokers)".into(),
        Refusal::Version => "it does not speak this version of MQTT".to_owned(),
        Refusal::ClientId => "it does not take the client id".to_owned(),
        Refusal::Other(reason) => reason.clone(),
    }
}

/// With TLS 1.3 the broker's no comes after the handshake.
fn is_certificate_refused(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| {
        let inner: &(dyn std::error::Error + 'static) = inner;
        inner
            .downcast_ref::<rustls::Error>()
            .or_else(|| inner.source()?.downcast_ref())
    });
    matches!(
        inner,
        Some(rustls::Error::AlertReceived(
            rustls::AlertDescription::CertificateRequired
                | rustls::AlertDescription::BadCertificate
                | rustls::AlertDescription::UnknownCA
                | rustls::AlertDescription::HandshakeFailure
        ))
    )
}
