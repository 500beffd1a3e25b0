//! The node on QEMU's `lx60-nommu` board with the ESP8266's processor (`-cpu lx106`): the same
//! application as on a PC, with this board's clock, network and pins.
//!
//! | file | |
//! |---|---|
//! | `cpu` | special registers, waiting, faults |
//! | `uart` | the serial line |
//! | `ethernet`, `network` | the MAC (open_eth), and TCP on it (smoltcp) |
//! | `clock` | time from the cycle counter |
//! | `wires` | what is wired to the pins: a sensor, a probe, an LED, a pump |
//! | `bench` | what a test sets and sees over the serial line: sensors, pins, the network's plug |
//! | `flash` | what outlives a power cut |
//! | `hardware` | sensors, outputs and memory for the application |
//!
//! `unsafe` is for registers, for what the linker script gives, and for the few lines of assembler
//! in `start.S`.
#![no_std]

mod bench;
mod clock;
mod cpu;
mod ethernet;
mod flash;
mod hardware;
mod logs;
mod network;
mod uart;
mod wires;

use core::{
    cell::RefCell,
    convert::Infallible,
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use embassy_futures::select::{Either, select};
use heapless::{String, Vec};
use signalbox_node::{
    ActuatorOptions, App, BUFFER_BYTES_MIN, Buffers, MetricOptions, Node, NodeOptions,
    READINGS_BYTES, RECEIVE_BYTES_MIN, RECENT_IDS_MAX, Saved,
    board::Clock as _,
    flash::{RECORD_BYTES_MAX, Record},
    kept::{KEEP_MS, Kept},
    log,
};
use signalbox_protocol::payload::{Encoding, Id, Name};
use static_cell::StaticCell;

use crate::{
    bench::{Bench, Settings},
    clock::CycleClock,
    cpu::Started,
    flash::BoardFlash,
    hardware::{BenchHardware, METRICS},
    network::Stack,
    wires::{DhtWire, OUTPUTS},
};

/// Memory for a message that goes out.
const SEND_BYTES: usize = BUFFER_BYTES_MIN;
/// Memory for packets that come in.
const RECEIVE_BYTES: usize = RECEIVE_BYTES_MIN;

const HEARTBEAT_MS: u64 = 300_000;
/// From the last time that something was kept to the new start, at most.
const BLIND_MS: u32 = KEEP_MS as u32 + 1_000;

/// What the node is made of, each at its place from the beginning: a move would take stack, and
/// that is the scarcest here.
struct Parts {
    bench: StaticCell<RefCell<Bench>>,
    clock: StaticCell<CycleClock>,
    flash: StaticCell<RefCell<BoardFlash>>,
    wire: StaticCell<RefCell<DhtWire>>,
    network: StaticCell<Stack>,
    node: StaticCell<Node<&'static mut [u8]>>,
    app: StaticCell<BoardApp>,
    readings: StaticCell<[u8; READINGS_BYTES]>,
    send: StaticCell<[u8; SEND_BYTES]>,
    receive: StaticCell<[u8; RECEIVE_BYTES]>,
}

static PARTS: Parts = Parts {
    bench: StaticCell::new(),
    clock: StaticCell::new(),
    flash: StaticCell::new(),
    wire: StaticCell::new(),
    network: StaticCell::new(),
    node: StaticCell::new(),
    app: StaticCell::new(),
    readings: StaticCell::new(),
    send: StaticCell::new(),
    receive: StaticCell::new(),
};

type BoardApp = App<'static, CycleClock, BenchHardware, &'static mut [u8]>;

/// What is needed by all.
#[derive(Clone, Copy)]
struct Shared {
    bench: &'static RefCell<Bench>,
    clock: &'static CycleClock,
    flash: &'static RefCell<BoardFlash>,
}

/// Called once, by `start.S`.
#[unsafe(no_mangle)]
extern "C" fn rust_main() -> ! {
    let shared = Shared {
        bench: PARTS.bench.init_with(|| RefCell::new(Bench::new())),
        clock: PARTS.clock.init_with(CycleClock::new),
        flash: PARTS.flash.init_with(|| RefCell::new(flash::open())),
    };
    let send = PARTS.send.init_with(|| [0; SEND_BYTES]);
    let (app, network) = set_up(shared, send);
    go(shared, app, network, send)
}

/// Runs for ever. Not inlined, so that nothing of this lies below what is only done at the start.
#[inline(never)]
fn go(shared: Shared, app: &mut BoardApp, network: &mut Stack, send: &mut [u8]) -> ! {
    let mut buffers = Buffers {
        send,
        receive: PARTS.receive.init_with(|| [0; RECEIVE_BYTES]),
    };
    let new_settings = poll_fn(|_| {
        if bench::store(shared.bench, shared.flash) {
            cpu::reset(Started::Settings)
        }
        Poll::<Infallible>::Pending
    });
    let running = pin!(async {
        match select(app.run(network, &mut buffers), new_settings).await {
            Either::First(never) | Either::Second(never) => never,
        }
    });
    run(running, || {
        shared.bench.borrow_mut().listen();
        shared.clock.idle();
    })
}

/// Puts the parts together. Not inlined, so that what is needed only here does not stay on the stack.
#[inline(never)]
fn set_up(shared: Shared, scratch: &mut [u8]) -> (&'static mut BoardApp, &'static mut Stack) {
    shared.bench.borrow_mut().say(format_args!(
        "signalbox {} on lx106, {} Hz",
        env!("CARGO_PKG_VERSION"),
        clock::frequency_hz()
    ));
    let settings = settings(shared);
    let network = network(shared, &settings);
    let readings = PARTS.readings.init_with(|| [0; READINGS_BYTES]);
    let node = PARTS
        .node
        .init_with(|| Node::unset(readings.as_mut_slice()));
    let started = cpu::started();
    let failed_starts = begin(node, shared, &settings, started);
    configure(node, shared, scratch);
    let app = app(shared, node, &settings, failed_starts, started);
    (app, network)
}

/// Begins with the configuration that was kept.
#[inline(never)]
fn configure(node: &mut Node<&'static mut [u8]>, shared: Shared, scratch: &mut [u8]) {
    const { assert!(SEND_BYTES >= RECORD_BYTES_MAX + 32, "room for a record") };
    let mut flash_memory = shared.flash.borrow_mut();
    match flash::now(flash_memory.get(Record::Config, scratch)) {
        Ok(Some(config)) => node.begin_with(config),
        Ok(None) => {}
        Err(_) => shared.bench.borrow_mut().say(format_args!("flash failed")),
    }
}

#[inline(never)]
fn settings(shared: Shared) -> Settings {
    bench::settings(shared.bench, shared.flash, shared.clock)
}

#[inline(never)]
fn network(shared: Shared, settings: &Settings) -> &'static mut Stack {
    PARTS
        .network
        .init_with(|| Stack::new(shared.bench, shared.clock, settings.broker))
}

