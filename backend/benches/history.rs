//! What history costs: how fast it is read when most of it is sealed, how long sealing keeps
//! commits waiting, and how many bytes a sample takes, as a row and sealed.
//!
//! `cargo bench -p signalbox-backend --bench history -- --samples 50000000`
//!
//! With `--store postgres://…` the times of a database there as well, which is empty or was filled
//! by this; `--keep FOLDER` has the one of SQLite there, for another run; `--only PART` runs one of
//! `sizes`, `others`, `sqlite`, `postgres`.

mod history {
    pub(crate) mod data;
    pub(crate) mod others;
    pub(crate) mod queries;
    pub(crate) mod sizes;
}

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

/// Samples when none are asked for: a year of minutes of two series.
const SAMPLES: u64 = 1_051_200;
/// What can be run alone; `--store` adds a part of its own.
const PARTS: [&str; 4] = [SIZES, OTHERS, SQLITE, POSTGRES];
const SIZES: &str = "sizes";
const OTHERS: &str = "others";
const SQLITE: &str = "sqlite";
const POSTGRES: &str = "postgres";

#[tokio::main]
async fn main() -> Result<()> {
    let (mut samples, mut store, mut only, mut keep) = (SAMPLES, None, None, None);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--samples" => samples = words.next().context("no number")?.parse()?,
            "--keep" => keep = Some(PathBuf::from(words.next().context("no folder")?)),
            "--only" => only = Some(words.next().context("no part")?),
            "--store" => store = Some(words.next().context("no address")?),
            // What cargo adds.
            "--bench" => {}
            other => bail!(
                "`{other}` is not known; try --samples N, --store URL, --only PART or --keep FOLDER"
            ),
        }
    }
    let folder = tempfile::tempdir()?;
    if let Some(part) = only.as_deref().filter(|part| !PARTS.contains(part)) {
        bail!("`{part}` is no part; there are {}", PARTS.join(", "));
    }
    if only.as_deref() == Some(POSTGRES) && store.is_none() {
        bail!("no database is named; add --store URL");
    }
    let wanted = |part| only.as_deref().is_none_or(|only| only == part);
    if wanted(SIZES) {
        history::sizes::run(folder.path()).await?;
    }
    if wanted(OTHERS) {
        history::others::run(folder.path())?;
    }
    if wanted(SQLITE) {
        let folder = keep.as_deref().unwrap_or(folder.path());
        history::queries::run_sqlite(folder, samples).await?;
    }
    if let Some(url) = store {
        history::queries::run_postgres(&url, samples).await?;
    }
    Ok(())
}
