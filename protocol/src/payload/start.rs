//! Why a node started, as its status tells.

use femtopb::EnumValue;
use serde::{Deserialize, Serialize};

use super::wire;

/// Why a node started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
pub enum StartedBy {
    /// It got power again.
    Power,
    /// Its button, or another line from outside.
    Button,
    /// It did nothing any more.
    Watchdog,
    /// A panic, or an exception of the processor.
    Fault,
    /// Its own program wanted it, for new settings for example.
    Software,
    /// Something that this version does not know.
    #[serde(other)]
    Other,
}

impl StartedBy {
    /// As it stands in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Power => "power",
            Self::Button => "button",
            Self::Watchdog => "watchdog",
            Self::Fault => "fault",
            Self::Software => "software",
            Self::Other => "other",
        }
    }

    pub(super) const fn to_wire(by: Option<Self>) -> wire::StartedBy {
        match by {
            None => wire::StartedBy::Unset,
            Some(Self::Power) => wire::StartedBy::Power,
            Some(Self::Button) => wire::StartedBy::Button,
            Some(Self::Watchdog) => wire::StartedBy::Watchdog,
            Some(Self::Fault) => wire::StartedBy::Fault,
            Some(Self::Software) => wire::StartedBy::Software,
            Some(Self::Other) => wire::StartedBy::Other,
        }
    }

    pub(super) const fn from_wire(wire: EnumValue<wire::StartedBy>) -> Option<Self> {
        Some(match wire {
            EnumValue::Known(wire::StartedBy::Unset) => return None,
            EnumValue::Known(wire::StartedBy::Power) => Self::Power,
            EnumValue::Known(wire::StartedBy::Button) => Self::Button,
            EnumValue::Known(wire::StartedBy::Watchdog) => Self::Watchdog,
            EnumValue::Known(wire::StartedBy::Fault) => Self::Fault,
            EnumValue::Known(wire::StartedBy::Software) => Self::Software,
            EnumValue::Known(wire::StartedBy::Other) | EnumValue::Unknown(_) => Self::Other,
        })
    }
}
