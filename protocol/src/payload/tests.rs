//! Golden bytes of every message in both encodings, and hostile input.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests stand outside test functions"
)]

use alloc::{string::String, vec, vec::Vec};

use proptest::prelude::*;

use super::{
    ActuatorState, Actuators, DecodeError, Encoding,
    ack::{Ack, AckResult},
    command::{Action, Command},
    config::{Config, LogLevel, MetricConfig, MetricConfigs},
    status::{ConfigRefused, StartedBy, Status},
    telemetry::{Sample, SampleRef, SampleTime, Telemetry, TelemetryRef},
};

const ID: &str = "01JD3Z8XK4T6Q9V2B7N5M1H0CE";

fn led(state: ActuatorState) -> Actuators {
    let mut all = Actuators::default();
    all.0.push(("led".try_into().unwrap(), state)).unwrap();
    all
}

fn command() -> Command {
    Command {
        id: ID.try_into().unwrap(),
        actuator: "led".try_into().unwrap(),
        action: Action::On,
        for_ms: Some(600_000),
    }
}

fn ack() -> Ack {
    Ack {
        id: ID.try_into().unwrap(),
        result: AckResult::Applied,
        reason: None,
        actuators: led(ActuatorState::On),
        off_in_ms: Some(600_000),
    }
}

fn status() -> Status {
    Status {
        online: true,
        boot: Some(7),
        firmware: Some("0.1.0".try_into().unwrap()),
        actuators: led(ActuatorState::Off),
        uptime_s: Some(12),
        rssi_dbm: Some(-61),
        ..Status::default()
    }
}

/// Of a node that works by a configuration, and has refused the next.
fn status_with_config() -> Status {
    Status {
        config: Some(3),
        config_refused: Some(ConfigRefused {
            version: 4,
            reason: "there is no metric `light`".try_into().unwrap(),
        }),
        ..status()
    }
}

/// Of a node that its watchdog has started.
fn status_after_watchdog() -> Status {
    Status {
        started_by: Some(StartedBy::Watchdog),
        ..status()
    }
}

fn config() -> Config {
    let temperature = MetricConfig {
        dead_band_milli: Some(100),
        heartbeat_ms: Some(300_000),
        offset_milli: Some(-500),
        ..MetricConfig::default()
    };
    let moisture = MetricConfig {
        dry: Some(812),
        wet: Some(305),
        ..MetricConfig::default()
    };
    let mut metrics = MetricConfigs::default();
    for (name, metric) in [("temperature", temperature), ("moisture", moisture)] {
        metrics.0.push((name.try_into().unwrap(), metric)).unwrap();
    }
    Config {
        version: 3,
        interval_ms: Some(60_000),
        log: Some(LogLevel::Info),
        metrics,
    }
}

const VALUES: &[(&str, f32)] = &[("temperature", 21.3), ("humidity", 40.0), ("soil", 512.0)];
const SAMPLES: &[SampleRef<'static>] = &[
    SampleRef {
        time: SampleTime::AgeMs(5_000),
        values: VALUES,
    },
    SampleRef {
        time: SampleTime::TsMs(1_795_219_200_000),
        values: &[("soil", 511.0)],
    },
];
const TELEMETRY: TelemetryRef<'static> = TelemetryRef {
    boot: 7,
    seq: 42,
    samples: SAMPLES,
};

fn telemetry() -> Telemetry {
    Telemetry {
        boot: 7,
        seq: 42,
        samples: vec![
            Sample {
                time: SampleTime::AgeMs(5_000),
                values: vec![
                    ("temperature".into(), 21.3),
                    ("humidity".into(), 40.0),
                    ("soil".into(), 512.0),
                ],
            },
            Sample {
                time: SampleTime::TsMs(1_795_219_200_000),
                values: vec![("soil".into(), 511.0)],
            },
        ],
    }
}

fn bytes(encode: impl FnOnce(&mut [u8]) -> Result<usize, super::BufferTooSmall>) -> Vec<u8> {
    let mut buffer = [0; 1_024];
    let len = encode(&mut buffer).unwrap();
    buffer[..len].to_vec()
}

macro_rules! golden {
    ($name:ident, $message:expr, $decoded:expr, $type:ty, $file:literal) => {
        mod $name {
            use super::*;

            const JSON: &[u8] = include_bytes!(concat!("../golden/", $file, ".json"));
            const PROTOBUF: &[u8] = include_bytes!(concat!("../golden/", $file, ".pb"));

            #[test]
            fn is_written_as_ever() {
                let message = $message;
                assert_eq!(
                    String::from_utf8(bytes(|b| message.encode(Encoding::Json, b))).unwrap(),
                    core::str::from_utf8(JSON).unwrap().trim_end()
                );
                assert_eq!(bytes(|b| message.encode(Encoding::Protobuf, b)), PROTOBUF);
            }

            #[test]
            fn is_read_as_ever() {
                assert_eq!(<$type>::decode(JSON), Ok($decoded));
                assert_eq!(<$type>::decode(PROTOBUF), Ok($decoded));
            }

            #[test]
            fn does_not_fit_a_short_buffer() {
                let message = $message;
                for encoding in [Encoding::Json, Encoding::Protobuf] {
                    assert!(message.encode(encoding, &mut [0; 3]).is_err());
                }
            }
        }
    };
}

