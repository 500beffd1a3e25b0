//! Who gets in, and where they may speak and listen.

use std::sync::atomic::Ordering::Relaxed;

use rumqttc::{ConnectReturnCode, ConnectionError};

use super::*;
use crate::mqtt::{Link, StartError, throttle::FAILURES_MAX};

fn options(bench: &Bench, id: &str, node: &str, password: &str) -> MqttOptions {
    let mut options = MqttOptions::new(id, "127.0.0.1", bench.port());
    options.set_credentials(node, password);
    options
}

async fn refusal(options: MqttOptions) -> ConnectReturnCode {
    let (_client, mut events) = AsyncClient::new(options, 16);
    match end_of(&mut events).await {
        ConnectionError::ConnectionRefused(code) => code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn strangers_and_wrong_passwords_stay_outside() {
    let bench = bench().await;
    for (node, password) in [
        ("a", "wrong"),
        ("a", ""),
        ("a", &*bench.passwords[1]),
        ("c", &*bench.passwords[0]),
        ("a/b", "x"),
        ("", ""),
    ] {
        let refused = refusal(options(&bench, "x", node, password)).await;
        assert_eq!(refused, ConnectReturnCode::BadUserNamePassword, "{node}");
    }
    let nameless = MqttOptions::new("x", "127.0.0.1", bench.port());
    let refused = refusal(nameless).await;
    assert_eq!(refused, ConnectReturnCode::BadUserNamePassword);
}

#[tokio::test]
async fn who_keeps_failing_is_refused_unheard_and_others_are_not() {
    let bench = bench().await;
    for _ in 0..FAILURES_MAX {
        refusal(options(&bench, "x", "a", "wrong")).await;
    }
    let right = options(&bench, "x", "a", &bench.passwords[0]);
    assert_eq!(refusal(right).await, ConnectReturnCode::ServiceUnavailable);
    connect(options(&bench, "y", "b", &bench.passwords[1])).await;
}

#[tokio::test]
async fn anonymous_clients_come_in_only_where_they_are_let_in() {
    let mut bench = anonymous_bench().await;
    let options_of = |name| match name {
        None => MqttOptions::new("x", "127.0.0.1", bench.port()),
        Some(name) => options(&bench, "x", name, ""),
    };
    connect(options_of(Some(""))).await;
    let refused = refusal(options_of(Some("a"))).await;
    assert_eq!(refused, ConnectReturnCode::BadUserNamePassword);
    let (client, mut events) = connect(options_of(None)).await;
    publish(&client, "signalbox/any/command", "{}").await;
    let message = bench.received_from(&mut events).await;
    assert!(message.body.unwrap_err().denied);
    publish(&client, "signalbox/any/status", r#"{"online":true}"#).await;
    let message = bench.received_from(&mut events).await;
    assert!(message.body.is_ok());
}

#[tokio::test]
async fn a_node_keeps_to_its_own_topics() {
    let mut bench = bench().await;
    let (client, mut events) = bench.connect("one").await;
    for topic in [
        "signalbox/b/telemetry",
        "signalbox/a/command",
        "foreign/topic",
    ] {
        publish(&client, topic, "{}").await;
        let message = bench.received_from(&mut events).await;
        assert_eq!(message.topic, topic);
        let rejection = message.body.unwrap_err();
        assert!(rejection.denied);
        assert_eq!(rejection.node.as_deref(), Some("a"));
    }
    for filter in ["#", "signalbox/+/command", "signalbox/ab/command"] {
        client.subscribe(filter, QoS::AtLeastOnce).await.unwrap();
        let message = bench.received_from(&mut events).await;
        assert_eq!(message.topic, filter);
        assert!(message.body.unwrap_err().denied);
    }
    assert_eq!(bench.counters.denied.load(Relaxed), 6);
}

#[tokio::test]
async fn a_gateway_speaks_for_boards_without_a_login_only() {
    let mut bench = bench().await;
    let (client, mut events) = bench.connect("one").await;
    for (topic, payload, allowed) in [
        ("/exp/sensor", r#"{"soil":1}"#, true),
        ("/exp/sensor", r#"{"node":"a","soil":1}"#, true),
        ("/exp/sensor", r#"{"device":"shed","soil":1}"#, true),
        ("/exp/sensor", r#"{"node":"b","soil":1}"#, false),
        ("tele/shed/SENSOR", r#"{"t":1}"#, true),
        ("tele/b/SENSOR", r#"{"t":1}"#, false),
    ] {
        publish(&client, topic, payload).await;
        let message = bench.received_from(&mut events).await;
        match message.body {
            Ok(_) => assert!(allowed, "{topic} {payload}"),
            Err(rejection) => assert!(rejection.denied && !allowed, "{rejection:?}"),
        }
        message.done.unwrap().send(()).unwrap();
        next(&mut events, |packet| matches!(packet, Packet::PubAck(_))).await;
    }
}

#[tokio::test]
async fn a_client_id_cannot_be_taken_from_another_node() {
    let mut bench = bench().await;
    let (client, mut events) = bench.connect("one").await;
    let thief = options(&bench, "one", "b", &bench.passwords[1]);
    let refused = tokio::select! {
        refused = refusal(thief) => refused,
        packet = next(&mut events, |_| false) => unreachable!("{packet:?}"),
    };
    assert_eq!(refused, ConnectReturnCode::BadClientId);
    publish(&client, "/exp/sensor", SOIL).await;
    assert!(bench.received_from(&mut events).await.body.is_ok());
}

#[tokio::test]
async fn a_login_that_is_taken_away_ends_its_connections_and_no_others() {
    let mut bench = bench().await;
    let (_client, mut events) = bench.connect("one").await;
    let other = options(&bench, "two", "b", &bench.passwords[1]);
    let (other, mut other_events) = connect(other).await;
    bench.store.remove_node_password("a").await.unwrap();
    bench.broker.end_sessions("a");
    end_of(&mut events).await;
    assert_eq!(bench.presence().await, ("a".to_owned(), false));
    let again = refusal(bench.options("one")).await;
    assert_eq!(again, ConnectReturnCode::BadUserNamePassword);
    publish(&other, "/exp/sensor", SOIL).await;
    let message = bench.received_from(&mut other_events).await;
    assert!(matches!(message.body, Ok(Body::Telemetry(_))));
}

#[tokio::test]
async fn more_clients_than_allowed_are_turned_away() {
    let bench = bench_with(MqttConfig {
        clients_max: 1,
        ..MqttConfig::default()
    })
    .await;
    let (_client, mut events) = bench.connect("one").await;
    let second = options(&bench, "two", "b", &bench.passwords[1]);
    let (_second, mut second_events) = AsyncClient::new(second, 16);
    tokio::select! {
        _ = end_of(&mut second_events) => {}
        packet = next(&mut events, |_| false) => unreachable!("{packet:?}"),
    }
}

#[tokio::test]
async fn a_taken_address_is_named() {
    let bench = bench().await;
    let config = MqttConfig {
        listen: bench.broker.local_addr(),
        ..bench.config.clone()
    };
    let refused = start(
        &config,
        Arc::clone(&bench.store),
        &bench.engine,
        decoder(),
        Arc::new(SystemClock),
        Arc::new(Counters::default()),
    )
    .await
    .unwrap_err();
    assert!(matches!(refused, StartError::Listen { address, .. } if address == config.listen));
    bench.broker.stop().await;
    assert!(bench.broker.trouble().is_some());
}
