//! The messages of the node protocol, version 1, one file each. JSON and Protocol Buffers carry
//! the same fields; the first byte tells them apart (see [`Encoding::detect`]).
//!
//! What a node writes and reads needs no heap; what the station reads has owned types under the
//! feature `api`.

pub mod ack;
pub mod command;
pub mod config;
pub mod log;
mod start;
pub mod status;
pub mod telemetry;
mod wire;

use core::fmt;

use heapless::{String, Vec};
use serde::{Deserialize, Serialize, de, ser::SerializeMap};

use crate::{
    limits::{ACTUATORS_MAX, ID_BYTES, NAME_BYTES_MAX},
    topic::check_name,
};

/// A node, metric or actuator name.
pub type Name = String<NAME_BYTES_MAX>;
/// A command id.
pub type Id = String<ID_BYTES>;

/// How a payload is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Text.
    Json,
    /// Protocol Buffers, proto3.
    Protobuf,
}

impl Encoding {
    /// JSON begins with `{` or white space. No Protocol Buffers message of ours does: field 1 is
    /// always a varint and field 4 never is, so that none of 0x09, 0x0a, 0x0d, 0x20, 0x7b can be
    /// the first byte of a valid one.
    #[must_use]
    pub const fn detect(payload: &[u8]) -> Self {
        match payload.first() {
            Some(b'{' | b' ' | b'\t' | b'\n' | b'\r') => Self::Json,
            _ => Self::Protobuf,
        }
    }
}

/// Why a payload cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecodeError {
    /// More bytes than this message may have.
    TooLarge {
        /// As received.
        bytes: usize,
        /// As allowed.
        max: usize,
    },
    /// No bytes at all.
    Empty,
    /// Not the JSON that this message needs; the text says where and why.
    #[cfg(feature = "api")]
    Json(alloc::string::String),
    /// Not the JSON that this message needs (on a node, without the reason).
    JsonOnNode,
    /// Not valid Protocol Buffers.
    Protobuf(femtopb::error::DecodeError),
    /// Valid Protocol Buffers, but a field is missing or wrong.
    Field {
        /// Its name.
        field: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A field that this version does not know, in a message that holds whole or not at all.
    UnknownField,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes, max } => write!(f, "{bytes} bytes, at most {max} are allowed"),
            Self::Empty => f.write_str("the payload is empty"),
            #[cfg(feature = "api")]
            Self::Json(text) => write!(f, "not valid JSON for this topic: {text}"),
            Self::JsonOnNode => f.write_str("not valid JSON for this topic"),
            Self::Protobuf(error) => write!(f, "not valid Protocol Buffers: {error:?}"),
            Self::Field { field, problem } => write!(f, "field `{field}` {problem}"),
            Self::UnknownField => f.write_str("it has a field that is not known"),
        }
    }
}

impl core::error::Error for DecodeError {}

impl From<femtopb::error::DecodeError> for DecodeError {
    fn from(error: femtopb::error::DecodeError) -> Self {
        Self::Protobuf(error)
    }
}

/// The buffer is too small for the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BufferTooSmall;

impl fmt::Display for BufferTooSmall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the buffer is too small for the message")
    }
}

impl core::error::Error for BufferTooSmall {}

/// Refuses what is empty or longer than `max`.
fn check_len(payload: &[u8], max: usize) -> Result<(), DecodeError> {
    if payload.is_empty() {
        return Err(DecodeError::Empty);
    }
    if payload.len() > max {
        return Err(DecodeError::TooLarge {
            bytes: payload.len(),
            max,
        });
    }
    Ok(())
}

#[cfg(feature = "api")]
fn from_json<'de, T: Deserialize<'de>>(payload: &'de [u8]) -> Result<T, DecodeError> {
    serde_json::from_slice(payload).map_err(|error| DecodeError::Json(error.to_string()))
}

#[cfg(not(feature = "api"))]
#[inline(never)] // A large frame does not compile for the lx106.
fn from_json<'de, T: Deserialize<'de>>(payload: &'de [u8]) -> Result<T, DecodeError> {
    serde_json_core::from_slice(payload)
        .map(|(value, _)| value)
        .map_err(|_| DecodeError::JsonOnNode)
}

#[inline(never)] // A large frame does not compile for the lx106.
fn to_json<T: Serialize>(value: &T, buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
    serde_json_core::to_slice(value, buffer).map_err(|_| BufferTooSmall)
}

#[inline(never)] // A large frame does not compile for the lx106.
fn to_protobuf<'a, M: femtopb::Message<'a>>(
    message: &M,
    buffer: &mut [u8],
) -> Result<usize, BufferTooSmall> {
    let before = buffer.len();
    let mut cursor = buffer;
    message.encode(&mut cursor).map_err(|_| BufferTooSmall)?;
    Ok(before - cursor.len())
}

/// Copies a text field, refusing what is too long.
fn bounded<const N: usize>(text: &str, field: &'static str) -> Result<String<N>, DecodeError> {
    String::try_from(text).map_err(|_| DecodeError::Field {
        field,
        problem: "is too long",
    })
}

/// Copies and checks a name field.
fn checked_name(text: &str, field: &'static str) -> Result<Name, DecodeError> {
    check_name(text).map_err(|_| DecodeError::Field {
        field,
        problem: "is not a valid name",
    })?;
    bounded(text, field)
}

/// State of an actuator on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActuatorState {
    /// Switched on.
    On,
    /// Switched off.
    Off,
}

impl ActuatorState {
    /// From a switch position.
    #[must_use]
    pub const fn from_on(on: bool) -> Self {
        if on { Self::On } else { Self::Off }
    }

    /// Whether it is on.
    #[must_use]
    pub const fn is_on(self) -> bool {
        matches!(self, Self::On)
    }
}

/// Name and state of each actuator of a node; an object in JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Actuators(pub Vec<(Name, ActuatorState), ACTUATORS_MAX>);

impl Serialize for Actuators {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, state) in &self.0 {
            map.serialize_entry(name, state)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Actuators {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ActuatorsVisitor)
    }
}

struct ActuatorsVisitor;

impl<'de> de::Visitor<'de> for ActuatorsVisitor {
    type Value = Actuators;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object of at most {ACTUATORS_MAX} actuators")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut all = Actuators::default();
        while let Some(name) = map.next_key::<Name>()? {
            check_name(&name).map_err(de::Error::custom)?;
            let state = map.next_value::<ActuatorState>()?;
            if all.0.iter().any(|(known, _)| *known == name) {
                return Err(de::Error::custom(format_args!(
                    "actuator `{name}` appears twice"
                )));
            }
            all.0.push((name, state)).map_err(|_| {
                de::Error::custom(format_args!("more than {ACTUATORS_MAX} actuators"))
            })?;
        }
        Ok(all)
    }
}

#[cfg(all(test, feature = "api"))]
mod tests;
