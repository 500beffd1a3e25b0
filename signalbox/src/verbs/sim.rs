//! `signalbox sim`: simulated nodes, against any broker.

use std::{
    io::{IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use serde_json::json;
use signalbox_protocol::payload::Encoding;
use signalbox_sim::{Broker, Counts, NodeSetup, Options, Sim};

use super::serve::stop_on_signals;
use crate::output;

/// Most nodes of one process.
const NODES_MAX: u32 = 20_000;
/// Pause between two lines about how it goes.
const REPORT: Duration = Duration::from_secs(1);

/// Arguments of `sim`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Number of nodes; they are called NAME-1, NAME-2, …
    #[arg(long, short, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(NODES_MAX)))]
    nodes: u32,
    /// Broker
    #[arg(
        long,
        default_value = "mqtt://127.0.0.1:1883",
        value_name = "mqtt://HOST:PORT"
    )]
    broker: Broker,
    /// What the nodes are called; with one node this is its whole name
    #[arg(long, default_value = "sim")]
    name: String,
    /// User name of every node [default: its own name]
    #[arg(long, short, requires = "password")]
    username: Option<String>,
    /// Password of every node; better in the environment than on the command line
    #[arg(long, env = "SIGNALBOX_MQTT_PASSWORD", hide_env_values = true)]
    password: Option<String>,
    /// File with a login per node, a line each: what `signalbox node add NAME --json` prints
    #[arg(long, value_name = "FILE", conflicts_with_all = ["password", "nodes", "name", "username"])]
    logins: Option<PathBuf>,
    /// Time between two readings of a node
    #[arg(long, default_value = "2s", value_name = "DURATION")]
    interval: humantime::Duration,
    /// A value that does not change is reported this often
    #[arg(long, default_value = "60s", value_name = "DURATION")]
    heartbeat: humantime::Duration,
    /// How many times faster than in reality rooms warm and soil dries
    #[arg(long, default_value_t = 1.0)]
    speed: f64,
    /// Write messages as Protocol Buffers instead of JSON
    #[arg(long)]
    protobuf: bool,
    /// Print the sums at the end as JSON
    #[arg(long)]
    json: bool,
}

/// A line of `--logins`.
#[derive(Debug, serde::Deserialize)]
struct Login {
    name: String,
    password: String,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    ensure!(
        args.speed.is_finite() && args.speed > 0.0 && args.speed <= 10_000.0,
        "`--speed` is `{}`, it must be above 0 and at most 10000",
        args.speed
    );
    ensure!(
        *args.interval >= Duration::from_millis(1),
        "`--interval` must be at least 1ms"
    );
    let nodes = nodes(&args)?;
    let options = Options {
        interval: *args.interval,
        heartbeat: *args.heartbeat,
        speed: args.speed,
        encoding: if args.protobuf {
            Encoding::Protobuf
        } else {
            Encoding::Json
        },
        ..Options::new(args.broker)
    };
    let count = nodes.len();
    let stop = stop_on_signals()?;
    let sim = Sim::start(&options, nodes)?;
    eprintln!("{count} nodes at {}; Ctrl-C ends them", options.broker);
    let mut report = Report::default();
    while tokio::time::timeout(REPORT, stop.cancelled())
        .await
        .is_err()
    {
        report.write(&sim.counts(), count);
    }
    let counts = sim.counts();
    report.end(&counts, count);
    if args.json {
        output::json(&json!({
            "nodes": count,
            "online": counts.online,
            "connects": counts.connects,
            "published": counts.published,
            "acknowledged": counts.acknowledged,
            "commands": counts.commands,
            "dropped": counts.dropped,
        }))?;
    }
    sim.stop().await?;
    Ok(ExitCode::SUCCESS)
}

fn nodes(args: &Args) -> anyhow::Result<Vec<NodeSetup>> {
    let logins = match &args.logins {
        Some(path) => logins(path)?,
        None => Vec::new(),
    };
    if !logins.is_empty() {
        let nodes = logins.into_iter().zip(0..);
        return Ok(nodes
            .map(|(login, seed)| NodeSetup::new(&login.name, Some(login.password), seed))
            .collect());
    }
    let one = |n: u32| {
        let name = if args.nodes == 1 {
            args.name.clone()
        } else {
            format!("{}-{n}", args.name)
        };
        let mut setup = NodeSetup::new(&name, args.password.clone(), n.into());
        if let (Some((username, _)), Some(given)) = (&mut setup.login, &args.username) {
            username.clone_from(given);
        }
        setup
    };
    Ok((1..=args.nodes).map(one).collect())
}

fn logins(path: &Path) -> anyhow::Result<Vec<Login>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("`{}` cannot be read", path.display()))?;
    let logins: Result<Vec<Login>, _> = serde_json::Deserializer::from_str(&text)
        .into_iter()
        .collect();
    let logins = logins.with_context(|| {
        format!(
            "`{}` is not as `signalbox node add NAME --json` prints it",
            path.display()
        )
    })?;
    ensure!(!logins.is_empty(), "`{}` is empty", path.display());
    Ok(logins)
}

/// How it goes: one line that is written over in a terminal, else a line at each change.
#[derive(Default)]
struct Report {
    last: Option<Counts>,
    line_open: bool,
}

impl Report {
    fn write(&mut self, counts: &Counts, nodes: usize) {
        let rate = self
            .last
            .as_ref()
            .map_or(0, |last| counts.acknowledged - last.acknowledged);
        let mut text = format!("{}, {rate}/s", summary(counts, nodes));
        if let Some(error) = counts
            .last_error
            .as_ref()
            .filter(|_| counts.online < nodes as u64)
        {
            text.push_str(", last error: ");
            text.push_str(error);
        }
        let mut out = std::io::stderr().lock();
        // Nobody has to read it.
        let _ = if out.is_terminal() {
            self.line_open = true;
            write!(out, "\r\u{1b}[2K{text}").and_then(|()| out.flush())
        } else if self
            .last
            .as_ref()
            .is_none_or(|last| last.online != counts.online)
        {
            writeln!(out, "{text}")
        } else {
            Ok(())
        };
        self.last = Some(counts.clone());
    }

    /// The sum, as the last line.
    fn end(&self, counts: &Counts, nodes: usize) {
        if self.line_open {
            eprintln!();
        }
        eprintln!("{}", summary(counts, nodes));
    }
}

fn summary(counts: &Counts, nodes: usize) -> String {
    format!(
        "{}/{nodes} online, {} connects, {} of {} messages acknowledged, {} commands, {} readings \
         dropped",
        counts.online,
        counts.connects,
        counts.acknowledged,
        counts.published,
        counts.commands,
        counts.dropped
    )
}
