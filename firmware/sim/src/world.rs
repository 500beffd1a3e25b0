//! A room with a lamp, and a pot of soil with a pump.
//!
//! Temperature and humidity go towards what surroundings and lamp would make of them, with one
//! time constant each (Newton's law of cooling); soil dries towards a floor and is wetted at a
//! fixed rate. The numbers are made up to look like a room.

use std::f64::consts::TAU as FULL_TURN;

/// Time in which the room has come 63 % of its way, in seconds.
const ROOM_S: f64 = 1_200.0;
/// The same for the humidity of the air.
const AIR_S: f64 = 300.0;
/// The same for soil that dries.
const SOIL_S: f64 = 21_600.0;
/// How much warmer the lamp makes the room in the end, in kelvin.
const LAMP_K: f64 = 10.0;
/// How fast the pump wets the soil, in steps of the probe's converter a second.
const PUMP_STEPS_S: f64 = 4.0;
/// What dry and wet soil read, of a 10-bit converter.
const SOIL: (f64, f64) = (120.0, 900.0);
const DAY_S: f64 = 86_400.0;
/// Longest step of the integration, so that a long one stays stable.
const STEP_S_MAX: f64 = 60.0;

/// What is switched on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Switched {
    /// The lamp, which warms.
    pub lamp: bool,
    /// The pump, which wets the soil.
    pub pump: bool,
}

/// The state of a room.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct World {
    /// Degrees Celsius.
    pub temperature: f64,
    /// Per cent of relative humidity.
    pub humidity: f64,
    /// Steps of a 10-bit converter; wet is high.
    pub soil: f64,
    /// Degrees that this room's surroundings are warmer than others'.
    warmer: f64,
}

impl World {
    /// A room; `seed` makes it a little different from others.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "below 7")]
        let part = (seed % 7) as f64 / 7.0;
        Self {
            temperature: 20.5 + part * 2.0,
            humidity: 42.0 + part * 10.0,
            soil: 420.0 + part * 200.0,
            warmer: part * 1.5 - 0.75,
        }
    }

    /// What surrounds the room at a time of day (Unix seconds): coldest at 3, warmest at 15 UTC.
    fn surroundings(&self, unix_s: f64) -> f64 {
        let turn = (unix_s.rem_euclid(DAY_S) / DAY_S - 9.0 / 24.0) * FULL_TURN;
        18.0 + self.warmer + 1.5 * turn.sin()
    }

    /// Lets time go by.
    pub fn step(&mut self, switched: Switched, unix_s: f64, step_s: f64) {
        let mut rest_s = step_s;
        while rest_s > 0.0 {
            let part_s = rest_s.min(STEP_S_MAX);
            self.short_step(switched, unix_s, part_s);
            rest_s -= part_s;
        }
    }

    fn short_step(&mut self, switched: Switched, unix_s: f64, step_s: f64) {
        let lamp = if switched.lamp { LAMP_K } else { 0.0 };
        let goal = self.surroundings(unix_s) + lamp;
        self.temperature += (goal - self.temperature) * (1.0 - (-step_s / ROOM_S).exp());
        // Wet soil gives off water, warm air feels drier.
        let goal = 45.0 + (self.soil - 400.0) / 40.0 - 1.5 * (self.temperature - 21.0);
        self.humidity += (goal.clamp(5.0, 95.0) - self.humidity) * (1.0 - (-step_s / AIR_S).exp());
        self.soil += (SOIL.0 - self.soil) * (1.0 - (-step_s / SOIL_S).exp());
        if switched.pump {
            self.soil = (self.soil + PUMP_STEPS_S * step_s).min(SOIL.1);
        }
    }
}
