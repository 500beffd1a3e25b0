//! The application on a board that is only in memory: a clock that is turned by hand, a network
//! that can be cut, and a broker that is played by the test.

use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll, Waker},
};

use embedded_io_async::{ErrorKind, ErrorType, Read, Write};

use super::*;
use crate::{
    App, Buffers, CONNECT_MS_MAX, Login, Lost, RECEIVE_BYTES_MIN,
    board::{Clock, Event, Hardware, Measured, Network},
    kept::{KEPT_BYTES, Kept},
    mqtt::packet,
};

#[derive(Default)]
struct Turned {
    now_ms: Cell<u64>,
    wake_ms: Cell<Option<u64>>,
}

impl Clock for Turned {
    fn now_ms(&self) -> u64 {
        self.now_ms.get()
    }

    fn wait_until(&self, at_ms: u64) -> impl Future<Output = ()> {
        poll_fn(move |_| {
            if self.now_ms.get() >= at_ms {
                return Poll::Ready(());
            }
            let earliest = self.wake_ms.get().map_or(at_ms, |before| before.min(at_ms));
            self.wake_ms.set(Some(earliest));
            Poll::Pending
        })
    }
}

/// The wire between node and broker.
#[derive(Default)]
struct Wire {
    to_node: Vec<u8>,
    to_broker: Vec<u8>,
    /// Connections are made at once, hang, or fail.
    reachable: Option<bool>,
    open: bool,
    /// What is written goes nowhere, and nothing comes.
    cut: bool,
    connections: usize,
}

#[derive(Clone, Default)]
struct Cable(Rc<RefCell<Wire>>);

impl ErrorType for Cable {
    type Error = ErrorKind;
}

impl Read for Cable {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        poll_fn(|_| {
            let mut wire = self.0.borrow_mut();
            if wire.cut || (wire.open && wire.to_node.is_empty()) {
                return Poll::Pending;
            }
            // One byte less than there is room for, so that packets come in pieces.
            let len = wire.to_node.len().min(buffer.len()).min(7);
            for (place, byte) in buffer.iter_mut().zip(wire.to_node.drain(..len)) {
                *place = byte;
            }
            Poll::Ready(Ok(len))
        })
        .await
    }
}

impl Write for Cable {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        let mut wire = self.0.borrow_mut();
        if !wire.open {
            return Err(ErrorKind::BrokenPipe);
        }
        let len = bytes.len().min(5);
        if !wire.cut {
            wire.to_broker.extend(&bytes[..len]);
        }
        Ok(len)
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

impl Network for Cable {
    type Stream<'a> = Self;
    type Error = ();

    async fn connect(&mut self) -> Result<Self, ()> {
        poll_fn(|_| {
            let mut wire = self.0.borrow_mut();
            match wire.reachable {
                None => return Poll::Pending,
                Some(false) => return Poll::Ready(Err(())),
                Some(true) => {}
            }
            *wire = Wire {
                reachable: Some(true),
                open: true,
                connections: wire.connections + 1,
                ..Wire::default()
            };
            Poll::Ready(Ok(()))
        })
        .await?;
        Ok(self.clone())
    }

    fn rssi_dbm(&self) -> Option<i16> {
        Some(-61)
    }
}

/// What the pins show, and what happened.
#[derive(Default)]
struct Shown {
    pins: [Option<bool>; 2],
    changes: Vec<(usize, bool, u64)>,
    events: Vec<Event>,
    measured: usize,
    fed_ms: u64,
    /// The sensor does not answer before.
    sensor_ms: u64,
    asked: usize,
    kept: Option<Kept>,
    config: Option<Vec<u8>>,
    /// Ids in flash.
    remembered: Vec<Id>,
}

struct Bench<'a> {
    clock: &'a Turned,
    cable: Cable,
    shown: Rc<RefCell<Shown>>,
}

