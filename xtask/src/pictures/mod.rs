//! `cargo xtask pictures`: the pictures of README and docs/terminal.md, made from the real program
//! in a pseudo-terminal, with a demo station behind it. Texts and layout come out the same each
//! time; values are of the moment.

mod screen;
mod svg;

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use xshell::{Shell, cmd};

use self::screen::Screen;
use crate::system;

/// Where they are kept.
const FOLDER: &str = "docs/images";
/// Largest picture.
const BYTES_MAX: usize = 60_000;
/// What happens while one looks shall be on the pictures too.
const WHILE: Duration = Duration::from_secs(40);
/// Between keys that do not wait for a text.
const PAUSE: Duration = Duration::from_millis(500);
/// A room that is too warm, so that an incident is there to look at.
const WARM: &str = "kitchen";

pub(crate) fn run(shell: &Shell) -> Result<()> {
    cmd!(shell, "cargo build --locked --release --bin signalbox").run()?;
    let program = system::target_dir(shell)?.join("release/signalbox");
    let home = shell.create_temp_dir()?;
    let demo = Demo::start(&program, home.path())?;
    demo.rule(&program)?;
    let mut screen = Screen::open(&program, &demo.host, home.path())?;
    screen.until("online")?;
    screen.until("Incidents 1")?;
    screen.watch(WHILE);
    let take = |screen: &Screen, name: &str| -> Result<()> {
        let picture = svg::picture(screen.screen());
        let bytes = picture.len();
        ensure!(
            bytes < BYTES_MAX,
            "`{name}` has {bytes} bytes, more than {BYTES_MAX}"
        );
        let path = format!("{FOLDER}/{name}.svg");
        shell.write_file(&path, picture)?;
        println!("{path}: {bytes} bytes");
        Ok(())
    };
    take(&screen, "overview")?;
    screen.keys(":node greenhouse\r")?;
    screen.until("max ")?;
    take(&screen, "node")?;
    // The second cursor at the peak, the first some time before it.
    screen.keys(":chart greenhouse temperature\r:overlay kitchen\r:range last 2h\r")?;
    screen.until("2 h")?;
    screen.until("max ")?;
    screen.keys("pxH")?;
    screen.until("Δ")?;
    take(&screen, "chart")?;
    screen.keys("2")?;
    screen.until("lamp")?;
    screen.keys("e")?;
    screen.until("Threshold")?;
    screen.keys("\u{12}")?;
    screen.until("It would have fired")?;
    take(&screen, "dry-run")?;
    // A key right behind Esc would be taken for Alt with it.
    screen.keys("\u{1b}")?;
    screen.watch(PAUSE);
    screen.keys("3")?;
    screen.watch(PAUSE);
    screen.keys("\r")?;
    screen.until("fired")?;
    screen.watch(Duration::from_secs(1));
    take(&screen, "incident")?;
    Ok(())
}

/// A running demo; ended with the value.
struct Demo {
    child: Child,
    host: String,
}

impl Demo {
    fn start(program: &Path, home: &Path) -> Result<Self> {
        let mut child = Command::new(program)
            .args(["demo", "--headless", "--json", "--nodes", "8"])
            .env("HOME", home)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let out = child.stdout.take().context("no output")?;
        let mut demo = Self {
            child,
            host: String::new(),
        };
        // The object may go over several lines; it ends with the brace.
        let mut told = String::new();
        for line in BufReader::new(out).lines() {
            told.push_str(&line?);
            if told.trim_end().ends_with('}') {
                break;
            }
        }
        let told: serde_json::Value = serde_json::from_str(&told)?;
        demo.host = told["host"].as_str().context("no address")?.to_owned();
        Ok(demo)
    }

    /// A rule that fires at once, whatever the room has just now.
    fn rule(&self, program: &Path) -> Result<()> {
        let verb = |args: &[&str]| -> Result<Vec<u8>> {
            let output = Command::new(program)
                .args(args)
                .args(["--host", &self.host])
                .output()?;
            let error = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "{args:?}: {error}");
            Ok(output.stdout)
        };
        let node: serde_json::Value = serde_json::from_slice(&verb(&["nodes", WARM, "--json"])?)?;
        let latest = node["latest"]["temperature"]["value"].as_f64();
        let threshold = (latest.context("no temperature yet")? - 2.0)
            .floor()
            .to_string();
        let args = [
            "rules",
            "add",
            "temperature",
            "gt",
            &threshold,
            "--node",
            WARM,
        ];
        verb(&args)?;
        Ok(())
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It may have ended by itself; nothing more can be done here either way.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
