//! The stream of events: a WebSocket over any stream.

use std::fmt;

use futures_util::{SinkExt as _, StreamExt as _};
use signalbox_protocol::api::{
    data::Samples,
    event::{Event, Hello, StreamOptions},
    message::Message as Received,
    station::API_VERSION,
};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        Error, Message,
        client::IntoClientRequest as _,
        http::HeaderValue,
        protocol::{WebSocketConfig, frame::coding::CloseCode},
    },
};

use super::{ClientError, Endpoint, endpoint::Duplex, refusal, user_agent};

/// Bytes that are read at once; the usual 128 KiB are more than a second of a busy station.
const READ_BYTES: usize = 16_384;
/// Largest event: the samples of the largest message that a broker takes (256 KiB unless
/// configured otherwise), in JSON.
const EVENT_BYTES_MAX: usize = 16 << 20;

/// An open stream of events.
pub struct Events {
    socket: WebSocketStream<Box<dyn Duplex>>,
    hello: Hello,
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("hello", &self.hello)
            .finish_non_exhaustive()
    }
}

impl Events {
    pub(super) async fn open(
        endpoint: &Endpoint,
        stream: Box<dyn Duplex>,
        token: Option<&str>,
    ) -> Result<Self, ClientError> {
        let mut request = format!("ws://{}/ws", endpoint.host())
            .into_client_request()
            .map_err(broken)?;
        let agent = HeaderValue::from_str(&user_agent(endpoint))
            .map_err(|error| ClientError::Request(error.to_string()))?;
        request.headers_mut().insert("user-agent", agent);
        if let Some(token) = token {
            let value = HeaderValue::from_str(&format!("Bearer {token}"))
                .map_err(|error| ClientError::Request(error.to_string()))?;
            request.headers_mut().insert("authorization", value);
        }
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BYTES)
            .write_buffer_size(0)
            .max_message_size(Some(EVENT_BYTES_MAX))
            .max_frame_size(Some(EVENT_BYTES_MAX));
        let opened = client_async_with_config(request, stream, Some(config)).await;
        let (socket, _) = opened.map_err(broken)?;
        let hello = Hello {
            id: String::new(),
            version: String::new(),
            api_min: 0,
            api_max: 0,
        };
        let mut events = Self { socket, hello };
        match events.next().await {
            Some(Ok(Event::Hello(hello))) => events.hello = hello,
            Some(Err(error)) => return Err(error),
            Some(Ok(_)) | None => return Err(ClientError::Events("no hello came".to_owned())),
        }
        let Hello {
            api_min, api_max, ..
        } = events.hello;
        if !(api_min..=api_max).contains(&API_VERSION) {
            return Err(ClientError::Version {
                min: api_min,
                max: api_max,
                own: API_VERSION,
            });
        }
        Ok(events)
    }

    /// Who is on the other side.
    #[must_use]
    pub const fn hello(&self) -> &Hello {
        &self.hello
    }

    /// Says which events are wanted, and how soon; holds from then on.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn choose(&mut self, options: &StreamOptions) -> Result<(), ClientError> {
        let text = serde_json::to_string(options)
            .map_err(|error| ClientError::Events(error.to_string()))?;
        self.socket.send(Message::text(text)).await.map_err(broken)
    }

    /// The next event; `None` when the station closed the stream. Kinds of events that a newer
    /// station knows and this program does not are left out. Safe to cancel.
    pub async fn next(&mut self) -> Option<Result<Event, ClientError>> {
        loop {
            match self.socket.next().await? {
                Ok(Message::Text(text)) => match read(&text) {
                    Ok(event) => return Some(Ok(event)),
                    Err(error) => tracing::debug!(%error, "an unknown event was left out"),
                },
                Ok(Message::Close(Some(why))) if why.code == CloseCode::Policy => {
                    let text = format!("the station closed it: {}", why.reason);
                    return Some(Err(ClientError::Events(text)));
                }
                Ok(Message::Close(_)) => return None,
                Ok(_) => {}
                Err(Error::ConnectionClosed) => return None,
                Err(error) => return Some(Err(broken(error))),
            }
        }
    }
}

/// The body of the most frequent kind but one.
#[derive(serde::Deserialize)]
struct OfMessage {
    message: Received,
}

/// Reads an event. The two kinds that come most are read as what they are: to look for the kind
/// among the fields first takes three times as long.
fn read(text: &str) -> serde_json::Result<Event> {
    if text.starts_with(r#"{"type":"samples","#) {
        let Samples { samples } = serde_json::from_str(text)?;
        return Ok(Event::Samples { samples });
    }
    if text.starts_with(r#"{"type":"message","#) {
        let OfMessage { message } = serde_json::from_str(text)?;
        return Ok(Event::Message { message });
    }
    serde_json::from_str(text)
}

fn broken(error: Error) -> ClientError {
    match error {
        Error::Http(response) => {
            let status = response.status();
            let body = response.into_body().unwrap_or_default();
            refusal(status, &body)
        }
        error => ClientError::Events(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use signalbox_protocol::api::{data::Sample, message::Outcome};

    use super::*;

    #[test]
    fn every_kind_is_read_as_it_was_written() {
        let at = DateTime::UNIX_EPOCH;
        let sample = Sample {
            node: "a".to_owned(),
            metric: "t".to_owned(),
            ts: at,
            value: 1.5,
            flags: Vec::new(),
        };
        let message = Received {
            id: 7,
            received_at: at,
            topic: "signalbox/a/telemetry".to_owned(),
            node: None,
            outcome: Outcome::Stored,
            reason: None,
            payload_bytes: 2,
            head: "{}".to_owned(),
            says: None,
            count: 1,
            first_at: at,
        };
        let samples = vec![sample];
        for event in [
            Event::Samples { samples },
            Event::Message { message },
            Event::Missed { count: 3 },
        ] {
            let text = serde_json::to_string(&event).unwrap();
            assert_eq!(read(&text).unwrap(), event);
        }
        assert!(read(r#"{"type":"samples","samples":5}"#).is_err());
        assert!(read(r#"{"type":"of tomorrow"}"#).is_err());
    }
}
