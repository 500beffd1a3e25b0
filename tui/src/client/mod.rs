//! The station's API from the other side: one HTTP/1.1 client over any stream, and the stream
//! of events. Used by the terminal and by every verb of the command line; it knows the API and
//! never the daemon.

mod dial;
mod endpoint;
mod error;
mod events;
pub mod relay;
mod ssh;
mod trust;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{TryStreamExt, stream::BoxStream};
use http_body_util::{BodyExt as _, BodyStream, Full};
use hyper::{
    Method, Request, Response, StatusCode, body::Incoming, client::conn::http1::SendRequest, header,
};
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Serialize, de::DeserializeOwned};
use signalbox_protocol::api::{error::ErrorBody, station::Health};
use tokio::{sync::Mutex, time::timeout};

use dial::Dialer;
pub use endpoint::{Endpoint, EndpointError, SshHost};
pub use error::ClientError;
pub use events::Events;
pub use trust::{Ask, Trust};

/// A reply must begin within this time; the station itself gives up after 30 s.
const REPLY_S_MAX: u64 = 35;
/// Who asks how the station is will not wait long: no answer is one too.
const HEALTH_S_MAX: u64 = 10;
/// Largest reply that is held in memory; larger ones are for [`Client::stream`].
const REPLY_BYTES_MAX: usize = 16 * 1024 * 1024;

type Sender = SendRequest<Full<Bytes>>;

/// A client of one station. Requests share one connection, which is made anew when it is gone.
#[derive(Debug)]
pub struct Client {
    dialer: Arc<Dialer>,
    token: Option<String>,
    idle: Mutex<Option<Sender>>,
}

/// Makes a name safe as one part of a path.
#[must_use]
pub fn segment(name: &str) -> String {
    utf8_percent_encode(name, NON_ALPHANUMERIC).to_string()
}

impl Client {
    /// Connects at the first request. Over TCP no certificate is believed.
    #[must_use]
    pub fn new(endpoint: Endpoint, token: Option<String>) -> Self {
        Self::trusting(endpoint, Trust::none(), token)
    }

    /// Connects at the first request.
    #[must_use]
    pub fn trusting(endpoint: Endpoint, trust: Trust, token: Option<String>) -> Self {
        Self {
            dialer: Arc::new(Dialer::new(endpoint, trust)),
            token,
            idle: Mutex::new(None),
        }
    }

    /// The same station with another session.
    #[must_use]
    pub fn with_token(&self, token: Option<String>) -> Self {
        Self {
            dialer: self.dialer.clone(),
            token,
            idle: Mutex::new(None),
        }
    }

