//! What a message that is not text says, in words, for people who look at received messages.

use crate::ingest::{Ack, AckResult, Body, Sample, Status};

/// Characters of the words; what is longer ends in `…`.
const CHARS_MAX: usize = 256;

/// The words for a body whose payload begins so; `None` for text, which tells by itself.
pub(super) fn says(head: &[u8], body: &Body) -> Option<String> {
    // JSON begins with a brace or a blank; Protocol Buffers with the tag of a field below 4, so
    // with a control character.
    let is_text = head
        .first()
        .is_none_or(|byte| !byte.is_ascii_control() || byte.is_ascii_whitespace());
    if is_text {
        return None;
    }
    let words = match body {
        Body::Telemetry(telemetry) => values(&telemetry.samples),
        Body::Status { status, .. } => of_status(status),
        Body::Ack { ack, .. } => of_ack(ack),
        Body::Log(log) => format!("{} bytes of log lines", log.frames.len()),
        Body::Link(_) => return None,
    };
    Some(match words.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words,
    })
}

/// The values of the newest time, and how many there are in all.
fn values(samples: &[Sample]) -> String {
    let Some(newest) = samples.iter().map(|sample| sample.ts).max() else {
        return "no values".to_owned();
    };
    let last: Vec<String> = samples
        .iter()
        .filter(|sample| sample.ts == newest)
        .map(|sample| format!("{} {}", sample.metric, sample.value))
        .collect();
    let all = last.join("  ");
    if last.len() == samples.len() {
        all
    } else {
        format!("{all}  ({} values in all)", samples.len())
    }
}

fn of_status(status: &Status) -> String {
    let mut words = vec![if status.online { "online" } else { "offline" }.to_owned()];
    words.extend(status.boot.map(|boot| format!("boot {boot}")));
    words.extend(
        status
            .firmware
            .as_ref()
            .map(|name| format!("firmware {name}")),
    );
    words.extend(states(&status.actuators));
    words.join("  ")
}

fn of_ack(ack: &Ack) -> String {
    let result = match &ack.result {
        AckResult::Applied => "applied".to_owned(),
        AckResult::Duplicate => "applied before".to_owned(),
        AckResult::Refused { reason } => format!("refused: {reason}"),
    };
    let mut words = vec![format!("{} {result}", ack.id)];
    words.extend(states(&ack.actuators));
    words.join("  ")
}

fn states(actuators: &[(String, bool)]) -> impl Iterator<Item = String> {
    let word = |on| if on { "on" } else { "off" };
    actuators
        .iter()
        .map(move |(name, on)| format!("{name} {}", word(*on)))
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use super::*;
    use crate::ingest::Telemetry;

    fn sample(metric: &str, value: f64, s: i64) -> Sample {
        Sample {
            metric: metric.to_owned(),
            ts: DateTime::UNIX_EPOCH + TimeDelta::seconds(s),
            exact_ts: false,
            value,
            out_of_range: false,
            clock_suspect: false,
        }
    }

    fn telemetry(samples: Vec<Sample>) -> Body {
        Body::Telemetry(Telemetry {
            node: "a".to_owned(),
            number: None,
            samples,
        })
    }

    #[test]
    fn only_what_is_not_text_is_put_into_words() {
        let body = telemetry(vec![
            sample("temperature", 21.5, 0),
            sample("soil", 512.0, 0),
        ]);
        assert_eq!(says(b"{\"boot\":1", &body), None);
        assert_eq!(says(b"\n{}", &body), None);
        assert_eq!(says(b"", &body), None);
        let words = says(&[8, 1], &body).unwrap();
        assert_eq!(words, "temperature 21.5  soil 512");
        let body = telemetry(vec![sample("t", 1.0, 0), sample("t", 2.0, 9)]);
        assert_eq!(says(&[8, 1], &body).unwrap(), "t 2  (2 values in all)");
        let many = (0..200).map(|n| sample(&format!("metric_{n}"), 1.0, 0));
        let words = says(&[8, 1], &telemetry(many.collect())).unwrap();
        assert_eq!(words.chars().count(), CHARS_MAX + 1);
        assert!(words.ends_with('…'));
    }

    #[test]
    fn a_status_and_an_answer_tell_of_the_actuators() {
        let status = Status {
            online: true,
            boot: Some(3),
            actuators: vec![("led".to_owned(), true)],
            ..Status::default()
        };
        let node = "a".to_owned();
        let body = Body::Status { node, status };
        assert_eq!(says(&[8], &body).unwrap(), "online  boot 3  led on");
        let ack = Ack {
            id: "01".to_owned(),
            result: AckResult::Refused {
                reason: "too warm".to_owned(),
            },
            actuators: vec![("led".to_owned(), false)],
            off_in_ms: None,
        };
        let node = "a".to_owned();
        let body = Body::Ack { node, ack };
        assert_eq!(says(&[8], &body).unwrap(), "01 refused: too warm  led off");
    }
}
