//! A soil probe at a 10-bit converter: the median of a few readings against single bad ones, and
//! moisture in percent between two points that a person has measured.

/// Highest reading of the converter.
pub const READING_MAX: u16 = 1_023;
/// Readings of which the median counts; odd.
pub const READINGS: usize = 5;

/// A 10-bit converter.
pub trait Adc {
    /// 0 to [`READING_MAX`].
    fn read(&mut self) -> u16;
}

/// What the probe gives in dry and in wet soil. Capacitive probes give less when it is wet,
/// resistive ones more: both are fine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calibration {
    dry: u16,
    wet: u16,
}

impl Calibration {
    /// `None` when the two are the same, or more than the converter gives.
    #[must_use]
    pub const fn new(dry: u16, wet: u16) -> Option<Self> {
        if dry == wet || dry > READING_MAX || wet > READING_MAX {
            return None;
        }
        Some(Self { dry, wet })
    }

    /// Moisture in percent, in tenths; what lies beyond the two points is 0 or 100.
    #[must_use]
    pub fn moisture(self, reading: u16) -> f32 {
        let [dry, wet, reading] = [self.dry, self.wet, reading].map(i32::from);
        let per_mille = (reading - dry) * 1_000 / (wet - dry);
        // Clamped to what a u16 holds.
        f32::from(per_mille.clamp(0, 1_000) as u16) / 10.0
    }
}

/// The median of [`READINGS`] readings.
pub fn median(adc: &mut impl Adc) -> u16 {
    let mut readings = [0; READINGS];
    for reading in &mut readings {
        *reading = adc.read().min(READING_MAX);
    }
    readings.sort_unstable();
    readings[READINGS / 2]
}
