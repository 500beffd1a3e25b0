//! The link against a broker that does exactly what a test says, packet by packet (MQTT 3.1.1).

use std::{sync::Arc, time::Duration};

use bytes::BytesMut;
use rumqttc::{
    ConnAck, ConnectReturnCode, Packet, PubRel, Publish, QoS, SubAck, SubscribeReasonCode,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    time::timeout,
};

use super::{ExternalBroker, start};
use crate::{
    clock::SystemClock,
    config::{Config, Secret},
    engine::{self, EngineInputs},
    ingest::{Body, Decoder, Inbound},
};

const DEADLINE: Duration = Duration::from_secs(20);

struct Bench {
    listener: TcpListener,
    link: Arc<ExternalBroker>,
    engine: EngineInputs,
}

/// The broker's end of the connection that hears nodes.
struct Peer {
    socket: TcpStream,
    buffer: BytesMut,
}

impl Bench {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut config = Config::default();
        let url = format!("mqtt://{}", listener.local_addr().unwrap());
        config.mqtt.broker = Some(Secret::from(url.as_str()));
        config.mqtt.keep_alive_s = 5;
        let decoder = Arc::new(Decoder::new(&config).unwrap());
        let (handle, engine) = engine::channel();
        let link = start(&config, &handle, decoder, Arc::new(SystemClock)).unwrap();
        Self {
            listener,
            link: link.unwrap(),
            engine,
        }
    }

    /// Welcomes the client that hears nodes; the other one is left to itself.
    async fn accept(&self, session_present: bool) -> Peer {
        loop {
            let (socket, _) = timeout(DEADLINE, self.listener.accept())
                .await
                .unwrap()
                .unwrap();
            let mut peer = Peer {
                socket,
                buffer: BytesMut::new(),
            };
            let Packet::Connect(connect) = peer.next().await else {
                panic!("no CONNECT");
            };
            if connect.client_id != "signalbox" {
                tokio::spawn(async move {
                    let mut peer = peer;
                    peer.welcome(false).await;
                    while peer.read().await {}
                });
                continue;
            }
            assert!(!connect.clean_session);
            peer.welcome(session_present).await;
            let Packet::Subscribe(subscribe) = peer.next().await else {
                panic!("no SUBSCRIBE");
            };
            let granted = subscribe.filters.iter();
            let granted = granted.map(|one| SubscribeReasonCode::Success(one.qos));
            peer.send(Packet::SubAck(SubAck::new(
                subscribe.pkid,
                granted.collect(),
            )))
            .await;
            return peer;
        }
    }

    /// The next message that the engine gets, past the news of the link.
    async fn message(&mut self) -> Inbound {
        loop {
            let next = timeout(DEADLINE, self.engine.inbound.recv()).await;
            let message = next.unwrap().unwrap();
            if !matches!(message.body, Ok(Body::Link(_))) {
                return message;
            }
        }
    }

    async fn done(&mut self) -> oneshot::Sender<()> {
        self.message().await.done.unwrap()
    }
}

impl Peer {
    async fn welcome(&mut self, session_present: bool) {
        let answer = ConnAck::new(ConnectReturnCode::Success, session_present);
        self.send(Packet::ConnAck(answer)).await;
    }

    /// False when the connection has ended.
    async fn read(&mut self) -> bool {
        let read = timeout(DEADLINE, self.socket.read_buf(&mut self.buffer)).await;
        read.unwrap().is_ok_and(|bytes| bytes > 0)
    }

    async fn next(&mut self) -> Packet {
        loop {
            match Packet::read(&mut self.buffer, 1_000_000) {
                Ok(packet) => return packet,
                Err(_) => assert!(self.read().await, "the client has gone"),
            }
        }
    }

    /// The next packet that is no sign of life.
    async fn next_but_ping(&mut self) -> Packet {
        loop {
            match self.next().await {
                Packet::PingReq => self.send(Packet::PingResp).await,
                packet => return packet,
            }
        }
    }

    async fn send(&mut self, packet: Packet) {
        let mut bytes = BytesMut::new();
        packet.write(&mut bytes, usize::MAX).unwrap();
        self.socket.write_all(&bytes).await.unwrap();
    }

    async fn publish(&mut self, qos: QoS, id: u16) {
        self.send(publish(qos, id, "x")).await;
    }
}

fn publish(qos: QoS, id: u16, payload: &str) -> Packet {
    let mut publish = Publish::new("/exp/sensor", qos, payload);
    publish.pkid = id;
    Packet::Publish(publish)
}

