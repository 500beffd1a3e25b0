//! An external broker that comes and goes.

use std::sync::atomic::Ordering::SeqCst;

use serde_json::json;
use signalbox_protocol::api::{
    command::CommandState::{Confirmed, Expired, Requested, Sent},
    node::{
        ActuatorState::{Off, On},
        Presence,
    },
};

use super::{
    fakes::Failure,
    rig::{Rig, at_s},
};
use crate::ingest::{Body, Inbound, LinkNews};

async fn ready() -> Rig {
    let mut rig = Rig::new().await;
    rig.online(json!({"led": "off"})).await;
    rig
}

fn news(rig: &Rig, news: LinkNews) -> Inbound {
    Inbound {
        received_at: rig.now(),
        topic: String::new(),
        payload_bytes: 0,
        head: Vec::new(),
        body: Ok(Body::Link(news)),
        done: None,
    }
}

async fn tell(rig: &mut Rig, what: LinkNews) {
    let message = news(rig, what);
    rig.batch(vec![message]).await;
}

#[tokio::test]
async fn without_the_broker_nobody_knows_who_is_there() {
    let mut rig = ready().await;
    rig.turn_ms(1_000);
    tell(&mut rig, LinkNews::Deaf).await;
    let node = rig.kitchen().await;
    assert_eq!(node.presence, Presence::Unknown);
    assert_eq!(node.presence_since, Some(at_s(1)));
    rig.online(json!({"led": "off"})).await;
    assert_eq!(rig.kitchen().await.presence, Presence::Online);
    // Who had said goodbye has not come back meanwhile.
    rig.offline().await;
    tell(&mut rig, LinkNews::Deaf).await;
    assert_eq!(rig.kitchen().await.presence, Presence::Offline);
    assert_eq!(rig.counters.snapshot().messages_received, 3);
}

#[tokio::test]
async fn commands_wait_for_the_broker_and_go_out_when_it_is_back() {
    let mut rig = ready().await;
    let before = rig.order("on").await;
    assert_eq!(rig.link.take().len(), 1);
    tell(&mut rig, LinkNews::Mute).await;
    assert_eq!(rig.command(&before.id).await.state, Requested);
    let meanwhile = rig.order("off").await;
    assert_eq!(meanwhile.state, Requested);
    rig.pass_s(60).await;
    assert!(rig.link.take().is_empty(), "nothing can go out");
    // A restart changes nothing about that: the link tells again what it is.
    rig.link.keeps_connections.store(true, SeqCst);
    rig.restart().await;
    tell(&mut rig, LinkNews::Mute).await;
    assert!(rig.link.take().is_empty());

    tell(&mut rig, LinkNews::Speaking).await;
    let ids: Vec<_> = rig.link.take().iter().map(|m| m["id"].clone()).collect();
    assert_eq!(ids, [json!(before.id), json!(meanwhile.id)]);
    assert_eq!(rig.command(&meanwhile.id).await.state, Sent);
    rig.ack(&before.id, "applied", json!({})).await;
    assert_eq!(rig.command(&before.id).await.state, Confirmed);
}

#[tokio::test]
async fn a_command_expires_while_the_broker_is_away() {
    let mut rig = ready().await;
    tell(&mut rig, LinkNews::Mute).await;
    let order = rig.order("on").await;
    rig.pass_s(3_600).await;
    assert_eq!(rig.command(&order.id).await.state, Expired);
    tell(&mut rig, LinkNews::Speaking).await;
    assert!(rig.link.take().is_empty());
}

#[tokio::test]
async fn what_the_link_tells_outlasts_a_failed_commit() {
    let mut rig = ready().await;
    let order = rig.order("on").await;
    rig.link.take();
    rig.store.fail([Failure::Lost]);
    tell(&mut rig, LinkNews::Mute).await;
    assert_eq!(rig.command(&order.id).await.state, Requested);
    rig.store.fail([Failure::Lost]);
    rig.offline().await;
    rig.online(json!({"led": "off"})).await;
    assert!(rig.link.take().is_empty());
    tell(&mut rig, LinkNews::Speaking).await;
    assert_eq!(rig.link.take().len(), 1);
}

#[tokio::test]
async fn a_status_that_the_broker_had_kept_is_not_news_of_actuators() {
    let mut rig = ready().await;
    let order = rig.order("on").await;
    let answer = json!({"actuators": {"led": "on"}});
    rig.ack(&order.id, "applied", answer).await;
    let old = |rig: &Rig, body| {
        let mut message = rig.message("signalbox/kitchen/status", &body);
        if let Ok(Body::Status { status, .. }) = &mut message.body {
            status.is_old = true;
        }
        message
    };
    // Said at its connect, before the order.
    let body = json!({"online": true, "boot": 1, "actuators": {"led": "off", "pump": "off"}});
    tell(&mut rig, LinkNews::Deaf).await;
    let message = old(&rig, body);
    rig.batch(vec![message]).await;
    let node = rig.kitchen().await;
    assert_eq!(node.presence, Presence::Online);
    assert_eq!(node.actuators["led"].reported, Some(On));
    assert_eq!(node.actuators["pump"].reported, Some(Off), "never heard of");
    // After a start that nobody has seen it is the newest there is.
    let body = json!({"online": true, "boot": 2, "actuators": {"led": "off"}});
    let message = old(&rig, body);
    rig.batch(vec![message]).await;
    assert_eq!(rig.led().await.0, Some(Off));
}
