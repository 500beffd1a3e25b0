//! A database's address, from a URL as libpq has them
//! (<https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS>). Both
//! drivers are configured from here, so that they mean the same.

use std::{fmt, path::PathBuf};

use percent_encoding::percent_decode_str;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio_postgres::config::SslMode;
use url::Url;

use super::{
    CONNECT_TIMEOUT, KEEPALIVE_IDLE, KEEPALIVE_INTERVAL, KEEPALIVE_TRIES, TCP_USER_TIMEOUT,
};

const PORT: u16 = 5432;

/// How a connection is encrypted, as `sslmode` of libpq.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tls {
    /// Not.
    Disable,
    /// If the server can; its certificate is not looked at.
    Prefer,
    /// Always; its certificate is not looked at.
    Require,
    /// Always, with a certificate of a known authority.
    VerifyCa,
    /// And with the host's name in it.
    VerifyFull,
}

const MODES: [(&str, Tls); 5] = [
    ("disable", Tls::Disable),
    ("prefer", Tls::Prefer),
    ("require", Tls::Require),
    ("verify-ca", Tls::VerifyCa),
    ("verify-full", Tls::VerifyFull),
];

/// The address of a database. Shows itself without the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// Name or IP address; empty for a unix socket.
    pub(super) host: String,
    /// Folder of the unix socket.
    pub(super) socket_dir: Option<PathBuf>,
    port: u16,
    user: String,
    password: Option<String>,
    database: String,
    pub(super) tls: Tls,
    /// Certificates (PEM) to believe beside the system's.
    pub(super) root_cert: Option<PathBuf>,
}

impl Address {
    /// Reads a URL; else what is wrong with it, which tells no password.
    ///
    /// # Errors
    /// In words.
    pub fn parse(text: &str) -> Result<Self, String> {
        // A URL with a user must have a host, libpq's need not.
        let hostless = text.replacen("@/", "@unix-socket.invalid/", 1);
        let url = Url::parse(&hostless).map_err(|error| error.to_string())?;
        let decoded = |part: &str| {
            percent_decode_str(part)
                .decode_utf8()
                .map(std::borrow::Cow::into_owned)
                .map_err(|_| "it is not UTF-8".to_owned())
        };
        let mut address = Self {
            host: match url.host_str() {
                None | Some("unix-socket.invalid") => String::new(),
                Some(host) => decoded(host)?,
            },
            socket_dir: None,
            port: url.port().unwrap_or(PORT),
            user: decoded(url.username())?,
            password: url.password().map(decoded).transpose()?,
            database: decoded(url.path().trim_start_matches('/'))?,
            tls: Tls::Prefer,
            root_cert: None,
        };
        for (key, value) in url.query_pairs() {
            address.set(&key, &value)?;
        }
        if address.host.starts_with('/') {
            address.socket_dir = Some(PathBuf::from(std::mem::take(&mut address.host)));
        }
        let missing = [
            (address.user.is_empty(), "user"),
            (
                address.host.is_empty() && address.socket_dir.is_none(),
                "host",
            ),
            (address.database.is_empty(), "database"),
        ];
        match missing.into_iter().find(|(missing, _)| *missing) {
            Some((_, what)) => Err(format!("it names no {what}")),
            None => Ok(address),
        }
    }

    /// Name of the database.
    #[cfg(all(test, feature = "servers"))]
    pub(super) fn database(&self) -> &str {
        &self.database
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "host" => value.clone_into(&mut self.host),
            "port" => {
                let port = value.parse();
                self.port = port.map_err(|_| format!("`{value}` is not a port"))?;
            }
            "user" => value.clone_into(&mut self.user),
            "password" => self.password = Some(value.to_owned()),
            "dbname" => value.clone_into(&mut self.database),
            "sslmode" => {
                let mode = MODES.iter().find(|(name, _)| *name == value);
                let known = MODES.map(|(name, _)| name).join(", ");
                let (_, tls) = mode.ok_or(format!("`{value}` is not an sslmode ({known})"))?;
                self.tls = *tls;
            }
            "sslrootcert" => self.root_cert = Some(PathBuf::from(value)),
            _ => return Err(format!("`{key}` is not known")),
        }
        Ok(())
    }

    /// For the pool of readers.
    pub(super) fn sqlx(&self, name: &str) -> PgConnectOptions {
        // Everything is set that it would take from the environment: both drivers must mean the
        // same server.
        let mut options = PgConnectOptions::new_without_pgpass()
            .port(self.port)
            .username(&self.user)
            .password(self.password.as_deref().unwrap_or_default())
            .database(&self.database)
            .application_name(name)
            .ssl_mode(match self.tls {
                Tls::Disable => PgSslMode::Disable,
                Tls::Prefer => PgSslMode::Prefer,
                Tls::Require => PgSslMode::Require,
                Tls::VerifyCa => PgSslMode::VerifyCa,
                Tls::VerifyFull => PgSslMode::VerifyFull,
            });
        if let Some(path) = &self.root_cert {
            options = options.ssl_root_cert(path);
        }
        match &self.socket_dir {
            Some(folder) => options.socket(folder),
            None => options.host(&self.host),
        }
    }

    /// For the connection that writes.
    pub(super) fn tokio_postgres(&self, name: &str) -> tokio_postgres::Config {
        let mut config = tokio_postgres::Config::new();
        config
            .port(self.port)
            .user(&self.user)
            .dbname(&self.database)
            .application_name(name)
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_user_timeout(TCP_USER_TIMEOUT)
            .keepalives_idle(KEEPALIVE_IDLE)
            .keepalives_interval(KEEPALIVE_INTERVAL)
            .keepalives_retries(KEEPALIVE_TRIES)
            .ssl_mode(match self.tls {
                Tls::Disable => SslMode::Disable,
                Tls::Prefer => SslMode::Prefer,
                Tls::Require | Tls::VerifyCa | Tls::VerifyFull => SslMode::Require,
            });
        if let Some(password) = &self.password {
            config.password(password);
        }
        match &self.socket_dir {
            Some(folder) => config.host_path(folder),
            None => config.host(&self.host),
        };
        config
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "postgres://{}@{}", self.user, self.host)?;
        if self.socket_dir.is_none() || self.port != PORT {
            write!(f, ":{}", self.port)?;
        }
        write!(f, "/{}", self.database)?;
        let mut sign = '?';
        if let Some(folder) = &self.socket_dir {
            write!(f, "?host={}", folder.display())?;
            sign = '&';
        }
        if self.tls != Tls::Prefer
            && let Some((name, _)) = MODES.iter().find(|(_, tls)| *tls == self.tls)
        {
            write!(f, "{sign}sslmode={name}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
