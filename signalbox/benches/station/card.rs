//! Bytes that reach the disk for each sample that is stored, by rate and by how long a
//! measurement may wait for others: what a memory card feels.

use std::time::Duration;

use anyhow::{Context as _, Result};
use rumqttc::{Event, Incoming};
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};

use crate::daemon::{Daemon, Setup, publish, telemetry};

/// Messages a second of one node, and for how long.
const RATES: [(u32, u32); 2] = [(1, 40), (10, 30)];
const INTERVALS_MS: [u32; 3] = [0, 1_000, 10_000];
/// Values of a message.
const VALUES: u32 = 3;

pub(crate) async fn run() -> Result<()> {
    println!("messages/s   commit_interval_ms_max   bytes written a sample");
    for (rate, seconds) in RATES {
        for interval_ms in INTERVALS_MS {
            let folder = tempfile::tempdir()?;
            let setup = Setup {
                commit_interval_ms: interval_ms,
                ..Setup::default()
            };
            let daemon = Daemon::with(folder.path(), &setup)?;
            let written = write(&daemon, rate, seconds).await?;
            let samples = f64::from(rate * seconds * VALUES);
            println!("{rate:>10} {interval_ms:>24} {:>24.0}", written / samples);
        }
    }
    Ok(())
}

/// Publishes at a steady rate; the bytes that went to the disk until the last one was stored.
async fn write(daemon: &Daemon, rate: u32, seconds: u32) -> Result<f64> {
    let password = daemon.login("attic")?;
    let (client, mut events) = daemon.connect("attic", &password).await?;
    let n = rate * seconds;
    let (send, mut acknowledged) = mpsc::channel(n as usize);
    let connection = tokio::spawn(async move {
        while let Ok(event) = events.poll().await {
            if matches!(event, Event::Incoming(Incoming::PubAck(_))) && send.send(()).await.is_err()
            {
                return;
            }
        }
    });
    let before = daemon.used()?.written;
    let mut tick = interval(Duration::from_secs(1) / rate);
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for seq in 1..=n {
        tick.tick().await;
        // A room's temperature moves slowly.
        publish(
            &client,
            "attic",
            telemetry(1, seq, 20.0 + f64::from(seq % 10) / 10.0),
        )
        .await?;
    }
    for _ in 0..n {
        acknowledged.recv().await.context("the connection ended")?;
    }
    let written = daemon.used()?.written - before;
    connection.abort();
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let written = written as f64;
    Ok(written)
}
