//! The whole station as its users run it: the built program as a process of its own, real
//! connections, a real disk. `cargo bench -p signalbox --bench station [PART]`, where PART is
//! `start`, `rate`, `latency` or `screen`.

mod daemon;
mod latency;
mod rate;
mod screen;
mod start;

use anyhow::Result;

#[tokio::main]
async fn main() -> Result<()> {
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
    if is_wanted("screen") {
        screen::run().await?;
    }
    Ok(())
}
