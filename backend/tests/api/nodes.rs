//! Nodes and their logins at the broker.

use hyper::StatusCode;
use serde_json::json;
use signalbox_backend::{engine::Request, mqtt::credentials};

use crate::helper::Station;

#[tokio::test]
async fn a_nodes_password_is_shown_once_and_replaced_only_on_request() {
    let mut station = Station::start().await;
    let mut client = station.unix().await;
    let engine = async {
        while let Some(request) = station.requests.recv().await {
            let Request::NodeAdded { name, reply } = request else {
                panic!("{request:?}");
            };
            assert_eq!(name, "kitchen");
            reply.send(Ok(())).unwrap();
        }
    };
    let calls = async {
        let body = json!({"name": "kitchen"});
        let first = client.post("/api/v1/nodes", &body).await;
        assert_eq!(first.status, StatusCode::CREATED);
        let first = first.json()["password"].as_str().unwrap().to_owned();
        let again = client.post("/api/v1/nodes", &body).await;
        assert_eq!(again.error(409, "conflict")["field"], "name");
        let second = client.post("/api/v1/nodes?replace=true", &body).await;
        assert_eq!(second.status, StatusCode::CREATED);
        let second = second.json()["password"].as_str().unwrap().to_owned();
        (first, second)
    };
    let (first, second) = tokio::select! {
        passwords = calls => passwords,
        () = engine => unreachable!("the API outlives its requests"),
    };
    let stored = station
        .store
        .node_password("kitchen")
        .await
        .unwrap()
        .unwrap();
    assert!(credentials::verify(second.as_bytes(), &stored));
    assert!(!credentials::verify(first.as_bytes(), &stored));

    let mut client = station.unix().await;
    let path = "/api/v1/nodes/kitchen/password";
    assert_eq!(client.delete(path).await.status, StatusCode::NO_CONTENT);
    client.delete(path).await.error(404, "not_found");
    assert_eq!(station.store.node_password("kitchen").await.unwrap(), None);
}

#[tokio::test]
async fn a_name_that_no_topic_can_hold_is_refused() {
    let station = Station::start().await;
    let mut client = station.unix().await;
    for bad in ["", "a/b", "+", "#", "-a", "a b", &"a".repeat(33)] {
        let reply = client.post("/api/v1/nodes", &json!({"name": bad})).await;
        assert_eq!(reply.error(422, "invalid")["field"], "name", "{bad}");
    }
}
