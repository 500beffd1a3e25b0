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
    ActuatorOptions, App, Buffers, MetricOptions, Node, NodeOptions, RECENT_IDS_MAX, Saved,
    board::Clock as _,
    kept::{KEEP_MS, Kept},
};
use signalbox_protocol::payload::{Encoding, Id, Name};

use crate::{
    bench::{Bench, Settings},
    clock::CycleClock,
    flash::BoardFlash,
    hardware::{BenchHardware, METRICS},
    network::Stack,
    wires::{DhtWire, OUTPUTS},
};

/// Memory for readings: a thousand.
const READINGS_BYTES: usize = 10_240;
/// Memory for a message that goes out.
const SEND_BYTES: usize = 1_280;
/// Memory for packets that come in.
const RECEIVE_BYTES: usize = 768;

const HEARTBEAT_MS: u64 = 300_000;
/// From the last time that something was kept to the new start, at most.
const BLIND_MS: u32 = KEEP_MS as u32 + 1_000;

struct Memory {
    readings: [u8; READINGS_BYTES],
    send: [u8; SEND_BYTES],
    receive: [u8; RECEIVE_BYTES],
}

static mut MEMORY: Memory = Memory {
    readings: [0; READINGS_BYTES],
    send: [0; SEND_BYTES],
    receive: [0; RECEIVE_BYTES],
};

/// Called by `start.S`.
#[unsafe(no_mangle)]
extern "C" fn rust_main() -> ! {
    // SAFETY: `start.S` calls this function once, and nobody else knows the memory.
    let memory = unsafe { &mut *(&raw mut MEMORY) };
    let clock = CycleClock::new();
    let bench = RefCell::new(Bench::new());
    let flash = RefCell::new(flash::open());
    let running = pin!(node(&clock, &bench, &flash, memory));
    run(running, || {
        bench.borrow_mut().listen();
        clock.idle();
    })
}

async fn node(
    clock: &CycleClock,
    bench: &RefCell<Bench>,
    flash: &RefCell<BoardFlash>,
    memory: &'static mut Memory,
) -> Infallible {
    bench.borrow_mut().say(format_args!(
        "signalbox {} on lx106, {} Hz",
        env!("CARGO_PKG_VERSION"),
        clock::frequency_hz()
    ));
    let settings = bench::settings(bench, flash, clock).await;
    let recent = flash.borrow_mut().recent().await;
    let recent = recent.unwrap_or_else(|_| {
        bench.borrow_mut().say(format_args!("flash failed"));
        Vec::new()
    });
    let wire = RefCell::new(DhtWire::default());
    let mut network = Stack::new(bench, clock, settings.broker);
    let hardware = BenchHardware::new(bench, &wire, clock, flash);
    let mut buffers = Buffers {
        send: &mut memory.send,
        receive: &mut memory.receive,
    };
    let mut app = app(
        hardware,
        clock,
        bench,
        &settings,
        recent,
        &mut memory.readings,
    );
    let running = app.run(&mut network, &mut buffers);
    let new_settings = poll_fn(|context| {
        // Flash of this board never waits.
        match pin!(bench::store(bench, flash)).poll(context) {
            Poll::Ready(true) => cpu::reset(),
            _ => Poll::<Infallible>::Pending,
        }
    });
    match select(running, new_settings).await {
        Either::First(never) | Either::Second(never) => never,
    }
}

/// The node with what it knows from before. Not inlined, so that what is needed only for it does not
/// stay on the stack.
#[inline(never)]
fn app<'a>(
    hardware: BenchHardware<'a>,
    clock: &'a CycleClock,
    bench: &RefCell<Bench>,
    settings: &Settings,
    recent: Vec<Id, RECENT_IDS_MAX>,
    readings: &'static mut [u8; READINGS_BYTES],
) -> App<'a, CycleClock, BenchHardware<'a>, &'static mut [u8]> {
    let before = Kept::read(&cpu::read_kept()).map(|kept| kept.after_reset(BLIND_MS));
    let safe_mode = before.as_ref().is_some_and(Kept::is_safe_mode);
    let failed_starts = before.as_ref().map_or(1, |kept| kept.failed_starts);
    let reason = match (&before, safe_mode) {
        (_, true) => "safe mode",
        (Some(_), false) => "reset",
        (None, false) => "power on",
    };
    bench.borrow_mut().say(format_args!("start {reason}"));
    let saved = match before {
        Some(kept) if !safe_mode => kept.saved,
        _ => Saved {
            actuators: Vec::new(),
            recent,
        },
    };
    let boot = clock.entropy();
    let options = options(settings, safe_mode);
    let seed = boot.rotate_left(16);
    let readings = readings.as_mut_slice();
    let node = Node::new(options, readings, boot, Some(&saved), seed, clock.now_ms());
    App::new(clock, hardware, node, settings.login.clone(), failed_starts)
}

fn options(settings: &Settings, safe_mode: bool) -> NodeOptions {
    let firmware = if safe_mode {
        concat!("lx106-", env!("CARGO_PKG_VERSION"), "-safe")
    } else {
        concat!("lx106-", env!("CARGO_PKG_VERSION"))
    };
    let metrics = METRICS
        .into_iter()
        .take(if safe_mode { 0 } else { METRICS.len() });
    NodeOptions {
        name: settings.login.name.clone(),
        firmware: firmware.try_into().unwrap_or_default(),
        metrics: metrics
            .map(|(metric, dead_band)| MetricOptions {
                name: name(metric),
                dead_band,
            })
            .collect(),
        actuators: OUTPUTS
            .into_iter()
            .map(|(output, _)| ActuatorOptions::new(name(output)))
            .collect(),
        interval_ms: settings.interval_ms,
        heartbeat_ms: HEARTBEAT_MS,
        encoding: Encoding::Protobuf,
    }
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
