//! The Protocol Buffers messages as femtopb structs; the text form stands in `docs/protocol.md`.
//!
//! A field that has its default (0, empty) is not written, also inside `oneof`: an absent time is an
//! age of 0 ms, and an absent value is 0.

use femtopb::{EnumValue, Message, Repeated, UnknownFields, item_encoding};

use super::{ActuatorState, Actuators, DecodeError, checked_name};
use crate::limits::ACTUATORS_MAX;

#[derive(Clone, Debug, PartialEq, Message)]
pub(super) struct Telemetry<'a> {
    #[femtopb(uint32, tag = 1)]
    pub(super) boot: u32,
    #[femtopb(uint32, tag = 2)]
    pub(super) seq: u32,
    #[femtopb(message, repeated, tag = 3)]
    pub(super) samples: Repeated<'a, Sample<'a>, item_encoding::Message<'a, Sample<'a>>>,
    #[femtopb(unknown_fields)]
    pub(super) unknown_fields: UnknownFields<'a>,
}

#[derive(Clone, Debug, PartialEq, Message)]
pub(super) struct Sample<'a> {
    #[femtopb(oneof, tags = [1, 2])]
    pub(super) time: Option<Time>,
    #[femtopb(message, repeated, tag = 3)]
    pub(super) values: Repeated<'a, Value<'a>, item_encoding::Message<'a, Value<'a>>>,
    #[femtopb(unknown_fields)]
    pub(super) unknown_fields: UnknownFields<'a>,
}

#[derive(Clone, Debug, PartialEq, femtopb::Oneof)]
pub(super) enum Time {
    #[femtopb(uint64, tag = 1)]
    AgeMs(u64),
    #[femtopb(int64, tag = 2)]
    TsMs(i64),
}

#[derive(Clone, Debug, PartialEq, Message)]
pub(super) struct Value<'a> {
    #[femtopb(string, tag = 1)]
    pub(super) metric: &'a str,
    #[femtopb(oneof, tags = [2, 3, 4])]
    pub(super) value: Option<Number>,
    #[femtopb(unknown_fields)]
    pub(super) unknown_fields: UnknownFields<'a>,
}

#[derive(Clone, Debug, PartialEq, femtopb::Oneof)]
pub(super) enum Number {
    #[femtopb(float, tag = 2)]
    Float(f32),
    #[femtopb(double, tag = 3)]
    Double(f64),
    #[femtopb(sint64, tag = 4)]
    Int(i64),
}

/// Not a boolean: a last will must not be an empty payload, which would delete the retained
/// message, and proto3 writes nothing for `false`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, femtopb::Enumeration)]
pub(super) enum Presence {
    #[default]
    Unset = 0,
    Online = 1,
    Offline = 2,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, femtopb::Enumeration)]
pub(super) enum StartedBy {
    #[default]
    Unset = 0,
    Power = 1,
    Button = 2,
    Watchdog = 3,
    Fault = 4,
    Software = 5,
    Other = 6,
}

#[derive(Clone, Debug, PartialEq, Message)]
pub(super) struct Status<'a> {
    #[femtopb(enumeration, tag = 1)]
    pub(super) presence: EnumValue<Presence>,
    #[femtopb(uint32, optional, tag = 2)]
    pub(super) boot: Option<u32>,
    #[femtopb(string, optional, tag = 3)]
    pub(super) firmware: Option<&'a str>,
    #[femtopb(message, repeated, tag = 4)]
    pub(super) actuators: Repeated<'a, Actuator<'a>, item_encoding::Message<'a, Actuator<'a>>>,
    #[femtopb(uint32, optional, tag = 5)]
    pub(super) uptime_s: Option<u32>,
    #[femtopb(sint32, optional, tag = 6)]
    pub(super) rssi_dbm: Option<i32>,
    #[femtopb(uint32, optional, tag = 7)]
    pub(super) config: Option<u32>,
    #[femtopb(message, optional, tag = 8)]
    pub(super) config_refused: Option<ConfigRefused<'a>>,
    #[femtopb(enumeration, tag = 10)]
    pub(super) started_by: EnumValue<StartedBy>,
    #[femtopb(unknown_fields)]
    pub(super) unknown_fields: UnknownFields<'a>,
}

#[derive(Clone, Debug, PartialEq, Message)]
pub(super) struct Actuator<'a> {
    #[femtopb(string, tag = 1)]
    pub(super) name: &'a str,
    #[femtopb(bool, tag = 2)]
    pub(super) on: bool,
    #[femtopb(unknown_fields)]
    pub(super) unknown_fields: UnknownFields<'a>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, femtopb::Enumeration)]
pub(super) enum Action {
    #[default]
    Unset = 0,
    On = 1,
    Off = 2,
    Toggle = 3,
}

