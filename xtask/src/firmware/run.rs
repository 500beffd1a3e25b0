//! Runs the image in QEMU. The serial line is this terminal.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::Result;
use xshell::{Shell, cmd};

use super::{build, tools};

/// Arguments of `firmware run`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The node's name; without it the node uses what it knows from last time, or asks
    #[arg(long, requires = "password")]
    name: Option<String>,
    /// Its password (`signalbox node add NAME` prints it)
    #[arg(long)]
    password: Option<String>,
    /// Port of the broker on this machine's loopback
    #[arg(long, default_value_t = 1883)]
    port: u16,
    /// Time between two readings
    #[arg(long, default_value_t = 5_000)]
    interval_ms: u32,
}

pub(crate) fn run(shell: &Shell, args: &Args) -> Result<()> {
    let image = build::image(shell)?;
    let Args {
        port, interval_ms, ..
    } = args;
    // To the emulated machine, 10.0.2.2 is this one's loopback.
    let broker = format!("10.0.2.2:{port}");
    let settings = match (&args.name, &args.password) {
        (Some(name), Some(password)) => format!("set {name} {password} {broker} {interval_ms}\n"),
        _ => {
            println!("a new node waits for: set NAME PASSWORD {broker} {interval_ms}");
            String::new()
        }
    };
    let flash = flash(&image)?;
    let drive = format!("if=pflash,format=raw,file={}", flash.display());
    let qemu = tools::QEMU;
    let machine = ["-M", "lx60-nommu", "-cpu", "lx106", "-semihosting"];
    let devices = ["-display", "none", "-monitor", "none", "-serial", "stdio"];
    let flash = ["-drive", drive.as_str()];
    let network = ["-nic", "user,model=open_eth", "-kernel"];
    // First what was given on the command line, then what is typed.
    let script = r#"line="$1"; shift; { printf '%s' "$line"; cat; } | "$@""#;
    cmd!(
        shell,
        "sh -c {script} sh {settings} {qemu} {machine...} {devices...} {flash...} {network...} {image}"
    )
    .quiet()
    .run()?;
    Ok(())
}

/// The board's flash chip, as a file beside the image: what the node remembers over a power cut.
/// Remove it for a new node.
fn flash(image: &Path) -> Result<PathBuf> {
    let path = image.with_file_name("node.flash");
    if !path.exists() {
        let mut chip = fs::File::create(&path)?;
        // The part that the node uses is erased; the rest may hold anything.
        chip.write_all(&vec![0xff; ERASED_BYTES])?;
        chip.set_len(CHIP_BYTES)?;
    }
    Ok(path)
}

const CHIP_BYTES: u64 = 4 << 20;
const ERASED_BYTES: usize = 128 << 10;