impl Hardware for Bench<'_> {
    fn measure(&mut self, now_ms: u64) -> Measured {
        let mut shown = self.shown.borrow_mut();
        if now_ms < shown.sensor_ms {
            shown.asked += 1;
            return Measured::Again {
                at_ms: now_ms + 100,
            };
        }
        shown.measured += 1;
        let mut values = [None; METRICS_MAX];
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let value = shown.measured as f32;
        values[0] = Some(value);
        Measured::Values(values)
    }

    fn switch(&mut self, actuator: usize, on: bool) {
        let mut shown = self.shown.borrow_mut();
        shown.pins[actuator] = Some(on);
        shown.changes.push((actuator, on, self.clock.now_ms()));
    }

    fn started_by(&self) -> Option<StartedBy> {
        Some(StartedBy::Watchdog)
    }

    fn keep(&mut self, block: &[u8; KEPT_BYTES]) {
        self.shown.borrow_mut().kept = Kept::read(block);
    }

    async fn remember(&mut self, id: &Id) {
        // An ack says that the command will not be executed again, so it must not be out yet.
        assert!(!String::from_utf8_lossy(&self.cable.0.borrow().to_broker).contains("applied"));
        self.shown.borrow_mut().remembered.push(id.clone());
    }

    async fn remember_config(&mut self, payload: &[u8]) {
        self.shown.borrow_mut().config = Some(payload.to_vec());
    }

    fn feed_watchdog(&mut self) {
        self.shown.borrow_mut().fed_ms = self.clock.now_ms();
    }

    fn note(&mut self, event: Event) {
        self.shown.borrow_mut().events.push(event);
    }
}

/// A packet that came to the broker: its first byte and what follows the header.
type Sent = (u8, Vec<u8>);

struct Bed<'a> {
    clock: &'a Turned,
    cable: Cable,
    shown: Rc<RefCell<Shown>>,
    running: Pin<&'a mut dyn Future<Output = ()>>,
}

