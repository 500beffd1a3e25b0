//! Where a station is, and how to get a stream to it.

use std::{fmt, io, path::PathBuf, str::FromStr, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    time::timeout,
};

use super::ClientError;

/// Port of the API when none is named.
const PORT: u16 = 8080;
/// A station that does not answer a connection for this long is away.
const DIAL: Duration = Duration::from_secs(10);

/// Any stream to a station.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin + fmt::Debug {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + fmt::Debug> Duplex for T {}

/// Where a station is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `unix://PATH`
    Unix(PathBuf),
    /// `tcp://HOST:PORT`
    Tcp(String),
}

/// Why a text is not an address of a station.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an address of a station; hint: `unix:///run/signalbox.sock` or `tcp://host:8080`"
)]
pub struct EndpointError(String);

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let wrong = || EndpointError(text.to_owned());
        match text.split_once("://") {
            Some(("unix", path)) if !path.is_empty() => Ok(Self::Unix(path.into())),
            Some(("tcp", rest)) => {
                let rest = rest.trim_end_matches('/');
                let named = match rest.rsplit_once(':') {
                    Some((host, port)) if !host.ends_with(':') && !port.ends_with(']') => {
                        port.parse::<u16>().map_err(|_| wrong())?;
                        (host, rest.to_owned())
                    }
                    _ => (rest, format!("{rest}:{PORT}")),
                };
                let (host, authority) = named;
                let bad = |c: char| c.is_whitespace() || c.is_control() || "/@?#".contains(c);
                if host.is_empty() || host.contains(bad) {
                    return Err(wrong());
                }
                Ok(Self::Tcp(authority))
            }
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(authority) => write!(f, "tcp://{authority}"),
        }
    }
}

impl Endpoint {
    /// For the `Host` header.
    pub(super) fn host(&self) -> &str {
        match self {
            Self::Unix(_) => "localhost",
            Self::Tcp(authority) => authority,
        }
    }

    /// A new stream.
    pub(super) async fn dial(&self) -> Result<Box<dyn Duplex>, ClientError> {
        let dialled = async {
            let stream: Box<dyn Duplex> = match self {
                Self::Unix(path) => Box::new(UnixStream::connect(path).await?),
                Self::Tcp(authority) => {
                    let stream = TcpStream::connect(authority).await?;
                    stream.set_nodelay(true)?;
                    Box::new(stream)
                }
            };
            Ok(stream)
        };
        timeout(DIAL, dialled)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(|source| ClientError::Away {
                endpoint: self.clone(),
                source,
            })
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
            "http://pi",
            "tcp://a b",
            "tcp://u@h",
        ] {
            assert!(bad.parse::<Endpoint>().is_err(), "{bad}");
        }
    }
}
