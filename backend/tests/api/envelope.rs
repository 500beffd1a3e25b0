//! Every kind of refusal has the one envelope.

use http_body_util::Full;
use hyper::{StatusCode, body::Bytes};
use serde_json::json;
use signalbox_backend::api::BODY_BYTES_MAX;

use crate::helper::{Client, Reply, Station};

async fn raw(client: &mut Client, path: &str, content_type: Option<&str>, body: &[u8]) -> Reply {
    let (mut parts, _) = client.request("POST", path).into_parts();
    if let Some(content_type) = content_type {
        let value = content_type.parse().unwrap();
        parts.headers.insert("content-type", value);
    }
    let body = Full::new(Bytes::copy_from_slice(body));
    client.send(hyper::Request::from_parts(parts, body)).await
}

const ADD: &str = "/api/v1/command/add";
const JSON: Option<&str> = Some("application/json");

#[tokio::test]
async fn bodies_that_cannot_be_read() {
    let station = Station::start().await;
    let mut client = station.unix().await;
    raw(&mut client, ADD, None, b"{}")
        .await
        .error(415, "unsupported");
    raw(&mut client, ADD, Some("text/plain"), b"{}")
        .await
        .error(415, "unsupported");
    for bad in [&b""[..], b"{", b"{} {}", b"\xff\xfe", b"{\"node\":\x00}"] {
        let reply = raw(&mut client, ADD, JSON, bad).await;
        assert!(matches!(reply.status.as_u16(), 400 | 422), "{reply:?}");
        reply.error(reply.status.as_u16(), "invalid");
    }
    let large = vec![b' '; BODY_BYTES_MAX + 1];
    raw(&mut client, ADD, JSON, &large)
        .await
        .error(413, "too_large");
    // The limit itself is still read.
    let full = vec![b' '; BODY_BYTES_MAX];
    let mut client = station.unix().await;
    raw(&mut client, ADD, JSON, &full)
        .await
        .error(400, "invalid");
    let deep = "[".repeat(50_000);
    raw(&mut client, ADD, JSON, deep.as_bytes())
        .await
        .error(422, "invalid");
}

#[tokio::test]
async fn values_that_are_wrong_are_named() {
    let station = Station::start().await;
    let mut client = station.unix().await;
    let body = json!({"node": "a", "actuator": "led", "action": "blink"});
    let error = client.post(ADD, &body).await.error(422, "invalid");
    assert_eq!(error["field"], "action");
    assert!(
        error["message"].as_str().unwrap().contains("`blink`"),
        "{error}"
    );
    let body = json!({"node": "a", "actuator": "led", "action": "on", "colour": 1});
    let error = client.post(ADD, &body).await.error(422, "invalid");
    assert!(
        error["message"].as_str().unwrap().contains("`colour`"),
        "{error}"
    );
}

#[tokio::test]
async fn queries_that_are_wrong_are_named() {
    let station = Station::start().await;
    let mut client = station.unix().await;
    for (path, names) in [
        ("/api/v1/data/last?n=0", "n"),
        ("/api/v1/data/last?n=10001", "n"),
        ("/api/v1/data/last?n=many", "n"),
        ("/api/v1/data/last?m=1", "m"),
        ("/api/v1/command/all?limit=0", "limit"),
        ("/api/v1/command/all?after=rubbish", "rubbish"),
        ("/api/v1/messages?limit=1001", "limit"),
        ("/api/v1/mails?limit=0", "limit"),
        ("/api/v1/station?verbose=1", "verbose"),
        ("/api/v1/data/byDate", "from"),
        ("/api/v1/data/byDate?from=2026-01-01T00:00:00Z", "to"),
        (
            "/api/v1/data/byDate?from=yesterday&to=2026-01-01T00:00:00Z",
            "from",
        ),
        (
            "/api/v1/data/byDate?from=2026-01-01T00:00:00Z&to=2026-01-01T00:00:00Z",
            "to",
        ),
        ("/api/v1/data/all?after=rubbish", "rubbish"),
        ("/api/v1/data/all?buckets=10", "from"),
        (
            "/api/v1/data/all?buckets=10&limit=1&from=2026-01-01T00:00:00Z",
            "limit",
        ),
    ] {
        let error = client.get(path).await.error(422, "invalid");
        assert!(error.to_string().contains(names), "{path}: {error}");
    }
}

#[tokio::test]
async fn addresses_methods_and_formats_that_do_not_exist() {
    let station = Station::start().await;
    let mut client = station.unix().await;
    client.get("/api/v1/nothing").await.error(404, "not_found");
    client
        .get("/api/v1/nodes/nobody")
        .await
        .error(404, "not_found");
    client.get("/api/v1/nodes/%ff").await.error(400, "invalid");
    let request = client.request("PUT", "/api/v1/rules");
    let reply = client.send(request).await;
    reply.error(405, "method_not_allowed");
    assert_eq!(reply.header("allow"), "GET,HEAD,POST");
    let mut request = client.request("GET", "/api/v1/data/all");
    let accept = "image/png".parse().unwrap();
    request.headers_mut().insert("accept", accept);
    client.send(request).await.error(406, "not_acceptable");
    client.get("/ws").await.error(426, "unsupported");
}

#[tokio::test]
async fn an_engine_that_is_gone_is_503_with_a_time_to_come_again() {
    let mut station = Station::start().await;
    station.requests.close();
    let mut client = station.unix().await;
    let body = json!({"node": "a", "actuator": "led", "action": "on"});
    let reply = client.post(ADD, &body).await;
    reply.error(503, "unavailable");
    assert_eq!(reply.header("retry-after"), "2");
}

#[tokio::test]
async fn health_tells_what_is_wrong() {
    let station = Station::start().await;
    let mut client = station.tcp().await;
    let well = client.get("/health").await;
    assert_eq!(well.status, StatusCode::OK);
    assert_eq!(
        well.json(),
        json!({"status": "ok", "store": "ok", "broker": "ok"})
    );
    *station.link.0.lock().unwrap() = Some("the broker is away".to_owned());
    let ill = client.get("/health").await;
    assert_eq!(ill.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ill.json()["broker"], "the broker is away");
    *station.link.0.lock().unwrap() = None;
    station.trouble.send_replace(Some("secret".to_owned()));
    let ill = client.get("/health").await;
    assert_eq!(ill.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ill.json()["store"], "cannot be written");
}
