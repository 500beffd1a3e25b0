//! From the start of the process to the ready line, and to the first stored message.

use std::time::{Duration, Instant};

use anyhow::Result;
use rumqttc::{Event, Incoming};

use crate::daemon::{Daemon, publish, quantile, telemetry};

const RUNS: u32 = 11;
/// What is idle has come to rest after this.
const REST: Duration = Duration::from_secs(2);

pub(crate) async fn run() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let daemon = Daemon::start(folder.path())?;
    let password = daemon.login("kitchen")?;
    drop(daemon);
    let (mut ready, mut stored) = (Vec::new(), Vec::new());
    for boot in 1..=RUNS {
        let start = Instant::now();
        let daemon = Daemon::start(folder.path())?;
        ready.push(start.elapsed());
        let (client, mut events) = daemon.connect("kitchen", &password).await?;
        publish(&client, "kitchen", telemetry(boot, 1, 21.5)).await?;
        while !matches!(events.poll().await?, Event::Incoming(Incoming::PubAck(_))) {}
        stored.push(start.elapsed());
    }
    ready.sort();
    stored.sort();
    println!(
        "start: ready {:?}, first message stored {:?} (median of {RUNS})",
        quantile(&ready, 0.5),
        quantile(&stored, 0.5)
    );
    let folder = tempfile::tempdir()?;
    let daemon = Daemon::start(folder.path())?;
    tokio::time::sleep(REST).await;
    println!("memory, idle, empty: {:.1} MiB", daemon.memory_mib()?);
    Ok(())
}
