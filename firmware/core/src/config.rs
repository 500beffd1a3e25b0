//! What the station may change about a node: see [`signalbox_protocol::payload::config`]. A
//! configuration holds whole or not at all; what it does not speak of is as the board's program
//! has it. Fed by [`crate::Node::configure`], feeds `report` and the calibration of readings.
//!
//! It is read twice, once to check it and once to work by it: a copy of what holds now would take
//! more stack than a small machine has.

use core::fmt::Write as _;

use heapless::String;
use signalbox_protocol::{
    limits::REASON_BYTES_MAX,
    payload::{
        DecodeError, Name,
        config::{self, Config, LogLevel, MetricConfig, Sink},
        status::ConfigRefused,
    },
};

use crate::{
    METRICS_MAX, NodeOptions,
    drivers::soil::Calibration,
    report::{MetricOptions, Tuning},
};

/// Above this, thousandths are finer than an `f32`.
const MILLI_EXACT_MAX: f32 = 16_000.0;

/// What holds now.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Of the configuration; none is the board's program alone.
    pub(crate) version: Option<u32>,
    /// The last one that came, when it was refused.
    pub(crate) refused: Option<ConfigRefused>,
    pub(crate) interval_ms: u64,
    pub(crate) log: LogLevel,
    pub(crate) tunings: [Tuning; METRICS_MAX],
}

impl Settings {
    /// Before there are any options.
    pub(crate) fn unset() -> Self {
        Self {
            version: None,
            refused: None,
            interval_ms: 1,
            log: LogLevel::default(),
            tunings: [Tuning::default(); METRICS_MAX],
        }
    }

    /// As the board's program has it; what was refused stays so.
    pub(crate) fn reset(&mut self, options: &NodeOptions) {
        self.version = None;
        self.log = LogLevel::default();
        self.interval_ms = options.interval_ms.max(1);
        self.tunings = [Tuning::default(); METRICS_MAX];
        for (tuning, metric) in self.tunings.iter_mut().zip(&options.metrics) {
            tuning.dead_band = metric.dead_band;
            tuning.heartbeat_ms = options.heartbeat_ms;
        }
    }

    /// Takes a configuration; true when it is another one than before, and holds now.
    pub(crate) fn take(&mut self, payload: &[u8], options: &NodeOptions) -> bool {
        let Some(version) = self.check(payload, options) else {
            return false;
        };
        self.refused = None;
        if self.version == Some(version) {
            return false;
        }
        self.reset(options);
        let mut changes = Changes {
            settings: self,
            options,
        };
        let read = config::read(payload, &mut changes);
        debug_assert!(read.is_ok(), "it was read before");
        self.version = Some(version);
        true
    }

    /// The version of a configuration that is right.
    fn check(&mut self, payload: &[u8], options: &NodeOptions) -> Option<u32> {
        let mut check = Check {
            options,
            seen: [false; METRICS_MAX],
            problem: None,
        };
        let (version, problem) = match config::read(payload, &mut check) {
            Ok(version) => (version, check.problem),
            Err(error) => {
                let version = Config::version_of(payload).unwrap_or_default();
                (version, Some(reason(format_args!("{}", Plain(&error)))))
            }
        };
        let safe_mode = || reason(format_args!("the node is in safe mode"));
        match problem.or_else(|| options.safe_mode.then(safe_mode)) {
            None => Some(version),
            Some(reason) => {
                self.refused = Some(ConfigRefused { version, reason });
                None
            }
        }
    }
}

type Reason = String<REASON_BYTES_MAX>;

fn reason(why: core::fmt::Arguments<'_>) -> Reason {
    let mut reason = Reason::new();
    // What is too long is cut.
    let _ = reason.write_fmt(why);
    reason
}

/// Looks for what this node cannot do.
struct Check<'o> {
    options: &'o NodeOptions,
    seen: [bool; METRICS_MAX],
    /// The first.
    problem: Option<Reason>,
}

