//! From the broker's messages to the engine's. What the broker had kept, or what waited in the
//! session while the station was away, is not news: its relative times count from a moment that
//! nobody knows.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::wire::Message;
use crate::{
    clock::SharedClock,
    ingest::{Body, Decoder, Inbound, LinkNews, Rejection, Telemetry, head_of},
};

/// How far a message's time of receipt is from its time of sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Age {
    /// It came as it was sent.
    Fresh,
    /// It may have waited for us in the broker.
    Waited,
    /// The broker keeps it for whoever subscribes.
    Retained,
}

/// Makes [`Inbound`] of messages.
#[derive(Clone)]
pub(super) struct Translator {
    pub(super) decoder: Arc<Decoder>,
    pub(super) clock: SharedClock,
}

impl Translator {
    pub(super) fn inbound(
        &self,
        message: Message,
        age: Age,
        done: Option<oneshot::Sender<()>>,
    ) -> Inbound {
        let received_at = self.clock.now();
        let retained = age == Age::Retained;
        let mut body = self
            .decoder
            .decode(&message.topic, &message.payload, retained, received_at);
        if age != Age::Fresh {
            body = body.and_then(|body| aged(body, age));
        }
        Inbound {
            received_at,
            payload_bytes: message.payload.len(),
            head: head_of(&message.payload),
            topic: message.topic,
            body,
            done,
        }
    }

    /// A message of which only the beginning was read.
    pub(super) fn oversize(
        &self,
        message: Message,
        bytes: usize,
        done: oneshot::Sender<()>,
    ) -> Inbound {
        Inbound {
            received_at: self.clock.now(),
            topic: message.topic,
            payload_bytes: bytes,
            head: Vec::new(),
            body: Err(Rejection {
                node: None,
                denied: false,
                reason: format!("{bytes} bytes are more than `mqtt.packet_bytes_max`"),
            }),
            done: Some(done),
        }
    }

    pub(super) fn news(&self, news: LinkNews) -> Inbound {
        Inbound {
            received_at: self.clock.now(),
            topic: String::new(),
            payload_bytes: 0,
            head: Vec::new(),
            body: Ok(Body::Link(news)),
            done: None,
        }
    }
}

fn aged(body: Body, age: Age) -> Result<Body, Rejection> {
    match body {
        Body::Status { node, mut status } => {
            // Both count from the time of sending.
            status.uptime_s = None;
            status.rssi_dbm = None;
            status.is_old = age == Age::Retained;
            Ok(Body::Status { node, status })
        }
        Body::Telemetry(telemetry) if age == Age::Retained => kept(telemetry),
        Body::Telemetry(mut telemetry) => {
            for sample in &mut telemetry.samples {
                sample.clock_suspect |= !sample.exact_ts;
            }
            Ok(Body::Telemetry(telemetry))
        }
        Body::Ack { .. } | Body::Log(_) | Body::Link(_) => Ok(body),
    }
}

/// It comes again at each connect: with a time of its own it is the same sample every time,
/// without one it would be a new one.
fn kept(telemetry: Telemetry) -> Result<Body, Rejection> {
    if telemetry.samples.iter().all(|sample| sample.exact_ts) {
        return Ok(Body::Telemetry(telemetry));
    }
    Err(Rejection {
        node: Some(telemetry.node),
        denied: false,
        reason: "a retained measurement without a time: nobody knows how old it is; its \
                 publisher should not retain it"
            .to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{clock::SystemClock, config::Config, mqtt::external::wire::Qos};

    fn body(topic: &str, payload: &str, age: Age) -> Result<Body, Rejection> {
        let translator = Translator {
            decoder: Arc::new(Decoder::new(&Config::default()).unwrap()),
            clock: Arc::new(SystemClock),
        };
        let message = Message {
            topic: topic.to_owned(),
            payload: Bytes::copy_from_slice(payload.as_bytes()),
            qos: Qos::AtLeastOnce,
            retain: age == Age::Retained,
            packet_id: 1,
            expiry_s: None,
        };
        translator.inbound(message, age, None).body
    }

    fn telemetry(sample: &str, age: Age) -> Result<Telemetry, String> {
        let payload = format!(r#"{{"boot":1,"seq":1,"samples":[{sample}]}}"#);
        match body("signalbox/a/telemetry", &payload, age) {
            Ok(Body::Telemetry(telemetry)) => Ok(telemetry),
            Ok(other) => panic!("{other:?}"),
            Err(rejection) => Err(rejection.reason),
        }
    }

    const RELATIVE: &str = r#"{"age_ms":5,"values":{"t":1}}"#;
    const ABSOLUTE: &str = r#"{"ts_ms":1750000000000,"values":{"t":1}}"#;

    #[test]
    fn times_that_count_from_sending_are_not_believed_of_what_waited() {
        let suspect = |sample, age| telemetry(sample, age).map(|t| t.samples[0].clock_suspect);
        assert_eq!(suspect(RELATIVE, Age::Fresh), Ok(false));
        assert_eq!(suspect(RELATIVE, Age::Waited), Ok(true));
        assert_eq!(suspect(ABSOLUTE, Age::Waited), Ok(false));
    }

    #[test]
    fn a_retained_measurement_needs_a_time_of_its_own() {
        assert!(telemetry(ABSOLUTE, Age::Retained).is_ok());
        let reason = telemetry(RELATIVE, Age::Retained).unwrap_err();
        assert!(reason.contains("how old"), "{reason}");
    }

    #[test]
    fn a_retained_status_says_that_the_node_is_there_and_not_since_when() {
        let text = r#"{"online":true,"boot":3,"uptime_s":9,"rssi_dbm":-50}"#;
        for (age, uptime_s, is_old) in [
            (Age::Fresh, Some(9), false),
            (Age::Waited, None, false),
            (Age::Retained, None, true),
        ] {
            let Ok(Body::Status { status, .. }) = body("signalbox/a/status", text, age) else {
                panic!("no status");
            };
            assert!(status.online);
            assert_eq!(
                (status.uptime_s, status.is_old),
                (uptime_s, is_old),
                "{age:?}"
            );
        }
    }

    #[test]
    fn a_retained_order_is_refused() {
        let rejection = body("signalbox/a/command", "{}", Age::Retained).unwrap_err();
        assert!(rejection.reason.contains("retained order"), "{rejection:?}");
        assert_eq!(rejection.node.as_deref(), Some("a"));
    }
}
