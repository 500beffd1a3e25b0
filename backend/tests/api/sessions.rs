//! Who is logged in, from where, and ending that.

use futures_util::StreamExt as _;
use hyper::StatusCode;
use serde_json::{Value, json};
use tokio_tungstenite::{client_async, tungstenite::client::IntoClientRequest as _};

use crate::helper::{Client, DEADLINE, Station, log_in};

async fn listed(client: &mut Client) -> Vec<Value> {
    let reply = client.get("/api/v1/sessions").await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    reply.json()["sessions"].as_array().unwrap().clone()
}

type Socket = tokio_tungstenite::WebSocketStream<tokio::net::UnixStream>;

/// A terminal of a local user.
async fn terminal(station: &Station, agent: &str) -> Socket {
    let mut request = "ws://station/ws".into_client_request().unwrap();
    let agent = agent.parse().unwrap();
    request.headers_mut().insert("user-agent", agent);
    let stream = tokio::net::UnixStream::connect(&station.socket).await;
    let (mut socket, _) = client_async(request, stream.unwrap()).await.unwrap();
    socket.next().await.unwrap().unwrap();
    socket
}

#[tokio::test]
async fn a_login_is_listed_with_its_way_in_and_ends_at_once() {
    let station = Station::start().await;
    let mut viewer = station.with_role("viewer").await;
    let mut administrator = station.unix().await;
    let before = listed(&mut administrator).await;
    assert_eq!(before.len(), 1);
    assert_eq!(
        before[0]["last_seen_at"],
        Value::Null,
        "it asked nothing yet"
    );
    let (request, _) = viewer.request("GET", "/api/v1/nodes").into_parts();
    let mut request = hyper::Request::from_parts(request, http_body_util::Full::default());
    let agent = "signalbox/9.9.9 (tcp)".parse().unwrap();
    request.headers_mut().insert("user-agent", agent);
    assert_eq!(viewer.send(request).await.status, StatusCode::OK);
    let session = listed(&mut administrator).await.remove(0);
    for (field, value) in [
        ("username", json!("viewer")),
        ("role", json!("viewer")),
        ("way", json!("tcp")),
        ("from", json!("127.0.0.1")),
        ("client", json!("signalbox/9.9.9 (tcp)")),
        ("streams", json!(0)),
        ("own", json!(false)),
    ] {
        assert_eq!(session[field], value, "{field}");
    }
    let token = viewer.token.clone().unwrap();
    assert!(!session.to_string().contains(&token), "never the token");

    let path = format!("/api/v1/sessions/{}", session["id"].as_str().unwrap());
    let ended = administrator.delete(&path).await;
    assert_eq!(ended.json()["ended"], "revoked", "{ended:?}");
    viewer.get("/api/v1/nodes").await.error(401, "unauthorized");
    assert!(listed(&mut administrator).await.is_empty());
    administrator.delete(&path).await.error(404, "not_found");
}

#[tokio::test]
async fn ending_a_login_closes_its_streams_and_ending_a_local_terminal_only_that() {
    let station = Station::start().await;
    let mut administrator = station.unix().await;
    let mut one = terminal(&station, "signalbox/0.1.0 (ssh)").await;
    let mut two = terminal(&station, "signalbox/0.1.0 (unix)").await;
    let all = listed(&mut administrator).await;
    let ways: Vec<&Value> = all.iter().map(|session| &session["way"]).collect();
    assert_eq!(all.len(), 2);
    assert!(ways.contains(&&json!("ssh")) && ways.contains(&&json!("unix")));
    let ssh = all.iter().find(|session| session["way"] == "ssh").unwrap();
    assert_eq!(ssh["expires_at"], Value::Null);
    let path = format!("/api/v1/sessions/{}", ssh["id"].as_str().unwrap());
    let ended = administrator.delete(&path).await;
    assert_eq!(ended.json()["ended"], "disconnected", "{ended:?}");
    let closed = tokio::time::timeout(DEADLINE, async {
        while let Some(Ok(message)) = one.next().await {
            if message.is_close() {
                return message.to_string();
            }
        }
        String::new()
    });
    assert!(closed.await.unwrap().contains("administrator"));
    let left = listed(&mut administrator).await;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0]["way"], "unix");
    two.close(None).await.unwrap();
}

#[tokio::test]
async fn ones_own_session_is_marked() {
    let station = Station::start().await;
    let mut client = station.with_role("administrator").await;
    let mut other = station.tcp().await;
    log_in(&mut other, "administrator", "correct horse").await;
    let all = listed(&mut client).await;
    let own: Vec<bool> = all.iter().map(|s| s["own"].as_bool().unwrap()).collect();
    assert_eq!(own.iter().filter(|own| **own).count(), 1);
    assert_eq!(all.len(), 2);
}
