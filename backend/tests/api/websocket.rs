//! The stream of events.

use std::{sync::Arc, time::Duration};

use chrono::DateTime;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use signalbox_backend::{
    api::WEBSOCKETS_MAX,
    health::{self, Vitals},
    live::LIVE_EVENTS_MAX,
};
use signalbox_protocol::api::{
    event::Event,
    message::{Message, Outcome},
};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{
        self, Error,
        client::IntoClientRequest as _,
        handshake::client::{Request, Response},
        protocol::CloseFrame,
    },
};

use tokio_util::sync::CancellationToken;

use crate::helper::{DEADLINE, Station};

type Socket = WebSocketStream<TcpStream>;

fn request(station: &Station, headers: &[(&'static str, String)]) -> Request {
    let mut request = format!("ws://{}/ws", station.address)
        .into_client_request()
        .unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    request
}

async fn open(
    station: &Station,
    headers: &[(&'static str, String)],
) -> Result<(Socket, Response), Error> {
    let stream = TcpStream::connect(station.address).await.unwrap();
    client_async(request(station, headers), stream).await
}

fn refused(result: Result<(Socket, Response), Error>) -> u16 {
    match result {
        Err(Error::Http(response)) => response.status().as_u16(),
        other => panic!("{other:?}"),
    }
}

async fn bearer(station: &Station) -> (&'static str, String) {
    let token = station.with_role("viewer").await.token.unwrap();
    ("authorization", format!("Bearer {token}"))
}

async fn next(socket: &mut Socket) -> Value {
    loop {
        let message = tokio::time::timeout(DEADLINE, socket.next()).await.unwrap();
        match message.unwrap().unwrap() {
            tungstenite::Message::Text(text) => return serde_json::from_str(&text).unwrap(),
            tungstenite::Message::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn closed(socket: &mut Socket) -> Option<CloseFrame> {
    loop {
        let message = tokio::time::timeout(DEADLINE, socket.next()).await.unwrap();
        match message {
            Some(Ok(tungstenite::Message::Close(frame))) => return frame,
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return None,
        }
    }
}

fn event(id: u64, head_bytes: usize) -> Event {
    let at = DateTime::UNIX_EPOCH;
    Event::Message {
        message: Message {
            id,
            received_at: at,
            topic: "t".to_owned(),
            node: None,
            outcome: Outcome::Stored,
            reason: None,
            payload_bytes: 0,
            head: "x".repeat(head_bytes),
            says: None,
            count: 1,
            first_at: at,
        },
    }
}

#[tokio::test]
async fn a_hello_and_then_every_event_in_order_for_everyone() {
    let station = Station::start().await;
    let authorization = bearer(&station).await;
    let mut sockets = Vec::new();
    for _ in 0..3 {
        let headers = std::slice::from_ref(&authorization);
        let (mut socket, _) = open(&station, headers).await.unwrap();
        let hello = next(&mut socket).await;
        assert_eq!(hello["type"], "hello");
        assert_eq!(hello["id"], station.state.id.to_string());
        assert_eq!(
            (&hello["api_min"], &hello["api_max"]),
            (&1.into(), &1.into())
        );
        sockets.push(socket);
    }
    (1..=1_000).for_each(|id| station.state.live.publish(event(id, 0)));
    for socket in &mut sockets {
        for id in 1..=1_000_u64 {
            assert_eq!(next(socket).await["message"]["id"], id);
        }
    }
}

#[tokio::test]
async fn a_trouble_is_told_after_the_hello() {
    let station = Station::start().await;
    let authorization = bearer(&station).await;
    station.trouble.send_replace(Some("secret".to_owned()));
    let headers = std::slice::from_ref(&authorization);
    let (mut socket, _) = open(&station, headers).await.unwrap();
    assert_eq!(next(&mut socket).await["type"], "hello");
    let told = next(&mut socket).await;
    assert_eq!(told["type"], "health");
    assert_eq!(told["health"]["store"], "cannot be written");
}

#[tokio::test]
async fn every_change_of_health_is_told_once() {
    let station = Station::start().await;
    let mut feed = station.state.live.subscribe();
    let vitals = Vitals {
        store: Arc::clone(&station.state.store),
        store_trouble: station.state.store_trouble.clone(),
        link: Arc::clone(&station.state.link),
    };
    let stop = CancellationToken::new();
    let looking = health::run(vitals, station.state.live.clone(), stop.clone());
    let looking = tokio::spawn(looking);
    for store in ["cannot be written", "ok", "cannot be written"] {
        let trouble = (store != "ok").then(|| "secret".to_owned());
        station.trouble.send_replace(trouble);
        let told = tokio::time::timeout(DEADLINE, feed.recv()).await;
        let told: Value = serde_json::from_str(&told.unwrap().unwrap().json).unwrap();
        assert_eq!(told["type"], "health");
        assert_eq!(told["health"]["store"], store);
        assert!(!told.to_string().contains("secret"));
    }
    stop.cancel();
    looking.await.unwrap();
}

#[tokio::test]
async fn a_slow_client_is_told_what_it_missed_and_others_are_not_slowed() {
    let station = Station::start().await;
    let authorization = bearer(&station).await;
    let headers = std::slice::from_ref(&authorization);
    let (mut slow, _) = open(&station, headers).await.unwrap();
    let (mut quick, _) = open(&station, headers).await.unwrap();
    next(&mut slow).await;
    next(&mut quick).await;
    // More than the kernel's and the channel's buffers hold together, in steps that the quick
    // client keeps up with. The slow one reads nothing meanwhile.
    let sent = u64::try_from(LIVE_EVENTS_MAX).unwrap() + 4_096;
    let step = 512;
    for first in (1..=sent).step_by(step) {
        for id in first..first + step as u64 {
            station.state.live.publish(event(id, 4_000));
        }
        for id in first..first + step as u64 {
            assert_eq!(next(&mut quick).await["message"]["id"], id);
        }
    }
    let mut missed = 0;
    let mut last = 0;
    while last < sent {
        let value = next(&mut slow).await;
        match value["type"].as_str().unwrap() {
            "missed" => {
                let count = value["count"].as_u64().unwrap();
                missed += count;
                last += count;
            }
            "message" => {
                last += 1;
                assert_eq!(value["message"]["id"], last);
            }
            other => panic!("{other}"),
        }
    }
    assert!(missed > 0);
    assert_eq!(last, sent);
}

#[tokio::test]
async fn browsers_may_send_the_token_as_a_subprotocol_but_only_from_our_own_pages() {
    let station = Station::start().await;
    let (_, authorization) = bearer(&station).await;
    let token = authorization.strip_prefix("Bearer ").unwrap();
    let protocol = || {
        (
            "sec-websocket-protocol",
            format!("signalbox.v1, bearer.{token}"),
        )
    };
    let origin = |host: String| ("origin", format!("http://{host}"));
    let own = origin(station.address.to_string());
    let (mut socket, response) = open(&station, &[protocol(), own]).await.unwrap();
    let chosen = response.headers()["sec-websocket-protocol"]
        .to_str()
        .unwrap();
    assert_eq!(chosen, "signalbox.v1");
    assert_eq!(next(&mut socket).await["type"], "hello");
    let foreign = origin("evil.example".to_owned());
    assert_eq!(refused(open(&station, &[protocol(), foreign]).await), 403);
    assert_eq!(refused(open(&station, &[]).await), 401);
    let wrong = ("sec-websocket-protocol", "bearer.wrong".to_owned());
    assert_eq!(refused(open(&station, &[wrong]).await), 401);
}

#[tokio::test]
async fn logout_closes_the_streams_of_the_session() {
    let station = Station::start().await;
    let mut client = station.with_role("viewer").await;
    let mut other = station.with_role("operator").await;
    let header = |token: &Option<String>| {
        let token = token.as_deref().unwrap();
        [("authorization", format!("Bearer {token}"))]
    };
    let (mut ended, _) = open(&station, &header(&client.token)).await.unwrap();
    let (mut stays, _) = open(&station, &header(&other.token)).await.unwrap();
    next(&mut ended).await;
    next(&mut stays).await;
    client.get("/api/v1/auth/logout").await;
    let frame = closed(&mut ended).await.unwrap();
    assert_eq!(frame.reason.as_str(), "the session has ended");
    station.state.live.publish(event(1, 0));
    assert_eq!(next(&mut stays).await["message"]["id"], 1);
    other.get("/api/v1/auth/whoami").await;
}

#[tokio::test]
async fn the_end_of_the_station_is_told() {
    let station = Station::start().await;
    let authorization = bearer(&station).await;
    let (mut socket, _) = open(&station, &[authorization]).await.unwrap();
    next(&mut socket).await;
    station.state.shutdown.cancel();
    let frame = closed(&mut socket).await.unwrap();
    assert_eq!(u16::from(frame.code), 1001);
}

#[tokio::test]
async fn what_a_client_says_is_bounded() {
    let station = Station::start().await;
    let authorization = bearer(&station).await;
    let (mut socket, _) = open(&station, &[authorization]).await.unwrap();
    next(&mut socket).await;
    let large = tungstenite::Message::text("x".repeat(5_000));
    socket.send(large).await.unwrap();
    closed(&mut socket).await;
}

#[tokio::test]
async fn what_a_client_says_wrongly_is_named_as_the_stream_closes() {
    let station = Station::start().await;
    let authorization = bearer(&station).await;
    for (said, named) in [
        ("hi", "no options"),
        (r#"{"without":["weather"]}"#, "unknown variant `weather`"),
        (r#"{"with":["samples"]}"#, "unknown field `with`"),
        (r#"{"pause_ms":1001}"#, "`1001` is more than 1000"),
    ] {
        let headers = std::slice::from_ref(&authorization);
        let (mut socket, _) = open(&station, headers).await.unwrap();
        next(&mut socket).await;
        socket.send(tungstenite::Message::text(said)).await.unwrap();
        let frame = closed(&mut socket).await.unwrap();
        assert_eq!(u16::from(frame.code), 1008);
        assert!(frame.reason.contains(named), "{}", frame.reason);
    }
}

#[tokio::test]
async fn a_client_says_which_kinds_it_can_do_without() {
    let station = Station::start().await;
    let authorization = bearer(&station).await;
    let (mut socket, _) = open(&station, &[authorization]).await.unwrap();
    next(&mut socket).await;
    let mut deleted = 0;
    for (options, comes) in [
        (r#"{"without":["message"]}"#, false),
        (r#"{"without":["samples","incident"]}"#, true),
        (r#"{"without":["message"],"pause_ms":20}"#, false),
        ("{}", true),
    ] {
        // The station took the options before it answers the ping behind them.
        socket
            .send(tungstenite::Message::text(options))
            .await
            .unwrap();
        let ping = tungstenite::Message::Ping("p".into());
        socket.send(ping).await.unwrap();
        loop {
            let message = tokio::time::timeout(DEADLINE, socket.next()).await.unwrap();
            if let tungstenite::Message::Pong(_) = message.unwrap().unwrap() {
                break;
            }
        }
        deleted += 1;
        station.state.live.publish(event(deleted, 0));
        let id = deleted.to_string();
        station
            .state
            .live
            .publish(Event::RuleDeleted { id: id.clone() });
        if comes {
            assert_eq!(next(&mut socket).await["message"]["id"], deleted);
        }
        assert_eq!(next(&mut socket).await["id"], id);
    }
}

#[tokio::test]
async fn what_waits_for_the_pause_comes_with_what_is_urgent_and_else_after_it() {
    let station = Station::start().await;
    let authorization = bearer(&station).await;
    let (mut socket, _) = open(&station, &[authorization]).await.unwrap();
    next(&mut socket).await;
    let options = tungstenite::Message::text(r#"{"pause_ms":1000}"#);
    socket.send(options).await.unwrap();
    // In their order, whatever waits.
    for id in 1..=3_u64 {
        station.state.live.publish(event(id * 2, 0));
        let id = id.to_string();
        station.state.live.publish(Event::RuleDeleted { id });
    }
    for id in 1..=3_u64 {
        assert_eq!(next(&mut socket).await["message"]["id"], id * 2);
        assert_eq!(next(&mut socket).await["id"], id.to_string());
    }
    // Nothing urgent behind it: it comes when the pause is over.
    station.state.live.publish(event(9, 0));
    assert_eq!(next(&mut socket).await["message"]["id"], 9);
}

#[tokio::test]
async fn one_more_than_the_limit_is_refused_and_a_place_comes_back() {
    let station = Station::start().await;
    let authorization = bearer(&station).await;
    let places = station.state.websockets.clone();
    let all = places
        .clone()
        .acquire_many_owned(WEBSOCKETS_MAX as u32)
        .await
        .unwrap();
    let headers = std::slice::from_ref(&authorization);
    assert_eq!(refused(open(&station, headers).await), 503);
    drop(all);
    let (socket, _) = open(&station, headers).await.unwrap();
    assert_eq!(places.available_permits(), WEBSOCKETS_MAX - 1);
    drop(socket);
    let back = async {
        while places.available_permits() < WEBSOCKETS_MAX {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(DEADLINE, back).await.unwrap();
}
