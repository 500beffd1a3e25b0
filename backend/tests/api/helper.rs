//! One station per test, with a scripted engine, and a small HTTP client.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    HeaderMap, Request as HttpRequest, StatusCode,
    body::{Bytes, Incoming},
    client::conn::http1,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use signalbox_backend::{
    api::{AppState, Door, own_uid, router, serve_http, serve_unix},
    auth::{Accounts, Presence},
    clock::Clock,
    config::{ApiConfig, Config, PlainText, SignupPolicy},
    counters::Counters,
    engine::{EngineHandle, REQUEST_QUEUE_MAX, Request},
    ingest::INBOUND_QUEUE_MESSAGES_MAX,
    listeners::UnixSocket,
    live::Live,
    logs::Logs,
    mqtt::{Link, LinkError, Publish},
    prune::Upkeep,
    store::{SharedStore, sqlite},
    tls::ServerTls,
};
use tokio::{
    net::{TcpListener, TcpStream, UnixStream},
    sync::{Semaphore, mpsc, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

/// Everything that a test waits for happens within this time.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A clock that stands still until a test turns it.
#[derive(Debug)]
pub(crate) struct TurnedClock(Mutex<DateTime<Utc>>);

impl TurnedClock {
    pub(crate) fn turn_s(&self, s: i64) {
        *self.0.lock().unwrap() += TimeDelta::seconds(s);
    }
}

impl Clock for TurnedClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}

/// A broker that is only up or down.
#[derive(Debug, Default)]
pub(crate) struct FakeLink(pub(crate) Mutex<Option<String>>);

#[async_trait]
impl Link for FakeLink {
    async fn publish(&self, _message: Publish) -> Result<(), LinkError> {
        Ok(())
    }

    fn trouble(&self) -> Option<String> {
        self.0.lock().unwrap().clone()
    }

    fn forgets_connections(&self) -> bool {
        true
    }
}

/// A server with its store in a folder of its own.
pub(crate) struct Station {
    pub(crate) address: std::net::SocketAddr,
    pub(crate) socket: PathBuf,
    pub(crate) clock: Arc<TurnedClock>,
    pub(crate) link: Arc<FakeLink>,
    pub(crate) state: Arc<AppState>,
    pub(crate) store: SharedStore,
    /// What the engine would say of the store.
    pub(crate) trouble: watch::Sender<Option<String>>,
    /// What the API asks of the engine; the test answers.
    pub(crate) requests: mpsc::Receiver<Request>,
    dir: tempfile::TempDir,
    _socket: UnixSocket,
    tasks: Vec<JoinHandle<()>>,
}

impl Station {
    pub(crate) async fn start() -> Self {
        Self::start_with(SignupPolicy::default()).await
    }

    pub(crate) async fn start_with(signup: SignupPolicy) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), signup, 1_800_000_000).await
    }

    async fn start_in(dir: tempfile::TempDir, signup: SignupPolicy, at: i64) -> Self {
        let clock = Arc::new(TurnedClock(Mutex::new(
            DateTime::from_timestamp(at, 0).unwrap(),
        )));
        let store = sqlite::open(&dir.path().join("test.db")).await.unwrap();
        let store: SharedStore = Arc::new(store);
        let link = Arc::new(FakeLink::default());
        let trouble = watch::Sender::new(None);
        let (inbound, _) = mpsc::channel(INBOUND_QUEUE_MESSAGES_MAX);
        let (asked, requests) = mpsc::channel(REQUEST_QUEUE_MAX);
        let mut config = Config::default();
        config.account.signup = signup;
        let config = watch::Sender::new(Arc::new(config)).subscribe();
        let tls = ServerTls::open(&ApiConfig::default(), dir.path()).unwrap();
        let state = Arc::new(AppState {
            id: uuid::Uuid::new_v4(),
            started_at: clock.now(),
            clock: clock.clone(),
            store: store.clone(),
            engine: EngineHandle {
                inbound,
                requests: asked,
            },
            live: Live::default(),
            logs: Logs::start(dir.path().join("firmware"), Live::default()),
            counters: Arc::new(Counters::default()),
            store_trouble: trouble.subscribe(),
            link: link.clone(),
            presence: Presence::default(),
            mail_written: Arc::default(),
            upkeep: Upkeep::default(),
            accounts: Accounts::new(store.clone(), clock.clone(), config.clone()),
            config,
            own_uid: own_uid().unwrap(),
            tls: tls.clone(),
            shutdown: CancellationToken::new(),
            websockets: Arc::new(Semaphore::new(signalbox_backend::api::WEBSOCKETS_MAX)),
        });
        let http = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = http.local_addr().unwrap();
        let socket_path = dir.path().join("api.sock");
        let mut socket = UnixSocket::bind(socket_path.clone()).await.unwrap();
        let unix = socket.take_listener().unwrap();
        let router = router(state.clone());
        let tasks = vec![
            tokio::spawn(serve_http(
                http,
                Door {
                    tls,
                    plain_text: PlainText::Loopback,
                },
                router.clone(),
                state.shutdown.clone(),
            )),
            tokio::spawn(serve_unix(unix, router, state.shutdown.clone())),
        ];
        Self {
            address,
            socket: socket_path,
            clock,
            link,
            state,
            store,
            trouble,
            requests,
            dir,
            _socket: socket,
            tasks,
        }
    }

    /// Stops the server and starts another on the same folder, with the clock going on.
    pub(crate) async fn restart(self) -> Self {
        self.state.shutdown.cancel();
        for task in self.tasks {
            tokio::time::timeout(DEADLINE, task).await.unwrap().unwrap();
        }
        let at = self.clock.now().timestamp();
        drop((self.state, self.store, self._socket));
        Self::start_in(self.dir, SignupPolicy::default(), at).await
    }

    /// A client over TCP.
    pub(crate) async fn tcp(&self) -> Client {
        let stream = TcpStream::connect(self.address).await.unwrap();
        Client::over(stream).await
    }

    /// A client over the unix socket: a local administrator.
    pub(crate) async fn unix(&self) -> Client {
        let stream = UnixStream::connect(&self.socket).await.unwrap();
        Client::over(stream).await
    }

    /// A logged-in client of a new account with this role.
    pub(crate) async fn with_role(&self, role: &str) -> Client {
        let body = json!({"username": role, "email": "a@example.org",
            "password": "correct horse", "role": role});
        let made = self.unix().await.post("/api/v1/users", &body).await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
        let mut client = self.tcp().await;
        client.token = Some(log_in(&mut client, role, "correct horse").await);
        client
    }
}

