//! The serial line: a 16550 whose registers are four bytes apart.

use core::fmt;

use crate::cpu::{read, write};

const DATA: usize = 0x9d05_0020;
/// Which events interrupt.
const EVENTS: usize = DATA + 4;
const ON_RECEIVED: u32 = 0x01;
const LINE_STATUS: usize = DATA + 0x14;
const RECEIVED: u32 = 0x01;
const CAN_SEND: u32 = 0x20;

/// The board's only serial line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Uart;

impl Uart {
    /// Lets what comes in end the processor's waiting.
    pub(crate) fn wake_on_received() {
        write(EVENTS, ON_RECEIVED);
    }

    /// What has come in.
    pub(crate) fn receive() -> Option<u8> {
        (read(LINE_STATUS) & RECEIVED != 0).then(|| read(DATA) as u8)
    }

    fn send(byte: u8) {
        while read(LINE_STATUS) & CAN_SEND == 0 {}
        write(DATA, byte.into());
    }
}

impl fmt::Write for Uart {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().for_each(Self::send);
        Ok(())
    }
}