#[tokio::test]
async fn acknowledgements_wait_for_the_commit_and_keep_their_order() {
    let mut bench = Bench::new().await;
    let mut peer = bench.accept(false).await;
    peer.publish(QoS::ExactlyOnce, 1).await;
    peer.publish(QoS::AtLeastOnce, 2).await;
    peer.publish(QoS::AtMostOnce, 0).await;
    peer.publish(QoS::AtLeastOnce, 3).await;
    let mut done = Vec::new();
    for _ in 0..4 {
        done.push(bench.done().await);
    }
    // The last is committed first; it waits for those before it.
    for one in done.into_iter().rev() {
        one.send(()).unwrap();
    }
    let mut acks = Vec::new();
    for _ in 0..3 {
        acks.push(match peer.next_but_ping().await {
            Packet::PubRec(ack) => (2, ack.pkid),
            Packet::PubAck(ack) => (1, ack.pkid),
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(acks, [(2, 1), (1, 2), (1, 3)]);
    peer.send(Packet::PubRel(PubRel::new(1))).await;
    let Packet::PubComp(complete) = peer.next_but_ping().await else {
        panic!("no PUBCOMP");
    };
    assert_eq!(complete.pkid, 1);
}

#[tokio::test]
async fn a_commit_after_the_connection_acknowledges_nothing_on_the_next_one() {
    let mut bench = Bench::new().await;
    let mut first = bench.accept(false).await;
    first.publish(QoS::AtLeastOnce, 7).await;
    let before = bench.done().await;
    drop(first);
    let mut second = bench.accept(true).await;
    let Packet::Publish(marker) = second.next_but_ping().await else {
        panic!("no marker");
    };
    assert_eq!(marker.topic, "signalbox/_station/signalbox/marker");
    // The same packet id, and another message.
    second.publish(QoS::AtLeastOnce, 7).await;
    let after = bench.done().await;
    assert!(before.send(()).is_err(), "nobody waits for it any more");
    // What the kept session still has of the former connection is answered.
    second.send(Packet::PubRel(PubRel::new(99))).await;
    assert!(matches!(second.next_but_ping().await, Packet::PubComp(ack) if ack.pkid == 99));
    after.send(()).unwrap();
    assert!(matches!(second.next_but_ping().await, Packet::PubAck(ack) if ack.pkid == 7));
}

#[tokio::test]
async fn what_was_not_committed_ends_the_connection() {
    let mut bench = Bench::new().await;
    let mut peer = bench.accept(false).await;
    peer.publish(QoS::AtLeastOnce, 1).await;
    drop(bench.done().await);
    while peer.read().await {}
    assert!(peer.buffer.is_empty(), "not even a PUBACK");
    let mut again = bench.accept(true).await;
    again.publish(QoS::AtLeastOnce, 1).await;
    bench.done().await.send(()).unwrap();
}

#[tokio::test]
async fn an_engine_that_stands_still_is_felt_by_the_broker_and_not_by_the_connection() {
    const MANY: usize = 200_000;
    let mut bench = Bench::new().await;
    let mut peer = bench.accept(false).await;
    let payload = "x".repeat(1_000);
    let mut bytes = BytesMut::new();
    let packet = publish(QoS::AtMostOnce, 0, &payload);
    packet.write(&mut bytes, usize::MAX).unwrap();
    let mut sent = 0;
    // Without an acknowledgement only TCP can hold the broker back.
    while let Ok(written) = timeout(DEADLINE / 20, peer.socket.write_all(&bytes)).await {
        written.unwrap();
        sent += 1;
        assert!(sent < MANY, "nothing holds the broker back");
    }
    // It stays alive for longer than the keep-alive.
    for _ in 0..4 {
        assert!(matches!(peer.next().await, Packet::PingReq));
    }
    // And goes on when the engine does.
    for _ in 0..sent {
        bench.done().await.send(()).unwrap();
    }
}

#[tokio::test]
async fn at_the_end_what_is_under_way_is_committed_and_acknowledged() {
    let mut bench = Bench::new().await;
    let mut peer = bench.accept(false).await;
    peer.publish(QoS::AtLeastOnce, 5).await;
    let done = bench.done().await;
    let link = Arc::clone(&bench.link);
    let stopping = tokio::spawn(async move { link.stop().await });
    bench.link.stop.cancelled().await;
    done.send(()).unwrap();
    assert!(matches!(peer.next_but_ping().await, Packet::PubAck(ack) if ack.pkid == 5));
    assert!(matches!(peer.next_but_ping().await, Packet::Disconnect));
    stopping.await.unwrap();
}
