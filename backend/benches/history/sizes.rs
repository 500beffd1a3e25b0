//! Bytes of a sample, as a row and sealed, in the same file, with the trees around them.

use std::path::Path;

use anyhow::Result;
use signalbox_backend::store::{EngineStore as _, NodeSamples, SampleStore as _, sqlite};
use sqlx::{Connection as _, sqlite::SqliteConnection};

use super::data::{DAY_S, Kind, START_S, Sensor, batch, sample, time};

/// Days and sensors of each kind.
pub(crate) const DAYS: i64 = 60;
pub(crate) const SENSORS: u64 = 10;
/// Readings come this often.
pub(crate) const EVERY_S: [i64; 3] = [60, 10, 2];

pub(crate) const KINDS: [(Kind, &str); 3] = [
    (Kind::Whole, "whole degrees, whole seconds"),
    (Kind::WholeJitter, "whole degrees, ms with jitter"),
    (Kind::Adc, "noisy 10-bit ADC, whole seconds"),
];

pub(crate) async fn run(folder: &Path) -> Result<()> {
    println!("bytes a sample in SQLite, {SENSORS} sensors, sealed day by day");
    println!("{:<34}{:>10}{:>10}{:>10}", "", "every", "as row", "sealed");
    for (kind, name) in KINDS {
        for every_s in EVERY_S {
            let (row, sealed) = measure(folder, kind, every_s).await?;
            println!("{name:<34}{every_s:>8} s{row:>10.2}{sealed:>10.3}");
        }
    }
    Ok(())
}

async fn measure(folder: &Path, kind: Kind, every_s: i64) -> Result<(f64, f64)> {
    let path = folder.join(format!("{kind:?}-{every_s}.db"));
    let store = sqlite::open(&path).await?;
    let mut sensors: Vec<Sensor> = (0..SENSORS).map(|seed| Sensor::new(kind, seed)).collect();
    let days = (DAYS * every_s / 60).max(5);
    let (mut row, mut samples) = (0.0, 0.0);
    for day in 0..days {
        let from_s = START_S + day * DAY_S;
        let nodes = sensors.iter_mut().enumerate().map(|(number, sensor)| {
            let due = (0..DAY_S / every_s).map(|i| from_s + i * every_s);
            NodeSamples {
                node: format!("n{number}"),
                samples: due
                    .map(|due| sample("temperature", sensor.read(due)))
                    .collect(),
            }
        });
        let nodes: Vec<NodeSamples> = nodes.collect();
        samples += nodes.iter().map(|node| node.samples.len()).sum::<usize>() as f64;
        for node in nodes {
            store.commit(&batch(vec![node])).await?;
        }
        if day == 1 {
            row = pages(&path, "sample").await? / samples;
        }
        let before = time(from_s * 1_000_000);
        while store.seal(before).await?.more {}
    }
    while store
        .seal(time((START_S + (days + 1) * DAY_S) * 1_000_000))
        .await?
        .more
    {}
    let sealed = pages(&path, "chunk").await? / samples;
    store.close().await;
    std::fs::remove_file(&path)?;
    Ok((row, sealed))
}

/// Bytes of all pages of a table.
async fn pages(path: &Path, table: &str) -> Result<f64> {
    let mut file = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await?;
    let bytes: i64 = sqlx::query_scalar("SELECT sum(pgsize) FROM dbstat WHERE name = ?")
        .bind(table)
        .fetch_one(&mut file)
        .await?;
    file.close().await?;
    Ok(bytes as f64)
}
