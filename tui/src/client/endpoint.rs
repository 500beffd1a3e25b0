//! Where a station is.

use std::{fmt, net::IpAddr, path::PathBuf, str::FromStr};

use tokio::io::{AsyncRead, AsyncWrite};

/// Port of the API when none is named.
const PORT: u16 = 8080;

/// Any stream to a station.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin + fmt::Debug {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + fmt::Debug> Duplex for T {}

/// Where a station is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `unix://PATH`
    Unix(PathBuf),
    /// `tcp://HOST:PORT`: TLS.
    Tcp(String),
    /// `http://HOST:PORT`: plain text, on this machine only.
    Plain(String),
    /// `ssh://[USER@]HOST[:PORT]`: the system's ssh, and `signalbox dial-stdio` over there.
    Ssh(SshHost),
}

/// A machine as ssh knows it: a name of its configuration, or an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SshHost {
    /// The user over there; as ssh decides when absent.
    pub user: Option<String>,
    /// Name or address.
    pub host: String,
    /// Its port; as ssh decides when absent.
    pub port: Option<u16>,
}

impl SshHost {
    fn read(text: &str) -> Option<Self> {
        let (user, rest) = match text.rsplit_once('@') {
            Some((user, rest)) => (Some(user), rest),
            None => (None, text),
        };
        let (host, port) = match rest.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']')?;
                (host, rest.strip_prefix(':'))
            }
            None => match rest.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            },
        };
        let port = port.map(str::parse).transpose().ok()?;
        // What ssh would take as an option, or a shell as more than a word.
        let bad = |text: &str| {
            let odd = |c: char| c.is_whitespace() || c.is_control() || "/?#'\"`$;&|<>".contains(c);
            text.is_empty() || text.starts_with('-') || text.contains(odd)
        };
        if bad(host) || user.is_some_and(bad) {
            return None;
        }
        Some(Self {
            user: user.map(str::to_owned),
            host: host.to_owned(),
            port,
        })
    }
}

impl fmt::Display for SshHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?;
        } else {
            f.write_str(&self.host)?;
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

/// Why a text is not an address of a station.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// It has another shape.
    #[error(
        "`{0}` is not an address of a station; hint: `unix:///run/signalbox.sock`, \
         `tcp://host:8080` or `ssh://user@host`"
    )]
    Shape(String),
    /// Plain text to another machine.
    #[error(
        "`{0}` is refused: plain text is for this machine only, because others could listen in; \
         hint: `tcp://` is the same with TLS, and `ssh://` needs nothing but ssh"
    )]
    Plain(String),
}

/// Host, and host with port.
fn authority(rest: &str) -> Option<(&str, String)> {
    let rest = rest.trim_end_matches('/');
    let (host, authority) = match rest.rsplit_once(':') {
        Some((host, port)) if !host.ends_with(':') && !port.ends_with(']') => {
            port.parse::<u16>().ok()?;
            (host, rest.to_owned())
        }
        _ => (rest, format!("{rest}:{PORT}")),
    };
    let bad = |c: char| c.is_whitespace() || c.is_control() || "/@?#".contains(c);
    (!host.is_empty() && !host.contains(bad)).then_some((host, authority))
}

/// Whether a host is this machine, by its name alone: what a resolver says can change.
fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare
            .parse::<IpAddr>()
            .is_ok_and(|ip| ip.to_canonical().is_loopback())
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let wrong = || EndpointError::Shape(text.to_owned());
        match text.split_once("://") {
            Some(("unix", path)) if !path.is_empty() => Ok(Self::Unix(path.into())),
            Some(("tcp", rest)) => {
                let (_, authority) = authority(rest).ok_or_else(wrong)?;
                Ok(Self::Tcp(authority))
            }
            Some(("http", rest)) => {
                let (host, authority) = authority(rest).ok_or_else(wrong)?;
                if !is_loopback(host) {
                    return Err(EndpointError::Plain(text.to_owned()));
                }
                Ok(Self::Plain(authority))
            }
            Some(("ssh", rest)) => SshHost::read(rest.trim_end_matches('/'))
                .map(Self::Ssh)
                .ok_or_else(wrong),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(authority) => write!(f, "tcp://{authority}"),
            Self::Plain(authority) => write!(f, "http://{authority}"),
            Self::Ssh(host) => write!(f, "ssh://{host}"),
        }
    }
}

impl Endpoint {
    /// For the `Host` header.
    pub(super) fn host(&self) -> &str {
        match self {
            Self::Unix(_) | Self::Ssh(_) => "localhost",
            Self::Tcp(authority) | Self::Plain(authority) => authority,
        }
    }

    /// The name that its certificate should be for.
    pub(super) fn name(&self) -> &str {
        let host = self.host();
        let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// How one comes in: the word that the station lists.
    pub(super) const fn way(&self) -> &'static str {
        match self {
            Self::Unix(_) => "unix",
            Self::Tcp(_) => "tls",
            Self::Plain(_) => "tcp",
            Self::Ssh(_) => "ssh",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_shown() {
        for (text, shown) in [
            ("unix:///run/s.sock", "unix:///run/s.sock"),
            ("unix://s.sock", "unix://s.sock"),
            ("tcp://pi", "tcp://pi:8080"),
            ("tcp://pi:80/", "tcp://pi:80"),
            ("tcp://[::1]", "tcp://[::1]:8080"),
            ("tcp://[::1]:81", "tcp://[::1]:81"),
            ("http://localhost:81/", "http://localhost:81"),
            ("http://[::1]", "http://[::1]:8080"),
            ("ssh://pi", "ssh://pi"),
            ("ssh://ada@pi:2222/", "ssh://ada@pi:2222"),
            ("ssh://ada@[fe80::1]:22", "ssh://ada@[fe80::1]:22"),
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(endpoint.to_string(), shown);
            assert_eq!(shown.parse::<Endpoint>().unwrap(), endpoint);
        }
        for bad in [
            "",
            "pi",
            "unix://",
            "tcp://",
            "tcp://pi:x",
            "https://pi",
            "tcp://a b",
            "tcp://u@h",
            "ssh://",
            "ssh://-oProxyCommand=x",
            "ssh://-l@pi",
            "ssh://pi:x",
            "ssh://pi;reboot",
            "ssh://@pi",
        ] {
            assert!(bad.parse::<Endpoint>().is_err(), "{bad}");
        }
    }

    #[test]
    fn plain_text_to_another_machine_is_refused_with_the_way_out() {
        for bad in [
            "http://pi",
            "http://192.168.1.2:80",
            "http://localhost.evil.example",
        ] {
            let error = bad.parse::<Endpoint>().unwrap_err();
            assert_eq!(error, EndpointError::Plain(bad.to_owned()));
            let text = error.to_string();
            assert!(
                text.contains("listen in") && text.contains("`tcp://`"),
                "{text}"
            );
        }
        let name = |text: &str| text.parse::<Endpoint>().unwrap().name().to_owned();
        assert_eq!(name("tcp://pi.example:1"), "pi.example");
        assert_eq!(name("tcp://[fe80::1]:1"), "fe80::1");
    }
}
