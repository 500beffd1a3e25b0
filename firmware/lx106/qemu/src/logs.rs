//! Takes the lines that defmt writes, and gives them to the application to send.

use core::cell::UnsafeCell;

use critical_section::RestoreState;
use defmt::Encoder;
use signalbox_node::logs::LogMemory;
use signalbox_protocol::payload::log::{BUILD_BYTES, Build};

/// Memory for lines that wait for a connection; a line takes 10 to 30 bytes.
pub(crate) const LOG_BYTES: usize = 384;

struct Lines {
    encoder: Encoder,
    memory: LogMemory<LOG_BYTES>,
    /// To let interrupts through again when the line is whole.
    restore: RestoreState,
}

struct Shared(UnsafeCell<Lines>);

// SAFETY: there is one core, and who uses it holds interrupts back; no interrupt writes a line.
unsafe impl Sync for Shared {}

static LINES: Shared = Shared(UnsafeCell::new(Lines {
    encoder: Encoder::new(),
    memory: LogMemory::new(),
    restore: RestoreState::invalid(),
}));

#[defmt::global_logger]
struct Logger;

// SAFETY: from `acquire` to `release` interrupts are held back, so that only one line is written
// at a time, and nobody else looks at the memory; `LINES` is never borrowed beyond a call.
unsafe impl defmt::Logger for Logger {
    fn acquire() {
        // SAFETY: released in `release`.
        let restore = unsafe { critical_section::acquire() };
        // SAFETY: interrupts are held back.
        let lines = unsafe { &mut *LINES.0.get() };
        lines.restore = restore;
        let memory = &mut lines.memory;
        lines.encoder.start_frame(|part| memory.write(part));
    }

    unsafe fn flush() {
        // Lines are sent when there is a connection.
    }

    unsafe fn release() {
        // SAFETY: interrupts are held back since `acquire`.
        let lines = unsafe { &mut *LINES.0.get() };
        let memory = &mut lines.memory;
        lines.encoder.end_frame(|part| memory.write(part));
        memory.end();
        // SAFETY: as `acquire` gave it.
        unsafe { critical_section::release(lines.restore) };
    }

    unsafe fn write(bytes: &[u8]) {
        // SAFETY: interrupts are held back since `acquire`.
        let lines = unsafe { &mut *LINES.0.get() };
        let memory = &mut lines.memory;
        lines.encoder.write(bytes, |part| memory.write(part));
    }
}

fn with<T>(use_it: impl FnOnce(&mut LogMemory<LOG_BYTES>) -> T) -> T {
    critical_section::with(|_| {
        // SAFETY: interrupts are held back, and `use_it` writes no line.
        use_it(unsafe { &mut (*LINES.0.get()).memory })
    })
}

/// Copies lines that wait; their bytes.
pub(crate) fn copy(room: &mut [u8]) -> usize {
    with(|memory| memory.copy(room))
}

/// Forgets lines that were sent; how many were left out for want of room.
pub(crate) fn sent(bytes: usize) -> u32 {
    with(|memory| {
        memory.remove(bytes);
        memory.take_lost()
    })
}

/// Names this image, so that the station finds its symbol table.
pub(crate) fn build() -> Build {
    unsafe extern "C" {
        static _build_id: [u8; BUILD_BYTES];
    }
    // SAFETY: the linker script puts so many bytes there, and nobody writes them.
    unsafe { _build_id }
}
