//! Real TLS connections to a server with a certificate made for the test.

use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, pem::PemObject as _},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::compat::FuturesAsyncReadCompatExt as _;

use super::*;

struct Server {
    endpoint: Endpoint,
    pem: String,
    fingerprint: Fingerprint,
}

/// Greets everyone with one byte.
async fn server(name: &str) -> Server {
    serve(name, |mut stream| async move {
        // Who does not believe it leaves.
        let _ = stream.write_all(b"!").await;
        let _ = stream.shutdown().await;
    })
    .await
}

type Accepted = tokio_rustls::server::TlsStream<TcpStream>;

/// Does something for everyone who agrees on TLS.
async fn serve<F, D>(name: &str, each: F) -> Server
where
    F: Fn(Accepted) -> D + Clone + Send + 'static,
    D: Future<Output = ()> + Send,
{
    let pair = rcgen::KeyPair::generate().unwrap();
    let made = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    let made = made.self_signed(&pair).unwrap();
    let key = PrivateKeyDer::from_pem_slice(pair.serialize_pem().as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (acceptor, each) = (acceptor.clone(), each.clone());
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    each(stream).await;
                }
            });
        }
    });
    Server {
        endpoint: format!("tcp://localhost:{port}").parse().unwrap(),
        pem: made.pem(),
        fingerprint: Fingerprint(Sha256::digest(made.der()).into()),
    }
}

async fn greeted(endpoint: &Endpoint, trust: &Trust) -> Result<(), ClientError> {
    let tls = Tls::prepare(endpoint, trust).await?;
    let mut stream = tls.connect(endpoint).await?;
    assert_eq!(stream.read_u8().await.unwrap(), b'!');
    Ok(())
}

#[tokio::test]
async fn an_authority_vouches_for_its_own_names_only() {
    let good = server("localhost").await;
    let trust = Trust::authorities(good.pem.as_bytes()).unwrap();
    greeted(&good.endpoint, &trust).await.unwrap();

    let other = server("localhost").await;
    let error = greeted(&other.endpoint, &trust).await.unwrap_err();
    assert!(matches!(error, ClientError::Untrusted { .. }), "{error}");
    assert!(error.hint().unwrap().contains("--ca"), "{error}");

    let elsewhere = server("elsewhere").await;
    let trust = Trust::authorities(elsewhere.pem.as_bytes()).unwrap();
    let error = greeted(&elsewhere.endpoint, &trust).await.unwrap_err();
    assert!(matches!(error, ClientError::Untrusted { .. }), "{error}");

    assert!(
        Trust::authorities(b"")
            .unwrap_err()
            .contains("no certificate")
    );
}

#[tokio::test]
async fn a_known_fingerprint_is_believed_and_a_changed_one_is_told_with_both() {
    let one = server("whatever").await;
    greeted(&one.endpoint, &Trust::Pinned(one.fingerprint))
        .await
        .unwrap();
    let two = server("whatever").await;
    let error = greeted(&two.endpoint, &Trust::Pinned(one.fingerprint)).await;
    let error = error.unwrap_err();
    let ClientError::Changed { known, shown, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!((*known, *shown), (one.fingerprint, two.fingerprint));
    let text = error.to_string();
    assert!(text.contains(&one.fingerprint.to_string()), "{text}");
    assert!(text.contains(&two.fingerprint.to_string()), "{text}");
}

#[tokio::test]
async fn a_person_is_asked_once_and_may_say_no() {
    let it = server("whatever").await;
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = asked.clone();
    let yes = Trust::Ask(Arc::new(move |_: &Endpoint, shown: &Fingerprint| {
        heard.lock().unwrap().push(*shown);
        Ok(())
    }));
    greeted(&it.endpoint, &yes).await.unwrap();
    assert_eq!(*asked.lock().unwrap(), [it.fingerprint]);
    let no = Trust::Ask(Arc::new(|_: &Endpoint, _: &Fingerprint| {
        Err("you said no".to_owned())
    }));
    let error = greeted(&it.endpoint, &no).await.unwrap_err();
    assert!(matches!(&error, ClientError::Unknown { reason, .. } if reason == "you said no"));
    let error = greeted(&it.endpoint, &Trust::none()).await.unwrap_err();
    assert!(error.to_string().contains("not known here"), "{error}");
}

#[tokio::test]
async fn what_speaks_no_tls_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
    let endpoint: Endpoint = endpoint.parse().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad\r\n\r\n").await.unwrap();
    });
    let trust = Trust::Pinned(Fingerprint([0; 32]));
    let error = greeted(&endpoint, &trust).await.unwrap_err();
    assert!(error.hint().unwrap().contains("TLS"), "{:?}", error.hint());
}

