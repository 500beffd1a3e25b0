//! `signalbox/<node>/command`: an order, QoS 1, never retained.

use femtopb::{EnumValue, Message as _, UnknownFields};
use serde::{Deserialize, Serialize};

use super::{
    BufferTooSmall, DecodeError, Encoding, Id, Name, bounded, check_len, checked_name, from_json,
    to_json, to_protobuf, wire,
};
use crate::{
    limits::{FOR_MS_MAX, ID_BYTES, MESSAGE_BYTES_MAX},
    topic::check_name,
};

/// What an actuator is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Switch on.
    On,
    /// Switch off.
    Off,
    /// Switch to the other state.
    Toggle,
}

/// An order to a node. A node executes each id once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// ULID.
    pub id: Id,
    /// One of the node's actuators.
    pub actuator: Name,
    /// What to do.
    pub action: Action,
    /// With [`Action::On`]: the node switches off by itself after this time, at most
    /// [`FOR_MS_MAX`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_ms: Option<u32>,
}

impl Command {
    /// Reads either encoding; needs no heap.
    ///
    /// # Errors
    /// What is wrong with the payload.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        check_len(payload, MESSAGE_BYTES_MAX)?;
        let command = match Encoding::detect(payload) {
            Encoding::Json => from_json::<Self>(payload)?,
            Encoding::Protobuf => Self::from_wire(&wire::Command::decode(payload)?)?,
        };
        command.check()?;
        Ok(command)
    }

    /// The id alone, of what [`Command::decode`] refused, so that it can be answered.
    #[must_use]
    pub fn id_of(payload: &[u8]) -> Option<Id> {
        #[derive(Deserialize)]
        struct OnlyId {
            id: Id,
        }
        check_len(payload, MESSAGE_BYTES_MAX).ok()?;
        let id = match Encoding::detect(payload) {
            Encoding::Json => from_json::<OnlyId>(payload).ok()?.id,
            Encoding::Protobuf => Id::try_from(wire::Command::decode(payload).ok()?.id).ok()?,
        };
        is_id(&id).then_some(id)
    }

    /// Writes into a buffer; gives the length.
    ///
    /// # Errors
    /// The buffer is too small.
    pub fn encode(&self, encoding: Encoding, buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
        match encoding {
            Encoding::Json => to_json(self, buffer),
            Encoding::Protobuf => to_protobuf(
                &wire::Command {
                    action: EnumValue::Known(match self.action {
                        Action::On => wire::Action::On,
                        Action::Off => wire::Action::Off,
                        Action::Toggle => wire::Action::Toggle,
                    }),
                    id: &self.id,
                    actuator: &self.actuator,
                    for_ms: self.for_ms,
                    unknown_fields: UnknownFields::default(),
                },
                buffer,
            ),
        }
    }

    fn from_wire(wire: &wire::Command<'_>) -> Result<Self, DecodeError> {
        let action = match wire.action {
            EnumValue::Known(wire::Action::On) => Action::On,
            EnumValue::Known(wire::Action::Off) => Action::Off,
            EnumValue::Known(wire::Action::Toggle) => Action::Toggle,
            EnumValue::Known(wire::Action::Unset) | EnumValue::Unknown(_) => {
                return Err(DecodeError::Field {
                    field: "action",
                    problem: "is missing or unknown",
                });
            }
        };
        Ok(Self {
            id: bounded(wire.id, "id")?,
            actuator: checked_name(wire.actuator, "actuator")?,
            action,
            for_ms: wire.for_ms,
        })
    }

    fn check(&self) -> Result<(), DecodeError> {
        if !is_id(&self.id) {
            return Err(DecodeError::Field {
                field: "id",
                problem: "is not a ULID",
            });
        }
        check_name(&self.actuator).map_err(|_| DecodeError::Field {
            field: "actuator",
            problem: "is not a valid name",
        })?;
        match (self.action, self.for_ms) {
            (_, None) => Ok(()),
            (Action::On, Some(1..=FOR_MS_MAX)) => Ok(()),
            (Action::On, Some(_)) => Err(DecodeError::Field {
                field: "for_ms",
                problem: "is not between 1 ms and 7 days",
            }),
            (Action::Off | Action::Toggle, Some(_)) => Err(DecodeError::Field {
                field: "for_ms",
                problem: "goes only with action on",
            }),
        }
    }
}

fn is_id(id: &str) -> bool {
    id.len() == ID_BYTES && id.bytes().all(|b| b.is_ascii_alphanumeric())
}