/// Gives a node on its board to a test.
fn on_bench(test: impl FnOnce(Bed<'_>)) {
    let clock = Turned::default();
    let cable = Cable::default();
    let shown = Rc::<RefCell<Shown>>::default();
    let hardware = Bench {
        clock: &clock,
        cable: cable.clone(),
        shown: Rc::clone(&shown),
    };
    let login = Login {
        name: name("kitchen"),
        password: Some("secret".try_into().unwrap()),
    };
    let mut node = node();
    let mut app = App::new(&clock, hardware, &mut node, login, 1);
    let (mut send, mut receive) = ([0; BUFFER_BYTES_MIN], [0; RECEIVE_BYTES_MIN]);
    let mut network = cable.clone();
    let running = pin!(async {
        let mut buffers = Buffers {
            send: &mut send,
            receive: &mut receive,
        };
        app.run(&mut network, &mut buffers).await;
    });
    test(Bed {
        clock: &clock,
        cable,
        shown,
        running,
    });
}

impl Bed<'_> {
    /// Lets the node do what it can do now.
    fn now(&mut self) {
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..400 {
            self.clock.wake_ms.set(None);
            assert!(self.running.as_mut().poll(&mut context).is_pending());
        }
    }

    /// Turns the clock on, from one moment that the node waits for to the next.
    fn until(&mut self, end_ms: u64) {
        loop {
            self.now();
            let wake_ms = self.clock.wake_ms.get().expect("it waits for something");
            assert!(wake_ms > self.clock.now_ms(), "it does not sleep");
            self.clock.now_ms.set(wake_ms.min(end_ms));
            if wake_ms >= end_ms {
                self.now();
                return;
            }
        }
    }

    /// Waits for the next attempt to connect that the broker gets to see.
    fn until_connected(&mut self) {
        let before = self.wire().connections;
        while self.wire().connections == before {
            let next_ms = self.clock.now_ms() + 100;
            self.until(next_ms);
        }
    }

    fn wire(&self) -> std::cell::RefMut<'_, Wire> {
        self.cable.0.borrow_mut()
    }

    fn sent(&self) -> Vec<Sent> {
        let bytes = core::mem::take(&mut self.wire().to_broker);
        let mut rest = bytes.as_slice();
        let mut all = Vec::new();
        while let Some(header) = packet::header(rest).unwrap() {
            let (packet, after) = rest.split_at(header.packet_bytes());
            all.push((header.kind, packet[header.bytes..].to_vec()));
            rest = after;
        }
        assert_eq!(rest, b"");
        all
    }

    fn answer(&mut self, bytes: &[u8]) {
        self.wire().to_node.extend(bytes);
        self.now();
    }

    /// Acknowledges what was published; topics and payloads.
    fn take(&mut self) -> Vec<(String, Vec<u8>)> {
        let mut all = Vec::new();
        for (kind, body) in self.sent() {
            if kind & 0xf0 == 0x30 {
                let message = packet::message(kind, &body).unwrap();
                let topic = String::from_utf8(message.topic.to_vec()).unwrap();
                all.push((topic, message.payload.to_vec()));
                let ack = packet::pub_ack(message.packet_id.unwrap());
                self.answer(&ack);
            }
        }
        all
    }

    /// Lets the node in and takes its first status.
    fn welcome(&mut self) {
        self.wire().reachable = Some(true);
        self.now();
        assert_eq!(self.sent()[0].0, 0x10);
        self.answer(&[0x20, 2, 0, 0]);
        let all = self.take();
        assert_eq!(all[0].0, "signalbox/kitchen/status");
        self.take();
    }

    /// Sends a command, retained or not.
    fn order(&mut self, payload: &[u8], retained: bool) {
        self.message("signalbox/kitchen/command", payload, retained);
    }

    fn message(&mut self, topic: &str, payload: &[u8], retained: bool) {
        let mut head = [0; 64];
        let len = packet::publish_head(&mut head, topic, Some(9), retained, payload.len()).unwrap();
        self.wire().to_node.extend([&head[..len], payload].concat());
        self.now();
    }

    fn acks(&mut self) -> Vec<Ack> {
        let all = self.take().into_iter();
        all.filter(|(topic, _)| topic == "signalbox/kitchen/ack")
            .map(|(_, payload)| Ack::decode(&payload).unwrap())
            .collect()
    }

    fn events(&self) -> Vec<Event> {
        core::mem::take(&mut self.shown.borrow_mut().events)
    }
}

#[test]
fn it_logs_in_subscribes_and_introduces_itself() {
    on_bench(|mut bed| {
        bed.now();
        // The pins are set before anything else, and it measures without a network.
        assert_eq!(bed.shown.borrow().pins, [Some(false); 2]);
        assert_eq!(bed.shown.borrow().measured, 1);
        bed.wire().reachable = Some(true);
        bed.now();
        let sent = bed.sent();
        assert_eq!(sent.len(), 1);
        let text = String::from_utf8_lossy(&sent[0].1).into_owned();
        assert!(
            text.contains("signalbox/kitchen/status\0\x10{\"online\":false}"),
            "{text}"
        );
        assert!(text.ends_with("\0\x07kitchen\0\x06secret"), "{text}");
        bed.answer(&[0x20, 2, 0, 0]);
        let sent = bed.sent();
        assert_eq!(
            sent[0],
            (0x82, b"\0\x01\0\x19signalbox/kitchen/command\x01".to_vec())
        );
        assert_eq!(
            sent[1],
            (0x82, b"\0\x02\0\x18signalbox/kitchen/config\x01".to_vec())
        );
        let kinds: Vec<u8> = sent.iter().map(|(kind, _)| *kind).collect();
        // The status is retained, the reading is not.
        assert_eq!(kinds, [0x82, 0x82, 0x33, 0x32]);
        assert_eq!(bed.events(), [Event::Connected]);
    });
}

