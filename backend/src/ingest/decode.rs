//! Topic and payload to [`Body`] or [`Rejection`]. Runs in the link's task, so in parallel.

use chrono::{DateTime, Utc};
use signalbox_protocol::{
    limits::TELEMETRY_BYTES_MAX,
    payload::{
        DecodeError, ack as wire_ack, status as wire_status, telemetry::Telemetry as WireTelemetry,
    },
    topic::{Topic, check_name},
};

use super::{
    Ack, AckResult, Body, MappingError, Number, Rejection, Status, Telemetry, classic,
    mapping::Mappings, validate::Validator,
};
use crate::config::Config;

/// Decodes by topic; made once from the configuration.
#[derive(Debug)]
pub struct Decoder {
    mappings: Mappings,
    validator: Validator,
}

impl Decoder {
    /// Checks the mappings.
    ///
    /// # Errors
    /// The mapping and key that cannot be used.
    pub fn new(config: &Config) -> Result<Self, MappingError> {
        Ok(Self {
            mappings: Mappings::new(&config.mapping)?,
            validator: Validator::new(&config.metric),
        })
    }

    /// Whether a mapping takes this topic (any node that has logged in may publish there).
    #[must_use]
    pub fn maps(&self, topic: &str) -> bool {
        self.mappings.find(topic).is_some()
    }

    /// The node that a classic message names, if any; for the decision whether the client may
    /// speak for it.
    #[must_use]
    pub fn named_node(topic: &str, payload: &[u8]) -> Option<String> {
        match Topic::parse(topic) {
            Topic::Classic => classic::decode(payload).ok().map(|message| message.node),
            _ => None,
        }
    }

    /// What the message says.
    ///
    /// # Errors
    /// Why it cannot be taken, for the list of bad messages.
    pub fn decode(
        &self,
        topic: &str,
        payload: &[u8],
        retained: bool,
        received_at: DateTime<Utc>,
    ) -> Result<Body, Rejection> {
        if payload.len() > TELEMETRY_BYTES_MAX {
            let error = DecodeError::TooLarge {
                bytes: payload.len(),
                max: TELEMETRY_BYTES_MAX,
            };
            return Err(rejection(None, error.to_string()));
        }
        match Topic::parse(topic) {
            Topic::Telemetry { node } => self.telemetry(node, payload, received_at),
            Topic::Status { node } => status(node, payload),
            Topic::Ack { node } => ack(node, payload),
            Topic::Command { node } | Topic::Config { node } => {
                let what = if retained {
                    "a retained order"
                } else {
                    "an order"
                };
                Err(rejection(
                    Some(node),
                    format!("{what} that does not come from the station"),
                ))
            }
            Topic::Log { node } => Err(rejection(
                Some(node),
                "logs are not taken by this version".to_owned(),
            )),
            Topic::Unknown(_) => Err(rejection(
                None,
                "not a topic of the node protocol".to_owned(),
            )),
            Topic::Classic => {
                let message = classic::decode(payload).map_err(|reason| rejection(None, reason))?;
                self.validated(message.node, None, message.values, received_at)
            }
            Topic::Other(_) => self.mapped(topic, payload, received_at),
        }
    }

    fn telemetry(
        &self,
        node: &str,
        payload: &[u8],
        received_at: DateTime<Utc>,
    ) -> Result<Body, Rejection> {
        let message = WireTelemetry::decode(payload)
            .map_err(|error| rejection(Some(node), error.to_string()))?;
        let mut samples = Vec::new();
        for sample in message.samples {
            for (metric, value) in sample.values {
                samples.push(
                    self.validator
                        .sample(metric, value, Some(sample.time), received_at),
                );
            }
        }
        Ok(Body::Telemetry(Telemetry {
            node: node.to_owned(),
            number: Some(Number {
                boot: message.boot,
                seq: message.seq,
            }),
            samples,
        }))
    }

