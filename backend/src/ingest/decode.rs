//! Topic and payload to [`Body`] or [`Rejection`]. Runs in the link's task, so in parallel.

use chrono::{DateTime, Utc};
use signalbox_protocol::{
    limits::TELEMETRY_BYTES_MAX,
    payload::{
        DecodeError, ack as wire_ack, log as wire_log, status as wire_status,
        telemetry::Telemetry as WireTelemetry,
    },
    topic::{Topic, check_name},
};

use super::{
    Ack, AckResult, Body, MappingError, Number, Rejection, Status, Telemetry, classic,
    mapping::Mappings, validate::Validator,
};
use crate::{config::Config, logs::NodeLog};

/// Characters of a reason; a line on a wide terminal.
pub(super) const REASON_CHARS_MAX: usize = 240;

/// Decodes by topic, as one configuration wants it.
#[derive(Debug)]
pub(super) struct Tables {
    mappings: Mappings,
    validator: Validator,
}

impl Tables {
    /// Checks the mappings.
    ///
    /// # Errors
    /// The mapping and key that cannot be used.
    pub(super) fn new(config: &Config) -> Result<Self, MappingError> {
        Ok(Self {
            mappings: Mappings::new(&config.mapping)?,
            validator: Validator::new(&config.metric),
        })
    }

    /// Whether a mapping takes this topic.
    pub(super) fn maps(&self, topic: &str) -> bool {
        self.mappings.find(topic).is_some()
    }

    /// Whether a mapping takes this topic and lets this login use it.
    pub(super) fn maps_to(&self, topic: &str, login: &str) -> bool {
        self.mappings
            .find(topic)
            .is_some_and(|(mapping, levels)| mapping.is_for(login, &levels))
    }

    /// What the message says.
    ///
    /// # Errors
    /// Why it cannot be taken, for the list of bad messages; at most 240
    /// characters that can be printed.
    pub(super) fn decode(
        &self,
        topic: &str,
        payload: &[u8],
        retained: bool,
        received_at: DateTime<Utc>,
    ) -> Result<Body, Rejection> {
        self.by_topic(topic, payload, retained, received_at)
            .map_err(|rejection| Rejection {
                reason: bounded(&rejection.reason),
                ..rejection
            })
    }

    fn by_topic(
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
            Topic::Log { node } if retained => Err(rejection(
                Some(node),
                "retained log lines: nobody knows how old they are".to_owned(),
            )),
            Topic::Log { node } => log(node, payload, received_at),
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
            config: status.config,
            config_refused: status
                .config_refused
                .map(|refused| (refused.version, printable(&refused.reason))),
            started_by: status.started_by,
            is_old: false,
        },
    })
}

fn log(node: &str, payload: &[u8], received_at: DateTime<Utc>) -> Result<Body, Rejection> {
    let log =
        wire_log::Log::decode(payload).map_err(|error| rejection(Some(node), error.to_string()))?;
    Ok(Body::Log(NodeLog {
        node: node.to_owned(),
        build: log.build,
        now_ms: log.now_ms,
        frames: log.frames.to_vec(),
        received_at,
    }))
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

/// A decoder's message can quote what it was given, as it was given.
fn bounded(reason: &str) -> String {
    let mut short: String = printable(&reason.chars().take(REASON_CHARS_MAX).collect::<String>());
    if reason.chars().nth(REASON_CHARS_MAX).is_some() {
        short.pop();
        short.push('…');
    }
    short
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
