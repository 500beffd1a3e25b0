//! `signalbox pub`: publishes one message, or one per line of standard input, to any broker.

use std::{process::ExitCode, time::Duration};

use anyhow::{Context as _, bail, ensure};
use rumqttc::{AsyncClient, Event, EventLoop, Incoming, LastWill, MqttOptions, Outgoing, QoS};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::output;

/// A broker that does not answer for this long is away.
const ANSWER: Duration = Duration::from_secs(10);
/// Largest packet.
const PACKET_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Requests between this program and its connection.
const QUEUE_MAX: usize = 16;

/// How to reach a broker.
#[derive(Debug, clap::Args)]
pub(crate) struct BrokerArgs {
    /// Broker
    #[arg(long, short = 'H', default_value = "127.0.0.1")]
    host: String,
    /// Its port
    #[arg(long, short, default_value_t = 1883)]
    port: u16,
    /// User name
    #[arg(long, short, requires = "password")]
    username: Option<String>,
    /// Password; better in the environment than on the command line
    #[arg(long, env = "SIGNALBOX_MQTT_PASSWORD", hide_env_values = true)]
    password: Option<String>,
    /// Client id [default: made up]
    #[arg(long, short = 'i')]
    client_id: Option<String>,
    /// Keep-alive, for example 30s
    #[arg(long, default_value = "30s", value_name = "DURATION")]
    keep_alive: humantime::Duration,
    /// Topic of the last will
    #[arg(long, requires = "will_message")]
    will_topic: Option<String>,
    /// Message of the last will
    #[arg(long, requires = "will_topic")]
    will_message: Option<String>,
    /// QoS of the last will
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=2))]
    will_qos: u8,
    /// The broker keeps the last will
    #[arg(long)]
    will_retain: bool,
}

impl BrokerArgs {
    /// A client and its connection, which must be polled.
    pub(crate) fn connect(&self) -> anyhow::Result<(AsyncClient, EventLoop)> {
        let id = self
            .client_id
            .clone()
            .unwrap_or_else(|| format!("signalbox-{}", ulid::Ulid::generate()));
        let keep_alive = *self.keep_alive;
        ensure!(
            keep_alive.is_zero() || keep_alive >= Duration::from_secs(1),
            "`--keep-alive` must be 0s or at least 1s"
        );
        let mut options = MqttOptions::new(id, &self.host, self.port);
        options
            .set_keep_alive(keep_alive)
            .set_max_packet_size(PACKET_BYTES_MAX, PACKET_BYTES_MAX);
        if let (Some(username), Some(password)) = (&self.username, &self.password) {
            options.set_credentials(username, password);
        }
        if let (Some(topic), Some(message)) = (&self.will_topic, &self.will_message) {
            let will_qos = qos(self.will_qos)?;
            let will = LastWill::new(topic, message.as_bytes(), will_qos, self.will_retain);
            options.set_last_will(will);
        }
        Ok(AsyncClient::new(options, QUEUE_MAX))
    }

    /// `HOST:PORT`
    pub(crate) fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// The level for a number.
pub(crate) fn qos(level: u8) -> anyhow::Result<QoS> {
    rumqttc::qos(level).map_err(|_| anyhow::anyhow!("`{level}` is no QoS, must be 0, 1 or 2"))
}

/// Arguments of `pub`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Topic
    #[arg(long, short)]
    topic: String,
    /// Message
    #[arg(
        long,
        short,
        required_unless_present = "lines",
        conflicts_with = "lines"
    )]
    message: Option<String>,
    /// Publish each line of standard input
    #[arg(long)]
    lines: bool,
    /// 0, 1 or 2
    #[arg(long, short, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=2))]
    qos: u8,
    /// The broker keeps the message for later subscribers
    #[arg(long, short)]
    retain: bool,
    /// Print how many messages the broker has, as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    broker: BrokerArgs,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (client, mut connection) = args.broker.connect()?;
    let address = args.broker.address();
    let level = qos(args.qos)?;
    connected(&mut connection, &address).await?;
    let mut published = 0_u64;
    if let Some(message) = &args.message {
        client
            .publish(&args.topic, level, args.retain, message.as_bytes())
            .await?;
        delivered(&mut connection, level).await?;
        published += 1;
    } else {
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        loop {
            // The connection is served while standard input is silent.
            let line = tokio::select! {
                line = lines.next_line() => line?,
                event = connection.poll() => {
                    event.context("the connection to the broker was lost")?;
                    continue;
                }
            };
            let Some(line) = line else { break };
            client
                .publish(&args.topic, level, args.retain, line)
                .await?;
            delivered(&mut connection, level).await?;
            published += 1;
        }
    }
    leave(&client, &mut connection).await?;
    if args.json {
        output::json(&json!({
            "topic": args.topic,
            "qos": args.qos,
            "published": published,
            // With QoS 0 nobody tells.
            "acknowledged": (args.qos > 0).then_some(published),
        }))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Waits for the broker's welcome.
pub(crate) async fn connected(connection: &mut EventLoop, address: &str) -> anyhow::Result<()> {
    let welcome = async {
        loop {
            let event = connection.poll().await;
            if let Event::Incoming(Incoming::ConnAck(_)) =
                event.with_context(|| format!("the broker at `{address}` cannot be used"))?
            {
                return Ok(());
            }
        }
    };
    match tokio::time::timeout(ANSWER, welcome).await {
        Ok(done) => done,
        Err(_) => bail!("the broker at `{address}` does not answer"),
    }
}

/// Waits until the message is out (QoS 0) or the broker has it (QoS 1 and 2).
async fn delivered(connection: &mut EventLoop, level: QoS) -> anyhow::Result<()> {
    let answer = async {
        loop {
            let event = connection.poll().await;
            match event.context("the connection to the broker was lost")? {
                Event::Outgoing(Outgoing::Publish(_)) if level == QoS::AtMostOnce => return Ok(()),
                Event::Incoming(Incoming::PubAck(_) | Incoming::PubComp(_)) => return Ok(()),
                _ => {}
            }
        }
    };
    match tokio::time::timeout(ANSWER, answer).await {
        Ok(done) => done,
        Err(_) => bail!("the broker did not acknowledge the message"),
    }
}

/// Says goodbye, so that no last will goes out.
pub(crate) async fn leave(client: &AsyncClient, connection: &mut EventLoop) -> anyhow::Result<()> {
    client.disconnect().await?;
    let goodbye = async {
        loop {
            match connection.poll().await {
                Ok(Event::Outgoing(Outgoing::Disconnect)) | Err(_) => return,
                Ok(_) => {}
            }
        }
    };
    tokio::time::timeout(ANSWER, goodbye)
        .await
        .context("the broker did not let us go")
}
