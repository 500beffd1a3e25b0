//! How fast the daemon takes in what waits at a broker, beside a consumer that stores nothing, in
//! one run: four publishers, QoS 1, acknowledged after the commit.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use rumqttc::{AsyncClient, Event, Incoming, MqttOptions, QoS};
use signalbox_protocol::api::station::Station;
use signalbox_tests::{Mosquitto, Postgres};
use signalbox_tui::client::Client;
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::daemon::{Daemon, Setup, Used, connect, publish, telemetry};

/// Messages of one run, over all publishers.
const MESSAGES: u32 = 50_000;
const PUBLISHERS: u32 = 4;
const ROUNDS: usize = 3;
/// Pause between two looks at the daemon's counters.
const LOOK: Duration = Duration::from_millis(5);
/// Longest time for one run.
const LONGEST: Duration = Duration::from_secs(120);
/// Set for the process that consumes and stores nothing: the broker's port.
pub(crate) const CONSUMER_PORT: &str = "SIGNALBOX_BENCH_CONSUMER_PORT";
/// Messages that a consumer may have unacknowledged.
const CONSUMER_WINDOW: u16 = 1_000;

/// Who takes the messages.
#[derive(Debug, Clone, Copy)]
enum Consumer {
    Nothing,
    Sqlite,
    Postgres,
}

struct Taken {
    rate: f64,
    /// Of the consumer, for each message.
    cpu_us: f64,
    peak_mib: f64,
}

pub(crate) async fn run() -> Result<()> {
    println!("through Mosquitto, {PUBLISHERS} publishers, QoS 1, {MESSAGES} messages of 3 values");
    println!("consumer               messages/s   of no store   CPU a message   largest memory");
    let postgres = Postgres::start();
    let consumers = [Consumer::Nothing, Consumer::Sqlite, Consumer::Postgres];
    let mut ratios = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        let mut ceiling = 0.0;
        for (consumer, ratios) in consumers.into_iter().zip(&mut ratios) {
            let taken = take(consumer, &postgres).await?;
            if matches!(consumer, Consumer::Nothing) {
                ceiling = taken.rate;
            }
            let ratio = taken.rate / ceiling;
            ratios.push(ratio);
            println!(
                "{:<20} {:>12.0} {ratio:>13.2} {:>12.1} µs {:>12.1} MiB",
                name(consumer),
                taken.rate,
                taken.cpu_us,
                taken.peak_mib
            );
        }
    }
    for (consumer, mut ratios) in consumers.into_iter().zip(ratios).skip(1) {
        ratios.sort_by(f64::total_cmp);
        println!(
            "{}: median of {ROUNDS} runs {:.2}",
            name(consumer),
            ratios[ROUNDS / 2]
        );
    }
    Ok(())
}

const fn name(consumer: Consumer) -> &'static str {
    match consumer {
        Consumer::Nothing => "no store",
        Consumer::Sqlite => "daemon, SQLite",
        Consumer::Postgres => "daemon, PostgreSQL",
    }
}

async fn take(consumer: Consumer, postgres: &Postgres) -> Result<Taken> {
    let broker = Mosquitto::start();
    match consumer {
        Consumer::Nothing => take_without_store(&broker).await,
        Consumer::Sqlite => take_with_daemon(&broker, None).await,
        Consumer::Postgres => {
            let database = postgres.new_database();
            take_with_daemon(&broker, Some(&postgres.url_of(&database))).await
        }
    }
}

