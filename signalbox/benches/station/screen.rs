//! Bytes a second that the terminal writes: 100 messages/s over 200 series, and at rest.

use std::{
    io::Read as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use tokio::time::interval;

use crate::daemon::{Daemon, publish, telemetry};

/// 67 nodes with 3 metrics each: 201 series.
const NODES: u32 = 67;
const PER_S: u32 = 100;
const SETTLE: Duration = Duration::from_secs(5);
const WATCHED: Duration = Duration::from_secs(30);

pub(crate) async fn run() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let daemon = Daemon::start(folder.path())?;
    let mut clients = Vec::new();
    for n in 0..NODES {
        let name = format!("node-{n}");
        let password = daemon.login(&name)?;
        let (client, mut events) = daemon.connect(&name, &password).await?;
        tokio::spawn(async move { while events.poll().await.is_ok() {} });
        publish(&client, &name, telemetry(1, 1, 20.0)).await?;
        clients.push((name, client, 1));
    }
    let size = PtySize {
        rows: 40,
        cols: 120,
        pixel_width: 0,
        pixel_height: 0,
    };
    let pty = native_pty_system().openpty(size)?;
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_signalbox"));
    command.args(["--host", &daemon.host]);
    command.env("HOME", folder.path());
    command.env("TERM", "xterm-256color");
    let mut child = pty.slave.spawn_command(command)?;
    let written = Arc::new(AtomicU64::new(0));
    let (count, mut reader) = (written.clone(), pty.master.try_clone_reader()?);
    std::thread::spawn(move || {
        let mut buffer = [0; 65_536];
        while let Ok(n @ 1..) = reader.read(&mut buffer) {
            count.fetch_add(n as u64, Ordering::Relaxed);
        }
    });
    tokio::time::sleep(SETTLE).await;
    let publisher = tokio::spawn(async move {
        let mut tick = interval(Duration::from_secs(1) / PER_S);
        for round in 0_u32.. {
            tick.tick().await;
            let at = usize::try_from(round % NODES).unwrap_or(0);
            let (name, client, seq) = &mut clients[at];
            *seq += 1;
            // A slow wave, as rooms make it.
            let temperature = 20.0 + (f64::from(round) / 2_000.0).sin() * 3.0;
            let temperature = (temperature * 10.0).round() / 10.0;
            let payload = telemetry(1, *seq, temperature);
            if publish(client, name, payload).await.is_err() {
                return;
            }
        }
    });
    tokio::time::sleep(SETTLE).await;
    let before = written.load(Ordering::Relaxed);
    tokio::time::sleep(WATCHED).await;
    let busy = written.load(Ordering::Relaxed) - before;
    publisher.abort();
    // Sparklines go on for a while after the last value.
    tokio::time::sleep(SETTLE).await;
    println!(
        "terminal, 120x40, {PER_S} messages/s over {} series: {} bytes/s",
        NODES * 3,
        busy / WATCHED.as_secs()
    );
    child.kill()?;
    child.wait()?;
    Ok(())
}