/// Logs in and gives the token.
pub(crate) async fn log_in(client: &mut Client, username: &str, password: &str) -> String {
    let body = json!({"username": username, "password": password});
    let reply = client.post("/api/v1/auth/login", &body).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    reply.json()["token"].as_str().unwrap().to_owned()
}

/// One connection.
pub(crate) struct Client {
    sender: http1::SendRequest<Full<Bytes>>,
    pub(crate) token: Option<String>,
}

/// A whole reply.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// Asserts status and code of an error envelope, and gives its detail.
    pub(crate) fn error(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        let envelope = self.json();
        assert_eq!(envelope["error"]["code"], code, "{envelope}");
        assert!(
            envelope["error"]["message"]
                .as_str()
                .is_some_and(|text| !text.is_empty())
        );
        envelope["error"].clone()
    }
}

impl Client {
    pub(crate) async fn over<S>(stream: S) -> Self
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self {
            sender,
            token: None,
        }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Reply {
        self.send(self.request("GET", path)).await
    }

    pub(crate) async fn delete(&mut self, path: &str) -> Reply {
        self.send(self.request("DELETE", path)).await
    }

    pub(crate) async fn post(&mut self, path: &str, body: &Value) -> Reply {
        self.json("POST", path, body).await
    }

    pub(crate) async fn patch(&mut self, path: &str, body: &Value) -> Reply {
        self.json("PATCH", path, body).await
    }

    async fn json(&mut self, method: &str, path: &str, body: &Value) -> Reply {
        let (mut parts, _) = self.request(method, path).into_parts();
        let json = "application/json".parse().unwrap();
        parts.headers.insert("content-type", json);
        let body = Full::new(Bytes::from(body.to_string()));
        self.send(HttpRequest::from_parts(parts, body)).await
    }

    /// A request without a body, with the token if there is one.
    pub(crate) fn request(&self, method: &str, path: &str) -> HttpRequest<Full<Bytes>> {
        let mut request = HttpRequest::builder()
            .method(method)
            .uri(path)
            .header("host", "station");
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        request.body(Full::default()).unwrap()
    }

    pub(crate) async fn send(&mut self, request: HttpRequest<Full<Bytes>>) -> Reply {
        let (parts, body) = self.open(request).await.into_parts();
        let body = tokio::time::timeout(DEADLINE, body.collect())
            .await
            .unwrap();
        Reply {
            status: parts.status,
            headers: parts.headers,
            body: body.unwrap().to_bytes(),
        }
    }

    /// The reply with its body still to come.
    pub(crate) async fn open(
        &mut self,
        request: HttpRequest<Full<Bytes>>,
    ) -> hyper::Response<Incoming> {
        self.sender.ready().await.unwrap();
        let reply = tokio::time::timeout(DEADLINE, self.sender.send_request(request)).await;
        reply.unwrap().unwrap()
    }
}