golden!(
    golden_telemetry,
    TELEMETRY,
    telemetry(),
    Telemetry,
    "telemetry-v1"
);
golden!(golden_status, status(), status(), Status, "status-v1");
golden!(
    golden_status_with_config,
    status_with_config(),
    status_with_config(),
    Status,
    "status-config-v1"
);
golden!(
    golden_status_with_start,
    status_after_watchdog(),
    status_after_watchdog(),
    Status,
    "status-start-v1"
);
golden!(golden_config, config(), config(), Config, "config-v1");
golden!(golden_command, command(), command(), Command, "command-v1");
golden!(golden_ack, ack(), ack(), Ack, "ack-v1");

#[test]
fn a_cause_of_a_later_version_is_another_one() {
    let other = Some(StartedBy::Other);
    for (payload, expected) in [
        (&br#"{"online":true,"started_by":"brownout"}"#[..], other),
        (b"\x08\x01\x50\x07", other),
        (b"\x08\x01\x50\x06", other),
        (b"\x08\x01\x50\x03", Some(StartedBy::Watchdog)),
        (b"\x08\x01", None),
    ] {
        assert_eq!(Status::decode(payload).unwrap().started_by, expected);
    }
}

#[test]
fn the_last_will_is_short_and_never_empty() {
    let will = Status::default();
    assert_eq!(
        bytes(|b| will.encode(Encoding::Json, b)),
        b"{\"online\":false}"
    );
    assert_eq!(bytes(|b| will.encode(Encoding::Protobuf, b)), [0x08, 0x02]);
}

#[test]
fn bad_telemetry_says_what_is_wrong() {
    for (payload, words) in [
        (r#"{"boot":1,"seq":1,"samples":[]}"#, "no samples"),
        (
            r#"{"boot":1,"seq":1,"samples":[{"values":{"a":1}}]}"#,
            "needs `age_ms` or `ts_ms`",
        ),
        (
            r#"{"boot":1,"seq":1,"samples":[{"age_ms":1,"ts_ms":1,"values":{}}]}"#,
            "both",
        ),
        (
            r#"{"boot":1,"seq":1,"samples":[{"age_ms":1,"values":{"a/b":1}}]}"#,
            "metric `a/b`",
        ),
        (
            r#"{"boot":1,"seq":1,"samples":[{"age_ms":1,"values":{"a":"x"}}]}"#,
            "invalid type",
        ),
        (
            r#"{"boot":1,"seq":1,"samples":[{"age_ms":1,"values":{"a":1e999}}]}"#,
            "out of range",
        ),
        (
            r#"{"boot":1,"seq":1,"samples":[{"age_ms":1,"values":{"a":1,"a":2}}]}"#,
            "twice",
        ),
        (
            r#"{"boot":1,"seq":1,"samples":[{"age_ms":-1,"values":{"a":1}}]}"#,
            "-1",
        ),
        (
            r#"{"boot":1,"samples":[{"age_ms":1,"values":{"a":1}}]}"#,
            "missing field `seq`",
        ),
        (r#"{"boot":4294967296,"seq":1,"samples":[]}"#, "4294967296"),
        (r#"{"boot":1,"seq":1"#, "EOF"),
    ] {
        let text = alloc::format!("{}", Telemetry::decode(payload.as_bytes()).unwrap_err());
        assert!(text.contains(words), "{payload}: {text}");
    }
}

#[test]
fn what_is_too_much_is_refused_and_the_most_is_taken() {
    let sample = r#"{"age_ms":1,"values":{"a":1}}"#;
    let message = |n: usize| {
        alloc::format!(
            r#"{{"boot":1,"seq":1,"samples":[{}]}}"#,
            vec![sample; n].join(",")
        )
    };
    assert_eq!(
        Telemetry::decode(message(256).as_bytes())
            .unwrap()
            .samples
            .len(),
        256
    );
    assert!(Telemetry::decode(message(257).as_bytes()).is_err());
    let values = |n: usize| {
        let all: Vec<String> = (0..n).map(|i| alloc::format!("\"m{i}\":1")).collect();
        alloc::format!(
            r#"{{"boot":1,"seq":1,"samples":[{{"age_ms":1,"values":{{{}}}}}]}}"#,
            all.join(",")
        )
    };
    assert_eq!(
        Telemetry::decode(values(32).as_bytes()).unwrap().samples[0]
            .values
            .len(),
        32
    );
    assert!(Telemetry::decode(values(33).as_bytes()).is_err());
    assert_eq!(
        Telemetry::decode(&vec![b' '; 65_537]),
        Err(DecodeError::TooLarge {
            bytes: 65_537,
            max: 65_536
        })
    );
    assert_eq!(Status::decode(b""), Err(DecodeError::Empty));
}

#[test]
fn null_was_not_measured_and_unknown_fields_are_left_for_later_versions() {
    let payload =
        br#"{"v":2,"boot":1,"seq":1,"samples":[{"q":[{}],"age_ms":0,"values":{"a":null,"b":2}}]}"#;
    let telemetry = Telemetry::decode(payload).unwrap();
    assert_eq!(telemetry.samples[0].values, [("b".into(), 2.0)]);
}

#[test]
fn a_nesting_bomb_is_an_error() {
    let bomb = [br#"{"x":"#.as_slice(), &[b'['; 60_000]].concat();
    assert!(matches!(
        Telemetry::decode(&bomb),
        Err(DecodeError::Json(_))
    ));
}

#[test]
fn orders_that_make_no_sense_are_refused() {
    for payload in [
        r#"{"id":"short","actuator":"led","action":"on"}"#,
        r#"{"id":"01JD3Z8XK4T6Q9V2B7N5M1H0CE","actuator":"l ed","action":"on"}"#,
        r#"{"id":"01JD3Z8XK4T6Q9V2B7N5M1H0CE","actuator":"led","action":"blink"}"#,
        r#"{"id":"01JD3Z8XK4T6Q9V2B7N5M1H0CE","actuator":"led","action":"off","for_ms":5}"#,
        r#"{"id":"01JD3Z8XK4T6Q9V2B7N5M1H0CE","actuator":"led","action":"on","for_ms":0}"#,
        r#"{"id":"01JD3Z8XK4T6Q9V2B7N5M1H0CE","actuator":"led","action":"on","for_ms":604800001}"#,
    ] {
        assert!(Command::decode(payload.as_bytes()).is_err(), "{payload}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived(payload in proptest::collection::vec(any::<u8>(), 0..512)) {
        let _ = (
            Telemetry::decode(&payload), Status::decode(&payload),
            Command::decode(&payload), Ack::decode(&payload),
        );
    }

    #[test]
    fn a_damaged_message_is_survived(at in 0usize..200, byte: u8) {
        for encoding in [Encoding::Json, Encoding::Protobuf] {
            let mut payload = bytes(|b| TELEMETRY.encode(encoding, b));
            let at = at % payload.len();
            payload[at] = byte;
            if let Ok(telemetry) = Telemetry::decode(&payload) {
                prop_assert!(telemetry.samples.iter().flat_map(|s| &s.values).all(|v| v.1.is_finite()));
            }
        }
    }

    #[test]
    fn both_encodings_say_the_same(
        boot: u32, seq: u32, age_ms in 0..u64::MAX / 2, value in -1.0e6f32..1.0e6,
    ) {
        let values = [("a", value), ("b", value.trunc())];
        let samples = [SampleRef { time: SampleTime::AgeMs(age_ms), values: &values }];
        let message = TelemetryRef { boot, seq, samples: &samples };
        let json = Telemetry::decode(&bytes(|b| message.encode(Encoding::Json, b))).unwrap();
        let protobuf = Telemetry::decode(&bytes(|b| message.encode(Encoding::Protobuf, b))).unwrap();
        // Where two decimals are equally short and near, the two writers may choose differently.
        prop_assert_eq!(json.seq, protobuf.seq);
        for (a, b) in json.samples[0].values.iter().zip(&protobuf.samples[0].values) {
            prop_assert_eq!(&a.0, &b.0);
            prop_assert_eq!(a.1 as f32, b.1 as f32);
        }
    }
}

/// The page for people who write a node shows the very bytes.
#[test]
fn the_documentation_shows_the_golden_bytes() {
    let page: String = include_str!("../../../docs/protocol.md")
        .split_whitespace()
        .collect();
    for (json, protobuf) in [
        (
            &include_bytes!("../golden/telemetry-v1.json")[..],
            &include_bytes!("../golden/telemetry-v1.pb")[..],
        ),
        (
            include_bytes!("../golden/status-v1.json"),
            include_bytes!("../golden/status-v1.pb"),
        ),
        (
            include_bytes!("../golden/config-v1.json"),
            include_bytes!("../golden/config-v1.pb"),
        ),
        (
            include_bytes!("../golden/command-v1.json"),
            include_bytes!("../golden/command-v1.pb"),
        ),
        (
            include_bytes!("../golden/ack-v1.json"),
            include_bytes!("../golden/ack-v1.pb"),
        ),
    ] {
        let json = core::str::from_utf8(json).unwrap().trim_end();
        assert!(page.contains(json), "{json}");
        let hex: String = protobuf.iter().map(|b| alloc::format!("{b:02x}")).collect();
        assert!(page.contains(&hex), "{hex}");
    }
}

/// The description that other programs are made from is the one on the page.
#[test]
fn the_documentation_shows_the_whole_description() {
    let page = include_str!("../../../docs/protocol.md");
    let (_, rest) = page.split_once("```proto\n").unwrap();
    let (shown, _) = rest.split_once("```").unwrap();
    assert_eq!(shown, include_str!("../../../docs/node-protocol-v1.proto"));
}
