//! The outbox by hand: trying again, and a test mail; and what the station tells of itself.

use serde_json::{Value, json};
use signalbox_backend::store::{Batch, MailKind, MailState, NewMail};

use crate::helper::Station;

#[tokio::test]
async fn a_mail_that_was_given_up_is_tried_again_by_hand() {
    let station = Station::start().await;
    let id = ulid_like(1);
    let mail = NewMail {
        id: id.clone(),
        incident: ulid_like(2),
        kind: MailKind::Firing,
        recipient: "anna@example.org".to_owned(),
        subject: "hot".to_owned(),
        body: "It is hot.".to_owned(),
        created_at: station.state.clock.now(),
        held: None,
    };
    let batch = Batch {
        mails: vec![mail],
        ..Batch::default()
    };
    station.store.commit(&batch).await.unwrap();
    let now = station.state.clock.now();
    let failed = station
        .store
        .update_mail(&id, MailState::Failed, 9, now, Some("550 no"));
    failed.await.unwrap();
    let mut operator = station.with_role("operator").await;
    let path = format!("/api/v1/mails/{id}/retry");
    let woken = station.state.mail_written.notified();
    let done = operator.post(&path, &json!({})).await;
    assert_eq!(done.status.as_u16(), 204, "{done:?}");
    tokio::time::timeout(crate::helper::DEADLINE, woken)
        .await
        .expect("the outbox is woken");
    let mails = operator.get("/api/v1/mails").await.json();
    assert_eq!(mails["mails"][0]["state"], "queued");
    assert_eq!(mails["mails"][0]["last_error"], "550 no");
    let none = format!("/api/v1/mails/{}/retry", ulid_like(9));
    operator
        .post(&none, &json!({}))
        .await
        .error(404, "not_found");
}

fn ulid_like(n: u32) -> String {
    format!("{n:026}")
}

#[tokio::test]
async fn a_test_mail_needs_a_mail_server() {
    let station = Station::start().await;
    let asked = json!({"recipient": "anna@example.org"});
    let mut client = station.unix().await;
    let refused = client.post("/api/v1/mails/test", &asked).await;
    let error = refused.error(409, "conflict");
    assert!(error["hint"].as_str().unwrap().contains("[mail]"));
}

#[tokio::test]
async fn the_station_tells_of_its_broker_its_store_and_its_certificate() {
    let station = Station::start().await;
    let mut viewer = station.with_role("viewer").await;
    let told = viewer.get("/api/v1/station").await.json();
    assert_eq!(told["broker"]["connected"], true);
    assert_eq!(told["store"]["kind"], "sqlite");
    assert_eq!(told["store"]["raw_retention_days"], 400);
    assert_eq!(told["store"]["oldest_sample_at"], Value::Null);
    let fingerprint = station.state.tls.fingerprint().to_string();
    assert_eq!(told["fingerprint"], fingerprint);
    *station.link.0.lock().unwrap() = Some("away".to_owned());
    let told = viewer.get("/api/v1/station").await.json();
    assert_eq!(told["broker"]["connected"], false);
}
