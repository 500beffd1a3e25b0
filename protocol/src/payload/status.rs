//! `signalbox/<node>/status`: what a node is and does, QoS 1, retained; also its last will.

use femtopb::{EnumValue, Message as _, Repeated, UnknownFields};
use heapless::String;
use serde::{Deserialize, Serialize};

pub use super::start::StartedBy;
use super::{
    Actuators, BufferTooSmall, DecodeError, Encoding, bounded, check_len, from_json, to_json,
    to_protobuf, wire,
};
use crate::limits::{FIRMWARE_BYTES_MAX, MESSAGE_BYTES_MAX, REASON_BYTES_MAX};

/// A node's status. The last will is `{"online":false}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Whether the node can be reached.
    pub online: bool,
    /// Id of this start; another one at each start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<u32>,
    /// Firmware version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware: Option<String<FIRMWARE_BYTES_MAX>>,
    /// All actuators now.
    #[serde(default, skip_serializing_if = "Actuators::is_empty")]
    pub actuators: Actuators,
    /// Seconds since this start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uptime_s: Option<u32>,
    /// WiFi signal strength.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rssi_dbm: Option<i16>,
    /// Version of the configuration that the node works by; none is its own program's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<u32>,
    /// The last configuration, when the node refused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_refused: Option<ConfigRefused>,
    /// Why it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_by: Option<StartedBy>,
}

/// Why a node does not work by the configuration that it was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigRefused {
    /// Of the configuration; 0 when not even that could be read.
    pub version: u32,
    /// What is wrong with it.
    pub reason: String<REASON_BYTES_MAX>,
}

impl Actuators {
    /// Whether the node has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Status {
    /// Reads either encoding; needs no heap.
    ///
    /// # Errors
    /// What is wrong with the payload.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        check_len(payload, MESSAGE_BYTES_MAX)?;
        match Encoding::detect(payload) {
            Encoding::Json => from_json(payload),
            Encoding::Protobuf => Self::from_wire(&wire::Status::decode(payload)?),
        }
    }

    /// Writes into a buffer; gives the length.
    ///
    /// # Errors
    /// The buffer is too small.
    pub fn encode(&self, encoding: Encoding, buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
        match encoding {
            Encoding::Json => to_json(self, buffer),
            Encoding::Protobuf => self.to_wire(buffer),
        }
    }

    // Two functions: LLVM finds no register for bytes far up in a large frame on the lx106.
    #[inline(never)]
    fn to_wire(&self, buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let actuators = wire::actuators_out(&self.actuators);
        self.to_wire_with(&actuators, buffer)
    }

    #[inline(never)]
    fn to_wire_with(
        &self,
        actuators: &[wire::Actuator<'_>],
        buffer: &mut [u8],
    ) -> Result<usize, BufferTooSmall> {
        let refused = self.config_refused.as_ref();
        let refused = refused.map(|refused| wire::ConfigRefused {
            version: refused.version,
            reason: &refused.reason,
            unknown_fields: UnknownFields::default(),
        });
        let presence = if self.online {
            wire::Presence::Online
        } else {
            wire::Presence::Offline
        };
        let message = wire::Status {
            presence: EnumValue::Known(presence),
            boot: self.boot,
            firmware: self.firmware.as_deref(),
            actuators: Repeated::from_slice(actuators),
            uptime_s: self.uptime_s,
            rssi_dbm: self.rssi_dbm.map(i32::from),
            config: self.config,
            config_refused: refused,
            started_by: EnumValue::Known(StartedBy::to_wire(self.started_by)),
            unknown_fields: UnknownFields::default(),
        };
        to_protobuf(&message, buffer)
    }

    #[inline(never)] // See `to_wire`.
    fn from_wire(wire: &wire::Status<'_>) -> Result<Self, DecodeError> {
        let online = match wire.presence {
            EnumValue::Known(wire::Presence::Online) => true,
            EnumValue::Known(wire::Presence::Offline) => false,
            EnumValue::Known(wire::Presence::Unset) | EnumValue::Unknown(_) => {
                return Err(DecodeError::Field {
                    field: "presence",
                    problem: "is missing or unknown",
                });
            }
        };
        let rssi_dbm =
            wire.rssi_dbm
                .map(i16::try_from)
                .transpose()
                .map_err(|_| DecodeError::Field {
                    field: "rssi_dbm",
                    problem: "is not a signal strength",
                })?;
        Ok(Self {
            online,
            boot: wire.boot,
            firmware: wire
                .firmware
                .map(|text| bounded(text, "firmware"))
                .transpose()?,
            actuators: wire::actuators_in(wire.actuators)?,
            uptime_s: wire.uptime_s,
            rssi_dbm,
            config: wire.config,
            config_refused: wire.config_refused.as_ref().map(refused_in).transpose()?,
            started_by: StartedBy::from_wire(wire.started_by),
        })
    }
}

#[inline(never)] // See `to_wire`.
fn refused_in(wire: &wire::ConfigRefused<'_>) -> Result<ConfigRefused, DecodeError> {
    Ok(ConfigRefused {
        version: wire.version,
        reason: bounded(wire.reason, "config_refused")?,
    })
}