#[inline(never)]
fn app(
    shared: Shared,
    node: &'static mut Node<&'static mut [u8]>,
    settings: &Settings,
    failed_starts: u8,
    started: Started,
) -> &'static mut BoardApp {
    let Shared {
        bench,
        clock,
        flash,
    } = shared;
    let wire = PARTS.wire.init_with(RefCell::default);
    PARTS.app.init_with(|| {
        let hardware = BenchHardware::new(bench, wire, clock, flash, started);
        App::new(clock, hardware, node, settings.login.clone(), failed_starts)
    })
}

/// Sets the node up with what it knows from before; starts that failed, this one among them.
#[inline(never)]
fn begin(
    node: &mut Node<&'static mut [u8]>,
    shared: Shared,
    settings: &Settings,
    started: Started,
) -> u8 {
    let mut before = kept();
    if let Some(kept) = &mut before {
        kept.was_reset(BLIND_MS);
    }
    let safe_mode = before.as_ref().is_some_and(Kept::is_safe_mode);
    let failed_starts = before.as_ref().map_or(1, |kept| kept.failed_starts);
    let reason = if safe_mode {
        "safe mode"
    } else {
        started.as_str()
    };
    shared
        .bench
        .borrow_mut()
        .say(format_args!("start {reason}"));
    log!(warn, "start: {=str}", reason);
    options(node.options(), settings, safe_mode);
    match &before {
        Some(kept) if !safe_mode => {
            // Flash has to know its ids, whether they are used or not.
            recent(shared);
            set_up_node(node, shared.clock, &kept.saved);
        }
        _ => after_power_cut(node, shared),
    }
    failed_starts
}

#[inline(never)]
fn kept() -> Option<Kept> {
    Kept::read(&cpu::read_kept())
}

#[inline(never)]
fn after_power_cut(node: &mut Node<&'static mut [u8]>, shared: Shared) {
    let saved = Saved {
        actuators: Vec::new(),
        recent: recent(shared),
    };
    set_up_node(node, shared.clock, &saved);
}

fn set_up_node(node: &mut Node<&'static mut [u8]>, clock: &CycleClock, saved: &Saved) {
    let boot = clock.entropy();
    let seed = boot.rotate_left(16);
    node.set_up(boot, Some(saved), seed, clock.now_ms());
}

#[inline(never)]
fn recent(shared: Shared) -> Vec<Id, RECENT_IDS_MAX> {
    flash::now(shared.flash.borrow_mut().recent()).unwrap_or_else(|_| {
        shared.bench.borrow_mut().say(format_args!("flash failed"));
        Vec::new()
    })
}

fn options(options: &mut NodeOptions, settings: &Settings, safe_mode: bool) {
    let firmware = if safe_mode {
        concat!("lx106-", env!("CARGO_PKG_VERSION"), "-safe")
    } else {
        concat!("lx106-", env!("CARGO_PKG_VERSION"))
    };
    options.name.clone_from(&settings.login.name);
    options.firmware = firmware.try_into().unwrap_or_default();
    let metrics = METRICS
        .into_iter()
        .take(if safe_mode { 0 } else { METRICS.len() });
    options.metrics.extend(
        metrics.map(|(metric, dead_band, worked_out_from)| MetricOptions {
            name: name(metric),
            dead_band,
            worked_out_from,
        }),
    );
    let outputs = OUTPUTS.into_iter();
    options
        .actuators
        .extend(outputs.map(|(output, _)| ActuatorOptions::new(name(output))));
    options.safe_mode = safe_mode;
    options.interval_ms = settings.interval_ms;
    options.heartbeat_ms = HEARTBEAT_MS;
    options.encoding = Encoding::Protobuf;
}

fn name(text: &str) -> Name {
    String::try_from(text).unwrap_or_default()
}

/// Runs a future for ever; between two looks at it there is nothing to do.
fn run(mut future: Pin<&mut impl Future<Output = Infallible>>, idle: impl Fn()) -> ! {
    let mut context = Context::from_waker(Waker::noop());
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(never) => match never {},
            Poll::Pending => idle(),
        }
    }
}
