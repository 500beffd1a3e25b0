//! Sensors, outputs and memory of the node: the drivers of real boards, at the wires of the bench.

use core::cell::RefCell;

use signalbox_node::{
    METRICS_MAX,
    board::{Event, Hardware, Measured},
    drivers::{
        dht11::{Answer, Dht11},
        output::Output,
        soil,
    },
    kept::KEPT_BYTES,
};
use signalbox_protocol::payload::Id;

use crate::{
    bench::Bench,
    clock::CycleClock,
    cpu,
    flash::{BoardFlash, now},
    wires::{DhtPin, DhtWire, OUTPUTS, Probe, Switched},
};

/// Metrics and dead bands, in the order of [`BenchHardware::measure`].
pub(crate) const METRICS: [(&str, f32); 3] =
    [("temperature", 0.1), ("humidity", 1.0), ("soil", 3.0)];

/// Sensors, outputs, memory.
pub(crate) struct BenchHardware {
    bench: &'static RefCell<Bench>,
    flash: &'static RefCell<BoardFlash>,
    clock: &'static CycleClock,
    dht11: Dht11<DhtPin, DhtPin>,
    probe: Probe,
    outputs: [Output<Switched>; OUTPUTS.len()],
}

impl BenchHardware {
    pub(crate) fn new(
        bench: &'static RefCell<Bench>,
        wire: &'static RefCell<DhtWire>,
        clock: &'static CycleClock,
        flash: &'static RefCell<BoardFlash>,
    ) -> Self {
        let pin = DhtPin { wire, bench };
        let output = |(name, on_when_low)| {
            let pin = Switched {
                name,
                on_when_low,
                bench,
                clock,
            };
            Output::new(pin, on_when_low)
        };
        Self {
            bench,
            flash,
            clock,
            dht11: Dht11::new(pin, pin),
            probe: Probe::new(bench),
            outputs: OUTPUTS.map(output),
        }
    }
}

impl Hardware for BenchHardware {
    fn measure(&mut self, now_ms: u64) -> Measured {
        let mut values = [None; METRICS_MAX];
        match self.dht11.ask(now_ms) {
            Answer::Measured {
                temperature,
                humidity,
            } => {
                values[0] = Some(temperature);
                values[1] = Some(humidity);
            }
            Answer::Again { at_ms } => return Measured::Again { at_ms },
            Answer::Failed(problem) => {
                let mut bench = self.bench.borrow_mut();
                bench.say(format_args!("dht11 {problem:?}"));
            }
        }
        values[2] = Some(soil::median(&mut self.probe).into());
        Measured::Values(values)
    }

    fn switch(&mut self, actuator: usize, on: bool) {
        if let Some(output) = self.outputs.get_mut(actuator) {
            // This board's pins cannot fail.
            let Ok(()) = output.set(on);
        }
    }

    fn keep(&mut self, block: &[u8; KEPT_BYTES]) {
        cpu::write_kept(block);
    }

    async fn remember(&mut self, id: &Id) {
        let remembered = now(self.flash.borrow_mut().remember(id));
        if remembered.is_err() {
            self.bench.borrow_mut().say(format_args!("flash failed"));
        }
    }

    /// The processor's timer; the chip's own watchdog would be another register.
    fn feed_watchdog(&mut self) {
        self.clock.feed_watchdog();
    }

    fn note(&mut self, event: Event) {
        let mut bench = self.bench.borrow_mut();
        match event {
            Event::Connected => bench.say(format_args!("mqtt connected")),
            Event::Lost(lost) => bench.say(format_args!("mqtt lost {lost:?}")),
            Event::Command => bench.say(format_args!("mqtt command")),
        }
    }
}
