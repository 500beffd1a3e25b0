//! `GET /ws`: a hello, then every event that the client wants. Fed by [`crate::live`]; one task per client, so that
//! a slow one waits alone: it misses the oldest events and is told how many.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension,
    extract::{
        State, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket, close_code, rejection::WebSocketUpgradeRejection},
    },
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use futures_util::{
    SinkExt as _, StreamExt as _,
    stream::{SplitSink, SplitStream},
};
use signalbox_protocol::api::{
    event::{Event, EventKind, Hello, STREAM_PAUSE_MS_MAX, StreamOptions},
    station::API_VERSION,
};
use tokio::{
    sync::{
        OwnedSemaphorePermit,
        broadcast::{
            self,
            error::{RecvError, TryRecvError},
        },
        watch,
    },
    time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout},
};

use super::{SharedState, VERSION, error::ApiError};
use crate::{
    auth::{Caller, Contact, OpenStream},
    live::LiveEvent,
};

/// WebSockets at a time.
pub const WEBSOCKETS_MAX: usize = 256;
/// The subprotocol that clients may ask for; browsers must, to carry a token beside it.
const PROTOCOL: &str = "signalbox.v1";
/// A client that takes nothing for this long is dropped.
const SEND_S_MAX: u64 = 10;
/// Pause between pings; at each, the session is looked at again.
const PING_S: u64 = 20;
/// A client that is silent for this long (it must answer pings) is dropped.
const SILENCE_S_MAX: u64 = 50;
/// Events that are written before they are flushed together.
const EVENTS_PER_FLUSH_MAX: usize = 256;
/// Largest message of a client: its options.
const CLIENT_MESSAGE_BYTES_MAX: usize = 4_096;
/// Bytes of the reason in a close frame.
const CLOSE_REASON_BYTES_MAX: usize = 123;
/// Bytes that wait in a client's send buffer.
const SEND_BUFFER_BYTES: usize = 65_536;

/// Opens the stream of events.
///
/// A WebSocket; each text message is one `Event`. The client may send `StreamOptions`. Browsers cannot set `Authorization`, so the
/// token may also come as a subprotocol: `Sec-WebSocket-Protocol: signalbox.v1, bearer.<token>`.
#[utoipa::path(
    get, path = "/ws", tag = "live",
    responses(
        (status = 101, description = "the stream is open"),
        (status = 403, description = "the page that asks is of another origin"),
        (status = 426, description = "not a WebSocket handshake"),
    )
)]
pub(crate) async fn connect(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    Extension(contact): Extension<Contact>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let upgrade = upgrade.map_err(|_| ApiError::UpgradeRequired)?;
    same_origin(&headers)?;
    let permit = Arc::clone(&state.websockets)
        .try_acquire_owned()
        .map_err(|_| ApiError::Unavailable {
            message: format!("there are already {WEBSOCKETS_MAX} WebSockets"),
            cause: "too many WebSockets".to_owned(),
        })?;
    // Before the reply, so that nothing is missed in between.
    let events = state.live.subscribe();
    let ends = state.accounts.session_ends();
    Ok(upgrade
        .protocols([PROTOCOL])
        .max_message_size(CLIENT_MESSAGE_BYTES_MAX)
        .write_buffer_size(SEND_BUFFER_BYTES / 2)
        .max_write_buffer_size(SEND_BUFFER_BYTES * 16)
        .on_upgrade(move |socket| async move {
            let (sink, source) = socket.split();
            let mut client = Client {
                sink,
                events,
                ends,
                options: StreamOptions::default(),
                flushed_at: Instant::now(),
                waiting: false,
                open: state.presence.open(caller.clone(), contact),
                state,
                caller,
                _permit: permit,
            };
            let why = client.serve(source).await;
            tracing::debug!(user.name = client.caller.username, ?why, "websocket closed");
            client.close(why).await;
        }))
}

