//! Configuration from the station: holds whole, at once, or not at all.

use proptest::prelude::*;
use signalbox_protocol::limits::CONFIG_BYTES_MAX;

use super::*;

/// A node with a temperature, a soil probe, and the moisture that is worked out from it.
fn with_moisture() -> Node<[u8; BYTES]> {
    let mut options = options();
    options
        .metrics
        .push(MetricOptions {
            worked_out_from: Some(1),
            ..MetricOptions::new(name("moisture"), 0.1)
        })
        .unwrap();
    Node::new(options, [0; _], BOOT, None, 1, 0)
}

fn readings<const N: usize>(node: &mut Node<[u8; N]>, now_ms: u64) -> serde_json::Value {
    let (kind, _, payload) = next(node, now_ms).unwrap();
    assert_eq!(kind, Kind::Telemetry);
    node.acknowledged(Kind::Telemetry);
    let json: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    json["samples"][0]["values"].clone()
}

fn told(node: &mut Node<[u8; BYTES]>, now_ms: u64) -> Status {
    let (kind, _, payload) = next(node, now_ms).unwrap();
    assert_eq!(kind, Kind::Status);
    node.acknowledged(Kind::Status);
    Status::decode(&payload).unwrap()
}

#[test]
fn it_holds_at_once_and_the_status_tells() {
    let mut node = with_moisture();
    assert_eq!(connect(&mut node, 0).config, None);
    node.reading(&[Some(21.5), Some(600.0)], 0);
    assert_eq!(
        readings(&mut node, 0),
        serde_json::json!({"temperature": 21.5, "soil": 600})
    );
    let config = br#"{"version":3,"interval_ms":60000,"log":"info","metrics":{
        "temperature":{"dead_band_milli":2000,"heartbeat_ms":3600000,"offset_milli":-700},
        "soil":{"dead_band_milli":0},"moisture":{"dry":800,"wet":300}}}"#;
    assert!(node.configure(config, 500));
    assert!(node.sample_due(500), "the next reading shows it");
    assert_eq!(told(&mut node, 500).config, Some(3));
    node.reading(&[Some(22.6), Some(600.0)], 500);
    // 22.6 - 0.7 is within the new dead band; soil has none any more.
    assert_eq!(
        readings(&mut node, 500),
        serde_json::json!({"soil": 600, "moisture": 40})
    );
    assert!(!node.sample_due(60_499) && node.sample_due(60_500));
    // Behind the old heartbeat and before the new one.
    node.reading(&[Some(22.6), None], 120_000);
    assert_eq!(next(&mut node, 120_000), None);
    node.reading(&[Some(24.7), None], 180_000);
    assert_eq!(
        readings(&mut node, 180_000),
        serde_json::json!({"temperature": 24})
    );
}

#[test]
fn the_same_version_again_changes_nothing_and_wears_no_flash() {
    let mut node = node();
    connect(&mut node, 0);
    let config = br#"{"version":3,"interval_ms":5000}"#;
    assert!(node.configure(config, 0));
    told(&mut node, 0);
    assert!(!node.configure(config, 1) && !node.configure(b"", 2));
    assert_eq!(next(&mut node, 2), None);
    assert_eq!(node.interval_ms(), 5_000);
    // What a later one does not speak of is as the program has it.
    assert!(node.configure(br#"{"version":4}"#, 3));
    assert_eq!(node.interval_ms(), 1_000);
}

#[test]
fn a_wrong_one_is_refused_whole_with_the_reason() {
    let cases: [(&[u8], u32, &str); 9] = [
        (
            br#"{"version":9,"interval_ms":5000,"metrics":{"light":{}}}"#,
            9,
            "there is no metric `light`",
        ),
        (
            br#"{"version":9,"interval_ms":5000,"metrics":{"soil":{"dry":1,"wet":2}}}"#,
            9,
            "`soil` takes no dry and wet",
        ),
        (
            br#"{"version":9,"interval_ms":5000,"metrics":{"soil":{"dry":1}}}"#,
            9,
            "field `dry and wet` go together",
        ),
        (
            br#"{"version":9,"interval_ms":999}"#,
            9,
            "field `interval_ms` is not between 1 s and a day",
        ),
        (
            br#"{"version":9,"interval_ms":5000,"metrics":{"soil":{"heartbeat_ms":1}}}"#,
            9,
            "field `heartbeat_ms` is not between 1 s and 7 days",
        ),
        (br#"{"version":9,"interval_ms":5000,"colour":"red"}"#, 9, ""),
        (
            br#"{"version":0,"interval_ms":5000}"#,
            0,
            "field `version` is missing",
        ),
        (b"\xff\xff", 0, "the configuration is not understood"),
        (
            &[b' '; CONFIG_BYTES_MAX + 1],
            0,
            "the configuration is not understood",
        ),
    ];
    for (payload, version, reason) in cases {
        let mut node = node();
        connect(&mut node, 0);
        assert!(node.configure(br#"{"version":2,"interval_ms":7000}"#, 0));
        told(&mut node, 0);
        assert!(!node.configure(payload, 1));
        let status = told(&mut node, 1);
        let refused = status.config_refused.unwrap();
        assert_eq!((status.config, refused.version), (Some(2), version));
        assert!(refused.reason.contains(reason), "{}", refused.reason);
        assert_eq!(node.interval_ms(), 7_000, "{reason}");
        // A good one ends it.
        assert!(node.configure(br#"{"version":10}"#, 2));
        assert_eq!(told(&mut node, 2).config_refused, None);
    }
}

#[test]
fn a_start_begins_with_what_was_kept_and_safe_mode_does_not() {
    let kept = br#"{"version":3,"interval_ms":60000}"#;
    let mut node = node();
    node.begin_with(kept);
    assert_eq!(node.interval_ms(), 60_000);
    assert_eq!(connect(&mut node, 0).config, Some(3));
    let options = NodeOptions {
        safe_mode: true,
        ..options()
    };
    let mut safe: Node<[u8; BYTES]> = Node::new(options, [0; _], BOOT, None, 1, 0);
    safe.begin_with(kept);
    let status = connect(&mut safe, 0);
    assert_eq!(status.config, None);
    assert_eq!(
        status.config_refused.unwrap().reason,
        "the node is in safe mode"
    );
    assert_eq!(safe.interval_ms(), 1_000);
}

proptest! {
    /// Whatever comes, the node stands, and works by a whole configuration.
    #[test]
    fn any_bytes_leave_a_whole_configuration(
        payloads in prop::collection::vec(
            prop_oneof![
                prop::collection::vec(any::<u8>(), 0..64),
                (0_u32..4, 0_u32..100_000_000, "temp|soil|temperature").prop_map(
                    |(version, interval_ms, metric)| std::format!(
                        r#"{{"version":{version},"interval_ms":{interval_ms},"metrics":{{"{metric}":{{}}}}}}"#
                    ).into_bytes()
                ),
            ],
            1..8,
        ),
    ) {
        let mut node = node();
        for payload in payloads {
            let before = node.interval_ms();
            if !node.configure(&payload, 0) {
                prop_assert_eq!(node.interval_ms(), before);
            }
            prop_assert!((1_000..=86_400_000).contains(&node.interval_ms()));
        }
    }
}