#[test]
fn a_command_moves_the_pin_and_is_answered() {
    on_bench(|mut bed| {
        bed.welcome();
        bed.order(&order(1, "pump", Action::On, Some(2_500)), false);
        assert_eq!(bed.shown.borrow().pins, [Some(false), Some(true)]);
        // Before it is answered it is known over a reset, and over a power cut.
        let kept = bed.shown.borrow().kept.clone().unwrap();
        assert_eq!(
            kept.saved.actuators[..],
            [(false, None), (true, Some(2_500))]
        );
        assert_eq!(kept.saved.recent[..], [id(1)]);
        assert_eq!(kept.failed_starts, 1);
        assert_eq!(bed.shown.borrow().remembered, [id(1)]);
        let acks = bed.acks();
        assert_eq!((acks.len(), acks[0].result), (1, AckResult::Applied));
        // By itself, while the node measures and the broker is silent.
        bed.wire().cut = true;
        bed.until(10_000);
        let changes = bed.shown.borrow().changes.clone();
        assert_eq!(changes[2..], [(1, true, 0), (1, false, 2_500)]);
        assert!(bed.shown.borrow().measured > 9);
    });
}

#[test]
fn a_configuration_is_kept_once_and_answered_by_the_status() {
    on_bench(|mut bed| {
        bed.welcome();
        bed.events();
        let payload = br#"{"version":2,"interval_ms":5000}"#;
        bed.message("signalbox/kitchen/config", payload, true);
        assert_eq!(bed.shown.borrow_mut().config.take(), Some(payload.to_vec()));
        assert_eq!(bed.events(), [Event::Configured]);
        let all = bed.take();
        let status = all.iter().find(|(topic, _)| topic.ends_with("/status"));
        let status = Status::decode(&status.unwrap().1).unwrap();
        assert_eq!(status.config, Some(2));
        assert_eq!(status.started_by, Some(StartedBy::Watchdog));
        for again in [&payload[..], b"", br#"{"version":3,"interval_ms":1}"#] {
            bed.message("signalbox/kitchen/config", again, true);
        }
        assert_eq!(
            (bed.events(), bed.shown.borrow().config.clone()),
            (vec![], None)
        );
        let before = bed.shown.borrow().measured;
        bed.until(10_000);
        assert_eq!(bed.shown.borrow().measured, before + 2);
    });
}

#[test]
fn without_configuration_it_works_and_without_orders_it_leaves() {
    on_bench(|mut bed| {
        bed.welcome();
        bed.events();
        bed.answer(&[0x90, 3, 0, 2, 0x80]);
        assert_eq!(bed.events(), []);
        bed.answer(&[0x90, 3, 0, 1, 0x80]);
        assert_eq!(bed.events(), [Event::Lost(Lost::NotSubscribed)]);
    });
}

#[test]
fn what_is_retained_too_long_or_for_others_moves_nothing() {
    on_bench(|mut bed| {
        bed.welcome();
        bed.order(&order(1, "pump", Action::On, None), true);
        let long = [
            &order(2, "pump", Action::On, None)[..],
            &[b' '; RECEIVE_BYTES_MIN],
        ]
        .concat();
        bed.order(&long, false);
        // Each is acknowledged, or it would come again and again.
        let sent = bed.sent();
        let acks = sent.iter().filter(|(kind, _)| *kind == 0x40);
        assert_eq!(acks.count(), 2);
        assert_eq!(bed.shown.borrow().pins, [Some(false); 2]);
        bed.order(&order(3, "pump", Action::On, None), false);
        assert_eq!(bed.shown.borrow().pins[1], Some(true));
    });
}

