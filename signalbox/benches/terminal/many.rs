//! A station of 10,000 nodes: how soon it is on screen, and how it scrolls, sorts and filters
//! while messages come.

use std::time::{Duration, Instant};

use anyhow::Result;
use chrono::TimeDelta;

use crate::{daemon::Daemon, figure, load::Load, past, screen::Screen};

const NODES: u32 = 10_000;
const KEYS: u32 = 400;
const AIM_MS: f64 = 16.0;
const MESSAGES_PER_S: u32 = 100;

pub(crate) async fn run() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let store = past::open(folder.path()).await?;
    past::nodes(&store, NODES, TimeDelta::minutes(1)).await?;
    drop(store);
    let daemon = Daemon::start(folder.path())?;
    let load = Load::start(&daemon).await?;
    load.set(MESSAGES_PER_S);
    let begin = Instant::now();
    let mut screen = Screen::open(&daemon.host, folder.path());
    let shown = screen.until_selected(|_| true);
    let ms = (shown - begin).as_secs_f64() * 1_000.0;
    figure::row("10,000 nodes, start to first screen", ms, "ms", None, "");
    screen.watch(Duration::from_secs(2));
    for (what, key) in [("row by row", "j"), ("page by page", "\u{6}")] {
        screen.press("g");
        screen.watch(Duration::from_millis(200));
        let mut times = Vec::new();
        for _ in 0..KEYS {
            let before = screen.selected();
            let pressed = screen.press(key);
            let shown = screen.until_selected(|now| Some(now) != before.as_deref());
            times.push(shown - pressed);
            // As fast as a held key repeats.
            screen.watch(Duration::from_millis(33).saturating_sub(shown - pressed));
        }
        figure::times(&format!("10,000 nodes, scrolled {what}"), times, AIM_MS);
    }
    let mut times = Vec::new();
    for _ in 0..20 {
        let pressed = screen.press("/");
        times.push(screen.until_text("/▏") - pressed);
        for typed in ["7", "77", "777"] {
            let pressed = screen.press("7");
            times.push(screen.until_text(&format!("/{typed}▏")) - pressed);
        }
        screen.press("\u{1b}");
        screen.until("all nodes", |text| !text.contains("/777"));
    }
    figure::times("10,000 nodes, filter typed", times, AIM_MS);
    let used = screen.used()?;
    figure::row(
        "10,000 nodes, memory, largest",
        used.peak_mib,
        "MiB",
        None,
        "",
    );
    figure::row(
        "10,000 nodes, memory of its own",
        used.private_mib,
        "MiB",
        None,
        "",
    );
    Ok(())
}
