//! Who may call what: every route of the table, with every kind of caller.

use hyper::StatusCode;
use signalbox_backend::api::{Access, route_list};
use signalbox_protocol::api::user::Role;

use crate::helper::{Client, Station};

/// The path with something in place of each parameter.
fn filled(path: &str) -> String {
    let parts = path.split('/').map(|part| {
        if part.starts_with('{') {
            "nobody"
        } else {
            part
        }
    });
    parts.collect::<Vec<_>>().join("/")
}

async fn status(client: &mut Client, method: &str, path: &str) -> StatusCode {
    let request = client.request(method, &filled(path));
    client.send(request).await.status
}

#[tokio::test]
async fn without_a_session_only_index_health_signup_and_login_answer() {
    let station = Station::start().await;
    let mut client = station.tcp().await;
    let mut open = Vec::new();
    for route in route_list() {
        let status = status(&mut client, route.method.as_str(), route.path).await;
        if route.access == Access::Open {
            open.push(route.path);
            assert_ne!(status, StatusCode::UNAUTHORIZED, "{route:?}");
        } else {
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{route:?}");
        }
    }
    let expected = ["/", "/health", "/api/v1/auth/signup", "/api/v1/auth/login"];
    assert_eq!(open, expected);
}

#[tokio::test]
async fn every_route_keeps_out_lower_roles_and_lets_in_its_own() {
    let mut station = Station::start().await;
    // Nobody answers for the engine: requests that get that far must not hang.
    station.requests.close();
    let roles = [Role::Viewer, Role::Operator, Role::Administrator];
    for role in roles {
        let mut client = station.with_role(role.as_str()).await;
        let token = client.token.clone();
        for route in route_list() {
            let Access::From(needed) = route.access else {
                continue;
            };
            if route.path.ends_with("/logout") {
                continue;
            }
            let status = status(&mut client, route.method.as_str(), route.path).await;
            let kept_out = status == StatusCode::FORBIDDEN;
            assert_eq!(kept_out, role < needed, "{role:?} {route:?}: {status}");
            assert_ne!(status, StatusCode::UNAUTHORIZED, "{role:?} {route:?}");
        }
        assert_eq!(client.token, token);
    }
}

#[tokio::test]
async fn the_unix_socket_knows_its_peer() {
    let station = Station::start().await;
    let mut client = station.unix().await;
    let me = client.get("/api/v1/auth/whoami").await.json();
    assert_eq!(me["role"], "administrator");
    assert!(me["username"].as_str().unwrap().starts_with("uid:"));
    assert!(me["expires_at"].is_null());
    let logout = client.get("/api/v1/auth/logout").await;
    assert_eq!(logout.status, StatusCode::NO_CONTENT);
    // A token that is shown must be good, also here.
    client.token = Some("sbx_wrong".to_owned());
    client
        .get("/api/v1/auth/whoami")
        .await
        .error(401, "unauthorized");
}

#[tokio::test]
async fn head_is_answered_where_get_is() {
    let station = Station::start().await;
    let mut client = station.tcp().await;
    let request = client.request("HEAD", "/");
    let reply = client.send(request).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert!(reply.body.is_empty());
}