    /// Connects now, while a person can still be asked for a passphrase.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn connect(&self) -> Result<(), ClientError> {
        let sender = self.dial().await?;
        *self.idle.lock().await = Some(sender);
        Ok(())
    }

    /// Where the station is.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        self.dialer.endpoint()
    }

    /// `GET` with a query.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &impl Serialize,
    ) -> Result<T, ClientError> {
        let path = with_query(path, query)?;
        self.json(self.request(Method::GET, &path, None)?).await
    }

    /// `GET` of plain text.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn get_text(&self, path: &str) -> Result<String, ClientError> {
        let body = self.whole(self.request(Method::GET, path, None)?).await?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// `GET /health`, on a connection of its own: also what is wrong is an answer.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn health(&self) -> Result<Health, ClientError> {
        let request = self.request(Method::GET, "/health", None)?;
        let asked = async {
            let mut sender = self.dial().await?;
            let sent = sender.send_request(request).await;
            let response = sent.map_err(ClientError::Lost)?;
            let status = response.status();
            let body = limited(response.into_body()).await?;
            serde_json::from_slice(&body).map_err(|_| refusal(status, &body))
        };
        timeout(Duration::from_secs(HEALTH_S_MAX), asked)
            .await
            .map_err(|_| ClientError::Silent)?
    }

    /// `POST` of a JSON body.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let body = to_json(body)?;
        self.json(self.request(Method::POST, path, Some(body))?)
            .await
    }

    /// `PUT` of a JSON body.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let body = to_json(body)?;
        self.json(self.request(Method::PUT, path, Some(body))?)
            .await
    }

    /// `POST` of bytes that are no JSON.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn post_bytes<T: DeserializeOwned>(
        &self,
        path: &str,
        body: Vec<u8>,
    ) -> Result<T, ClientError> {
        let mut request = self.request(Method::POST, path, Some(body.into()))?;
        let kind = header::HeaderValue::from_static("application/octet-stream");
        request.headers_mut().insert(header::CONTENT_TYPE, kind);
        self.json(request).await
    }

    /// `POST` without a body.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn act<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.json(self.request(Method::POST, path, None)?).await
    }

    /// `PATCH` of a JSON body.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn patch<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let body = to_json(body)?;
        self.json(self.request(Method::PATCH, path, Some(body))?)
            .await
    }

    /// `POST` without a body on either side.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn post_alone(&self, path: &str) -> Result<(), ClientError> {
        self.whole(self.request(Method::POST, path, None)?)
            .await
            .map(|_| ())
    }

    /// `DELETE`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn delete(&self, path: &str) -> Result<(), ClientError> {
        self.whole(self.request(Method::DELETE, path, None)?)
            .await
            .map(|_| ())
    }

    /// `DELETE` that answers.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn delete_for<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.json(self.request(Method::DELETE, path, None)?).await
    }

    /// Ends the session.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn log_out(&self) -> Result<(), ClientError> {
        let request = self.request(Method::POST, "/api/v1/auth/logout", None)?;
        self.whole(request).await.map(|_| ())
    }

    /// `GET` of any length, for example as `text/csv`, on a connection of its own.
    ///
    /// # Errors
    /// [`ClientError`]; items are errors when the transfer breaks off.
    pub async fn stream(
        &self,
        path: &str,
        query: &impl Serialize,
        accept: &'static str,
    ) -> Result<BoxStream<'static, Result<Bytes, ClientError>>, ClientError> {
        let path = with_query(path, query)?;
        let mut request = self.request(Method::GET, &path, None)?;
        let accept = header::HeaderValue::from_static(accept);
        request.headers_mut().insert(header::ACCEPT, accept);
        let mut sender = self.dial().await?;
        let sent = timeout(
            Duration::from_secs(REPLY_S_MAX),
            sender.send_request(request),
        );
        let response = sent
            .await
            .map_err(|_| ClientError::Silent)?
            .map_err(ClientError::Lost)?;
        let response = refuse_errors(response).await?;
        let frames =
            TryStreamExt::map_err(BodyStream::new(response.into_body()), ClientError::Lost);
        Ok(Box::pin(frames.try_filter_map(move |frame| {
            // The connection lives as long as its sender.
            let _ = &sender;
            std::future::ready(Ok(frame.into_data().ok()))
        })))
    }

    /// Opens the stream of events; the hello was read and checked.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn events(&self) -> Result<Events, ClientError> {
        let stream = self.dialer.dial().await?;
        Events::open(self.endpoint(), stream, self.token.as_deref()).await
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<Request<Full<Bytes>>, ClientError> {
        let mut builder = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.endpoint().host())
            .header(header::USER_AGENT, user_agent(self.endpoint()));
        if let Some(token) = &self.token {
            builder = builder.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if body.is_some() {
            builder = builder.header(header::CONTENT_TYPE, "application/json");
        }
        builder
            .body(Full::new(body.unwrap_or_default()))
            .map_err(|error| ClientError::Request(error.to_string()))
    }

    async fn json<T: DeserializeOwned>(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<T, ClientError> {
        let body = self.whole(request).await?;
        serde_json::from_slice(&body).map_err(ClientError::Reply)
    }

    /// Sends a request and reads the whole reply.
    async fn whole(&self, request: Request<Full<Bytes>>) -> Result<Bytes, ClientError> {
        let limit = Duration::from_secs(REPLY_S_MAX);
        timeout(limit, self.exchange(request))
            .await
            .map_err(|_| ClientError::Silent)?
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Bytes, ClientError> {
        let kept = self.idle.lock().await.take();
        let mut sender = match kept {
            Some(sender) => sender,
            None => self.dial().await?,
        };
        if sender.ready().await.is_err() {
            sender = self.dial().await?;
        }
        let again = request.clone();
        let response = match sender.send_request(request).await {
            Ok(response) => response,
            // The kept connection was closed before the request went out: nothing was done.
            Err(error) if error.is_canceled() => {
                sender = self.dial().await?;
                let sent = sender.send_request(again).await;
                sent.map_err(ClientError::Lost)?
            }
            Err(error) => return Err(ClientError::Lost(error)),
        };
        let response = refuse_errors(response).await?;
        let body = limited(response.into_body()).await?;
        *self.idle.lock().await = Some(sender);
        Ok(body)
    }

    async fn dial(&self) -> Result<Sender, ClientError> {
        let stream = self.dialer.dial().await?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(ClientError::Lost)?;
        // It ends with its sender; what goes wrong on it, the sender reports.
        tokio::spawn(connection);
        Ok(sender)
    }
}

/// Program, version and way in, for the station's list of sessions.
fn user_agent(endpoint: &Endpoint) -> String {
    format!(
        "signalbox/{} ({})",
        env!("CARGO_PKG_VERSION"),
        endpoint.way()
    )
}

async fn limited(body: Incoming) -> Result<Bytes, ClientError> {
    match http_body_util::Limited::new(body, REPLY_BYTES_MAX)
        .collect()
        .await
    {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) => match error.downcast::<hyper::Error>() {
            Ok(error) => Err(ClientError::Lost(*error)),
            Err(_) => Err(ClientError::TooLarge),
        },
    }
}

