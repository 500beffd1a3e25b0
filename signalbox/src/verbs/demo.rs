//! `signalbox demo`: a whole station in this process, with simulated nodes, in a folder that goes
//! away with it.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use chrono::Utc;
use serde_json::json;
use signalbox_backend::{
    clock::SystemClock,
    config::Config,
    run::{Listeners, Station},
};
use signalbox_protocol::api::{
    node::{NewNode, NodeCredentials},
    rule::{NewRule, Rule, Rules},
};
use signalbox_sim::{Broker, NodeSetup, Options, Sim, publish_past};
use signalbox_tui::client::{Client, Endpoint};
use tokio_util::sync::CancellationToken;

use super::{
    serve::stop_on_signals,
    terminal::{need_terminal, settings, show},
};
use crate::{log, output};

/// Tells that a folder is of a demo.
const MARK_NAME: &str = "demo.txt";
/// Names of the first nodes; more are numbered.
const NAMES: [&str; 3] = ["greenhouse", "kitchen", "cellar"];
/// The made-up past: from and to so many hours ago, with a reading every so many seconds.
const PAST: [(i64, i64, u32); 2] = [(7 * 24, 6, 300), (6, 0, 10)];
/// Rooms warm and cool this many times faster than in reality, so that one sees it.
const SPEED: f64 = 30.0;
/// Time between two readings.
const INTERVAL: Duration = Duration::from_secs(1);
/// Most nodes.
const NODES_MAX: u32 = 1_000;

/// Arguments of `demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Number of simulated nodes
    #[arg(long, short, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=i64::from(NODES_MAX)))]
    nodes: u32,
    /// No terminal: print how to reach the station, and run until Ctrl-C
    #[arg(long)]
    headless: bool,
    /// With --headless: print how to reach it as JSON
    #[arg(long, requires = "headless")]
    json: bool,
    /// Keep everything in this folder
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    if !args.headless {
        need_terminal("`signalbox demo --headless` runs without one")?;
    }
    let (folder, _goes_away) = match args.keep {
        Some(folder) => (folder, None),
        None => {
            let made = tempfile::Builder::new().prefix("signalbox-demo-").tempdir();
            let made = made.context("no temporary folder can be made")?;
            (made.path().to_owned(), Some(made))
        }
    };
    let folder = std::path::absolute(&folder)?;
    claim(&folder)?;
    let mut config = Config::default();
    config.store.data_dir = Some(folder.clone());
    config.api.port = 0;
    config.mqtt.listen = ([127, 0, 0, 1], 0).into();
    // The terminal has the screen.
    config.log.file = Some(folder.join("signalbox.log"));
    log::start(&config.log)?;

    let told = stop_on_signals()?;
    let stop = CancellationToken::new();
    let listeners = Listeners::bind(&config).await?;
    let station = Station::start(config, listeners, Arc::new(SystemClock), stop.clone()).await?;
    let endpoint = Endpoint::Unix(station.socket.clone());
    let sim = tokio::select! {
        sim = fill(&station, &endpoint, args.nodes) => sim,
        () = told.cancelled() => Err(anyhow::anyhow!("stopped while it began")),
    };
    let sim = match sim {
        Ok(sim) => sim,
        Err(error) => {
            stop.cancel();
            station.join().await?;
            return Err(error);
        }
    };
    let shown = if args.headless {
        tell(&station, args.json)?;
        told.cancelled().await;
        Ok(())
    } else {
        match settings() {
            Ok(settings) => show(Client::new(endpoint, None), settings).await,
            Err(error) => Err(error),
        }
    };
    sim.stop().await?;
    stop.cancel();
    station.join().await?;
    shown.map(|()| ExitCode::SUCCESS)
}

/// Makes the folder, or takes one of an earlier demo; never that of a real station, whose nodes
/// would get new passwords.
fn claim(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("the folder `{}` cannot be made", folder.display()))?;
    let mark = folder.join(MARK_NAME);
    if mark.exists() {
        return Ok(());
    }
    let mut entries = std::fs::read_dir(folder)
        .with_context(|| format!("the folder `{}` cannot be read", folder.display()))?;
    anyhow::ensure!(
        entries.next().is_none(),
        "`{}` is neither empty nor of an earlier demo\nhint: name another folder with `--keep`",
        folder.display()
    );
    std::fs::write(&mark, "Made by `signalbox demo`.\n")
        .with_context(|| format!("`{}` cannot be written", mark.display()))
}

/// Makes logins, a past, nodes and a rule. In a kept folder the past and the rule are there
/// already the second time.
async fn fill(station: &Station, endpoint: &Endpoint, nodes: u32) -> anyhow::Result<Sim> {
    let client = Client::new(endpoint.clone(), None);
    let broker = station
        .mqtt
        .context("the demo has its own broker, and it is not there")?;
    let options = Options {
        interval: INTERVAL,
        speed: SPEED,
        ..Options::new(Broker {
            host: broker.ip().to_string(),
            port: broker.port(),
        })
    };
    let rules: Rules = client.get("/api/v1/rules", &()).await?;
    let fresh = rules.rules.is_empty();
    let mut setups = Vec::new();
    for at in 0..nodes {
        eprint!("\rmaking nodes and their past: {} of {nodes}", at + 1);
        let mut setup = node(&client, at).await?;
        if fresh {
            let now_s = Utc::now().timestamp();
            for (from_h, to_h, step_s) in PAST {
                let past = (now_s - from_h * 3_600, now_s - to_h * 3_600);
                publish_past(&options, &mut setup, past, step_s).await?;
            }
        }
        setups.push(setup);
    }
    eprintln!();
    let sim = Sim::start(&options, setups)?;
    if fresh {
        let _: Rule = client.post("/api/v1/rules", &thermostat()?).await?;
    }
    Ok(sim)
}

async fn node(client: &Client, at: u32) -> anyhow::Result<NodeSetup> {
    let known = usize::try_from(at).ok().and_then(|at| NAMES.get(at));
    let name = known.map_or_else(|| format!("room-{}", at + 1), |name| (*name).to_owned());
    let new = NewNode { name };
    let login: NodeCredentials = client.post("/api/v1/nodes?replace=true", &new).await?;
    let mut setup = NodeSetup::new(&login.name, Some(login.password), at.into());
    if at > 0 {
        // A lamp and a pump are in the greenhouse alone.
        setup.actuators.truncate(1);
    }
    Ok(setup)
}

/// Keeps the greenhouse warm: a loop that closes while one looks.
fn thermostat() -> anyhow::Result<NewRule> {
    Ok(serde_json::from_value(serde_json::json!({
        "name": "greenhouse is cold: lamp",
        "node": NAMES[0],
        "metric": "temperature",
        "op": "<",
        "value": 22,
        "hysteresis": 2,
        "severity": "info",
        "command": {"actuator": "lamp", "action": "on"},
        "clear_command": {"actuator": "lamp", "action": "off"},
    }))?)
}

fn tell(station: &Station, as_json: bool) -> anyhow::Result<()> {
    let (api, mqtt) = (
        format!("http://{}", station.http),
        format!("mqtt://{}", station.broker_address()),
    );
    let host = format!("unix://{}", station.socket.display());
    if as_json {
        return output::json(&json!({"api": api, "mqtt": mqtt, "host": host}));
    }
    output::line(&format!(
        "API       {api}/\nMQTT      {mqtt}\nterminal  signalbox --host {host}\n\
         nodes     signalbox nodes --host {host}\n\nCtrl-C ends it."
    ))
}