#[test]
fn it_measures_while_it_waits_and_sends_everything_later() {
    on_bench(|mut bed| {
        // An attempt that hangs, one that fails, a broker that says nothing: each ends.
        bed.until(CONNECT_MS_MAX + 500);
        assert_eq!(bed.events(), [Event::Lost(Lost::NoConnection)]);
        bed.wire().reachable = Some(false);
        bed.until(30_000);
        assert!(
            bed.events()
                .iter()
                .all(|event| *event == Event::Lost(Lost::NoConnection))
        );
        bed.wire().reachable = Some(true);
        bed.until(120_000);
        assert!(bed.events().contains(&Event::Lost(Lost::Silent)));
        let measured = bed.shown.borrow().measured;
        assert_eq!(measured, 121);
        bed.until_connected();
        bed.answer(&[0x20, 2, 0, 0]);
        let mut samples = Vec::new();
        loop {
            let all = bed.take();
            if all.is_empty() {
                break;
            }
            for (topic, payload) in all {
                if topic.ends_with("telemetry") {
                    let now_ms = bed.clock.now_ms();
                    let (_, _, one) = telemetry(&payload);
                    samples.extend(one.into_iter().map(|(age, value)| (now_ms - age, value)));
                }
            }
        }
        // What is left after the oldest gave way, each at its own time, none twice.
        assert!(samples.len() >= 30, "{}", samples.len());
        for (at_ms, value) in &samples {
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            let expected = (at_ms / 1_000 + 1) as f64;
            assert!((value - expected).abs() < 1e-9, "{value} at {at_ms}");
        }
        assert!(samples.windows(2).all(|two| two[0].0 < two[1].0));
    });
}

#[test]
fn a_dead_connection_is_noticed_by_a_ping() {
    on_bench(|mut bed| {
        bed.welcome();
        // PUBACKs of the readings keep it from being quiet; without them it pings.
        bed.until(11_000);
        assert!(bed.sent().iter().any(|(kind, _)| *kind == 0xc0));
        bed.answer(&[0xd0, 0]);
        bed.wire().cut = true;
        bed.events();
        bed.until(40_000);
        assert_eq!(bed.events()[0], Event::Lost(Lost::Silent));
        assert!(bed.shown.borrow().fed_ms >= 39_000);
        // A minute is a good start.
        bed.until(61_000);
        assert_eq!(bed.shown.borrow().kept.as_ref().unwrap().failed_starts, 0);
    });
}

#[test]
fn who_is_refused_comes_again_later_and_later() {
    on_bench(|mut bed| {
        bed.wire().reachable = Some(true);
        let mut refused = 0;
        while bed.clock.now_ms() < 300_000 {
            bed.now();
            if bed.sent().iter().any(|(kind, _)| *kind == 0x10) {
                bed.answer(&[0x20, 2, 0, 5]);
                refused += 1;
            }
            let next_ms = bed.clock.now_ms() + 100;
            bed.until(next_ms);
        }
        assert!((6..20).contains(&refused), "{refused}");
        assert!(
            bed.events()
                .iter()
                .all(|event| *event == Event::Lost(Lost::Refused(5)))
        );
        // Nonsense, and an end, are ends too.
        for (bytes, lost) in [(&[0xff, 0][..], Lost::Malformed), (&[], Lost::Closed)] {
            bed.until_connected();
            bed.wire().open = !bytes.is_empty();
            bed.answer(bytes);
            assert_eq!(bed.events(), [Event::Lost(lost)]);
        }
    });
}

#[test]
fn a_sensor_that_does_not_answer_is_asked_again_and_holds_nothing_up() {
    on_bench(|mut bed| {
        bed.welcome();
        bed.shown.borrow_mut().sensor_ms = 1_450;
        bed.order(&order(1, "pump", Action::On, Some(1_200)), false);
        bed.until(1_999);
        assert_eq!(
            (bed.shown.borrow().asked, bed.shown.borrow().measured),
            (5, 2)
        );
        assert_eq!(bed.shown.borrow().changes.last(), Some(&(1, false, 1_200)));
        // The next one is in step again.
        bed.until(2_000);
        assert_eq!(bed.shown.borrow().measured, 3);
    });
}