#[derive(Clone, Debug, PartialEq, Message)]
pub(super) struct Command<'a> {
    #[femtopb(enumeration, tag = 1)]
    pub(super) action: EnumValue<Action>,
    #[femtopb(string, tag = 2)]
    pub(super) id: &'a str,
    #[femtopb(string, tag = 3)]
    pub(super) actuator: &'a str,
    #[femtopb(uint32, optional, tag = 5)]
    pub(super) for_ms: Option<u32>,
    #[femtopb(unknown_fields)]
    pub(super) unknown_fields: UnknownFields<'a>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, femtopb::Enumeration)]
pub(super) enum AckResult {
    #[default]
    Unset = 0,
    Applied = 1,
    Duplicate = 2,
    Refused = 3,
}

#[derive(Clone, Debug, PartialEq, Message)]
pub(super) struct Ack<'a> {
    #[femtopb(enumeration, tag = 1)]
    pub(super) result: EnumValue<AckResult>,
    #[femtopb(string, tag = 2)]
    pub(super) id: &'a str,
    #[femtopb(string, optional, tag = 3)]
    pub(super) reason: Option<&'a str>,
    #[femtopb(message, repeated, tag = 4)]
    pub(super) actuators: Repeated<'a, Actuator<'a>, item_encoding::Message<'a, Actuator<'a>>>,
    #[femtopb(uint32, optional, tag = 5)]
    pub(super) off_in_ms: Option<u32>,
    #[femtopb(unknown_fields)]
    pub(super) unknown_fields: UnknownFields<'a>,
}

#[derive(Clone, Debug, PartialEq, Message)]
pub(super) struct ConfigRefused<'a> {
    #[femtopb(uint32, tag = 1)]
    pub(super) version: u32,
    #[femtopb(string, tag = 2)]
    pub(super) reason: &'a str,
    #[femtopb(unknown_fields)]
    pub(super) unknown_fields: UnknownFields<'a>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, femtopb::Enumeration)]
pub(super) enum LogLevel {
    #[default]
    Unset = 0,
    Off = 1,
    Error = 2,
    Warn = 3,
    Info = 4,
    Debug = 5,
    Trace = 6,
}

#[derive(Clone, Debug, PartialEq, Message)]
pub(super) struct Config<'a> {
    #[femtopb(uint32, tag = 1)]
    pub(super) version: u32,
    #[femtopb(uint32, optional, tag = 2)]
    pub(super) interval_ms: Option<u32>,
    #[femtopb(enumeration, tag = 3)]
    pub(super) log: EnumValue<LogLevel>,
    #[femtopb(message, repeated, tag = 4)]
    pub(super) metrics:
        Repeated<'a, MetricConfig<'a>, item_encoding::Message<'a, MetricConfig<'a>>>,
    #[femtopb(unknown_fields)]
    pub(super) unknown_fields: UnknownFields<'a>,
}

#[derive(Clone, Debug, PartialEq, Message)]
pub(super) struct MetricConfig<'a> {
    #[femtopb(string, tag = 1)]
    pub(super) metric: &'a str,
    #[femtopb(uint32, optional, tag = 2)]
    pub(super) dead_band_milli: Option<u32>,
    #[femtopb(uint32, optional, tag = 3)]
    pub(super) heartbeat_ms: Option<u32>,
    #[femtopb(sint32, optional, tag = 4)]
    pub(super) offset_milli: Option<i32>,
    #[femtopb(uint32, optional, tag = 5)]
    pub(super) dry: Option<u32>,
    #[femtopb(uint32, optional, tag = 6)]
    pub(super) wet: Option<u32>,
    #[femtopb(unknown_fields)]
    pub(super) unknown_fields: UnknownFields<'a>,
}

#[inline(never)] // A large frame does not compile for the lx106.
/// Actuators as wire messages, in a buffer that the caller keeps while encoding.
pub(super) fn actuators_out(all: &Actuators) -> heapless::Vec<Actuator<'_>, ACTUATORS_MAX> {
    all.0
        .iter()
        .map(|(name, state)| Actuator {
            name,
            on: state.is_on(),
            unknown_fields: UnknownFields::default(),
        })
        .collect()
}

#[inline(never)] // A large frame does not compile for the lx106.
/// Actuators from wire messages.
pub(super) fn actuators_in<'a>(
    wire: Repeated<'a, Actuator<'a>, item_encoding::Message<'a, Actuator<'a>>>,
) -> Result<Actuators, DecodeError> {
    let mut all = Actuators::default();
    for actuator in wire.iter() {
        let actuator = actuator?;
        let name = checked_name(actuator.name, "actuators")?;
        if all.0.iter().any(|(known, _)| *known == name) {
            return Err(DecodeError::Field {
                field: "actuators",
                problem: "has a name twice",
            });
        }
        all.0
            .push((name, ActuatorState::from_on(actuator.on)))
            .map_err(|_| DecodeError::Field {
                field: "actuators",
                problem: "has too many entries",
            })?;
    }
    Ok(all)
}
