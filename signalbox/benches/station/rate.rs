//! Messages a second that are stored and acknowledged, and the memory after them.

use std::time::Instant;

use anyhow::Result;
use rumqttc::{Event, Incoming};

use crate::daemon::{Daemon, publish, telemetry};

/// Messages of one run, over all connections.
const MESSAGES: u32 = 60_000;

pub(crate) async fn run() -> Result<()> {
    println!("connections   stored messages/s   memory after");
    for connections in [1_u32, 4, 100] {
        let folder = tempfile::tempdir()?;
        let daemon = Daemon::start(folder.path())?;
        let rate = publish_all(&daemon, connections).await?;
        println!(
            "{connections:>11} {rate:>19.0} {:>10.1} MiB",
            daemon.memory_mib()?
        );
    }
    Ok(())
}

async fn publish_all(daemon: &Daemon, connections: u32) -> Result<f64> {
    let each = MESSAGES / connections;
    let mut clients = Vec::new();
    for n in 0..connections {
        let name = format!("n{n}");
        let password = daemon.login(&name)?;
        let (client, events) = daemon.connect(&name, &password).await?;
        clients.push((name, client, events));
    }
    let start = Instant::now();
    let mut running = Vec::new();
    for (name, client, mut events) in clients {
        let publisher = client.clone();
        tokio::spawn(async move {
            for seq in 1..=each {
                let payload = telemetry(1, seq, 21.5);
                if publish(&publisher, &name, payload).await.is_err() {
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
            // Lived until the last acknowledgement.
            drop(client);
            anyhow::Ok(())
        }));
    }
    for client in running {
        client.await??;
    }
    Ok(f64::from(each * connections) / start.elapsed().as_secs_f64())
}
