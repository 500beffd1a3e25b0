//! Reads log lines of a node: what its MQTT messages hold, as `mosquitto_sub` or the like gives
//! them, or what a logger wrote into a file.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    path::PathBuf,
};

use anyhow::{Context as _, Result, bail};
use signalbox_logs::{Line, Table, TableError};
use signalbox_protocol::payload::log::{FRAME_END, Log};
use xshell::Shell;

use super::build;

/// Arguments of `firmware log`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The image that the node runs; the one of `firmware build` when absent
    #[arg(long)]
    elf: Option<PathBuf>,
    /// Each line of standard input is an MQTT payload in hexadecimal digits, as
    /// `mosquitto_sub -F %x` prints them; without this it is frames as they are
    #[arg(long)]
    hex: bool,
}

pub(crate) fn print(shell: &Shell, args: &Args) -> Result<()> {
    let image = match &args.elf {
        Some(image) => image.clone(),
        None => build::image(shell)?,
    };
    let bytes = fs::read(&image).with_context(|| format!("`{}`", image.display()))?;
    let hint = |error: TableError| {
        let hint = error.hint();
        anyhow::Error::from(error).context(format!("`{}`; hint: {hint}", image.display()))
    };
    let table = Table::read(&bytes).map_err(hint)?;
    if args.hex {
        for line in io::stdin().lines() {
            message(&table, &unhex(line?.trim())?)?;
        }
        return Ok(());
    }
    // Frame by frame, so that a running node can be listened to.
    let mut frame = Vec::new();
    for byte in io::stdin().lock().bytes() {
        match byte? {
            FRAME_END => {
                lines(&table, &frame)?;
                frame.clear();
            }
            byte => frame.push(byte),
        }
    }
    lines(&table, &frame)
}

fn message(table: &Table, payload: &[u8]) -> Result<()> {
    let log = Log::decode(payload)?;
    if log.build != table.build() {
        bail!("the message is from another image than this one");
    }
    lines(table, log.frames)
}

fn lines(table: &Table, frames: &[u8]) -> Result<()> {
    let mut out = io::stdout().lock();
    for line in table.lines(frames) {
        match line {
            Ok(line) => writeln!(out, "{}", shown(&line))?,
            Err(error) => writeln!(out, "? {error}")?,
        }
    }
    Ok(out.flush()?)
}

/// `   12.345 warn  start: power on`.
fn shown(line: &Line) -> String {
    let level = line.level.map_or("-", |level| level.as_str());
    let at_ms = line.at_ms.unwrap_or_default();
    let (s, ms) = (at_ms / 1_000, at_ms % 1_000);
    format!("{s:>5}.{ms:03} {level:<5} {}", line.text)
}

fn unhex(text: &str) -> Result<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    let bytes = pairs.map(|pair| {
        let pair = str::from_utf8(pair)?;
        u8::from_str_radix(pair, 16).with_context(|| format!("`{pair}` is not hexadecimal"))
    });
    bytes.collect()
}
