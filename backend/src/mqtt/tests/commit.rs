//! What an acknowledgement means.

use std::sync::atomic::Ordering::Relaxed;

use signalbox_protocol::topic::telemetry;
use tokio::task::JoinSet;

use super::*;
use crate::mqtt::{Link, Publish, gate::PROMISES_MAX};

async fn is_quiet(events: &mut EventLoop, unwanted: impl Fn(&Packet) -> bool) {
    let early = tokio::time::timeout(QUIET, next(events, unwanted)).await;
    assert!(early.is_err(), "too early: {early:?}");
}

#[tokio::test]
async fn the_acknowledgement_waits_for_the_commit() {
    let mut bench = bench().await;
    let (client, mut events) = bench.connect("one").await;
    let is_ack = |packet: &Packet| matches!(packet, Packet::PubAck(_));
    publish(&client, "/exp/sensor", SOIL).await;
    let message = bench.received_from(&mut events).await;
    assert!(matches!(message.body, Ok(Body::Telemetry(_))));
    assert_eq!(
        (message.payload_bytes, &*message.head),
        (10, SOIL.as_bytes())
    );
    // The engine has it, but has not committed.
    is_quiet(&mut events, is_ack).await;
    message.done.unwrap().send(()).unwrap();
    next(&mut events, is_ack).await;
}

