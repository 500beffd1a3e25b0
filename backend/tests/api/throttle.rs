//! Failed logins are slowed, with a turned clock.

use serde_json::json;
use signalbox_backend::auth::ACCOUNT_FAILURES_FREE;

use crate::helper::{Client, Reply, Station};

async fn guess(client: &mut Client, password: &str) -> Reply {
    let body = json!({"username": "viewer", "password": password});
    client.post("/api/v1/auth/login", &body).await
}

#[tokio::test]
async fn too_many_failures_make_even_the_right_password_wait() {
    let station = Station::start().await;
    let mut signed_in = station.with_role("viewer").await;
    let mut client = station.tcp().await;
    for _ in 0..ACCOUNT_FAILURES_FREE {
        guess(&mut client, "wrong horse")
            .await
            .error(401, "unauthorized");
    }
    let slowed = guess(&mut client, "correct horse").await;
    slowed.error(429, "too_many_requests");
    assert_eq!(slowed.header("retry-after"), "1");
    // Who has a session is not bothered.
    assert_eq!(
        signed_in.get("/api/v1/auth/whoami").await.status.as_u16(),
        200
    );

    station.clock.turn_s(1);
    guess(&mut client, "wrong horse")
        .await
        .error(401, "unauthorized");
    assert_eq!(
        guess(&mut client, "correct horse")
            .await
            .header("retry-after"),
        "2"
    );
    station.clock.turn_s(2);
    assert_eq!(
        guess(&mut client, "correct horse").await.status.as_u16(),
        200
    );
    // A success starts anew.
    guess(&mut client, "wrong horse")
        .await
        .error(401, "unauthorized");
    assert_eq!(
        guess(&mut client, "correct horse").await.status.as_u16(),
        200
    );
}

#[tokio::test]
async fn a_burst_of_parallel_guesses_gets_no_more_looks_than_a_slow_one() {
    let station = Station::start().await;
    station.with_role("viewer").await;
    let mut guesses = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let mut client = station.tcp().await;
        guesses.spawn(async move { guess(&mut client, "wrong horse").await.status.as_u16() });
    }
    let statuses = guesses.join_all().await;
    let looked_at = statuses.iter().filter(|status| **status == 401).count();
    let slowed = statuses.iter().filter(|status| **status == 429).count();
    assert_eq!(looked_at, ACCOUNT_FAILURES_FREE as usize, "{statuses:?}");
    assert_eq!(slowed, 20 - looked_at, "{statuses:?}");
}
