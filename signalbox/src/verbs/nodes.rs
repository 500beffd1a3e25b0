//! `signalbox nodes` and `signalbox node …`.

use std::process::ExitCode;

use signalbox_protocol::api::node::{NewNode, Node, NodeCredentials, Nodes};
use signalbox_tui::client::segment;

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
    /// Take a node's login away; its data stays
    Disable {
        /// Its name
        name: String,
        #[command(flatten)]
        station: StationArgs,
    },
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
    let head = ["NODE", "STATE", "SEEN", "LATEST", "ACTUATORS", "FIRMWARE"];
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
    ]
}

fn ago(age_ms: u64) -> String {
    let whole_s = std::time::Duration::from_secs(age_ms / 1_000);
    format!("{} ago", humantime::format_duration(whole_s))
}

pub(crate) async fn node(verb: NodeVerb) -> anyhow::Result<ExitCode> {
    match verb {
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
        NodeVerb::Disable { name, station } => {
            let path = format!("/api/v1/nodes/{}/password", segment(&name));
            station.client()?.delete(&path).await?;
            output::line(&format!("node `{name}` cannot log in any more"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
