//! What makes a configuration wrong, in both encodings.

use std::{format, string::String, vec::Vec};

use super::{super::DecodeError, Config};
use crate::limits::{CONFIG_BYTES_MAX, CONFIG_METRICS_MAX};

/// `version` 3, `interval_ms` 60 s.
const HEAD: &[u8] = &[0x08, 0x03, 0x10, 0xe0, 0xd4, 0x03];

/// A metric by its fields.
fn protobuf(fields: &[u8]) -> Vec<u8> {
    let mut payload = HEAD.to_vec();
    payload.extend_from_slice(&[0x22, fields.len() as u8]);
    payload.extend_from_slice(fields);
    payload
}

fn metrics(count: usize) -> String {
    let metrics: Vec<String> = (0..count).map(|n| format!(r#""m{n}":{{}}"#)).collect();
    format!(r#"{{"version":1,"metrics":{{{}}}}}"#, metrics.join(","))
}

#[test]
fn a_field_that_is_not_known_is_refused() {
    // Fields 15, as a later version may have them.
    let soil_and_more = [0x0a, 0x04, b's', b'o', b'i', b'l', 0x78, 0x01];
    let unknown = [
        br#"{"version":3,"colour":"red"}"#.to_vec(),
        br#"{"version":3,"metrics":{"soil":{"dead_band_milli":1,"colour":"red"}}}"#.to_vec(),
        [HEAD, &[0x78, 0x01]].concat(),
        [HEAD, &[0x7a, 0x01, b'x']].concat(),
        protobuf(&soil_and_more),
    ];
    for payload in unknown {
        assert_eq!(Config::decode(&payload), Err(DecodeError::UnknownField));
        assert_eq!(Config::version_of(&payload), Some(3), "it can be answered");
    }
    assert!(Config::decode(HEAD).is_ok());
    assert!(Config::decode(&protobuf(&soil_and_more[..6])).is_ok());
}

#[test]
fn what_is_wrong_has_its_reason() {
    let soil = [0x0a, 0x04, b's', b'o', b'i', b'l'];
    let twice = [protobuf(&soil), protobuf(&soil)[HEAD.len()..].to_vec()].concat();
    let cases = [
        (
            br#"{"version":1,"version":2}"#.to_vec(),
            "`version` appears twice",
        ),
        (
            br#"{"version":1,"metrics":{},"metrics":{}}"#.to_vec(),
            "`metrics` appears twice",
        ),
        (
            br#"{"version":1,"metrics":{"soil":{"dry":1,"dry":2}}}"#.to_vec(),
            "`dry` appears twice",
        ),
        (
            br#"{"version":1,"metrics":{"soil":{},"soil":{}}}"#.to_vec(),
            "`metrics` has a name twice",
        ),
        (twice, "`metrics` has a name twice"),
        (
            br#"{"version":1,"metrics":{"so il":{}}}"#.to_vec(),
            "`metrics` is not a valid name",
        ),
        (
            metrics(CONFIG_METRICS_MAX + 1).into_bytes(),
            "`metrics` has too many entries",
        ),
        (br#"{"interval_ms":5000}"#.to_vec(), "`version` is missing"),
        (HEAD[2..].to_vec(), "`version` is missing"),
        (
            protobuf(&[&soil[..], &[0x28, 0xff, 0xff, 0xff, 0x01, 0x30, 0x01]].concat()),
            "go from 0 to 1023",
        ),
        ([HEAD, &[0x18, 0x09]].concat(), "`log` is not known"),
        (br#"{"version":1} {}"#.to_vec(), "not valid JSON"),
        (
            br#"{"version":1,"interval_ms":null}"#.to_vec(),
            "not valid JSON",
        ),
        (
            std::vec![b' '; CONFIG_BYTES_MAX + 1],
            "449 bytes, at most 448",
        ),
    ];
    for (payload, reason) in cases {
        let error = format!("{}", Config::decode(&payload).unwrap_err());
        assert!(error.contains(reason), "{error}, not {reason}");
    }
    let full = Config::decode(metrics(CONFIG_METRICS_MAX).as_bytes()).unwrap();
    assert_eq!(full.metrics.0.len(), CONFIG_METRICS_MAX);
}
