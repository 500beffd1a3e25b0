//! The made-up world behaves as it says. The connections are tested against the whole station, in
//! `signalbox/tests/simulated.rs`.

use crate::{
    Broker, NodeSetup, Options, Sim,
    sensors::Sensors,
    world::{Switched, World},
};

const NOON_S: f64 = 43_200.0;

#[test]
fn a_lamp_warms_the_room_and_it_cools_again() {
    let mut world = World::new(1);
    let cold = world.temperature;
    let lamp = Switched {
        lamp: true,
        pump: false,
    };
    for _ in 0..100 {
        world.step(lamp, NOON_S, 60.0);
    }
    let warm = world.temperature;
    assert!(warm > cold + 5.0, "{cold} {warm}");
    for _ in 0..100 {
        world.step(Switched::default(), NOON_S, 60.0);
    }
    assert!(world.temperature < warm - 5.0);
}

#[test]
fn a_pump_wets_the_soil_and_it_dries_again() {
    let mut world = World::new(1);
    let dry = world.soil;
    let pump = Switched {
        lamp: false,
        pump: true,
    };
    world.step(pump, NOON_S, 30.0);
    let wet = world.soil;
    assert!(wet > dry + 90.0, "{dry} {wet}");
    world.step(pump, NOON_S, 3_600.0);
    assert!(world.soil <= 900.0);
    world.step(Switched::default(), NOON_S, 36_000.0);
    assert!(world.soil < wet);
}

#[test]
fn one_long_step_is_many_short_ones() {
    let (mut long, mut short) = (World::new(3), World::new(3));
    long.step(Switched::default(), NOON_S, 3_600.0);
    for _ in 0..60 {
        short.step(Switched::default(), NOON_S, 60.0);
    }
    assert!((long.temperature - short.temperature).abs() < 1e-9);
}

#[test]
fn sensors_give_steps_within_their_range_and_fail_now_and_then() {
    let mut sensors = Sensors::new(1);
    let mut world = World::new(1);
    world.temperature = 60.0;
    let mut failed = 0;
    for _ in 0..10_000 {
        let [temperature, humidity, soil] = sensors.read(&world);
        failed += u32::from(temperature.is_none());
        assert!(temperature.is_none_or(|value| (value - 50.0).abs() < 1e-6));
        assert!(humidity.is_none_or(|value| value.fract() == 0.0));
        assert!(soil.unwrap().fract() == 0.0);
    }
    assert!((10..200).contains(&failed), "{failed}");
}

#[test]
fn addresses_of_brokers_are_read() {
    let read = |text: &str| {
        text.parse::<Broker>()
            .map(|broker| (broker.host, broker.port))
    };
    assert_eq!(read("mqtt://pi:1884"), Ok(("pi".to_owned(), 1_884)));
    assert_eq!(read("pi"), Ok(("pi".to_owned(), 1_883)));
    assert_eq!(read("mqtt://[::1]:1"), Ok(("::1".to_owned(), 1)));
    for bad in ["", "mqtt://", "http://pi", "pi:notaport", "mqtt://a@b"] {
        assert!(read(bad).is_err(), "{bad}");
    }
    // What is shown can be given again.
    for given in ["mqtt://pi:1884", "mqtt://[::1]:1883"] {
        assert_eq!(given.parse::<Broker>().unwrap().to_string(), given);
    }
}

#[tokio::test]
async fn a_setup_that_cannot_be_is_refused() {
    let options = Options::new("127.0.0.1:1".parse().unwrap());
    let start = |setup: NodeSetup| Sim::start(&options, vec![setup]).map(drop);
    let bad_name = start(NodeSetup::new("no/slash", None, 1)).unwrap_err();
    assert!(bad_name.to_string().contains("`no/slash`"), "{bad_name}");
    let mut many = NodeSetup::new("a", None, 1);
    many.actuators = (0..9).map(|n| format!("a{n}")).collect();
    let too_many = start(many).unwrap_err();
    assert!(too_many.to_string().contains('9'), "{too_many}");
    let mut doubled = NodeSetup::new("a", None, 1);
    doubled.actuators.push("led".to_owned());
    let doubled = start(doubled).unwrap_err();
    assert!(doubled.to_string().contains("`led`"), "{doubled}");
    let twins = vec![NodeSetup::new("twin", None, 1); 2];
    let twins = Sim::start(&options, twins).map(drop).unwrap_err();
    assert!(twins.to_string().contains("`twin`"), "{twins}");
}

#[tokio::test]
async fn nodes_that_have_not_begun_yet_stop_at_once() {
    let options = Options::new("127.0.0.1:1".parse().unwrap());
    let nodes = (0..20_000).map(|n| NodeSetup::new(&format!("a-{n}"), None, n));
    let sim = Sim::start(&options, nodes.collect()).unwrap();
    let stopped = tokio::time::timeout(std::time::Duration::from_secs(20), sim.stop());
    stopped.await.unwrap().unwrap();
}
