//! Streaming holds little memory. Alone in its process, as it weighs the whole of it.

#![expect(
    clippy::unwrap_used,
    reason = "a failed expectation is a failed test, also in its helpers"
)]

#[path = "api/helper.rs"]
#[allow(dead_code, reason = "the other tests of the API use the rest")]
mod helper;

use chrono::{DateTime, Utc};
use http_body_util::BodyExt as _;
use signalbox_backend::{
    ingest::Sample,
    store::{Batch, NodeSamples},
};

use crate::helper::{DEADLINE, Station};

fn at(s: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + s, 0).unwrap()
}

/// One sample a second of two metrics.
async fn store(station: &Station, seconds: std::ops::Range<i64>) {
    let sample = |metric: &str, s: i64| Sample {
        metric: metric.to_owned(),
        ts: at(s),
        exact_ts: true,
        value: f64::from(i32::try_from(s).unwrap()) / 10.0,
        out_of_range: false,
        clock_suspect: false,
    };
    let samples = seconds
        .flat_map(|s| [sample("temperature", s), sample("soil", s)])
        .collect();
    let batch = Batch {
        samples: vec![NodeSamples {
            node: "a".to_owned(),
            samples,
        }],
        ..Batch::default()
    };
    station.store.commit(&batch).await.unwrap();
}

/// Resident memory of this process in bytes (field 2 of statm, in pages of 4 KiB).
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4_096
}

#[tokio::test]
async fn a_stream_follows_its_reader_and_holds_little() {
    let station = Station::start().await;
    for part in 0..20 {
        store(&station, part * 5_000..(part + 1) * 5_000).await;
    }
    let mut client = station.tcp().await;
    client.token = station.with_role("viewer").await.token;
    let request = client.request("GET", "/api/v1/data/all");
    let (mut parts, body) = request.into_parts();
    parts.headers.insert("accept", "text/csv".parse().unwrap());
    let before = resident_bytes();
    let mut body = client
        .open(hyper::Request::from_parts(parts, body))
        .await
        .into_body();
    let mut bytes = 0;
    let mut most = 0;
    while let Some(frame) = tokio::time::timeout(DEADLINE, body.frame()).await.unwrap() {
        bytes += frame.unwrap().into_data().map_or(0, |data| data.len());
        most = most.max(resident_bytes().saturating_sub(before));
    }
    assert!(bytes > 5_000_000, "{bytes}");
    // All rows at once would be more than 20 MB.
    assert!(most < 16_000_000, "{most}");
}