/// Sends numbered messages on one connection and reads its acknowledgements.
async fn numbered(bench: &Bench, messages: u16) -> mpsc::Receiver<u16> {
    let mut options = bench.options("one");
    options.set_inflight(u16::MAX - 1);
    let (client, mut events) = connect(options).await;
    let (acks, acknowledged) = mpsc::channel(usize::from(messages));
    tokio::spawn(async move {
        for soil in 1..=messages {
            publish(&client, "/exp/sensor", format!(r#"{{"soil":{soil}}}"#)).await;
        }
        std::future::pending::<()>().await;
    });
    tokio::spawn(async move {
        while let Ok(event) = events.poll().await {
            if let Event::Incoming(Packet::PubAck(ack)) = event {
                acks.send(ack.pkid).await.unwrap();
            }
        }
    });
    acknowledged
}

#[tokio::test]
async fn a_connection_does_not_wait_for_one_commit_to_send_the_next() {
    const MESSAGES: u16 = 200;

    let mut bench = bench().await;
    let mut acknowledged = numbered(&bench, MESSAGES).await;
    let mut taken = Vec::new();
    for soil in 1..=MESSAGES {
        let message = bench.received().await;
        let Ok(Body::Telemetry(telemetry)) = &message.body else {
            unreachable!()
        };
        assert_eq!(telemetry.samples[0].value, f64::from(soil));
        taken.push(message);
    }
    // The first is not committed, so none of the others is acknowledged before it.
    let mut taken = taken.into_iter();
    let first = taken.next().unwrap();
    for message in taken.rev() {
        message.done.unwrap().send(()).unwrap();
    }
    let early = tokio::time::timeout(QUIET, acknowledged.recv()).await;
    assert!(early.is_err(), "too early: {early:?}");
    first.done.unwrap().send(()).unwrap();
    for expected in 1..=MESSAGES {
        assert_eq!(acknowledged.recv().await.unwrap(), expected);
    }
}

#[tokio::test]
async fn a_connection_is_read_no_further_while_too_much_waits_for_its_commit() {
    let mut bench = bench().await;
    let limit = u16::try_from(PROMISES_MAX).unwrap();
    let mut acknowledged = numbered(&bench, limit + 1).await;
    let mut taken = Vec::new();
    for _ in 0..limit {
        taken.push(bench.received().await);
    }
    let early = tokio::time::timeout(QUIET, bench.inbound.recv()).await;
    assert!(early.is_err(), "too early: {early:?}");
    taken.swap_remove(0).done.unwrap().send(()).unwrap();
    assert_eq!(acknowledged.recv().await.unwrap(), 1);
    assert!(bench.received().await.body.is_ok());
}

#[tokio::test]
async fn a_connection_answers_while_a_commit_takes_its_time() {
    let mut bench = bench().await;
    let (client, mut events) = bench.connect("one").await;
    publish(&client, "/exp/sensor", SOIL).await;
    let _waiting = bench.received_from(&mut events).await;
    client
        .subscribe("signalbox/a/command", QoS::AtLeastOnce)
        .await
        .unwrap();
    next(&mut events, |packet| matches!(packet, Packet::SubAck(_))).await;
}

#[tokio::test]
async fn what_is_under_way_at_a_goodbye_is_still_acknowledged() {
    let mut bench = bench().await;
    let mut socket = bench.raw_client(60).await;
    let publish = b"\x32\x19\x00\x0b/exp/sensor\x00\x01{\"soil\":1}";
    let goodbye = b"\xe0\x00";
    socket
        .write_all(&[publish.as_slice(), goodbye].concat())
        .await
        .unwrap();
    let message = bench.received().await;
    assert_eq!(bench.presence().await, ("a".to_owned(), false));
    message.done.unwrap().send(()).unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(DEADLINE, socket.read_to_end(&mut answer));
    read.await.unwrap().unwrap();
    assert_eq!(answer, [0x40, 2, 0, 1]);
}

#[tokio::test]
async fn qos_2_waits_for_the_commit_and_is_taken_once() {
    let mut bench = bench().await;
    let (client, mut events) = bench.connect("one").await;
    client
        .publish("/exp/sensor", QoS::ExactlyOnce, false, SOIL)
        .await
        .unwrap();
    let message = bench.received_from(&mut events).await;
    is_quiet(&mut events, |packet| matches!(packet, Packet::PubRec(_))).await;
    message.done.unwrap().send(()).unwrap();
    next(&mut events, |packet| matches!(packet, Packet::PubComp(_))).await;
    assert!(bench.inbound.try_recv().is_err());
}

#[tokio::test]
async fn qos_0_is_taken_without_waiting() {
    let mut bench = bench().await;
    let (client, mut events) = bench.connect("one").await;
    for _ in 0..2 {
        client
            .publish("/exp/sensor", QoS::AtMostOnce, false, SOIL)
            .await
            .unwrap();
    }
    // The second comes though nobody confirmed the first.
    for _ in 0..2 {
        let message = bench.received_from(&mut events).await;
        assert!(matches!(message.body, Ok(Body::Telemetry(_))));
    }
}

#[tokio::test]
async fn what_is_not_committed_is_never_acknowledged() {
    let mut bench = bench().await;
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let (client, mut events) = bench.connect("one").await;
        client
            .publish("/exp/sensor", qos, false, SOIL)
            .await
            .unwrap();
        let message = bench.received_from(&mut events).await;
        drop(message.done);
        // The connection ends, so the node knows that it has to send again.
        let end = tokio::time::timeout(DEADLINE, async {
            loop {
                match events.poll().await {
                    Ok(Event::Incoming(packet @ (Packet::PubAck(_) | Packet::PubRec(_)))) => {
                        panic!("acknowledged: {packet:?}")
                    }
                    Ok(_) => {}
                    Err(_) => break,
                }
            }
        });
        end.await.unwrap();
        assert_eq!(bench.presence().await, ("a".to_owned(), false));
    }
}

#[tokio::test]
async fn what_is_not_understood_is_acknowledged_and_says_why() {
    let mut bench = bench().await;
    let (client, mut events) = bench.connect("one").await;
    let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    for (payload, words) in [
        (b"\xff\xfe".to_vec(), "expected value"),
        (br#"{"temperature":1e999}"#.to_vec(), "out of range"),
        (br#"{"soil":1,"soil":2}"#.to_vec(), "twice"),
        (format!(r#"{{"x":{deep}}}"#).into_bytes(), "recursion"),
        (vec![b' '; 100_000], "100000 bytes, at most 65536"),
    ] {
        publish(&client, "/exp/sensor", payload).await;
        let message = bench.received_from(&mut events).await;
        let rejection = message.body.unwrap_err();
        assert!(rejection.reason.contains(words), "{}", rejection.reason);
        assert!(!rejection.denied);
        message.done.unwrap().send(()).unwrap();
        next(&mut events, |packet| matches!(packet, Packet::PubAck(_))).await;
    }
}

#[tokio::test]
async fn a_packet_beyond_the_limit_ends_the_connection_only() {
    let mut bench = bench().await;
    let (client, mut events) = bench.connect("one").await;
    publish(&client, "/exp/sensor", vec![0; 300_000]).await;
    end_of(&mut events).await;
    assert_eq!(bench.presence().await, ("a".to_owned(), false));
    let (client, mut events) = bench.connect("two").await;
    publish(&client, "/exp/sensor", SOIL).await;
    assert!(bench.received_from(&mut events).await.body.is_ok());
}

#[tokio::test]
async fn mqtt_5_clients_are_served_as_well() {
    use rumqttc::v5::{AsyncClient, Event, MqttOptions, mqttbytes::QoS, mqttbytes::v5::Packet};

    let mut bench = bench().await;
    let mut options = MqttOptions::new("five", "127.0.0.1", bench.port());
    options.set_credentials("a", &*bench.passwords[0]);
    let (client, mut events) = AsyncClient::new(options, 16);
    let (seen, mut acks) = mpsc::channel(16);
    let running = tokio::spawn(async move {
        while let Ok(event) = events.poll().await {
            if let Event::Incoming(Packet::PubAck(ack)) = event {
                seen.send(ack.reason).await.unwrap();
            }
        }
    });
    client
        .publish("/exp/sensor", QoS::AtLeastOnce, false, SOIL)
        .await
        .unwrap();
    let message = bench.received().await;
    message.done.unwrap().send(()).unwrap();
    use rumqttc::v5::mqttbytes::v5::PubAckReason::{NotAuthorized, Success};
    assert_eq!(acks.recv().await.unwrap(), Success);
    // Unlike an older client, this one is told that it may not.
    client
        .publish("signalbox/b/telemetry", QoS::AtLeastOnce, false, SOIL)
        .await
        .unwrap();
    assert!(bench.received().await.body.unwrap_err().denied);
    assert_eq!(acks.recv().await.unwrap(), NotAuthorized);
    running.abort();
}

#[tokio::test]
async fn the_station_does_not_hear_itself() {
    let mut bench = bench().await;
    let (client, mut events) = bench.connect("one").await;
    client
        .subscribe("signalbox/a/command", QoS::AtLeastOnce)
        .await
        .unwrap();
    next(&mut events, |packet| matches!(packet, Packet::SubAck(_))).await;
    let order = Publish {
        topic: "signalbox/a/command".into(),
        payload: b"now".to_vec(),
        expiry_s: Some(5),
        retain: false,
    };
    bench.broker.publish(order).await.unwrap();
    let Packet::Publish(order) = next(&mut events, |p| matches!(p, Packet::Publish(_))).await
    else {
        unreachable!()
    };
    assert_eq!(
        (&order.payload[..], order.retain),
        (b"now".as_slice(), false)
    );
    assert!(bench.inbound.try_recv().is_err());
}

#[tokio::test]
async fn an_order_does_not_wait_in_the_broker() {
    let mut bench = bench().await;
    let mut options = bench.options("one");
    options.set_clean_session(false);
    let (client, mut events) = connect(options.clone()).await;
    client
        .subscribe("signalbox/a/command", QoS::AtLeastOnce)
        .await
        .unwrap();
    next(&mut events, |packet| matches!(packet, Packet::SubAck(_))).await;
    drop((client, events));
    assert_eq!(bench.presence().await, ("a".to_owned(), false));
    let order = Publish {
        topic: "signalbox/a/command".into(),
        payload: b"late".to_vec(),
        expiry_s: Some(3_600),
        retain: false,
    };
    bench.broker.publish(order).await.unwrap();
    let (_client, mut events) = AsyncClient::new(options, 16);
    let Packet::ConnAck(ack) = next(&mut events, |p| matches!(p, Packet::ConnAck(_))).await else {
        unreachable!()
    };
    assert!(!ack.session_present);
    is_quiet(&mut events, |packet| matches!(packet, Packet::Publish(_))).await;
}

#[tokio::test]
async fn only_statuses_are_retained() {
    let mut bench = anonymous_bench().await;
    let (client, mut events) = bench.connect("one").await;
    for (topic, payload) in [
        (
            "signalbox/a/telemetry",
            r#"{"boot":1,"seq":1,"samples":[{"age_ms":0,"values":{}}]}"#,
        ),
        ("signalbox/a/status", "nonsense"),
        ("/exp/sensor", SOIL),
        ("signalbox/a/status", r#"{"online":true}"#),
    ] {
        let sent = client.publish(topic, QoS::AtLeastOnce, true, payload);
        sent.await.unwrap();
        let message = bench.received_from(&mut events).await;
        message.done.unwrap().send(()).unwrap();
        next(&mut events, |packet| matches!(packet, Packet::PubAck(_))).await;
    }
    let options = MqttOptions::new("watcher", "127.0.0.1", bench.port());
    let (watcher, mut events) = connect(options).await;
    watcher.subscribe("#", QoS::AtLeastOnce).await.unwrap();
    let is_publish = |packet: &Packet| matches!(packet, Packet::Publish(_));
    let Packet::Publish(kept) = next(&mut events, is_publish).await else {
        unreachable!()
    };
    assert_eq!(kept.topic, "signalbox/a/status");
    assert_eq!(&kept.payload[..], br#"{"online":true}"#);
    is_quiet(&mut events, is_publish).await;
}

#[tokio::test]
async fn hundreds_of_connections_are_confirmed_in_batches() {
    const CONNECTIONS: u32 = 300;
    const EACH: u32 = 5;

    let mut bench = anonymous_bench().await;
    let mut clients = JoinSet::new();
    for n in 0..CONNECTIONS {
        let mut options = MqttOptions::new(format!("c{n}"), "127.0.0.1", bench.port());
        options.set_keep_alive(Duration::from_secs(60));
        clients.spawn(async move {
            let (client, mut events) = connect(options).await;
            let topic = telemetry(&format!("n{n}"));
            for seq in 1..=EACH {
                let payload = format!(
                    r#"{{"boot":1,"seq":{seq},"samples":[{{"age_ms":0,"values":{{"t":1}}}}]}}"#
                );
                publish(&client, &topic, payload).await;
            }
            for _ in 0..EACH {
                next(&mut events, |packet| matches!(packet, Packet::PubAck(_))).await;
            }
        });
    }
    let mut waiting = Vec::new();
    let mut taken = 0;
    while taken < CONNECTIONS * EACH {
        let received = bench.inbound.recv_many(&mut waiting, 1_000);
        taken += u32::try_from(tokio::time::timeout(DEADLINE, received).await.unwrap()).unwrap();
        for message in waiting.drain(..) {
            assert!(message.body.is_ok());
            message.done.unwrap().send(()).unwrap();
        }
    }
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    assert_eq!(bench.counters.denied.load(Relaxed), 0);
}
