//! `signalbox sub`: prints the messages of any broker until Ctrl-C.

use std::{process::ExitCode, time::Duration};

use rumqttc::{Event, Incoming, Publish, SubscribeFilter};
use serde_json::json;

use super::publish::{BrokerArgs, connected, leave, qos};
use crate::output;

/// Pause before the connection is made anew.
const RECONNECT: Duration = Duration::from_secs(1);

/// Arguments of `sub`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Topic filter; may be given several times
    #[arg(long, short, required = true)]
    topic: Vec<String>,
    /// 0, 1 or 2
    #[arg(long, short, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=2))]
    qos: u8,
    /// Leave after this many messages
    #[arg(long, short = 'C', value_name = "N")]
    count: Option<u64>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    broker: BrokerArgs,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (client, mut connection) = args.broker.connect()?;
    let address = args.broker.address();
    let level = qos(args.qos)?;
    let filters = || {
        let filter = |topic: &String| SubscribeFilter::new(topic.clone(), level);
        args.topic.iter().map(filter).collect::<Vec<_>>()
    };
    connected(&mut connection, &address).await?;
    client.subscribe_many(filters()).await?;
    let mut left = args.count;
    let stop = tokio::signal::ctrl_c();
    tokio::pin!(stop);
    loop {
        let event = tokio::select! {
            event = connection.poll() => event,
            _ = &mut stop => break,
        };
        match event {
            Ok(Event::Incoming(Incoming::Publish(message))) => {
                print(&message, args.json)?;
                left = left.map(|n| n.saturating_sub(1));
                if left == Some(0) {
                    break;
                }
            }
            // After a new connection the broker may know nothing of us.
            Ok(Event::Incoming(Incoming::ConnAck(_))) => client.subscribe_many(filters()).await?,
            Ok(_) => {}
            Err(error) => {
                eprintln!("the connection to `{address}` was lost: {error}; trying again");
                tokio::select! {
                    () = tokio::time::sleep(RECONNECT) => {}
                    _ = &mut stop => return Ok(ExitCode::SUCCESS),
                }
            }
        }
    }
    leave(&client, &mut connection).await?;
    Ok(ExitCode::SUCCESS)
}

fn print(message: &Publish, as_json: bool) -> anyhow::Result<()> {
    let payload = String::from_utf8_lossy(&message.payload);
    if as_json {
        let line = json!({
            "topic": message.topic,
            "payload": payload,
            "qos": message.qos as u8,
            "retain": message.retain,
        });
        return output::line(&line.to_string());
    }
    // What nodes send must not steer the terminal.
    let safe: String = payload
        .chars()
        .map(|c| {
            if c.is_control() && c != '\t' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect();
    output::line(&format!("{} {safe}", message.topic))
}
