//! The whole station as its users run it: the built program as a process of its own, real
//! connections, a real disk. `cargo bench -p signalbox --bench station [PART]`, where PART is
//! `start`, `rate`, `latency`, `card`, or, with Mosquitto and PostgreSQL from their
//! packages, `ingest` or `external` (latency).

mod card;
mod daemon;
mod ingest;
mod latency;
mod rate;
mod start;

use anyhow::{Context as _, Result};

#[tokio::main]
async fn main() -> Result<()> {
    if let Some(port) = std::env::var_os(ingest::CONSUMER_PORT) {
        let port = port.into_string().ok().context("not a port")?;
        return ingest::consume(port.parse()?).await;
    }
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with('-'))
        .collect();
    let is_wanted = |part: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == part);
    if is_wanted("start") {
        start::run().await?;
    }
    if is_wanted("rate") {
        rate::run().await?;
    }
    if is_wanted("latency") {
        latency::run().await?;
    }
    if is_wanted("card") {
        card::run().await?;
    }
    if is_wanted("ingest") {
        ingest::run().await?;
    }
    if is_wanted("external") {
        latency::run_external().await?;
    }
    Ok(())
}
