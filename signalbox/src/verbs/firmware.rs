//! `signalbox firmware …`: images whose symbol tables make nodes' log lines readable.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context as _, bail};
use signalbox_protocol::api::log::{Firmware, Firmwares};
use signalbox_tui::client::segment;

use crate::{context::StationArgs, output};

/// The station takes no larger one.
const IMAGE_BYTES_MAX: u64 = 32 << 20;

/// `firmware …`
#[derive(Debug, clap::Subcommand)]
pub(crate) enum FirmwareVerb {
    /// Give the station the image that nodes run, so that it can read their log lines
    Add {
        /// The ELF file that the linker wrote, not stripped
        file: PathBuf,
        #[command(flatten)]
        station: StationArgs,
    },
    /// List the images that the station has
    List {
        #[command(flatten)]
        station: StationArgs,
    },
    /// Take an image away from the station
    Remove {
        /// Its build, as `list` shows it
        build: String,
        #[command(flatten)]
        station: StationArgs,
    },
}

pub(crate) async fn run(verb: FirmwareVerb) -> anyhow::Result<ExitCode> {
    match verb {
        FirmwareVerb::Add { file, station } => {
            let shown = file.display();
            let bytes = std::fs::metadata(&file)
                .with_context(|| format!("`{shown}` cannot be read"))?
                .len();
            if bytes > IMAGE_BYTES_MAX {
                bail!("`{shown}` has more than {IMAGE_BYTES_MAX} bytes");
            }
            let image =
                std::fs::read(&file).with_context(|| format!("`{shown}` cannot be read"))?;
            let client = station.client()?;
            let added: Firmware = client.post_bytes("/api/v1/firmware", image).await?;
            if station.json {
                output::json(&added)?;
            } else {
                let Firmware { build, lines } = added;
                output::line(&format!("build {build}: {lines} log lines can be read"))?;
            }
        }
        FirmwareVerb::List { station } => {
            let found: Firmwares = station.client()?.get("/api/v1/firmware", &()).await?;
            if station.json {
                output::json(&found)?;
            } else {
                let rows = found.firmware.into_iter();
                output::table(
                    &["BUILD", "LINES"],
                    rows.map(|one| vec![one.build, one.lines.to_string()]),
                    "no images; `signalbox firmware add FILE` gives the station one",
                )?;
            }
        }
        FirmwareVerb::Remove { build, station } => {
            let path = format!("/api/v1/firmware/{}", segment(&build));
            station.client()?.delete(&path).await?;
            output::line(&format!("build {build} is gone"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