async fn refuse_errors(response: Response<Incoming>) -> Result<Response<Incoming>, ClientError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body = limited(response.into_body()).await?;
    Err(refusal(status, &body))
}

fn refusal(status: StatusCode, body: &[u8]) -> ClientError {
    match serde_json::from_slice::<ErrorBody>(body) {
        Ok(body) => ClientError::Refused {
            status: status.as_u16(),
            detail: body.error,
        },
        Err(_) => ClientError::NotAStation {
            status: status.as_u16(),
        },
    }
}

fn with_query(path: &str, query: &impl Serialize) -> Result<String, ClientError> {
    let query = serde_urlencoded::to_string(query)
        .map_err(|error| ClientError::Request(error.to_string()))?;
    if query.is_empty() {
        return Ok(path.to_owned());
    }
    Ok(format!("{path}?{query}"))
}

fn to_json(body: &impl Serialize) -> Result<Bytes, ClientError> {
    serde_json::to_vec(body)
        .map(Bytes::from)
        .map_err(|error| ClientError::Request(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_place_in_a_path() {
        assert_eq!(segment("kitchen1"), "kitchen1");
        assert_eq!(segment("../users?x=1"), "%2E%2E%2Fusers%3Fx%3D1");
    }

    #[test]
    fn a_query_is_left_out_when_empty() {
        use signalbox_protocol::api::data::LastQuery;
        let empty = LastQuery::default();
        assert_eq!(with_query("/a", &empty).unwrap(), "/a");
        let query = LastQuery {
            node: Some("a b&c".to_owned()),
            n: Some(5),
            ..LastQuery::default()
        };
        assert_eq!(with_query("/a", &query).unwrap(), "/a?node=a+b%26c&n=5");
    }

    #[test]
    fn what_is_no_envelope_comes_from_something_else() {
        let error = refusal(StatusCode::BAD_GATEWAY, b"<html>");
        assert!(matches!(error, ClientError::NotAStation { status: 502 }));
        let body = br#"{"error":{"code":"invalid","message":"m","hint":"h"}}"#;
        let error = refusal(StatusCode::UNPROCESSABLE_ENTITY, body);
        assert_eq!(error.to_string(), "m");
        assert_eq!(error.hint().as_deref(), Some("h"));
    }
}
