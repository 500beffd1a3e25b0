//! What history costs: how fast it is read when most of it is sealed, how long sealing keeps
//! commits waiting, and how many bytes a sample takes, as a row and sealed.
//!
//! `cargo bench -p signalbox-backend --bench history -- --samples 50000000`
//! (with `--store postgres://…` the times of an empty database there as well)

mod history {
    pub(crate) mod data;
    pub(crate) mod others;
    pub(crate) mod queries;
    pub(crate) mod sizes;
}

use anyhow::{Context as _, Result, bail};

/// Samples when none are asked for: a year of minutes of two series.
const SAMPLES: u64 = 1_051_200;

#[tokio::main]
async fn main() -> Result<()> {
    let (mut samples, mut store) = (SAMPLES, None);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--samples" => samples = words.next().context("no number")?.parse()?,
            "--store" => store = Some(words.next().context("no address")?),
            // What cargo adds.
            "--bench" => {}
            other => bail!("`{other}` is not known; try --samples N or --store URL"),
        }
    }
    let folder = tempfile::tempdir()?;
    history::sizes::run(folder.path()).await?;
    history::others::run(folder.path())?;
    history::queries::run_sqlite(folder.path(), samples).await?;
    if let Some(url) = store {
        history::queries::run_postgres(&url, samples).await?;
    }
    Ok(())
}