async fn take_with_daemon(broker: &Mosquitto, store: Option<&str>) -> Result<Taken> {
    let folder = tempfile::tempdir()?;
    let setup = Setup {
        store,
        broker: Some(broker.port()),
        ..Setup::default()
    };
    let daemon = Daemon::with(folder.path(), &setup)?;
    let client = daemon.client()?;
    daemon.is_well().await?;
    let before = daemon.used()?;
    let start = Instant::now();
    let publishers = publish_all(broker.port()).await?;
    let samples = u64::from(MESSAGES) * 3;
    timeout(LONGEST, stored(&client, samples)).await??;
    let elapsed = start.elapsed();
    for publisher in publishers {
        publisher.await??;
    }
    let after = daemon.used()?;
    let station: Station = client.get("/api/v1/station", &()).await?;
    ensure!(
        station.counters.samples_stored == samples,
        "{} samples were stored, not {samples}",
        station.counters.samples_stored
    );
    Ok(taken(elapsed, before, after))
}

/// Waits until so many samples are stored.
async fn stored(client: &Client, samples: u64) -> Result<()> {
    loop {
        let station: Station = client.get("/api/v1/station", &()).await?;
        if station.counters.samples_stored >= samples {
            return Ok(());
        }
        sleep(LOOK).await;
    }
}

async fn take_without_store(broker: &Mosquitto) -> Result<Taken> {
    let mut child = Command::new(std::env::current_exe()?)
        .env(CONSUMER_PORT, broker.port().to_string())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("no stdout")?).lines();
    let mut next = || {
        lines
            .next()
            .context("the consumer ended")?
            .context("a line")
    };
    let result = async {
        ensure!(next()? == "subscribed");
        let before = Used::of(child.id())?;
        let start = Instant::now();
        let publishers = publish_all(broker.port()).await?;
        let line = tokio::task::block_in_place(&mut next)?;
        ensure!(line == "done");
        let elapsed = start.elapsed();
        let after = Used::of(child.id())?;
        for publisher in publishers {
            publisher.await??;
        }
        Ok(taken(elapsed, before, after))
    };
    let result = result.await;
    end(child);
    result
}

fn end(mut child: Child) {
    // It may have ended by itself.
    let _ = child.kill();
    let _ = child.wait();
}

fn taken(elapsed: Duration, before: Used, after: Used) -> Taken {
    let messages = f64::from(MESSAGES);
    Taken {
        rate: messages / elapsed.as_secs_f64(),
        cpu_us: (after.cpu - before.cpu).as_secs_f64() * 1e6 / messages,
        peak_mib: after.peak_mib,
    }
}

/// Starts the publishers; each ends with its last acknowledgement.
async fn publish_all(port: u16) -> Result<Vec<JoinHandle<Result<()>>>> {
    let each = MESSAGES / PUBLISHERS;
    let mut running = Vec::new();
    for n in 0..PUBLISHERS {
        let name = format!("n{n}");
        let (client, mut events) = connect(port, &name, None).await?;
        tokio::spawn(async move {
            for seq in 1..=each {
                if publish(&client, &name, telemetry(1, seq, 21.5))
                    .await
                    .is_err()
                {
                    return;
                }
            }
        });
        running.push(tokio::spawn(async move {
            let mut acknowledged = 0;
            while acknowledged < each {
                if let Event::Incoming(Incoming::PubAck(_)) = events.poll().await? {
                    acknowledged += 1;
                }
            }
            Ok(())
        }));
    }
    Ok(running)
}

/// The process that takes every message, acknowledges it and forgets it.
pub(crate) async fn consume(port: u16) -> Result<()> {
    let mut options = MqttOptions::new("consumer", "127.0.0.1", port);
    options
        .set_clean_session(false)
        .set_inflight(CONSUMER_WINDOW);
    let (client, mut events) = AsyncClient::new(options, usize::from(CONSUMER_WINDOW));
    client
        .subscribe("signalbox/+/telemetry", QoS::AtLeastOnce)
        .await?;
    let mut taken = 0;
    while taken < MESSAGES {
        match events.poll().await? {
            Event::Incoming(Incoming::SubAck(_)) => println!("subscribed"),
            Event::Incoming(Incoming::Publish(_)) => taken += 1,
            _ => {}
        }
    }
    println!("done");
    // What it used is looked at before it ends.
    std::future::pending().await
}
