//! Starts the stages in the order of the data's flow, and stops them in reverse: this file is
//! the diagram. Fed by the command line with a configuration and bound listeners; ends when its
//! token is cancelled or a stage that nothing works without has ended.
//!
//! ```text
//! start:  store → engine queue → broker → engine → mails → pruning → API
//! stop:   API → pruning → mails → broker → engine → store
//! ```
//!
//! The broker stops before the engine, so that what is under way is still committed and
//! acknowledged; what was not acknowledged the nodes send again.

mod error;

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use signalbox_protocol::api::fingerprint::Fingerprint;
use tokio::{
    net::TcpListener,
    sync::{Notify, Semaphore, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    alerts::mail::{self, SmtpMailer},
    api::{self, AppState, WEBSOCKETS_MAX},
    auth::{Accounts, Presence},
    clock::SharedClock,
    config::{Config, LiveConfig, PlainText, Reloader},
    counters::Counters,
    engine::{self, EngineHandle, EngineParts, Heart},
    health::{self, Vitals},
    ingest::Decoder,
    listeners::{self, ListenError, UnixSocket},
    live::Live,
    logs::Logs,
    mqtt::Broker,
    prune::{self, Upkeep},
    store::{self, Place, SharedStore, StoreUrl},
    systemd::{self, Supervised},
    tls::ServerTls,
};

pub use error::RunError;

/// Folder of firmware images in the data folder.
const FIRMWARE_NAME: &str = "firmware";
/// Name of the database in the data folder.
const DATABASE_NAME: &str = "signalbox.db";

/// Where the configuration wants the store.
///
/// # Errors
/// No data folder is known.
pub fn store_place(config: &Config) -> Result<Place, ListenError> {
    match config.store.url.as_ref().map(StoreUrl::place) {
        Some(Ok(place)) => Ok(place.clone()),
        // A bad one was refused with the configuration.
        Some(Err(_)) | None => {
            let path = listeners::data_dir_path(config)?.join(DATABASE_NAME);
            Ok(Place::Sqlite(path))
        }
    }
}

/// What the API listens on. The broker binds its own address.
#[derive(Debug)]
pub struct Listeners {
    /// TCP.
    pub http: TcpListener,
    /// Unix socket.
    pub unix: UnixSocket,
}

impl Listeners {
    /// Binds what the configuration says.
    ///
    /// # Errors
    /// [`ListenError`].
    pub async fn bind(config: &Config) -> Result<Self, ListenError> {
        listeners::make_data_dir(&listeners::data_dir_path(config)?)?;
        let http = SocketAddr::new(config.api.address, config.api.port);
        Ok(Self {
            http: listeners::bind_http(http).await?,
            unix: UnixSocket::bind(listeners::socket_path(config)?).await?,
        })
    }
}

/// A running daemon.
pub struct Station {
    /// Id of this run.
    pub id: Uuid,
    /// Where the API listens.
    pub http: SocketAddr,
    /// Where the embedded broker listens; `None` with an external one.
    pub mqtt: Option<SocketAddr>,
    /// The unix socket.
    pub socket: PathBuf,
    /// Of the API's certificate at the start.
    pub fingerprint: Fingerprint,
    /// The store, for whoever hosts the station in its own process.
    pub store: SharedStore,
    /// Gives it another configuration.
    pub reloader: Reloader,
    shutdown: CancellationToken,
    /// Stops what must go before the broker and the engine.
    front: CancellationToken,
    api: Vec<JoinHandle<()>>,
    workers: Vec<JoinHandle<()>>,
    broker: Broker,
    engine: JoinHandle<()>,
    engine_stop: CancellationToken,
    _socket: UnixSocket,
}

/// Runs the daemon until `shutdown`.
///
/// # Errors
/// [`RunError`]; with a hint for whoever reads it.
pub async fn run(
    config: Config,
    listeners: Listeners,
    clock: SharedClock,
    shutdown: CancellationToken,
) -> Result<(), RunError> {
    let station = Station::start(config, listeners, clock, shutdown).await?;
    station.join().await
}

/// The stages that messages of nodes go through.
struct Core {
    config: watch::Sender<Arc<Config>>,
    decoder: Arc<Decoder>,
    store: SharedStore,
    handle: EngineHandle,
    live: Live,
    logs: Logs,
    counters: Arc<Counters>,
    broker: Broker,
    engine: JoinHandle<()>,
    engine_stop: CancellationToken,
    mail_written: Arc<Notify>,
    upkeep: Upkeep,
    store_trouble: watch::Receiver<Option<String>>,
    heart: Heart,
}

impl Core {
    async fn start(
        config: &Arc<Config>,
        clock: &SharedClock,
        shutdown: &CancellationToken,
    ) -> Result<Self, RunError> {
        let decoder = Arc::new(Decoder::new(config)?);
        let place = store_place(config)?;
        let failed = |source| RunError::Store {
            place: place.clone(),
            source,
        };
        let store = store::open_when_there(&place, shutdown).await;
        let store = store.map_err(failed)?.ok_or(RunError::Stopped)?;
        let (live, counters) = (Live::default(), Arc::new(Counters::default()));
        let folder = listeners::data_dir_path(config)?.join(FIRMWARE_NAME);
        let logs = Logs::start(folder, live.clone());
        let (handle, inputs) = engine::channel();
        let broker = Broker::start(
            config,
            store.clone(),
            &handle,
            decoder.clone(),
            clock.clone(),
            counters.clone(),
        )
        .await?;
        let live_config = watch::Sender::new(Arc::clone(config));
        let engine_stop = CancellationToken::new();
        let mail_written = Arc::new(Notify::new());
        let trouble = watch::Sender::new(None);
        let store_trouble = trouble.subscribe();
        let heart = Heart::default();
        let parts = EngineParts {
            store: store.clone(),
            clock: clock.clone(),
            live: live.clone(),
            logs: logs.clone(),
            counters: counters.clone(),
            link: broker.link(),
            config: live_config.subscribe(),
            mail_written: mail_written.clone(),
            trouble,
            heart: heart.clone(),
        };
        let engine = match engine::start(inputs, parts, engine_stop.clone()).await {
            Ok(engine) => engine,
            Err(error) => {
                broker.stop().await;
                return Err(failed(error));
            }
        };
        Ok(Self {
            config: live_config,
            decoder,
            store,
            handle,
            live,
            logs,
            counters,
            broker,
            engine,
            engine_stop,
            mail_written,
            upkeep: Upkeep::default(),
            store_trouble,
            heart,
        })
    }

    /// Starts what works beside the flow: deleting, looking after health and telling of it to
    /// people and to the service manager, mailing.
    fn work(
        &self,
        config: &LiveConfig,
        clock: &SharedClock,
        stop: &CancellationToken,
    ) -> Vec<JoinHandle<()>> {
        let store = || Arc::clone(&self.store);
        let pruning = prune::run(
            store(),
            clock.clone(),
            config.clone(),
            self.upkeep.clone(),
            stop.clone(),
        );
        let vitals = Vitals {
            store: store(),
            store_trouble: self.store_trouble.clone(),
            link: self.broker.link(),
        };
        let supervised = Supervised {
            heart: self.heart.clone(),
            vitals: vitals.clone(),
            clock: clock.clone(),
        };
        let telling = systemd::run(supervised, stop.clone());
        let looking = health::run(vitals, self.live.clone(), stop.clone());
        let mailing = mail::run(
            store(),
            clock.clone(),
            config.clone(),
            self.mail_written.clone(),
            stop.clone(),
        );
        vec![
            tokio::spawn(pruning),
            tokio::spawn(looking),
            tokio::spawn(telling),
            tokio::spawn(mailing),
        ]
    }
}

impl std::fmt::Debug for Station {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Station")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Station {
    /// Starts every stage and logs the ready line.
    ///
    /// # Errors
    /// [`RunError`]; what was started until then has been stopped again.
    pub async fn start(
        config: Config,
        listeners: Listeners,
        clock: SharedClock,
        shutdown: CancellationToken,
    ) -> Result<Self, RunError> {
        let config = Arc::new(config);
        let mut unix = listeners.unix;
        let started_at = clock.now();
        let own_uid = api::own_uid().map_err(RunError::Identity)?;
        let http = listeners.http.local_addr().map_err(RunError::Identity)?;
        // A mail server that cannot be used is an error now, and not when the first mail is due.
        config.mail.as_ref().map(SmtpMailer::new).transpose()?;
        let tls = ServerTls::open(&config.api, &listeners::data_dir_path(&config)?)?;
        let core = Core::start(&config, &clock, &shutdown).await?;
        let store = core.store.clone();
        let live_config = core.config.subscribe();

        let front = CancellationToken::new();
        let workers = core.work(&live_config, &clock, &front);
        let id = Uuid::new_v4();
        let router = api::router(Arc::new(AppState {
            id,
            started_at,
            clock: clock.clone(),
            store: store.clone(),
            engine: core.handle,
            live: core.live,
            logs: core.logs,
            counters: core.counters,
            store_trouble: core.store_trouble,
            link: core.broker.link(),
            presence: Presence::default(),
            mail_written: core.mail_written,
            upkeep: core.upkeep,
            accounts: Accounts::new(store.clone(), clock, live_config.clone()),
            config: live_config,
            own_uid,
            tls: tls.clone(),
            shutdown: front.clone(),
            websockets: Arc::new(Semaphore::new(WEBSOCKETS_MAX)),
        }));
        let door = api::Door {
            tls: tls.clone(),
            plain_text: config.api.plain_text,
        };
        let served = api::serve_http(listeners.http, door, router.clone(), front.clone());
        let mut api = vec![tokio::spawn(served)];
        if let Some(listener) = unix.take_listener() {
            let served = api::serve_unix(listener, router, front.clone());
            api.push(tokio::spawn(served));
        }
        let station = Self {
            id,
            http,
            mqtt: core.broker.listens_on(),
            socket: unix.path.clone(),
            fingerprint: tls.fingerprint(),
            store,
            reloader: Reloader::new(core.config, core.decoder, tls),
            shutdown,
            front,
            api,
            workers,
            broker: core.broker,
            engine: core.engine,
            engine_stop: core.engine_stop,
            _socket: unix,
        };
        station.announce(&config).await;
        systemd::ready().await;
        Ok(station)
    }

    /// Waits for the shutdown, then stops every stage.
    ///
    /// # Errors
    /// [`RunError::Ended`] when a stage that nothing works without ended by itself.
    pub async fn join(mut self) -> Result<(), RunError> {
        let ended = tokio::select! {
            () = self.shutdown.cancelled() => None,
            _ = &mut self.engine => Some("engine"),
            () = self.broker.ended() => Some("link to the broker"),
        };
        tracing::info!("stopping");
        systemd::stopping().await;
        self.front.cancel();
        for task in self.api.drain(..).chain(self.workers.drain(..)) {
            if let Err(error) = task.await {
                tracing::error!(%error, "a task ended badly");
            }
        }
        self.broker.stop().await;
        self.engine_stop.cancel();
        if ended != Some("engine")
            && let Err(error) = (&mut self.engine).await
        {
            tracing::error!(%error, "the engine ended badly");
        }
        tracing::info!("stopped");
        match ended {
            None => Ok(()),
            Some(stage) => Err(RunError::Ended { stage }),
        }
    }

    /// Where nodes find the broker, without login.
    #[must_use]
    pub fn broker_address(&self) -> String {
        self.broker.address()
    }

    async fn announce(&self, config: &Config) {
        tracing::info!(
            "ready id={} api=http://{} mqtt={} socket={}",
            self.id,
            self.http,
            self.broker_address(),
            self.socket.display()
        );
        if config.mail.is_none() {
            tracing::info!("no mail server is configured: alerts show in the terminal only");
        }
        tracing::info!(
            "the certificate of the API has the fingerprint SHA-256 {}",
            self.fingerprint
        );
        if config.api.plain_text == PlainText::Proxy {
            tracing::warn!(
                address = %self.http,
                "the API takes plain HTTP from everyone who reaches it: only a proxy may"
            );
        }
        match self.store.users().await {
            Ok(users) if users.is_empty() => {
                tracing::info!("no account yet: the first sign-up becomes the administrator");
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "accounts cannot be read"),
        }
    }
}
