//! The processor: special registers through `start.S`, critical sections, and what happens when
//! something goes wrong.

use core::{fmt::Write as _, panic::PanicInfo};

use signalbox_node::kept::KEPT_BYTES;
use signalbox_protocol::payload::status::StartedBy;

use crate::uart::Uart;

mod asm {
    // What `start.S` has.
    unsafe extern "C" {
        pub(super) safe fn cpu_ccount() -> u32;
        pub(super) safe fn cpu_hold() -> u32;
        pub(super) fn cpu_restore(state: u32);
        pub(super) safe fn cpu_wait(cycles: u32, interrupts: u32);
        pub(super) safe fn cpu_feed(cycles: u32);
    }
}

/// Serial line, MAC, timer 0 of the lx106 (external interrupts 0 and 1, internal 6).
const WAKING: u32 = 1 | 1 << 1 | 1 << 6;
/// A register of the board; this value resets everything but the memory.
const RESET: (usize, u32) = (0x9d02_0010, 0xdead);

/// Cycles since the start, 32 bits.
pub(crate) fn cycles() -> u32 {
    asm::cpu_ccount()
}

/// Waits for the serial line or the network, at most until the cycle counter has this value.
pub(crate) fn wait(until_cycles: u32) {
    asm::cpu_wait(until_cycles, WAKING);
}

/// Lets the watchdog bite when the cycle counter has this value, unless it is fed before.
pub(crate) fn feed_watchdog(until_cycles: u32) {
    asm::cpu_feed(until_cycles);
}

/// Why the node started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Started {
    PowerOn,
    /// The button.
    Reset,
    /// New settings.
    Settings,
    /// It did nothing any more.
    Watchdog,
    /// A panic, or an exception of the processor.
    Fault,
}

impl Started {
    const ALL: [Self; 5] = [
        Self::PowerOn,
        Self::Reset,
        Self::Settings,
        Self::Watchdog,
        Self::Fault,
    ];

    /// As it lies in memory: no value that memory has by itself after a power cut.
    const fn mark(self) -> u32 {
        0x5742_0000 | self as u32
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::PowerOn => "power on",
            Self::Reset => "reset",
            Self::Settings => "settings",
            Self::Watchdog => "watchdog",
            Self::Fault => "fault",
        }
    }

    /// As the station is told.
    pub(crate) const fn told(self) -> StartedBy {
        match self {
            Self::PowerOn => StartedBy::Power,
            Self::Reset => StartedBy::Button,
            Self::Settings => StartedBy::Software,
            Self::Watchdog => StartedBy::Watchdog,
            Self::Fault => StartedBy::Fault,
        }
    }
}

fn reason() -> *mut u32 {
    unsafe extern "C" {
        static mut _reason: u32;
    }
    &raw mut _reason
}

/// Why the node started; to be asked once, because the next time may have no reason.
pub(crate) fn started() -> Started {
    // SAFETY: the linker script gives this memory, of a word at least, to nobody else.
    let mark = unsafe { reason().read_volatile() };
    // SAFETY: the same.
    unsafe { reason().write_volatile(0) };
    let known = Started::ALL.into_iter().find(|why| why.mark() == mark);
    known.unwrap_or(Started::PowerOn)
}

/// Starts anew.
pub(crate) fn reset(why: Started) -> ! {
    // SAFETY: the linker script gives this memory, of a word at least, to nobody else.
    unsafe { reason().write_volatile(why.mark()) };
    write(RESET.0, RESET.1);
    loop {
        // QEMU needs a moment.
        core::hint::spin_loop();
    }
}

/// Reads a register of the board.
pub(crate) fn read(address: usize) -> u32 {
    // SAFETY: callers pass addresses of this board's registers, which can always be read.
    unsafe { (address as *const u32).read_volatile() }
}

/// Writes a register of the board.
pub(crate) fn write(address: usize, value: u32) {
    // SAFETY: callers pass addresses of this board's registers; memory that a register makes the
    // MAC use is given to it for good (see `ethernet`).
    unsafe { (address as *mut u32).write_volatile(value) }
}

struct CriticalSection;
critical_section::set_impl!(CriticalSection);

// SAFETY: there is one core, and interrupts are held back between the two.
unsafe impl critical_section::Impl for CriticalSection {
    unsafe fn acquire() -> critical_section::RawRestoreState {
        asm::cpu_hold()
    }

    unsafe fn release(state: critical_section::RawRestoreState) {
        // SAFETY: the state is what `acquire` gave.
        unsafe { asm::cpu_restore(state) }
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    // The serial line cannot fail.
    let _ = match info.location() {
        // The image has no names of files.
        Some(place) => writeln!(Uart, "panic at line {}", place.line()),
        None => writeln!(Uart, "panic"),
    };
    reset(Started::Fault)
}

/// Called by `start.S` for an exception that nobody expects.
#[unsafe(no_mangle)]
extern "C" fn rust_fault(cause: u32, at: u32, address: u32) -> ! {
    // The serial line cannot fail.
    let _ = writeln!(Uart, "fault {cause} at {at:08x}, address {address:08x}");
    reset(Started::Fault)
}

/// Called by `start.S` when the watchdog was not fed.
#[unsafe(no_mangle)]
extern "C" fn rust_watchdog() -> ! {
    reset(Started::Watchdog)
}

/// Bytes of stack that were used at most, and bytes that it may take.
pub(crate) fn stack_bytes() -> (usize, usize) {
    const UNUSED: u32 = 0xa5a5_a5a5;
    unsafe extern "C" {
        static _free_begin: u32;
        static _stack_begin: u32;
        /// No memory: a number.
        static _stack_bytes: u8;
    }
    let (end, begin) = (&raw const _free_begin, &raw const _stack_begin);
    let mut at = end;
    // SAFETY: the linker script puts only the stack between the two symbols, which are aligned,
    // and `start.S` has written all of it.
    while at < begin && unsafe { at.read_volatile() } == UNUSED {
        at = at.wrapping_add(1);
    }
    (
        begin as usize - at as usize,
        &raw const _stack_bytes as usize,
    )
}

/// Bytes that outlive a reset: QEMU writes the image anew, and leaves them alone.
fn kept() -> *mut u32 {
    unsafe extern "C" {
        static mut _kept: u32;
    }
    &raw mut _kept
}

/// What was kept before the last reset; anything after a power cut.
pub(crate) fn read_kept() -> [u8; KEPT_BYTES] {
    let mut block = [0; KEPT_BYTES];
    let (words, _) = block.as_chunks_mut::<4>();
    for (at, word) in words.iter_mut().enumerate() {
        // SAFETY: the linker script gives this memory, of so many bytes, to nobody else.
        *word = unsafe { kept().wrapping_add(at).read_volatile() }.to_le_bytes();
    }
    block
}

/// Keeps a block over a reset.
pub(crate) fn write_kept(block: &[u8; KEPT_BYTES]) {
    let (words, _) = block.as_chunks::<4>();
    for (at, word) in words.iter().enumerate() {
        let word = u32::from_le_bytes(*word);
        // SAFETY: the linker script gives this memory, of so many bytes, to nobody else.
        unsafe { kept().wrapping_add(at).write_volatile(word) };
    }
}
