//! How large anything on the wire may be. The same numbers stand in `docs/protocol.md`.

/// Bytes of a node, metric or actuator name.
pub const NAME_BYTES_MAX: usize = 32;
/// Bytes of a topic of ours: `signalbox/` + name + `/telemetry`.
pub const TOPIC_BYTES_MAX: usize = 64;
/// Bytes of a telemetry payload.
pub const TELEMETRY_BYTES_MAX: usize = 65_536;
/// Bytes of a status, command or ack payload.
pub const MESSAGE_BYTES_MAX: usize = 4_096;
/// Bytes of a log payload.
pub const LOG_BYTES_MAX: usize = 4_096;
/// Samples of one telemetry message.
pub const SAMPLES_MAX: usize = 256;
/// Values of one sample.
pub const VALUES_MAX: usize = 32;
/// Actuators of one node.
pub const ACTUATORS_MAX: usize = 8;
/// Bytes of a firmware version.
pub const FIRMWARE_BYTES_MAX: usize = 32;
/// Bytes of a configuration's payload: with its topic it fits into 512 bytes of a node's memory.
pub const CONFIG_BYTES_MAX: usize = 448;
/// Metrics that a configuration speaks of: as many as a node of ours measures. Several with all
/// their settings in JSON may fill [`CONFIG_BYTES_MAX`] before that.
pub const CONFIG_METRICS_MAX: usize = 8;
/// Shortest time between two readings, and shortest heartbeat: what a DHT11 stands.
pub const INTERVAL_MS_MIN: u32 = 1_000;
/// Longest time between two readings: a day.
pub const INTERVAL_MS_MAX: u32 = 24 * 3_600 * 1_000;
/// Longest heartbeat: seven days.
pub const HEARTBEAT_MS_MAX: u32 = 7 * 24 * 3_600 * 1_000;
/// Largest dead band and offset, in thousandths: a million units.
pub const MILLI_MAX: u32 = 1_000_000_000;
/// Highest step of a 10-bit converter.
pub const ADC_MAX: u16 = 1_023;
/// Bytes of the reason of a refusal.
pub const REASON_BYTES_MAX: usize = 64;
/// Bytes of a command id: a ULID as text.
pub const ID_BYTES: usize = 26;
/// Longest timed command: seven days.
pub const FOR_MS_MAX: u32 = 7 * 24 * 3_600 * 1_000;
