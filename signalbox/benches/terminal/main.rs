//! The terminal as its users run it: the built program in a pseudo-terminal of 120x40, against a
//! daemon of its own with simulated nodes. `cargo bench -p signalbox --bench terminal [PART]`,
//! where PART is `bytes`, `keys`, `year` or `many`. Each figure is printed as a row of the table
//! in docs/performance.md, with its aim and whether it is met.

#[path = "../station/daemon.rs"]
#[expect(dead_code, reason = "the station's bench uses the rest")]
mod daemon;

mod bytes;
mod figure;
mod keys;
mod load;
mod many;
mod past;
mod screen;
mod year;

use anyhow::Result;

#[tokio::main]
async fn main() -> Result<()> {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with('-'))
        .collect();
    let is_wanted = |part: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == part);
    figure::head();
    if is_wanted("bytes") {
        bytes::run().await?;
    }
    if is_wanted("keys") {
        keys::run().await?;
    }
    if is_wanted("year") {
        year::run().await?;
    }
    if is_wanted("many") {
        many::run().await?;
    }
    Ok(())
}
