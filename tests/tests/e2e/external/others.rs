//! RabbitMQ 3.10 and NATS 2.9: what they can do works, and what they cannot is told.

use serde_json::json;

use super::helper::{
    KITCHEN, STATION, command_becomes, healthy, kitchen, order, presence, says, trouble,
};
use crate::helper::{Nats, RabbitMq, Script, Setup, Station, eventually};

fn station_at(url: &str, keys: &str) -> Station {
    Station::with(Setup {
        config: format!("[mqtt]\n{keys}"),
        broker: Some(url.replace("mqtt://", "mqtt://station@")),
        environment: vec![(
            "SIGNALBOX_MQTT__BROKER_PASSWORD".to_owned(),
            STATION.1.to_owned(),
        )],
        ..Setup::default()
    })
}

fn measure(node: &mut Script, station: &Station, value: f64) {
    node.tell(&json!({"do": "reading", "values": {"temperature": value}}));
    node.expect("acked");
    eventually("it is stored", || {
        let (_, last) = station.values("kitchen").pop()?;
        #[expect(clippy::float_cmp, reason = "the same number")]
        let is_it = last == value;
        is_it.then_some(())
    });
}

/// The whole way, there and back, before and after the broker was away.
///
/// `after_restart` is what the station knows of a node that has said nothing since: RabbitMQ gives
/// kept statuses only to subscriptions without wildcards.
fn works(url: &str, after_restart: &str, stop: impl FnOnce(), start: impl FnOnce()) {
    let mut station = station_at(url, "");
    healthy(&station);
    let mut node = kitchen(&station);
    measure(&mut node, &station, 20.0);
    command_becomes(&station, &order(&station, "on"), "confirmed");

    // What comes while the station is away waits for it.
    assert_eq!(station.signal("TERM"), Some(0));
    node.tell(&json!({"do": "reading", "values": {"temperature": 21}}));
    node.expect("acked");
    station.restart();
    eventually("it is stored", || {
        (station.values("kitchen").len() == 2).then_some(())
    });
    presence(&station, after_restart);

    stop();
    presence(&station, "unknown");
    let id = order(&station, "off");
    start();
    command_becomes(&station, &id, "confirmed");
    presence(&station, "online");
    measure(&mut node, &station, 22.0);
}

fn says_what_it_cannot_do(url: &str) {
    let station = station_at(url, "version = \"5\"\n");
    says(&station, "`3.1.1`");
    drop(station);
    let station = station_at(url, "share_group = \"stations\"\n");
    eventually("it is refused", || {
        trouble(&station).contains("mqtt.share_group").then_some(())
    });
    says(&station, "remove `mqtt.share_group`");
}

#[test]
fn rabbitmq_works_and_does_not_share() {
    let broker = std::cell::RefCell::new(RabbitMq::start(&[STATION, KITCHEN]));
    let url = broker.borrow().url();
    says_what_it_cannot_do(&url);
    works(
        &url,
        "unknown",
        || broker.borrow_mut().stop(),
        || broker.borrow_mut().start_again(),
    );
}

#[test]
fn nats_works_and_does_not_share() {
    let broker = std::cell::RefCell::new(Nats::start());
    let url = broker.borrow().url();
    says_what_it_cannot_do(&url);
    works(
        &url,
        "online",
        || broker.borrow_mut().kill(),
        || broker.borrow_mut().start_again(),
    );
}
