//! `signalbox serve`: the station without a terminal.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};

use anyhow::Context as _;
use serde_json::json;
use signalbox_backend::{
    clock::SystemClock,
    config::{self, Changes, Config, Reloader, Secret},
    run::{Listeners, RunError, Station},
    store::Place,
};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{log, output};

/// Arguments of `serve`; they win over environment and file.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Args {
    /// Configuration file [default: the user's, else /etc/signalbox/signalbox.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of the database
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Where everything is kept: sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE [default: a
    /// file in the folder]. A password is better in the variable SIGNALBOX_STORE__URL
    #[arg(long, value_name = "URL")]
    store: Option<Place>,
    /// TCP address of the API [default: 127.0.0.1]
    #[arg(long, short)]
    address: Option<IpAddr>,
    /// TCP port of the API, 0 picks a free one [default: 8080]
    #[arg(long, short)]
    port: Option<u16>,
    /// Unix socket of the API [default: in the data folder]
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Address of the embedded broker [default: 127.0.0.1:1883]
    #[arg(long, value_name = "ADDRESS:PORT")]
    mqtt_listen: Option<SocketAddr>,
    /// A broker of your own instead of the embedded one, for example mqtt://station@host:1883; its
    /// password is better in SIGNALBOX_MQTT__BROKER_PASSWORD
    #[arg(long, value_name = "URL")]
    broker: Option<Secret>,
    /// When ready, print how to reach it as JSON, besides the log
    #[arg(long)]
    json: bool,
}

impl Args {
    fn load(&self) -> anyhow::Result<Config> {
        let file = self.config.clone().or_else(config::default_file);
        let mut config = config::load(file.as_deref(), std::env::vars())?;
        config.store.data_dir = self.data_dir.clone().or(config.store.data_dir);
        config.store.url = self.store.clone().map(Into::into).or(config.store.url);
        config.api.address = self.address.unwrap_or(config.api.address);
        config.api.port = self.port.unwrap_or(config.api.port);
        config.api.socket = self.socket.clone().or(config.api.socket);
        config.mqtt.listen = self.mqtt_listen.unwrap_or(config.mqtt.listen);
        config.mqtt.broker = self.broker.clone().or(config.mqtt.broker);
        Ok(config)
    }
}

pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config = args.load()?;
    let level = log::start(&config.log)?;
    let shutdown = stop_on_signals()?;
    // Before anything can be asked to reload: unheard, the signal would end the daemon.
    let hangup = signal(SignalKind::hangup()).context("SIGHUP cannot be heard")?;
    let listeners = Listeners::bind(&config).await?;
    let station = Station::start(config, listeners, Arc::new(SystemClock), shutdown).await;
    let station = match station {
        // As it was told.
        Err(RunError::Stopped) => return Ok(ExitCode::SUCCESS),
        other => other?,
    };
    if args.json {
        output::json(&json!({
            "id": station.id.to_string(),
            "api": format!("http://{}", station.http),
            "mqtt": match station.mqtt {
                Some(address) => format!("mqtt://{address}"),
                None => station.broker_address(),
            },
            "fingerprint": station.fingerprint,
            "host": format!("unix://{}", station.socket.display()),
        }))?;
    }
    let reloads = tokio::spawn(reload_on_signals(
        hangup,
        args,
        station.reloader.clone(),
        level,
    ));
    let ended = station.join().await;
    reloads.abort();
    ended?;
    Ok(ExitCode::SUCCESS)
}

/// Reads the configuration again at each SIGHUP. One that is bad is refused, and the old one
/// stays.
async fn reload_on_signals(mut hangup: Signal, args: Args, reloader: Reloader, level: log::Level) {
    while hangup.recv().await.is_some() {
        match reload(&args, &reloader, &level) {
            Ok(changes) => tell(&changes),
            Err(error) => {
                tracing::error!("the new configuration is refused, the old one stays: {error:#}");
            }
        }
    }
}

fn reload(args: &Args, reloader: &Reloader, level: &log::Level) -> anyhow::Result<Changes> {
    let config = args.load()?;
    level.set(&config.log)?;
    Ok(reloader.reload(config)?)
}

fn tell(changes: &Changes) {
    if changes.live.is_empty() && changes.after_restart.is_empty() {
        tracing::info!("the configuration was read again and is the same");
    }
    for change in &changes.live {
        tracing::info!("changed {change}");
    }
    for change in &changes.after_restart {
        tracing::warn!("needs a restart: {change}");
    }
}

/// A token that SIGTERM and Ctrl-C cancel; the second Ctrl-C ends the program at once.
pub(crate) fn stop_on_signals() -> anyhow::Result<CancellationToken> {
    let token = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be heard")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("Ctrl-C cannot be heard")?;
    let told = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        told.cancel();
        interrupt.recv().await;
        std::process::exit(130);
    });
    Ok(token)
}
