//! What is reported, kept and numbered.

use proptest::prelude::*;

use super::*;

#[test]
fn only_what_moved_or_is_old_is_reported() {
    let mut node = node();
    connect(&mut node, 0);
    node.reading(&[Some(20.0), Some(500.0)], 0);
    node.reading(&[Some(20.4), Some(503.0)], 1_000);
    assert_eq!(node.waiting(), 1);
    // The dead band counts from what was reported, so that a slow drift is not lost.
    node.reading(&[Some(20.5), Some(503.0)], 2_000);
    assert_eq!(node.waiting(), 2);
    node.reading(&[None, Some(f32::NAN)], 3_000);
    assert_eq!(node.waiting(), 2);
    let (_, _, payload) = next(&mut node, 3_000).unwrap();
    let text = String::from_utf8(payload).unwrap();
    assert_eq!(
        text,
        r#"{"boot":7,"seq":1,"samples":[{"age_ms":3000,"values":{"temperature":20,"soil":500}},{"age_ms":1000,"values":{"temperature":20.5}}]}"#
    );
    node.acknowledged(Kind::Telemetry);
    // The heartbeat, of each metric by itself.
    node.reading(&[Some(20.5), Some(500.0)], 59_999);
    assert_eq!(node.waiting(), 0);
    node.reading(&[Some(20.5), Some(500.0)], 60_000);
    let (_, _, payload) = next(&mut node, 60_000).unwrap();
    assert!(
        String::from_utf8(payload)
            .unwrap()
            .contains(r#"{"soil":500}"#)
    );
}

#[test]
fn readings_keep_their_step_and_none_is_made_up() {
    let mut node = node();
    assert!(node.sample_due(0));
    node.reading(&[Some(1.0)], 0);
    assert!(!node.sample_due(999));
    assert!(node.sample_due(1_000));
    node.reading(&[Some(2.0)], 1_300);
    assert!(node.sample_due(2_000));
    node.reading(&[Some(3.0)], 9_100);
    assert!(!node.sample_due(9_999));
    assert!(node.sample_due(10_000));
}

#[test]
fn a_broken_connection_sends_the_same_under_the_same_number() {
    let mut node = node();
    connect(&mut node, 0);
    node.reading(&[Some(20.0)], 0);
    let (_, _, first) = next(&mut node, 500).unwrap();
    node.reading(&[Some(30.0)], 1_000);
    // One message at a time.
    assert_eq!(next(&mut node, 1_000), None);
    node.disconnected(1_000);
    connect(&mut node, 5_000);
    let (_, _, again) = next(&mut node, 5_000).unwrap();
    assert_eq!(telemetry(&first), (7, 1, vec![(500, 20.0)]));
    assert_eq!(telemetry(&again), (7, 1, vec![(5_000, 20.0)]));
    node.acknowledged(Kind::Telemetry);
    let (_, _, payload) = next(&mut node, 5_000).unwrap();
    assert_eq!(telemetry(&payload), (7, 2, vec![(4_000, 30.0)]));
}

#[test]
fn a_full_memory_keeps_the_newest_and_counts_the_rest() {
    let mut node = node();
    // Of five bytes each: 1 s since the one before, which metric, a number up to 4,096.
    let (fit, more) = (BYTES / 5, 10);
    for n in 0..fit + more {
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        node.reading(&[Some(100.0 + n as f32)], n as u64 * 1_000);
    }
    assert_eq!(node.waiting(), fit);
    assert_eq!(node.dropped() as usize, more);
    connect(&mut node, 50_000);
    let (_, _, payload) = next(&mut node, 50_000).unwrap();
    let (_, seq, samples) = telemetry(&payload);
    assert_eq!((seq, samples.len()), (1, MESSAGE_SAMPLES_MAX));
    assert_eq!(samples[0], (40_000, 110.0));
    // Those under way may give way too; their number is then not used for others.
    for n in 0..MESSAGE_SAMPLES_MAX {
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        node.reading(&[Some(1_000.0 + n as f32)], 50_000 + n as u64 * 1_000);
    }
    node.disconnected(200_000);
    connect(&mut node, 300_000);
    let (_, _, payload) = next(&mut node, 300_000).unwrap();
    let (_, seq, samples) = telemetry(&payload);
    assert_eq!((seq, samples[0].1), (2, 110.0 + MESSAGE_SAMPLES_MAX as f64));
}

#[test]
fn a_small_buffer_takes_the_readings_in_smaller_parts() {
    let mut node = node();
    for n in 0..20_u64 {
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        node.reading(&[Some(n as f32 + 0.123)], n * 1_000);
    }
    connect(&mut node, 40_000);
    let mut buffer = [0; BUFFER_BYTES_MIN];
    let mut seen = 0;
    while let Some(publish) = node.next_publish(&mut buffer, 40_000) {
        let (_, _, samples) = telemetry(publish.payload);
        for (_, value) in samples {
            assert!((value - f64::from(seen) - 0.123).abs() < 1e-4);
            seen += 1;
        }
        node.acknowledged(Kind::Telemetry);
    }
    assert_eq!(seen, 20);
}

#[test]
fn a_message_that_goes_out_again_has_the_same_readings_however_old_they_are() {
    for size in (BUFFER_BYTES_MIN..2_200).step_by(7) {
        let mut node = node();
        connect(&mut node, 0);
        for n in 0..MESSAGE_SAMPLES_MAX as u64 {
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            node.reading(&[Some(n as f32 + 0.123)], n);
        }
        let mut buffer = std::vec![0; size];
        let mut samples = |node: &mut Node<[u8; BYTES]>, now_ms| {
            telemetry(node.next_publish(&mut buffer, now_ms).unwrap().payload)
        };
        let (_, _, first) = samples(&mut node, 32);
        node.disconnected(40);
        let year_ms = 31_536_000_000;
        connect(&mut node, year_ms);
        let (_, seq, again) = samples(&mut node, year_ms);
        assert_eq!((seq, again.len()), (1, first.len()), "{size}");
    }
}

/// The number of a message whose readings have all given way while it was under way stays its
/// own: its PUBACK does not count for the readings after them.
#[test]
fn a_late_pub_ack_counts_for_what_it_acknowledges() {
    let mut node = node();
    connect(&mut node, 0);
    node.reading(&[Some(100.0)], 0);
    let (_, seq, _) = telemetry(&next(&mut node, 0).unwrap().2);
    assert_eq!(seq, 1);
    let mut n = 0;
    while node.dropped() == 0 {
        n += 1;
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        node.reading(&[Some(100.0 + n as f32)], n);
    }
    assert_eq!((node.dropped(), next(&mut node, 100)), (1, None));
    node.acknowledged(Kind::Telemetry);
    assert_eq!(node.waiting(), usize::try_from(n).unwrap());
    let (_, seq, samples) = telemetry(&next(&mut node, 100).unwrap().2);
    assert_eq!((seq, samples[0]), (2, (99, 101.0)));
}

#[test]
fn beside_its_readings_a_node_takes_little() {
    let empty = size_of::<Node<[u8; READING_BYTES_MAX]>>() - READING_BYTES_MAX;
    // Of the 80 KiB that an ESP8266 has; its pointers are half as long.
    assert!(empty < 5 * 1_024, "{empty}");
}

/// Each reported alone, which takes the most.
#[test]
fn the_usual_memory_keeps_a_thousand_samples() {
    let mut node: Node<[u8; READINGS_BYTES]> = Node::new(options(), [0; _], BOOT, None, 1, 0);
    for n in 0..1_300_u32 {
        let temperature = if n % 2 == 1 { 21.3 } else { 49.9 };
        node.reading(&[Some(temperature)], u64::from(n) * 60_000);
    }
    assert!(node.dropped() > 0, "the memory is full");
    assert!(node.waiting() >= 1_000, "{}", node.waiting());
}

/// What the reference node measures, at its usual pace.
#[test]
fn ten_kibibytes_keep_a_thousand_readings() {
    let mut node: Node<[u8; 10_240]> = Node::new(options(), [0; _], BOOT, None, 1, 0);
    for n in 0..1_100_u32 {
        let odd = n % 2 == 1;
        let temperature = if odd { 21.3 } else { 49.9 };
        let soil = if odd { 1_023.0 } else { 512.0 };
        node.reading(
            &[Some(temperature), Some(soil), Some(90.0)],
            u64::from(n) * 60_000,
        );
    }
    assert!(node.waiting() >= 1_000, "{}", node.waiting());
}

proptest! {
    /// Whoever hears only what is reported knows each value to within the dead band, and none
    /// that is older than the heartbeat while it is measured.
    #[test]
    fn what_is_reported_tells_what_was_measured(
        readings in proptest::collection::vec(
            (proptest::option::weighted(0.9, 0.0_f32..3.0), 1_u64..20_000), 1..200,
        ),
    ) {
        let mut node = node();
        connect(&mut node, 0);
        let (mut now_ms, mut known) = (0, None);
        for (value, pause_ms) in readings {
            now_ms += pause_ms;
            node.reading(&[value], now_ms);
            if let Some((_, _, payload)) = next(&mut node, now_ms) {
                let (_, _, samples) = telemetry(&payload);
                prop_assert_eq!(samples.len(), 1);
                #[expect(clippy::cast_possible_truncation, reason = "it was one before")]
                let told = samples[0].1 as f32;
                prop_assert_eq!(Some(told), value);
                known = Some((told, now_ms));
                node.acknowledged(Kind::Telemetry);
            }
            if let Some(value) = value {
                let (told, at_ms) = known.unwrap();
                prop_assert!((told - value).abs() < 0.5, "{} {}", told, value);
                prop_assert!(now_ms - at_ms < options().heartbeat_ms);
            }
        }
    }
}