impl Sink for Check<'_> {
    fn interval_ms(&mut self, _: u32) {}

    fn log(&mut self, _: LogLevel) {}

    fn metric(&mut self, name: &Name, config: &MetricConfig) {
        let found = match place(self.options, name) {
            None => Some(reason(format_args!("there is no metric `{name}`"))),
            Some(at) if self.seen[at] => Some(reason(format_args!("`{name}` appears twice"))),
            Some(at) => {
                self.seen[at] = true;
                let measured = self.options.metrics[at].worked_out_from.is_none();
                (config.dry.is_some() && measured)
                    .then(|| reason(format_args!("`{name}` takes no dry and wet")))
            }
        };
        if self.problem.is_none() {
            self.problem = found;
        }
    }
}

/// Works by what was checked.
struct Changes<'s> {
    settings: &'s mut Settings,
    options: &'s NodeOptions,
}

impl Sink for Changes<'_> {
    fn interval_ms(&mut self, interval_ms: u32) {
        self.settings.interval_ms = interval_ms.into();
    }

    fn log(&mut self, level: LogLevel) {
        self.settings.log = level;
    }

    fn metric(&mut self, name: &Name, config: &MetricConfig) {
        if let Some(at) = place(self.options, name) {
            self.settings.tunings[at].change(config);
        }
    }
}

fn place(options: &NodeOptions, name: &Name) -> Option<usize> {
    let mut metrics = options.metrics.iter();
    metrics.position(|known| known.name == *name)
}

/// An error without what only a PC tells.
struct Plain<'a>(&'a DecodeError);

impl core::fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0 {
            DecodeError::Field { field, problem } => write!(f, "field `{field}` {problem}"),
            DecodeError::UnknownField => f.write_str("it has a field that is not known"),
            _ => f.write_str("the configuration is not understood"),
        }
    }
}

impl Tuning {
    fn change(&mut self, config: &MetricConfig) {
        if let Some(milli) = config.dead_band_milli {
            #[expect(clippy::cast_precision_loss, reason = "a dead band is no measurement")]
            let dead_band = milli as f32 / 1_000.0;
            self.dead_band = dead_band;
        }
        if let Some(heartbeat_ms) = config.heartbeat_ms {
            self.heartbeat_ms = heartbeat_ms.into();
        }
        self.offset_milli = config.offset_milli.unwrap_or_default();
        self.points = config
            .dry
            .zip(config.wet)
            .and_then(|(dry, wet)| Calibration::new(dry, wet));
    }

    /// What is measured, put right.
    fn apply(&self, value: f32) -> f32 {
        if self.offset_milli == 0 {
            return value;
        }
        #[expect(
            clippy::cast_precision_loss,
            reason = "below 2^24, or no finer than an f32"
        )]
        let offset = self.offset_milli as f32 / 1_000.0;
        let sum = value + offset;
        if !(-MILLI_EXACT_MAX..=MILLI_EXACT_MAX).contains(&sum) {
            return sum;
        }
        // So that 21.5 and 0.1 give the number that is written 21.6, which takes fewer bytes.
        let half = if sum < 0.0 { -0.5 } else { 0.5 };
        #[expect(clippy::cast_possible_truncation, reason = "bounded above")]
        let milli = (sum * 1_000.0 + half) as i32;
        #[expect(clippy::cast_precision_loss, reason = "below 2^24")]
        let rounded = milli as f32 / 1_000.0;
        rounded
    }
}

/// Puts a reading right, and works out what is not measured itself.
pub(crate) fn calibrate(
    measured: &[Option<f32>],
    metrics: &[MetricOptions],
    tunings: &[Tuning; METRICS_MAX],
) -> [Option<f32>; METRICS_MAX] {
    let mut values = [None; METRICS_MAX];
    let places = values.iter_mut().zip(metrics).zip(tunings);
    for (at, ((value, metric), tuning)) in places.enumerate() {
        let raw = measured.get(metric.worked_out_from.unwrap_or(at));
        let raw = raw.copied().flatten();
        *value = if metric.worked_out_from.is_some() {
            raw.zip(tuning.points)
                .map(|(raw, points)| points.moisture(steps(raw)))
        } else {
            raw
        };
        *value = value.map(|value| tuning.apply(value));
    }
    values
}

/// A converter's steps; the cast saturates.
const fn steps(raw: f32) -> u16 {
    raw as u16
}
