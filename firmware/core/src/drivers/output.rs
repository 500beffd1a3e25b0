//! An LED or a relay at a pin. Many modules are on when the pin is low, the LED of an ESP-12 too.

use embedded_hal::digital::OutputPin;

/// An output.
#[derive(Debug)]
pub struct Output<P> {
    pin: P,
    active_low: bool,
}

impl<P: OutputPin> Output<P> {
    /// `active_low`: on is low.
    pub const fn new(pin: P, active_low: bool) -> Self {
        Self { pin, active_low }
    }

    /// Switches it.
    ///
    /// # Errors
    /// The pin's.
    pub fn set(&mut self, on: bool) -> Result<(), P::Error> {
        if on == self.active_low {
            self.pin.set_low()
        } else {
            self.pin.set_high()
        }
    }

    /// The pin.
    pub const fn pin(&mut self) -> &mut P {
        &mut self.pin
    }
}
