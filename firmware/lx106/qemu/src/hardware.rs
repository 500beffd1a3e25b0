//! Sensors, outputs and memory of the node: the drivers of real boards, at the wires of the bench.

use core::cell::RefCell;

use signalbox_node::{
    METRICS_MAX,
    board::{Event, Hardware, LogLines, Measured},
    drivers::{
        dht11::{Answer, Dht11},
        output::Output,
        soil,
    },
    flash::{FlashFailed, Record},
    kept::KEPT_BYTES,
    log,
};
use signalbox_protocol::payload::{Id, status::StartedBy};

use crate::{
    bench::Bench,
    clock::CycleClock,
    cpu::{self, Started},
    flash::{BoardFlash, now},
    logs,
    wires::{DhtPin, DhtWire, OUTPUTS, Probe, Switched},
};

/// Metrics and dead bands, in the order of [`BenchHardware::measure`]; the last is worked out from
/// the soil probe's steps, once the station has told two points.
pub(crate) const METRICS: [(&str, f32, Option<usize>); 4] = [
    ("temperature", 0.1, None),
    ("humidity", 1.0, None),
    ("soil", 3.0, None),
    ("moisture", 0.5, Some(2)),
];

/// Sensors, outputs, memory.
pub(crate) struct BenchHardware {
    bench: &'static RefCell<Bench>,
    flash: &'static RefCell<BoardFlash>,
    clock: &'static CycleClock,
    dht11: Dht11<DhtPin, DhtPin>,
    probe: Probe,
    outputs: [Output<Switched>; OUTPUTS.len()],
    started: Started,
}

impl BenchHardware {
    pub(crate) fn new(
        bench: &'static RefCell<Bench>,
        wire: &'static RefCell<DhtWire>,
        clock: &'static CycleClock,
        flash: &'static RefCell<BoardFlash>,
        started: Started,
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
            started,
        }
    }
}

/// Not inlined: the buffers in these would lie under all of the connection's.
impl BenchHardware {
    #[inline(never)]
    fn write_id(&mut self, id: &Id) {
        let written = now(self.flash.borrow_mut().remember(id));
        self.wrote(written);
    }

    #[inline(never)]
    fn write_config(&mut self, payload: &[u8]) {
        let written = now(self.flash.borrow_mut().set(Record::Config, payload));
        self.wrote(written);
    }

    fn wrote(&self, written: Result<(), FlashFailed>) {
        if written.is_err() {
            self.bench.borrow_mut().say(format_args!("flash failed"));
            log!(
                error,
                "flash failed: the next power cut takes something away"
            );
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
                log!(warn, "dht11: {}", problem);
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

    fn started_by(&self) -> Option<StartedBy> {
        Some(self.started.told())
    }

    fn keep(&mut self, block: &[u8; KEPT_BYTES]) {
        cpu::write_kept(block);
    }

    async fn remember(&mut self, id: &Id) {
        self.write_id(id);
    }

    async fn remember_config(&mut self, payload: &[u8]) {
        self.write_config(payload);
    }

    /// The processor's timer; the chip's own watchdog would be another register.
    fn feed_watchdog(&mut self) {
        self.clock.feed_watchdog();
    }

    fn log_lines(&mut self, room: &mut [u8]) -> Option<LogLines> {
        let bytes = logs::copy(room);
        let build = logs::build();
        (bytes > 0).then_some(LogLines { build, bytes })
    }

    fn logged(&mut self, bytes: usize) -> u32 {
        logs::sent(bytes)
    }

    fn note(&mut self, event: Event) {
        let mut bench = self.bench.borrow_mut();
        match event {
            Event::Connected => bench.say(format_args!("mqtt connected")),
            Event::Lost(lost) => bench.say(format_args!("mqtt lost {lost:?}")),
            Event::Configured => bench.say(format_args!("mqtt configured")),
            Event::Command => bench.say(format_args!("mqtt command")),
        }
    }
}
