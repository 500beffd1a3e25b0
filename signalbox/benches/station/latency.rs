//! From the publish of a reading that makes a rule fire to the command that arrives: the commit
//! of both is in between.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rumqttc::{AsyncClient, Event, EventLoop, Incoming, QoS};
use signalbox_tests::{Mosquitto, Postgres};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{MissedTickBehavior, interval, timeout},
};

use crate::daemon::{Daemon, Setup, publish, quantile, telemetry};

/// Messages a second, all connections together.
const RATES: [u32; 2] = [PROBES_PER_S, 2_000];
/// About what the probe alone publishes.
const PROBES_PER_S: u32 = 10;
const FIRINGS: u32 = 200;
const PAUSE: Duration = Duration::from_millis(50);
const ANSWER: Duration = Duration::from_secs(10);
/// Connections that make the load.
const LOADERS: u32 = 4;

pub(crate) async fn run() -> Result<()> {
    println!("messages/s   p50         p99        (reading published → command arrived)");
    for rate in RATES {
        let folder = tempfile::tempdir()?;
        let daemon = Daemon::start(folder.path())?;
        measure(&daemon, rate).await?;
    }
    Ok(())
}

/// The same with a broker and a database of one's own.
pub(crate) async fn run_external() -> Result<()> {
    let postgres = Postgres::start();
    for store in ["SQLite", "PostgreSQL"] {
        println!("messages/s   p50         p99        (the same, through Mosquitto, {store})");
        for rate in RATES {
            let broker = Mosquitto::start();
            let folder = tempfile::tempdir()?;
            let url = (store == "PostgreSQL").then(|| postgres.url_of(&postgres.new_database()));
            let setup = Setup {
                store: url.as_deref(),
                broker: Some(broker.port()),
                ..Setup::default()
            };
            let daemon = Daemon::with(folder.path(), &setup)?;
            daemon.is_well().await?;
            measure(&daemon, rate).await?;
        }
    }
    Ok(())
}

async fn measure(daemon: &Daemon, rate: u32) -> Result<()> {
    let load = if rate > PROBES_PER_S {
        load(daemon, rate).await?
    } else {
        Vec::new()
    };
    let mut times = fire(daemon).await?;
    load.iter().for_each(JoinHandle::abort);
    times.sort();
    println!(
        "{rate:>10}   {:<10?}  {:<10?}",
        quantile(&times, 0.5),
        quantile(&times, 0.99)
    );
    Ok(())
}

/// Connections that publish so many messages a second together.
async fn load(daemon: &Daemon, rate: u32) -> Result<Vec<JoinHandle<()>>> {
    let mut tasks = Vec::new();
    for n in 0..LOADERS {
        let name = format!("load{n}");
        let password = daemon.login(&name)?;
        let (client, mut events) = daemon.connect(&name, &password).await?;
        tasks.push(tokio::spawn(
            async move { while events.poll().await.is_ok() {} },
        ));
        tasks.push(tokio::spawn(async move {
            let mut tick = interval(Duration::from_secs(1) * LOADERS / rate);
            tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
            for seq in 1.. {
                tick.tick().await;
                let payload = telemetry(1, seq, 21.5);
                if publish(&client, &name, payload).await.is_err() {
                    return;
                }
            }
        }));
    }
    Ok(tasks)
}

/// Makes a rule fire again and again, and takes the times.
async fn fire(daemon: &Daemon) -> Result<Vec<Duration>> {
    daemon.verb(&[
        "rules",
        "add",
        "temperature",
        "gt",
        "30",
        "--node",
        "probe",
        "--command",
        "probe/led=on",
    ])?;
    let password = daemon.login("probe")?;
    let (client, mut events) = daemon.connect("probe", &password).await?;
    client
        .subscribe("signalbox/probe/command", QoS::AtLeastOnce)
        .await?;
    while !matches!(events.poll().await?, Event::Incoming(Incoming::SubAck(_))) {}
    let (send, mut commands) = mpsc::channel(16);
    let connection = tokio::spawn(answer(client.clone(), events, send));
    let status = r#"{"online":true,"boot":1,"actuators":{"led":"off"}}"#;
    client
        .publish("signalbox/probe/status", QoS::AtLeastOnce, true, status)
        .await?;
    let mut times = Vec::new();
    for round in 0..FIRINGS {
        let start = Instant::now();
        publish(&client, "probe", telemetry(1, round * 2 + 1, 31.0)).await?;
        let arrived: Instant = timeout(ANSWER, commands.recv())
            .await?
            .context("the connection ended")?;
        times.push(arrived - start);
        publish(&client, "probe", telemetry(1, round * 2 + 2, 20.0)).await?;
        tokio::time::sleep(PAUSE).await;
    }
    connection.abort();
    Ok(times)
}

/// The node's part: confirms each command.
async fn answer(client: AsyncClient, mut events: EventLoop, send: mpsc::Sender<Instant>) {
    while let Ok(event) = events.poll().await {
        let Event::Incoming(Incoming::Publish(message)) = event else {
            continue;
        };
        let arrived = Instant::now();
        let Ok(command) = serde_json::from_slice::<serde_json::Value>(&message.payload) else {
            return;
        };
        let ack = format!(
            r#"{{"id":{},"result":"applied","actuators":{{"led":"on"}}}}"#,
            command["id"]
        );
        let sent = client.try_publish("signalbox/probe/ack", QoS::AtLeastOnce, false, ack);
        if sent.is_err() || send.send(arrived).await.is_err() {
            return;
        }
    }
}
