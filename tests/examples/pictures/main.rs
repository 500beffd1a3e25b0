//! The pictures of README and docs/terminal.md, made from the real program in a pseudo-terminal,
//! with a demo station behind it. Texts and layout come out the same each time; values are of the
//! moment. `cargo xtask pictures` builds the program and runs this with its path and the folder of
//! the pictures.

mod svg;

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use portable_pty::CommandBuilder;
use signalbox_tests::Screen;

/// Columns and rows.
const SIZE: (u16, u16) = (110, 32);
/// Largest picture.
const BYTES_MAX: usize = 60_000;
/// What happens while one looks shall be on the pictures too.
const WHILE: Duration = Duration::from_secs(40);
/// Between keys that do not wait for a text.
const PAUSE: Duration = Duration::from_millis(500);
/// A room that is too warm, so that an incident is there to look at.
const WARM: &str = "kitchen";

fn main() -> Result<()> {
    let mut args = std::env::args_os().skip(1);
    let mut path = |what| args.next().map(PathBuf::from).context(what);
    let program = path("the program's path is missing")?;
    let folder = path("the folder of the pictures is missing")?;
    let home = tempfile::tempdir()?;
    let demo = Demo::start(&program, home.path())?;
    demo.rule(&program)?;
    let mut screen = open(&program, &demo.host, home.path());
    settle(&mut screen, "online");
    settle(&mut screen, "Incidents 1");
    screen.watch(WHILE);
    let take = |screen: &Screen, name: &str| -> Result<()> {
        let picture = svg::picture(screen.screen());
        let bytes = picture.len();
        ensure!(
            bytes < BYTES_MAX,
            "`{name}` has {bytes} bytes, more than {BYTES_MAX}"
        );
        let path = folder.join(name).with_extension("svg");
        std::fs::write(&path, picture)
            .with_context(|| format!("`{}` cannot be written", path.display()))?;
        println!("{}: {bytes} bytes", path.display());
        Ok(())
    };
    take(&screen, "overview")?;
    screen.keys(":node greenhouse\r");
    settle(&mut screen, "max ");
    take(&screen, "node")?;
    // The second cursor at the peak, the first some time before it.
    screen.keys(":chart greenhouse temperature\r:overlay kitchen\r:range last 2h\r");
    settle(&mut screen, "2 h");
    settle(&mut screen, "max ");
    screen.keys("pxH");
    settle(&mut screen, "Δ");
    take(&screen, "chart")?;
    screen.keys("2");
    settle(&mut screen, "lamp");
    screen.keys("e");
    settle(&mut screen, "Threshold");
    screen.keys("\u{12}");
    settle(&mut screen, "It would have fired");
    take(&screen, "dry-run")?;
    // A key right behind Esc would be taken for Alt with it.
    screen.keys("\u{1b}");
    screen.watch(PAUSE);
    screen.keys("3");
    screen.watch(PAUSE);
    screen.keys("\r");
    settle(&mut screen, "fired");
    screen.watch(Duration::from_secs(1));
    take(&screen, "incident")?;
    Ok(())
}

fn open(program: &Path, host: &str, home: &Path) -> Screen {
    let mut command = CommandBuilder::new(program);
    command.args(["--host", host, "--theme", "dark"]);
    command.env("HOME", home);
    command.env("COLORTERM", "truecolor");
    command.env_remove("NO_COLOR");
    Screen::run(command, SIZE.0, SIZE.1)
}

/// Waits until this text is on screen, and what belongs to it.
fn settle(screen: &mut Screen, text: &str) {
    screen.until_text(text);
    screen.watch(Duration::from_secs(1));
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
