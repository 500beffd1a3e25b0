//! What sensors make of the world. DHT11 (Aosong's data sheet): 0.1 °C and 1 % steps, 0 to 50 °C
//! and 20 to 90 %, and now and then no answer. The soil probe: a 10-bit converter that trembles.

use rand::{Rng as _, RngExt as _, SeedableRng as _, rngs::SmallRng};
use signalbox_node::MetricOptions;

use crate::world::World;

/// One reading in so many fails, as with a long wire to a DHT11.
const FAILS_ONE_IN: u32 = 200;
/// How much the soil probe trembles.
const SOIL_TREMBLE: f64 = 2.0;
/// How much the temperature trembles.
const TEMPERATURE_TREMBLE: f64 = 0.06;

/// The metrics of a simulated node, in the order of [`Sensors::read`].
pub(crate) fn metrics() -> [MetricOptions; 4] {
    let metrics = [
        ("temperature", 0.05, None),
        ("humidity", 1.0, None),
        ("soil", 3.0, None),
        // Has a value only with two points from the station.
        ("moisture", 0.5, Some(2)),
    ];
    metrics.map(|(name, dead_band, worked_out_from)| MetricOptions {
        name: name.try_into().unwrap_or_default(),
        dead_band,
        worked_out_from,
    })
}

#[derive(Debug)]
pub(crate) struct Sensors {
    random: SmallRng,
}

impl Sensors {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            random: SmallRng::seed_from_u64(seed),
        }
    }

    /// Temperature in °C, humidity in %, soil in converter steps.
    pub(crate) fn read(&mut self, world: &World) -> [Option<f32>; 3] {
        let answers = !self.random.next_u32().is_multiple_of(FAILS_ONE_IN);
        let temperature = world.temperature + self.tremble(TEMPERATURE_TREMBLE);
        let soil = world.soil + self.tremble(SOIL_TREMBLE);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "rounded and bounded to what a sensor gives"
        )]
        let given = |value: f64, low: f64, high: f64, step: f64| {
            Some(((value.clamp(low, high) / step).round() * step) as f32)
        };
        [
            given(temperature, 0.0, 50.0, 0.1).filter(|_| answers),
            given(world.humidity, 20.0, 90.0, 1.0).filter(|_| answers),
            given(soil, 0.0, 1_023.0, 1.0),
        ]
    }

    fn tremble(&mut self, most: f64) -> f64 {
        self.random.random_range(-most..=most)
    }
}
