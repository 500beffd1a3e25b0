//! What comes in, and what is made of it.

use proptest::prelude::*;

use chrono::{DateTime, Utc};
use signalbox_protocol::limits::{SAMPLES_MAX, TELEMETRY_BYTES_MAX};

use signalbox_protocol::topic::check_name;

use super::{decode::REASON_CHARS_MAX, *};
use crate::config::{Config, MappingConfig};

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_219_200, 0).unwrap()
}

fn decode(topic: &str, payload: &[u8]) -> Result<Body, Rejection> {
    Decoder::new(&Config::default())
        .unwrap()
        .decode(topic, payload, false, now())
}

fn telemetry(topic: &str, payload: &str) -> Telemetry {
    match decode(topic, payload.as_bytes()).unwrap() {
        Body::Telemetry(telemetry) => telemetry,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_classic_topic_works_unchanged() {
    let message = telemetry(
        "/exp/sensor",
        r#"{"temperature":21.5,"humidity":40,"soil":512}"#,
    );
    assert_eq!(message.node, "exp");
    assert_eq!(message.number, None);
    let values: Vec<_> = message
        .samples
        .iter()
        .map(|s| (s.metric.as_str(), s.value))
        .collect();
    assert_eq!(
        values,
        [("humidity", 40.0), ("soil", 512.0), ("temperature", 21.5)]
    );
    let named = telemetry("/exp/sensor", r#"{"device":"shed","temperature":1}"#);
    assert_eq!(named.node, "shed");
}

#[test]
fn classic_nonsense_says_what_is_wrong() {
    for (payload, words) in [
        (r#"{"temperature":"warm"}"#, "`temperature` is not a number"),
        (r#"{"temperature":true}"#, "`temperature` is not a number"),
        (r#"{"temperature":1e999}"#, "out of range"),
        (r#"{"temperature":NaN}"#, "expected"),
        (r#"{"temperature":1,"temperature":2}"#, "twice"),
        (r#"[1,2]"#, "object"),
        (r#"{}"#, "no measurement"),
        (r#"{"node":"a/b","temperature":1}"#, "node name `a/b`"),
        ("", "EOF"),
        ("\u{0}", "expected value"),
    ] {
        let rejected = decode("/exp/sensor", payload.as_bytes()).unwrap_err();
        assert!(
            rejected.reason.contains(words),
            "{payload}: {}",
            rejected.reason
        );
    }
}

#[test]
fn implausible_values_are_flagged_not_dropped() {
    let message = telemetry(
        "/exp/sensor",
        r#"{"temperature":85,"humidity":10,"soil":1024}"#,
    );
    assert!(message.samples.iter().all(|sample| sample.out_of_range));
    let message = telemetry(
        "/exp/sensor",
        r#"{"temperature":50,"humidity":20,"soil":1023}"#,
    );
    assert!(message.samples.iter().all(|sample| !sample.out_of_range));
}

#[test]
fn times_come_from_the_node() {
    let message = telemetry(
        "signalbox/a/telemetry",
        r#"{"boot":1,"seq":2,"samples":[{"age_ms":1500,"values":{"t":1}},
            {"ts_ms":1795219100000,"values":{"t":2}},{"ts_ms":99999999999999,"values":{"t":3}}]}"#,
    );
    assert_eq!(message.number, Some(Number { boot: 1, seq: 2 }));
    assert_eq!(
        now() - message.samples[0].ts,
        chrono::TimeDelta::milliseconds(1_500)
    );
    assert!(!message.samples[0].exact_ts);
    assert_eq!(message.samples[1].ts.timestamp(), 1_795_219_100);
    assert!(message.samples[1].exact_ts);
    assert!(message.samples[2].clock_suspect);
    assert_eq!(message.samples[2].ts, now());
}

#[test]
fn a_retained_order_is_reported() {
    let decoder = Decoder::new(&Config::default()).unwrap();
    let rejected = decoder
        .decode("signalbox/a/command", b"{}", true, now())
        .unwrap_err();
    assert!(rejected.reason.contains("a retained order"));
    assert_eq!(rejected.node.as_deref(), Some("a"));
}

#[test]
fn mappings_lead_foreign_topics_home() {
    let config = Config {
        mapping: vec![MappingConfig {
            topic: "tele/+/SENSOR".to_owned(),
            node: Some("{1}".to_owned()),
            node_path: None,
            metrics: [("temperature".to_owned(), "$.AM2301.Temperature".to_owned())].into(),
            login: None,
            ts_path: Some("$.Time".to_owned()),
            qos: None,
        }],
        ..Config::default()
    };
    let decoder = Decoder::new(&config).unwrap();
    let payload = br#"{"Time":"2026-11-20T00:00:00Z","AM2301":{"Temperature":19.5}}"#;
    let Body::Telemetry(message) = decoder
        .decode("tele/attic/SENSOR", payload, false, now())
        .unwrap()
    else {
        panic!("not telemetry");
    };
    assert_eq!(message.node, "attic");
    assert_eq!(message.samples[0].value, 19.5);
    assert_eq!(
        message.samples[0].ts.to_rfc3339(),
        "2026-11-20T00:00:00+00:00"
    );
    assert!(decoder.maps("tele/attic/SENSOR"));
    assert!(!decoder.maps("tele/attic/deep/SENSOR"));
    assert!(
        decoder
            .decode("tele/attic/SENSOR", b"{}", false, now())
            .is_err()
    );
}

#[test]
fn what_is_too_large_or_too_much_is_refused() {
    let values = |n: usize| -> String {
        let all: Vec<_> = (0..n).map(|n| format!(r#""m{n}":1"#)).collect();
        format!("{{{}}}", all.join(","))
    };
    let telemetry = |samples: usize, n: usize| {
        let sample = format!(r#"{{"age_ms":0,"values":{}}}"#, values(n));
        let samples = vec![sample; samples].join(",");
        format!(r#"{{"boot":1,"seq":1,"samples":[{samples}]}}"#)
    };
    let huge = " ".repeat(10_000_000);
    for (topic, payload, words) in [
        ("/exp/sensor", values(33), "more than 32 measurements"),
        (
            "signalbox/a/telemetry",
            telemetry(1, 33),
            "more than 32 values",
        ),
        (
            "signalbox/a/telemetry",
            telemetry(SAMPLES_MAX + 1, 1),
            "more than 256 samples",
        ),
        (
            "signalbox/a/telemetry",
            huge.clone(),
            "10000000 bytes, at most 65536",
        ),
        (
            "signalbox/a/status",
            " ".repeat(5_000),
            "5000 bytes, at most 4096",
        ),
        ("/exp/sensor", huge, "10000000 bytes, at most 65536"),
    ] {
        let rejected = decode(topic, payload.as_bytes()).unwrap_err();
        assert!(rejected.reason.contains(words), "{}", rejected.reason);
    }
    assert!(decode("/exp/sensor", values(32).as_bytes()).is_ok());
    assert!(
        decode(
            "signalbox/a/telemetry",
            telemetry(SAMPLES_MAX, 1).as_bytes()
        )
        .is_ok()
    );
    assert!(telemetry(SAMPLES_MAX, 1).len() < TELEMETRY_BYTES_MAX);
}

#[test]
fn a_reason_is_short_and_can_be_shown() {
    let hostile = format!(
        r#"{{"id":"{}","result":"\u001b[31m{}"}}"#,
        "0".repeat(26),
        "x".repeat(3_000)
    );
    let rejected = decode("signalbox/a/ack", hostile.as_bytes()).unwrap_err();
    assert!(
        rejected.reason.contains("unknown variant"),
        "{}",
        rejected.reason
    );
    assert!(rejected.reason.chars().count() <= REASON_CHARS_MAX);
    assert!(!rejected.reason.contains(char::is_control));
}

/// Valid messages, to be spoilt.
const VALID: [(&str, &str); 6] = [
    (
        "signalbox/a/telemetry",
        r#"{"boot":7,"seq":42,"samples":[{"age_ms":0,"values":{"temperature":21.5,"soil":512}}]}"#,
    ),
    (
        "signalbox/a/status",
        r#"{"online":true,"boot":7,"firmware":"0.1.0","actuators":{"led":"off"},"rssi_dbm":-61}"#,
    ),
    (
        "signalbox/a/ack",
        r#"{"id":"01ARZ3NDEKTSV4RRFFQ69G5FAV","result":"applied","actuators":{"led":"on"}}"#,
    ),
    (
        "/exp/sensor",
        r#"{"temperature":21.5,"humidity":40,"soil":512}"#,
    ),
    (
        "tele/attic/SENSOR",
        r#"{"Time":1795219200,"AM2301":{"Temperature":19.5}}"#,
    ),
    ("bare/attic", "21.5"),
];

fn mapped() -> Decoder {
    let mapping = |topic: &str, path: &str, ts_path: Option<&str>| MappingConfig {
        topic: topic.to_owned(),
        node: Some("{1}".to_owned()),
        node_path: None,
        metrics: [("temperature".to_owned(), path.to_owned())].into(),
        login: None,
        ts_path: ts_path.map(str::to_owned),
        qos: None,
    };
    let config = Config {
        mapping: vec![
            mapping("tele/+/SENSOR", "$.AM2301.Temperature", Some("$.Time")),
            mapping("bare/+", "$", None),
        ],
        ..Config::default()
    };
    Decoder::new(&config).unwrap()
}

/// Whatever came in, what goes on is sound.
fn check(decoder: &Decoder, topic: &str, payload: &[u8]) -> Result<(), TestCaseError> {
    match decoder.decode(topic, payload, false, now()) {
        Ok(Body::Telemetry(telemetry)) => {
            for sample in &telemetry.samples {
                prop_assert!(sample.value.is_finite());
                prop_assert!(sample.ts <= now() + chrono::TimeDelta::seconds(60));
                prop_assert!(check_name(&sample.metric).is_ok());
            }
            prop_assert!(check_name(&telemetry.node).is_ok());
        }
        Ok(Body::Status { .. } | Body::Ack { .. } | Body::Log(_) | Body::Link(_)) => {}
        Err(rejection) => {
            prop_assert!(!rejection.reason.is_empty());
            prop_assert!(rejection.reason.chars().count() <= REASON_CHARS_MAX);
            prop_assert!(!rejection.reason.contains(char::is_control));
        }
    }
    Ok(())
}

#[test]
fn the_valid_messages_are_valid() {
    for (topic, payload) in VALID {
        let decoded = mapped().decode(topic, payload.as_bytes(), false, now());
        assert!(decoded.is_ok(), "{topic}: {decoded:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived(payload in proptest::collection::vec(any::<u8>(), 0..400)) {
        let decoder = mapped();
        for topic in ["/exp/sensor", "signalbox/a/telemetry", "signalbox/a/status",
            "signalbox/a/ack", "signalbox/a/log", "signalbox/a/command", "tele/a/SENSOR", "bare/\u{1b}", "x"] {
            check(&decoder, topic, &payload)?;
        }
    }

    #[test]
    fn spoilt_messages_are_survived(
        which in 0..VALID.len(),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>(), 0..4_u8), 1..6),
    ) {
        let (topic, payload) = VALID[which];
        let mut payload = payload.as_bytes().to_vec();
        for (at, byte, change) in changes {
            if payload.is_empty() {
                break;
            }
            let at = at.index(payload.len());
            match change {
                0 => payload[at] = byte,
                1 => payload.insert(at, byte),
                2 => { payload.remove(at); }
                // A piece twice: doubled fields and numbers out of all proportion.
                _ => {
                    let end = (at + usize::from(byte % 16)).min(payload.len());
                    let piece = payload[at..end].to_vec();
                    payload.splice(at..at, piece);
                }
            }
        }
        check(&mapped(), topic, &payload)?;
    }
}
