//! From the key that asks for a year to the chart of it: question, store, answer, frame.

use std::time::Duration;

use anyhow::Result;

use crate::{daemon::Daemon, figure, past, screen::Screen};

const RUNS: usize = 30;
const AIM_MS: f64 = 50.0;

pub(crate) async fn run() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let store = past::open(folder.path()).await?;
    past::year(&store, "garden", "temperature").await?;
    drop(store);
    let daemon = Daemon::start(folder.path())?;
    let mut screen = Screen::open(&daemon.host, folder.path());
    screen.until_text("garden");
    screen.press(":chart garden temperature\r");
    let mut times = Vec::new();
    for _ in 0..RUNS {
        screen.press(":range last 1h\r");
        screen.until("an hour", |text| is_drawn(text, " 1 h "));
        // Typed, and then waited for as a person does.
        screen.press(":range year");
        screen.watch(Duration::from_millis(300));
        let pressed = screen.press("\r");
        let shown = screen.until("the year", |text| is_drawn(text, "366 days"));
        times.push(shown - pressed);
    }
    figure::times("a year of minutes, from key to chart", times, AIM_MS);
    Ok(())
}

/// Whether a chart of this span is on screen, with its values.
fn is_drawn(text: &str, span: &str) -> bool {
    text.contains(span) && text.contains("max ") && !text.contains("loading")
}
