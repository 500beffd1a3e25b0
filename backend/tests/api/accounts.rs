//! Sign-up, login, logout and the administration of accounts.

use hyper::StatusCode;
use serde_json::{Value, json};
use signalbox_backend::config::SignupPolicy;

use crate::helper::{Client, Station, log_in};

fn account(name: &str) -> Value {
    json!({"username": name, "email": "anna@example.org", "password": "correct horse"})
}

async fn sign_up(client: &mut Client, name: &str) -> crate::helper::Reply {
    client.post("/api/v1/auth/signup", &account(name)).await
}

#[tokio::test]
async fn the_first_account_is_the_administrator_and_the_next_needs_an_invitation() {
    let station = Station::start().await;
    let mut client = station.tcp().await;
    let first = sign_up(&mut client, "anna").await;
    assert_eq!(first.status, StatusCode::CREATED);
    assert_eq!(
        first.json(),
        json!({"username": "anna", "role": "administrator"})
    );
    sign_up(&mut client, "berta").await.error(403, "forbidden");
    // A name that is taken is not told to strangers.
    sign_up(&mut client, "anna").await.error(403, "forbidden");
}

#[tokio::test]
async fn two_strangers_at_once_cannot_both_be_first() {
    let station = Station::start().await;
    let (mut one, mut two) = (station.tcp().await, station.tcp().await);
    let (one, two) = tokio::join!(sign_up(&mut one, "anna"), sign_up(&mut two, "berta"));
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 403]);
}

#[tokio::test]
async fn an_open_station_takes_viewers_and_names_what_is_taken() {
    let station = Station::start_with(SignupPolicy::Open).await;
    let mut client = station.tcp().await;
    assert_eq!(
        sign_up(&mut client, "anna").await.json()["role"],
        "administrator"
    );
    assert_eq!(sign_up(&mut client, "berta").await.json()["role"], "viewer");
    let taken = sign_up(&mut client, "berta").await.error(409, "conflict");
    assert_eq!(taken["field"], "username");
}

#[tokio::test]
async fn a_closed_station_takes_nobody_but_the_first() {
    let station = Station::start_with(SignupPolicy::Closed).await;
    let mut client = station.tcp().await;
    assert_eq!(
        sign_up(&mut client, "anna").await.status,
        StatusCode::CREATED
    );
    sign_up(&mut client, "berta").await.error(403, "forbidden");
}

#[tokio::test]
async fn a_wrong_field_is_named() {
    let station = Station::start().await;
    let mut client = station.tcp().await;
    for (field, bad) in [
        ("username", "a b"),
        ("username", ""),
        ("email", "nobody"),
        ("password", "short"),
    ] {
        let mut body = account("anna");
        body[field] = bad.into();
        let reply = client.post("/api/v1/auth/signup", &body).await;
        assert_eq!(reply.error(422, "invalid")["field"], field, "{bad}");
    }
}

#[tokio::test]
async fn a_login_never_tells_which_half_was_wrong() {
    let station = Station::start().await;
    let mut client = station.tcp().await;
    sign_up(&mut client, "anna").await;
    let mut replies = Vec::new();
    for (username, password) in [("anna", "wrong horse"), ("nobody", "correct horse")] {
        let body = json!({"username": username, "password": password});
        let reply = client.post("/api/v1/auth/login", &body).await;
        replies.push(reply.error(401, "unauthorized"));
    }
    assert_eq!(replies[0], replies[1]);
}

#[tokio::test]
async fn a_session_survives_a_restart_and_ends_with_logout_at_once() {
    let station = Station::start().await;
    let mut client = station.tcp().await;
    sign_up(&mut client, "anna").await;
    let token = log_in(&mut client, "anna", "correct horse").await;

    let station = station.restart().await;
    let (mut one, mut two) = (station.tcp().await, station.tcp().await);
    one.token = Some(token.clone());
    two.token = Some(token);
    let me = one.get("/api/v1/auth/whoami").await;
    assert_eq!(me.json()["username"], "anna");
    assert_eq!(me.header("cache-control"), "no-store");
    let logout = two.get("/api/v1/auth/logout").await;
    assert_eq!(logout.status, StatusCode::NO_CONTENT);
    let after = one.get("/api/v1/auth/whoami").await;
    after.error(401, "unauthorized");
    assert_eq!(after.header("www-authenticate"), "Bearer");
}

#[tokio::test]
async fn a_session_ends_by_itself() {
    let station = Station::start().await;
    let mut client = station.with_role("viewer").await;
    let week_s = 7 * 24 * 3_600;
    station.clock.turn_s(week_s - 1);
    let me = client.get("/api/v1/auth/whoami").await;
    assert_eq!(me.status, StatusCode::OK);
    station.clock.turn_s(1);
    client
        .get("/api/v1/auth/whoami")
        .await
        .error(401, "unauthorized");
}

#[tokio::test]
async fn tokens_are_not_in_the_database() {
    let station = Station::start().await;
    let mut client = station.tcp().await;
    sign_up(&mut client, "anna").await;
    let token = log_in(&mut client, "anna", "correct horse").await;
    let socket = station.socket.clone();
    let station = station.restart().await;
    let mut looked_at = 0;
    for entry in std::fs::read_dir(socket.parent().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().contains("test.db") {
            let bytes = std::fs::read(&path).unwrap();
            looked_at += bytes.len();
            for secret in [token.as_bytes(), b"correct horse"] {
                let found = bytes.windows(secret.len()).any(|window| window == secret);
                assert!(!found, "{}", path.display());
            }
        }
    }
    assert!(looked_at > 0);
    drop(station);
}

#[tokio::test]
async fn administrators_manage_accounts_and_the_last_one_stays() {
    let station = Station::start().await;
    let mut admin = station.with_role("administrator").await;
    let mut viewer = station.with_role("viewer").await;

    let users = admin.get("/users").await.json();
    let names: Vec<_> = users["users"].as_array().unwrap().iter().collect();
    assert_eq!(names.len(), 2);
    assert!(!users.to_string().contains("argon2"));

    let raised = admin
        .patch("/api/v1/users/viewer", &json!({"role": "operator"}))
        .await;
    assert_eq!(raised.json()["role"], "operator");
    // A new role ends the sessions.
    viewer
        .get("/api/v1/auth/whoami")
        .await
        .error(401, "unauthorized");

    let demoted = admin
        .patch("/api/v1/users/administrator", &json!({"role": "viewer"}))
        .await;
    demoted.error(409, "conflict");
    admin
        .delete("/api/v1/users/administrator")
        .await
        .error(409, "conflict");

    let gone = admin.delete("/api/v1/users/viewer").await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    admin
        .delete("/api/v1/users/viewer")
        .await
        .error(404, "not_found");
    let missing = admin
        .patch("/api/v1/users/viewer", &json!({"role": "viewer"}))
        .await;
    missing.error(404, "not_found");
}

#[tokio::test]
async fn a_new_password_ends_all_sessions_of_the_account() {
    let station = Station::start().await;
    let mut viewer = station.with_role("viewer").await;
    let mut local = station.unix().await;
    let patch = json!({"password": "battery staple"});
    assert_eq!(
        local.patch("/api/v1/users/viewer", &patch).await.status,
        StatusCode::OK
    );
    viewer
        .get("/api/v1/auth/whoami")
        .await
        .error(401, "unauthorized");
    viewer.token = None;
    log_in(&mut viewer, "viewer", "battery staple").await;
}