/// A station that speaks other versions of the API: whichever way one comes in, what its range
/// allows works, and what it does not is refused with both sides named.
#[tokio::test]
async fn another_version_works_within_the_range_of_the_hello_over_every_way() {
    use super::super::{Client, Events, relay};
    use futures_util::SinkExt as _;
    use tokio::net::{UnixListener, UnixStream};
    use tokio_tungstenite::{accept_async, tungstenite::Message};

    for (min, max, works) in [(1, 1, true), (0, 9, true), (2, 9, false), (0, 0, false)] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("station.sock");
        let listener = UnixListener::bind(&path).unwrap();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    // The relay looks whether somebody is there, and leaves.
                    let Ok(mut socket) = accept_async(stream).await else {
                        return;
                    };
                    let hello = format!(
                        r#"{{"type":"hello","id":"x","version":"9.9.9","api_min":{min},"api_max":{max}}}"#
                    );
                    socket.send(Message::text(hello)).await.unwrap();
                    let later = r#"{"type":"of_a_later_version"}"#;
                    socket.send(Message::text(later)).await.unwrap();
                    let missed = r#"{"type":"missed","count":7,"and":"more"}"#;
                    socket.send(Message::text(missed)).await.unwrap();
                    // Until it is closed over there.
                    let _ = futures_util::StreamExt::next(&mut socket).await;
                });
            }
        });

        let unix: Endpoint = format!("unix://{}", path.display()).parse().unwrap();
        let over_unix = Client::new(unix.clone(), None).events().await;

        let behind = path.clone();
        let tls = serve("localhost", move |mut stream| {
            let behind = behind.clone();
            async move {
                let mut station = UnixStream::connect(behind).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut station).await;
            }
        })
        .await;
        let trust = Trust::Pinned(tls.fingerprint);
        let over_tls = Client::trusting(tls.endpoint, trust, None).events().await;

        let (mut near, far) = tokio::io::duplex(4_096);
        let socket = path.clone();
        tokio::spawn(async move { relay::serve(far, &socket).await });
        let mut greeting = vec![0; relay::GREETING.len()];
        near.read_exact(&mut greeting).await.unwrap();
        let (wanted, stream) = tokio::sync::oneshot::channel();
        let streams = relay::open(near);
        streams.send(wanted).await.unwrap();
        let stream = stream.await.unwrap().compat();
        let over_ssh = Events::open(&unix, Box::new(stream), None).await;

        for (way, events) in [("unix", over_unix), ("tls", over_tls), ("ssh", over_ssh)] {
            if !works {
                let error = events.unwrap_err();
                let text = format!("speaks API version {min} to {max}");
                assert!(error.to_string().contains(&text), "{way}: {error}");
                continue;
            }
            let mut events = events.unwrap();
            assert_eq!(events.hello().version, "9.9.9");
            let next = events.next().await.unwrap().unwrap();
            let missed = signalbox_protocol::api::event::Event::Missed { count: 7 };
            assert_eq!(next, missed, "{way}: what is unknown is left out");
        }
    }
}
