//! `signalbox/<node>/ack`: a node's answer to a command, QoS 1, not retained.

use femtopb::{EnumValue, Message as _, Repeated, UnknownFields};
use heapless::String;
use serde::{Deserialize, Serialize};

use super::{
    Actuators, BufferTooSmall, DecodeError, Encoding, Id, bounded, check_len, from_json, to_json,
    to_protobuf, wire,
};
use crate::limits::{MESSAGE_BYTES_MAX, REASON_BYTES_MAX};

/// What became of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AckResult {
    /// Done.
    Applied,
    /// This id was executed before; nothing was done now.
    Duplicate,
    /// Not done; `reason` says why.
    Refused,
}

/// A node's answer to a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// The command's id.
    pub id: Id,
    /// What became of it.
    pub result: AckResult,
    /// With [`AckResult::Refused`]: why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String<REASON_BYTES_MAX>>,
    /// All actuators after the command.
    #[serde(default)]
    pub actuators: Actuators,
    /// When the actuator of the command has an off-timer: the time that is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub off_in_ms: Option<u32>,
}

impl Ack {
    /// Reads either encoding; needs no heap.
    ///
    /// # Errors
    /// What is wrong with the payload.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        check_len(payload, MESSAGE_BYTES_MAX)?;
        match Encoding::detect(payload) {
            Encoding::Json => from_json(payload),
            Encoding::Protobuf => Self::from_wire(&wire::Ack::decode(payload)?),
        }
    }

    /// Writes into a buffer; gives the length.
    ///
    /// # Errors
    /// The buffer is too small.
    pub fn encode(&self, encoding: Encoding, buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
        match encoding {
            Encoding::Json => to_json(self, buffer),
            Encoding::Protobuf => {
                let actuators = wire::actuators_out(&self.actuators);
                let message = wire::Ack {
                    result: EnumValue::Known(match self.result {
                        AckResult::Applied => wire::AckResult::Applied,
                        AckResult::Duplicate => wire::AckResult::Duplicate,
                        AckResult::Refused => wire::AckResult::Refused,
                    }),
                    id: &self.id,
                    reason: self.reason.as_deref(),
                    actuators: Repeated::from_slice(&actuators),
                    off_in_ms: self.off_in_ms,
                    unknown_fields: UnknownFields::default(),
                };
                to_protobuf(&message, buffer)
            }
        }
    }

    fn from_wire(wire: &wire::Ack<'_>) -> Result<Self, DecodeError> {
        let result = match wire.result {
            EnumValue::Known(wire::AckResult::Applied) => AckResult::Applied,
            EnumValue::Known(wire::AckResult::Duplicate) => AckResult::Duplicate,
            EnumValue::Known(wire::AckResult::Refused) => AckResult::Refused,
            EnumValue::Known(wire::AckResult::Unset) | EnumValue::Unknown(_) => {
                return Err(DecodeError::Field {
                    field: "result",
                    problem: "is missing or unknown",
                });
            }
        };
        Ok(Self {
            id: bounded(wire.id, "id")?,
            result,
            reason: wire
                .reason
                .map(|reason| bounded(reason, "reason"))
                .transpose()?,
            actuators: wire::actuators_in(wire.actuators)?,
            off_in_ms: wire.off_in_ms,
        })
    }
}
