//! TLS to the broker: whom we believe, and what we show of ourselves.

use std::{path::Path, sync::Arc};

use rumqttc::tokio_rustls::rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

use super::settings::{BrokerConfigError, wrong};
use crate::config::MqttConfig;

/// `None` without TLS.
pub(super) fn config(
    mqtt: &MqttConfig,
    is_tls: bool,
) -> Result<Option<Arc<ClientConfig>>, BrokerConfigError> {
    let files = [
        ("broker_ca_file", &mqtt.broker_ca_file),
        ("broker_cert_file", &mqtt.broker_cert_file),
        ("broker_key_file", &mqtt.broker_key_file),
    ];
    if !is_tls {
        if let Some((key, _)) = files.into_iter().find(|(_, file)| file.is_some()) {
            let problem = "is set, but `mqtt.broker` does not begin with `mqtts://`";
            return Err(wrong(key, problem.to_owned()));
        }
        return Ok(None);
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong("broker", format!("cannot use TLS: {error}")))?
        .with_root_certificates(roots(mqtt.broker_ca_file.as_deref())?);
    let config = match (&mqtt.broker_cert_file, &mqtt.broker_key_file) {
        (None, None) => builder.with_no_client_auth(),
        (Some(chain), Some(key)) => {
            let own = certificates("broker_cert_file", chain)?;
            let key = PrivateKeyDer::from_pem_file(key)
                .map_err(|error| unreadable("broker_key_file", key, &error))?;
            builder
                .with_client_auth_cert(own, key)
                .map_err(|error| wrong("broker_key_file", format!("cannot be used: {error}")))?
        }
        (Some(_), None) => {
            let problem = "is missing: the certificate needs its key".to_owned();
            return Err(wrong("broker_key_file", problem));
        }
        (None, Some(_)) => {
            let problem = "is missing: the key needs its certificate".to_owned();
            return Err(wrong("broker_cert_file", problem));
        }
    };
    Ok(Some(Arc::new(config)))
}

/// An authority of one's own, else those that the system believes.
fn roots(file: Option<&Path>) -> Result<RootCertStore, BrokerConfigError> {
    let mut roots = RootCertStore::empty();
    match file {
        Some(path) => {
            for certificate in certificates("broker_ca_file", path)? {
                roots.add(certificate).map_err(|error| {
                    wrong("broker_ca_file", format!("`{}`: {error}", path.display()))
                })?;
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
            if roots.is_empty() {
                let problem = "is needed: this system has no certificates of authorities";
                return Err(wrong("broker_ca_file", problem.to_owned()));
            }
        }
    }
    Ok(roots)
}

fn certificates(
    key: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, BrokerConfigError> {
    let all = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable(key, path, &error))?;
    if all.is_empty() {
        let problem = format!("`{}` holds no certificate in PEM form", path.display());
        return Err(wrong(key, problem));
    }
    Ok(all)
}

fn unreadable(key: &'static str, path: &Path, error: &impl std::fmt::Display) -> BrokerConfigError {
    wrong(key, format!("`{}` cannot be read: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_do_not_help_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let empty = dir.path().join("empty.pem");
        std::fs::write(&empty, "").unwrap();
        let with = |ca: Option<&Path>, cert: Option<&Path>, key: Option<&Path>, is_tls| {
            let mqtt = MqttConfig {
                broker_ca_file: ca.map(Path::to_owned),
                broker_cert_file: cert.map(Path::to_owned),
                broker_key_file: key.map(Path::to_owned),
                ..MqttConfig::default()
            };
            config(&mqtt, is_tls).map(|_| ()).unwrap_err().to_string()
        };
        let gone = dir.path().join("gone.pem");
        for (error, words) in [
            (
                with(Some(&gone), None, None, true),
                "`mqtt.broker_ca_file` `",
            ),
            (with(Some(&empty), None, None, true), "no certificate"),
            (with(Some(&empty), None, None, false), "mqtts://"),
            (
                with(None, Some(&empty), None, true),
                "`mqtt.broker_key_file` is missing",
            ),
            (
                with(None, None, Some(&empty), true),
                "`mqtt.broker_cert_file` is missing",
            ),
        ] {
            assert!(error.contains(words), "{error}");
        }
    }
}
