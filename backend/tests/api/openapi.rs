//! The description of the API: what it holds is a snapshot, so that a change is seen.

use serde_json::Value;

use crate::helper::Station;

#[tokio::test]
async fn the_description_is_served_and_each_reference_leads_somewhere() {
    let station = Station::start().await;
    let document = station
        .unix()
        .await
        .get("/api/v1/openapi.json")
        .await
        .json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 50);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(reference)) = map.get("$ref") {
                found.push(reference.clone());
            }
            map.values().for_each(|value| collect(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| collect(value, found)),
        _ => {}
    }
}

#[test]
fn routes_and_statuses() {
    let document = serde_json::to_value(signalbox_backend::api::document()).unwrap();
    let mut lines = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let statuses: Vec<_> = operation["responses"].as_object().unwrap().keys().collect();
            let session = if operation["security"].is_null() {
                "open"
            } else {
                "session"
            };
            let statuses = statuses
                .iter()
                .map(|s| s.as_str())
                .collect::<Vec<_>>()
                .join(" ");
            lines.push(format!("{method} {path} [{session}] {statuses}"));
        }
    }
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn schemas() {
    let document = serde_json::to_value(signalbox_backend::api::document()).unwrap();
    insta::assert_json_snapshot!(document["components"]["schemas"]);
}
