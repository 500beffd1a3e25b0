//! Who is there, and who is gone.

use rumqttc::LastWill;

use super::*;

const OFFLINE: &str = r#"{"online":false}"#;

fn will(topic: &str, payload: &str) -> LastWill {
    LastWill::new(topic, payload, QoS::AtLeastOnce, true)
}

#[tokio::test]
async fn a_death_and_a_goodbye_are_told() {
    let mut bench = bench().await;
    let (client, events) = bench.connect("without-will").await;
    drop((client, events));
    assert_eq!(bench.presence().await, ("a".to_owned(), false));

    let mut options = bench.options("with-will");
    options.set_last_will(will("signalbox/a/status", OFFLINE));
    let (client, events) = connect(options.clone()).await;
    drop((client, events));
    assert_eq!(bench.presence().await, ("a".to_owned(), false));

    let (client, mut events) = connect(options).await;
    client.disconnect().await.unwrap();
    end_of(&mut events).await;
    assert_eq!(bench.presence().await, ("a".to_owned(), false));
    assert!(bench.inbound.try_recv().is_err());
}

#[tokio::test]
async fn a_takeover_is_no_death() {
    let mut bench = bench().await;
    let mut options = bench.options("one");
    options.set_last_will(will("signalbox/a/status", OFFLINE));
    let (_old, mut old_events) = connect(options.clone()).await;
    let (client, mut events) = connect(options).await;
    end_of(&mut old_events).await;
    publish(&client, "signalbox/a/status", r#"{"online":true}"#).await;
    // The end of the old connection may be told before the new one is known, but never after
    // the new one has spoken.
    let mut last = None;
    while last != Some(true) {
        let message = bench.received_from(&mut events).await;
        let Body::Status { status, .. } = message.body.unwrap() else {
            unreachable!()
        };
        last = Some(status.online);
        if let Some(done) = message.done {
            done.send(()).unwrap();
        }
    }
    next(&mut events, |packet| matches!(packet, Packet::PubAck(_))).await;
    assert!(bench.inbound.try_recv().is_err());
    drop((client, events));
    assert_eq!(bench.presence().await, ("a".to_owned(), false));
}

#[tokio::test]
async fn a_second_connection_keeps_the_node_there() {
    let mut bench = bench().await;
    let (client, events) = bench.connect("one").await;
    let (second, mut second_events) = bench.connect("two").await;
    drop((client, events));
    publish(&second, "/exp/sensor", SOIL).await;
    let message = bench.received_from(&mut second_events).await;
    assert!(matches!(message.body, Ok(Body::Telemetry(_))));
    drop((second, second_events));
    assert_eq!(bench.presence().await, ("a".to_owned(), false));
}

#[tokio::test]
async fn an_anonymous_node_is_known_by_its_will() {
    let mut bench = anonymous_bench().await;
    let mut options = MqttOptions::new("one", "127.0.0.1", bench.port());
    options.set_last_will(will("signalbox/shed/status", OFFLINE));
    let (client, events) = connect(options.clone()).await;
    drop((client, events));
    assert_eq!(bench.presence().await, ("shed".to_owned(), false));

    // A half-open connection that dies after the node has come back does not count.
    let (old, old_events) = connect(options.clone()).await;
    options.set_client_id("two".to_owned());
    let (client, mut events) = connect(options).await;
    drop((old, old_events));
    publish(&client, "/exp/sensor", SOIL).await;
    let message = bench.received_from(&mut events).await;
    assert!(matches!(message.body, Ok(Body::Telemetry(_))));
}

#[tokio::test]
async fn a_will_elsewhere_is_taken_as_a_message() {
    let mut bench = bench().await;
    let mut options = bench.options("one");
    options.set_last_will(will("/exp/sensor", SOIL));
    let (client, events) = connect(options).await;
    drop((client, events));
    let message = bench.received().await;
    assert_eq!(message.topic, "/exp/sensor");
    assert!(matches!(message.body, Ok(Body::Telemetry(_))));
    assert_eq!(bench.presence().await, ("a".to_owned(), false));
}

#[tokio::test]
async fn a_will_for_another_node_is_denied_once() {
    let mut bench = bench().await;
    let mut options = bench.options("one");
    options.set_last_will(will("signalbox/b/status", OFFLINE));
    let (client, events) = connect(options).await;
    drop((client, events));
    let message = bench.received().await;
    assert_eq!(message.topic, "signalbox/b/status");
    assert!(message.body.unwrap_err().denied);
    assert_eq!(bench.presence().await, ("a".to_owned(), false));
}

#[tokio::test]
async fn a_silent_client_is_given_up_after_its_keep_alive() {
    let mut bench = bench().await;
    let _socket = bench.raw_client(1).await;
    assert_eq!(bench.presence().await, ("a".to_owned(), false));
}