    fn mapped(
        &self,
        topic: &str,
        payload: &[u8],
        received_at: DateTime<Utc>,
    ) -> Result<Body, Rejection> {
        let Some((mapping, levels)) = self.mappings.find(topic) else {
            return Err(rejection(None, "no mapping for this topic".to_owned()));
        };
        let found = mapping
            .read(&levels, payload)
            .map_err(|reason| rejection(None, reason))?;
        let mut telemetry = self.validated(found.node, None, found.values, received_at)?;
        if let (Some(ts), Body::Telemetry(telemetry)) = (found.ts, &mut telemetry) {
            for sample in &mut telemetry.samples {
                self.validator.set_time(sample, ts, received_at);
            }
        }
        Ok(telemetry)
    }

    fn validated(
        &self,
        node: String,
        number: Option<Number>,
        values: Vec<(String, f64)>,
        received_at: DateTime<Utc>,
    ) -> Result<Body, Rejection> {
        check_name(&node)
            .map_err(|error| rejection(None, format!("node name `{}`: {error}", shorten(&node))))?;
        let samples = values
            .into_iter()
            .map(|(metric, value)| self.validator.sample(metric, value, None, received_at))
            .collect();
        Ok(Body::Telemetry(Telemetry {
            node,
            number,
            samples,
        }))
    }
}

fn status(node: &str, payload: &[u8]) -> Result<Body, Rejection> {
    let status = wire_status::Status::decode(payload)
        .map_err(|error| rejection(Some(node), error.to_string()))?;
    Ok(Body::Status {
        node: node.to_owned(),
        status: Status {
            online: status.online,
            boot: status.boot,
            firmware: status.firmware.map(|text| printable(&text)),
            actuators: actuators(&status.actuators),
            uptime_s: status.uptime_s,
            rssi_dbm: status.rssi_dbm,
        },
    })
}

fn ack(node: &str, payload: &[u8]) -> Result<Body, Rejection> {
    let ack =
        wire_ack::Ack::decode(payload).map_err(|error| rejection(Some(node), error.to_string()))?;
    let result = match ack.result {
        wire_ack::AckResult::Applied => AckResult::Applied,
        wire_ack::AckResult::Duplicate => AckResult::Duplicate,
        wire_ack::AckResult::Refused => AckResult::Refused {
            reason: ack
                .reason
                .map_or_else(|| "no reason given".to_owned(), |reason| printable(&reason)),
        },
    };
    Ok(Body::Ack {
        node: node.to_owned(),
        ack: Ack {
            id: ack.id.as_str().to_owned(),
            result,
            actuators: actuators(&ack.actuators),
            off_in_ms: ack.off_in_ms,
        },
    })
}

fn actuators(wire: &signalbox_protocol::payload::Actuators) -> Vec<(String, bool)> {
    wire.0
        .iter()
        .map(|(name, state)| (name.as_str().to_owned(), state.is_on()))
        .collect()
}

/// Text from the network, without control characters, for screens and logs.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

/// A hostile name in a message: escaped and short.
pub(super) fn shorten(text: &str) -> String {
    text.chars().take(48).flat_map(char::escape_debug).collect()
}

fn rejection(node: Option<&str>, reason: String) -> Rejection {
    Rejection {
        node: node.map(str::to_owned),
        denied: false,
        reason,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::MappingConfig;

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
            [("temperature", 21.5), ("humidity", 40.0), ("soil", 512.0)]
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
                ts_path: Some("$.Time".to_owned()),
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

    proptest! {
        #[test]
        fn any_bytes_are_survived(payload in proptest::collection::vec(any::<u8>(), 0..400)) {
            for topic in ["/exp/sensor", "signalbox/a/telemetry", "signalbox/a/status",
                "signalbox/a/ack", "signalbox/a/command", "x"] {
                if let Ok(Body::Telemetry(telemetry)) = decode(topic, &payload) {
                    prop_assert!(telemetry.samples.iter().all(|sample| sample.value.is_finite()));
                }
            }
        }
    }
}