/// A page of another origin has no business here, even if it got hold of a token.
fn same_origin(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return Ok(());
    };
    let host = headers.get(header::HOST).map(HeaderValue::as_bytes);
    let of_origin = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.split_once("://"))
        .map(|(_, authority)| authority.as_bytes());
    if of_origin.is_some() && of_origin == host {
        return Ok(());
    }
    Err(ApiError::Forbidden {
        message: "the page that asks is of another origin".to_owned(),
        hint: "serve the page from the station's own address".to_owned(),
    })
}

/// Why a stream ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum End {
    ClientLeft,
    /// It said something that we do not understand, and what is wrong with it.
    ClientWrong(String),
    ClientSlow,
    ClientSilent,
    SessionEnded,
    Closed,
    Stopping,
}

struct Client {
    sink: SplitSink<WebSocket, Message>,
    events: broadcast::Receiver<LiveEvent>,
    ends: watch::Receiver<u64>,
    state: SharedState,
    caller: Caller,
    options: StreamOptions,
    flushed_at: Instant,
    /// Whether events wait for the pause to be over.
    waiting: bool,
    /// Its place in the list of who is there.
    open: OpenStream,
    _permit: OwnedSemaphorePermit,
}

impl Client {
    async fn serve(&mut self, mut source: SplitStream<WebSocket>) -> End {
        let hello = Event::Hello(Hello {
            id: self.state.id.to_string(),
            version: VERSION.to_owned(),
            api_min: API_VERSION,
            api_max: API_VERSION,
        });
        if let Err(end) = self.send_event(&hello).await {
            return end;
        }
        let health = self.state.vitals().look().await;
        if health.status != "ok"
            && let Err(end) = self.send_event(&Event::Health { health }).await
        {
            return end;
        }
        let stopping = self.state.shutdown.clone();
        let period = Duration::from_secs(PING_S);
        let mut ping = interval_at(Instant::now() + period, period);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard_at = Instant::now();
        loop {
            let pause = Duration::from_millis(self.options.pause_ms.into());
            let step = tokio::select! {
                () = stopping.cancelled() => Err(End::Stopping),
                () = self.open.closed() => Err(End::Closed),
                () = sleep_until(self.flushed_at + pause), if self.waiting => self.flush().await,
                event = self.events.recv() => self.forward(event, pause).await,
                incoming = source.next() => match incoming {
                    Some(Ok(Message::Close(_)) | Err(_)) | None => Err(End::ClientLeft),
                    Some(Ok(message)) => {
                        heard_at = Instant::now();
                        self.hear(&message)
                    }
                },
                changed = self.ends.changed() => match changed {
                    Ok(()) => self.check_session().await,
                    Err(_) => Err(End::Stopping),
                },
                _ = ping.tick() => {
                    if heard_at.elapsed() > Duration::from_secs(SILENCE_S_MAX) {
                        Err(End::ClientSilent)
                    } else {
                        self.ping().await
                    }
                }
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    /// Writes an event and all that follow it at once, then flushes, or leaves that for later when
    /// only measurements and messages are among them.
    async fn forward(
        &mut self,
        first: Result<LiveEvent, RecvError>,
        pause: Duration,
    ) -> Result<(), End> {
        let mut next = first;
        let mut urgent = false;
        for left in (0..EVENTS_PER_FLUSH_MAX).rev() {
            match next {
                Ok(event) => {
                    let kind = event.event.kind();
                    if !self.options.without.contains(&kind) {
                        urgent |= !matches!(
                            kind,
                            EventKind::Samples | EventKind::Message | EventKind::Log
                        );
                        self.feed(event.json.to_string()).await?;
                    }
                }
                Err(RecvError::Lagged(count)) => {
                    urgent = true;
                    self.feed(text(&Event::Missed { count })?).await?;
                }
                Err(RecvError::Closed) => return Err(End::Stopping),
            }
            if left == 0 {
                break;
            }
            next = match self.events.try_recv() {
                Ok(event) => Ok(event),
                Err(TryRecvError::Lagged(count)) => Err(RecvError::Lagged(count)),
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            };
        }
        if self.waiting && (urgent || self.flushed_at.elapsed() >= pause) {
            return self.flush().await;
        }
        Ok(())
    }

    async fn feed(&mut self, text: String) -> Result<(), End> {
        self.waiting = true;
        within(self.sink.feed(Message::text(text))).await
    }

    async fn flush(&mut self) -> Result<(), End> {
        self.waiting = false;
        let flushed = within(self.sink.flush()).await;
        self.flushed_at = Instant::now();
        flushed
    }

    /// Takes what the client says: its options.
    fn hear(&mut self, message: &Message) -> Result<(), End> {
        let Message::Text(text) = message else {
            return Ok(());
        };
        let options: StreamOptions = serde_json::from_str(text)
            .map_err(|error| End::ClientWrong(format!("these are no options: {error}")))?;
        if options.pause_ms > STREAM_PAUSE_MS_MAX {
            let pause_ms = options.pause_ms;
            return Err(End::ClientWrong(format!(
                "pause_ms `{pause_ms}` is more than {STREAM_PAUSE_MS_MAX}"
            )));
        }
        self.options = options;
        Ok(())
    }

    async fn send_event(&mut self, event: &Event) -> Result<(), End> {
        let text = text(event)?;
        within(self.sink.send(Message::text(text))).await
    }

    async fn ping(&mut self) -> Result<(), End> {
        within(self.sink.send(Message::Ping(axum::body::Bytes::new()))).await?;
        self.check_session().await
    }

    /// A session that was ended, or that ran out, closes its streams. When the store is away
    /// nothing can be told, and the next ping asks again.
    async fn check_session(&mut self) -> Result<(), End> {
        let Some(hash) = &self.caller.session else {
            return Ok(());
        };
        match self.state.accounts.by_hash(hash).await {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(End::SessionEnded),
            Err(error) => {
                tracing::warn!(%error, "a websocket's session cannot be checked now");
                Ok(())
            }
        }
    }

    async fn close(&mut self, why: End) {
        let (code, reason) = match &why {
            End::ClientLeft => (close_code::NORMAL, ""),
            End::ClientWrong(what) => (close_code::POLICY, within_frame(what)),
            End::ClientSlow | End::ClientSilent => (close_code::POLICY, "too slow"),
            End::SessionEnded => (close_code::POLICY, "the session has ended"),
            End::Closed => (close_code::POLICY, "an administrator closed it"),
            End::Stopping => (close_code::AWAY, "the station is stopping"),
        };
        let frame = CloseFrame {
            code,
            reason: reason.into(),
        };
        // A courtesy: the connection ends either way.
        let courtesy = Duration::from_secs(1);
        let _ = timeout(courtesy, self.sink.send(Message::Close(Some(frame)))).await;
    }
}

/// As much of a reason as a close frame holds (123 bytes, RFC 6455 section 5.5).
fn within_frame(reason: &str) -> &str {
    &reason[..reason.floor_char_boundary(CLOSE_REASON_BYTES_MAX)]
}

fn text(event: &Event) -> Result<String, End> {
    serde_json::to_string(event).map_err(|error| {
        tracing::error!(%error, "an event could not be written as JSON");
        End::Stopping
    })
}

async fn within(send: impl Future<Output = Result<(), axum::Error>>) -> Result<(), End> {
    match timeout(Duration::from_secs(SEND_S_MAX), send).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(End::ClientLeft),
        Err(_) => Err(End::ClientSlow),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_other_origins_are_refused() {
        let check = |origin: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static("station:8080"));
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
            }
            same_origin(&headers).is_ok()
        };
        assert!(check(None));
        assert!(check(Some("http://station:8080")));
        assert!(check(Some("https://station:8080")));
        assert!(!check(Some("http://evil.example")));
        assert!(!check(Some("http://station:8081")));
        assert!(!check(Some("null")));
    }
}
