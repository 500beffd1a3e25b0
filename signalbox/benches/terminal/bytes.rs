//! Bytes a second that the terminal writes, and what of the processor it takes meanwhile: at
//! rest, and while messages come; at the end its memory.

use std::time::Duration;

use anyhow::Result;
use chrono::TimeDelta;

use crate::{
    daemon::Daemon,
    figure,
    load::{Load, NODES},
    past,
    screen::Screen,
};

const SETTLE: Duration = Duration::from_secs(4);
const WATCHED: Duration = Duration::from_secs(20);
/// Messages a second, and mqttui's bytes a second at them.
const RATES: [(u32, u32); 2] = [(100, 328), (1_000, 932)];
/// Percent of one processor.
const CPU_AIM: f64 = 1.0;
const MEMORY_AIM_MIB: f64 = 15.0;

pub(crate) async fn run() -> Result<()> {
    at_rest().await?;
    let folder = tempfile::tempdir()?;
    let daemon = Daemon::start(folder.path())?;
    let load = Load::start(&daemon).await?;
    let mut screen = Screen::open(&daemon.host, folder.path());
    screen.until_text("node-05");
    for (rate, mqttui) in RATES {
        load.set(rate);
        screen.watch(SETTLE);
        let beside = format!("mqttui {mqttui}, bottom 1158 without a station");
        watch(
            &mut screen,
            &format!("overview, {rate} messages/s"),
            &beside,
        )?;
        screen.press(":chart node-03 temperature\r");
        screen.until_text("max ");
        screen.watch(SETTLE);
        watch(&mut screen, &format!("chart, {rate} messages/s"), &beside)?;
        screen.press("1");
        screen.until_text("ACTUATORS");
    }
    let used = screen.used()?;
    figure::row(
        "memory, largest",
        used.peak_mib,
        "MiB",
        Some(MEMORY_AIM_MIB),
        "mqttui 8, program's file included",
    );
    figure::row("memory of its own", used.private_mib, "MiB", None, "");
    Ok(())
}

/// Nodes that were silent for hours: not even an age changes.
async fn at_rest() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let store = past::open(folder.path()).await?;
    past::nodes(&store, NODES, TimeDelta::minutes(150)).await?;
    drop(store);
    let daemon = Daemon::start(folder.path())?;
    let mut screen = Screen::open(&daemon.host, folder.path());
    screen.until_text("node-00005");
    screen.watch(SETTLE);
    let (before, used) = (screen.written(), screen.used()?);
    screen.watch(WATCHED);
    let bytes = per_s(screen.written() - before);
    figure::row("bytes/s, nothing changes", bytes, "", Some(0.0), "");
    let percent = percent(screen.used()?.cpu - used.cpu);
    figure::row(
        "processor, nothing changes",
        percent,
        "%",
        Some(CPU_AIM),
        "",
    );
    Ok(())
}

fn watch(screen: &mut Screen, what: &str, beside: &str) -> Result<()> {
    let (before, used) = (screen.written(), screen.used()?);
    screen.watch(WATCHED);
    let percent = percent(screen.used()?.cpu - used.cpu);
    let bytes = per_s(screen.written() - before);
    figure::row(&format!("bytes/s, {what}"), bytes, "", None, beside);
    figure::row(
        &format!("processor, {what}"),
        percent,
        "%",
        Some(CPU_AIM),
        "",
    );
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn per_s(bytes: usize) -> f64 {
    bytes as f64 / WATCHED.as_secs_f64()
}

fn percent(cpu: Duration) -> f64 {
    cpu.as_secs_f64() / WATCHED.as_secs_f64() * 100.0
}
