//! `signalbox nodes` and `signalbox node …`.

use std::process::ExitCode;

use signalbox_protocol::api::{
    config::{NewNodeConfig, NodeConfig, NodeSettings},
    node::{NewNode, Node, NodeCredentials, Nodes, StartedBy},
};
use signalbox_tui::{client::segment, node_settings};

use super::node_log;
use crate::{
    context::StationArgs,
    output::{self, maybe, word},
};

/// Arguments of `nodes`.
#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    /// Only this node, with everything that is known of it
    name: Option<String>,
    #[command(flatten)]
    station: StationArgs,
}

/// `node …`
#[derive(Debug, clap::Subcommand)]
pub(crate) enum NodeVerb {
    /// Make a node's login for the broker; the password is printed this one time
    Add {
        /// 1 to 32 letters, digits, `_`, `-`
        name: String,
        /// Give a node that has a password a new one
        #[arg(long)]
        replace: bool,
        #[command(flatten)]
        station: StationArgs,
    },
    /// Show what a node measures and reports by, or change it
    ///
    /// Settings: interval=30s (between two readings), log=info (what of its log it publishes), and
    /// for a metric METRIC.dead_band=0.2 (smallest change that is reported), METRIC.heartbeat=5m
    /// (reported at least so often), METRIC.offset=-0.5 (added to what is measured), and, for the
    /// moisture, METRIC.dry=812 METRIC.wet=305 (what the probe's converter gives in dry and wet
    /// soil). Nothing behind the `=` gives a setting back to the node.
    Config {
        /// Its name
        name: String,
        /// What to change: interval=30s, soil.dead_band=5, …
        #[arg(value_name = "SETTING=VALUE")]
        changes: Vec<String>,
        /// Give all settings back to the node before the changes
        #[arg(long)]
        reset: bool,
        #[command(flatten)]
        station: StationArgs,
    },
    /// Take a node's login away; its data stays
    Disable {
        /// Its name
        name: String,
        #[command(flatten)]
        station: StationArgs,
    },
    /// Print what a node says of itself
    Log(node_log::Args),
}

pub(crate) async fn list(args: ListArgs) -> anyhow::Result<ExitCode> {
    let client = args.station.client()?;
    let nodes = match &args.name {
        Some(name) => {
            let path = format!("/api/v1/nodes/{}", segment(name));
            let node: Node = client.get(&path, &()).await?;
            if args.station.json {
                output::json(&node)?;
                return Ok(ExitCode::SUCCESS);
            }
            Nodes { nodes: vec![node] }
        }
        None => client.get("/api/v1/nodes", &()).await?,
    };
    if args.station.json {
        output::json(&nodes)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows = nodes.nodes.iter().map(row);
    let head = [
        "NODE",
        "STATE",
        "SEEN",
        "LATEST",
        "ACTUATORS",
        "FIRMWARE",
        "STARTED BY",
    ];
    output::table(
        &head,
        rows,
        "no nodes yet; `signalbox node add NAME` makes a login for one",
    )?;
    Ok(ExitCode::SUCCESS)
}

fn row(node: &Node) -> Vec<String> {
    let latest = node.latest.iter().map(|(metric, latest)| {
        let mark = if latest.flags.is_empty() { "" } else { "?" };
        format!("{metric}={}{mark}", latest.value)
    });
    let actuators = node.actuators.iter().map(|(name, actuator)| {
        let state = actuator
            .reported
            .as_ref()
            .map_or_else(|| "?".to_owned(), word);
        let pending = if actuator.pending_command.is_some() {
            "…"
        } else {
            ""
        };
        format!("{name}={state}{pending}")
    });
    vec![
        node.name.clone(),
        word(&node.presence),
        node.age_ms.map_or_else(|| "never".to_owned(), ago),
        latest.collect::<Vec<_>>().join(" "),
        actuators.collect::<Vec<_>>().join(" "),
        maybe(node.firmware.as_ref()),
        maybe(node.started_by.map(StartedBy::as_str).as_ref()),
    ]
}

fn ago(age_ms: u64) -> String {
    let whole_s = std::time::Duration::from_secs(age_ms / 1_000);
    format!("{} ago", humantime::format_duration(whole_s))
}

pub(crate) async fn node(verb: NodeVerb) -> anyhow::Result<ExitCode> {
    match verb {
        NodeVerb::Log(args) => return node_log::run(args).await,
        NodeVerb::Add {
            name,
            replace,
            station,
        } => {
            let client = station.client()?;
            let path = format!("/api/v1/nodes?replace={replace}");
            let made: NodeCredentials = client.post(&path, &NewNode { name }).await?;
            if station.json {
                output::json(&made)?;
            } else {
                output::line(&format!(
                    "node     {}\npassword {}\n\nThe password is shown this one time.",
                    made.name, made.password
                ))?;
            }
        }
        NodeVerb::Config {
            name,
            changes,
            reset,
            station,
        } => config(&name, &changes, reset, &station).await?,
        NodeVerb::Disable { name, station } => {
            let path = format!("/api/v1/nodes/{}/password", segment(&name));
            station.client()?.delete(&path).await?;
            output::line(&format!("node `{name}` cannot log in any more"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn config(
    name: &str,
    changes: &[String],
    reset: bool,
    station: &StationArgs,
) -> anyhow::Result<()> {
    let client = station.client()?;
    let path = format!("/api/v1/nodes/{}/config", segment(name));
    let mut config: NodeConfig = client.get(&path, &()).await?;
    if reset || !changes.is_empty() {
        let desired = config.desired.as_ref();
        let mut settings = desired
            .filter(|_| !reset)
            .map_or_else(NodeSettings::default, |desired| desired.settings.clone());
        for change in changes {
            node_settings::change(&mut settings, change).map_err(anyhow::Error::msg)?;
        }
        let replaces = desired.map_or(0, |desired| desired.version);
        let new = NewNodeConfig { replaces, settings };
        config = client.put(&path, &new).await?;
    }
    if station.json {
        return output::json(&config);
    }
    output::line(&told(&config))
}

fn told(config: &NodeConfig) -> String {
    let line = |settings: Option<&NodeSettings>| match settings.map(node_settings::text) {
        None => "unknown".to_owned(),
        Some(text) if text.is_empty() => "all as its own program has it".to_owned(),
        Some(text) => text,
    };
    let mut lines = vec![format!(
        "node     {}\nstate    {}",
        config.node,
        node_settings::state_text(config)
    )];
    if let Some(desired) = &config.desired {
        let (version, text) = (desired.version, line(Some(&desired.settings)));
        lines.push(format!("wanted   {version} by {}: {text}", desired.set_by));
    }
    if let Some(reported) = &config.reported {
        lines.push(match reported.version {
            None => "works by its own program".to_owned(),
            Some(version) => format!("works by {version}: {}", line(reported.settings.as_ref())),
        });
    }
    lines.join("\n")
}
