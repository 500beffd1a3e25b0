//! Samples: newest, pages, streams, statistics.

use chrono::{DateTime, TimeDelta, Utc};
use hyper::StatusCode;
use serde_json::Value;
use signalbox_backend::{
    ingest::Sample,
    store::{Batch, NodeSamples},
};

use crate::helper::{Client, Reply, Station};

fn at(s: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + s, 0).unwrap()
}

/// One sample a second of two metrics.
async fn store(station: &Station, node: &str, seconds: std::ops::Range<i64>) {
    let sample = |metric: &str, s: i64| Sample {
        metric: metric.to_owned(),
        ts: at(s),
        exact_ts: true,
        value: f64::from(i32::try_from(s).unwrap()) / 10.0,
        out_of_range: s == 3,
        clock_suspect: false,
    };
    let samples = seconds
        .flat_map(|s| [sample("temperature", s), sample("soil", s)])
        .collect();
    let batch = Batch {
        samples: vec![NodeSamples {
            node: node.to_owned(),
            samples,
        }],
        ..Batch::default()
    };
    station.store.commit(&batch).await.unwrap();
}

async fn get_as(client: &mut Client, path: &str, accept: &str) -> Reply {
    let mut request = client.request("GET", path);
    request
        .headers_mut()
        .insert("accept", accept.parse().unwrap());
    client.send(request).await
}

#[tokio::test]
async fn last_gives_the_newest_first() {
    let station = Station::start().await;
    store(&station, "a", 0..10).await;
    let mut client = station.unix().await;
    let one = client
        .get("/api/v1/data/last?node=a&metric=soil")
        .await
        .json();
    assert_eq!(one["samples"].as_array().unwrap().len(), 1);
    assert_eq!(one["samples"][0]["value"], 0.9);
    let three = client.get("/api/v1/data/last?metric=soil&n=8").await.json();
    let values: Vec<_> = three["samples"].as_array().unwrap().iter().collect();
    assert_eq!(values.len(), 8);
    assert_eq!(values[6]["flags"], serde_json::json!(["out_of_range"]));
    let none = client.get("/api/v1/data/last?node=nobody").await.json();
    assert_eq!(none["samples"], serde_json::json!([]));
}

#[tokio::test]
async fn pages_give_every_sample_once_in_order() {
    let station = Station::start().await;
    store(&station, "a", 0..50).await;
    store(&station, "b", 0..50).await;
    let mut client = station.unix().await;
    let mut all: Vec<Value> = Vec::new();
    let mut path = "/api/v1/data/all?limit=7".to_owned();
    let mut pages = 0;
    loop {
        let page = client.get(&path).await.json();
        let samples = page["samples"].as_array().unwrap();
        assert!(samples.len() <= 7);
        all.extend(samples.iter().cloned());
        pages += 1;
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = format!("/api/v1/data/all?limit=7&after={next}");
        assert!(pages < 100, "the pages do not end");
    }
    assert_eq!(all.len(), 200);
    let key = |sample: &Value| {
        let text = |name: &str| sample[name].as_str().unwrap().to_owned();
        (
            text("ts").parse::<DateTime<Utc>>().unwrap(),
            text("node"),
            text("metric"),
        )
    };
    let keys: std::collections::BTreeSet<_> = all.iter().map(key).collect();
    assert_eq!(keys.len(), 200);
    assert!(
        all.windows(2)
            .all(|pair| key(&pair[0]).0 <= key(&pair[1]).0)
    );
}

#[tokio::test]
async fn by_date_is_half_open_and_takes_a_plain_plus() {
    let station = Station::start().await;
    store(&station, "a", 0..10).await;
    let mut client = station.unix().await;
    let zone = chrono::FixedOffset::east_opt(2 * 3_600).unwrap();
    let text = |s| at(s).with_timezone(&zone).to_rfc3339();
    assert!(text(2).contains("+02:00"));
    let encoded = text(5).replace('+', "%2B");
    let path = format!(
        "/api/v1/data/byDate?metric=soil&from={}&to={encoded}",
        text(2)
    );
    let page = client.get(&path).await.json();
    let values: Vec<f64> = page["samples"]
        .as_array()
        .unwrap()
        .iter()
        .map(|sample| sample["value"].as_f64().unwrap())
        .collect();
    assert_eq!(values, [0.2, 0.3, 0.4]);
    assert!(page["next"].is_null());
}

#[tokio::test]
async fn csv_and_ndjson_have_all_rows() {
    let station = Station::start().await;
    store(&station, "a", 0..3_000).await;
    let mut client = station.unix().await;
    let csv = get_as(&mut client, "/api/v1/data/all", "text/csv").await;
    assert_eq!(csv.status, StatusCode::OK);
    assert!(csv.header("content-type").starts_with("text/csv"));
    let text = csv.text();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("ts,node,metric,value,flags"));
    assert_eq!(lines.count(), 6_000);
    assert!(text.contains(",a,soil,0.3,out_of_range\n"));

    let path = "/api/v1/data/all?metric=soil";
    let lines = get_as(&mut client, path, "application/x-ndjson")
        .await
        .text();
    assert_eq!(lines.lines().count(), 3_000);
    for line in lines.lines().take(3) {
        let sample: Value = serde_json::from_str(line).unwrap();
        assert_eq!(sample["metric"], "soil");
    }
    let paged = get_as(&mut client, "/api/v1/data/all?limit=5", "text/csv").await;
    paged.error(422, "invalid");
    let empty = get_as(&mut client, "/api/v1/data/all?node=nobody", "text/csv").await;
    assert_eq!(empty.text(), "ts,node,metric,value,flags\n");
}

#[tokio::test]
async fn buckets_give_statistics_without_flagged_values() {
    let station = Station::start().await;
    store(&station, "a", 0..100).await;
    let mut client = station.unix().await;
    let stamp = |s: i64| at(s).to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let path = format!(
        "/api/v1/data/byDate?metric=soil&from={}&to={}&buckets=10",
        stamp(0),
        stamp(100)
    );
    let reply = client.get(&path).await.json();
    assert_eq!(reply["bucket_ms"], 10_000);
    let buckets = reply["series"][0]["buckets"].as_array().unwrap();
    assert_eq!(buckets.len(), 10);
    assert_eq!(buckets[0]["n"], 9);
    assert_eq!(buckets[1]["min"], 1.0);
    assert_eq!(buckets[1]["max"], 1.9);
    // Without an end, until now.
    let now = station.state.clock.now();
    let from = (now - TimeDelta::days(1)).to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let path = format!("/api/v1/data/all?from={from}&buckets=10");
    assert_eq!(client.get(&path).await.status, StatusCode::OK);
    get_as(&mut client, &path, "text/csv")
        .await
        .error(406, "not_acceptable");
    let path = format!("/api/v1/data/all?from={from}&buckets=10001");
    client.get(&path).await.error(422, "invalid");
}
