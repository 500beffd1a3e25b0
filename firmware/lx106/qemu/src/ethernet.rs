//! The Ethernet MAC (OpenCores ethmac, QEMU's `open_eth`): a few frames in fixed memory, and a
//! descriptor for each. Names of registers and bits are the data sheet's.

use smoltcp::{
    phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken},
    time::Instant,
};

use crate::cpu::{read, write};

const REGISTERS: usize = 0x9d03_0000;
const MODER: usize = REGISTERS;
const INT_SOURCE: usize = REGISTERS + 0x04;
const INT_MASK: usize = REGISTERS + 0x08;
const PACKETLEN: usize = REGISTERS + 0x18;
const TX_BD_NUM: usize = REGISTERS + 0x20;
const MAC_ADDR0: usize = REGISTERS + 0x40;
const MAC_ADDR1: usize = REGISTERS + 0x44;
/// Two words each: length and flags, address.
const DESCRIPTORS: usize = 0x9d03_0400;

const MODER_RESET: u32 = 1 << 11;
/// Pad short frames, add the checksum, full duplex, take broadcasts, transmit, receive.
const MODER_RUN: u32 = 1 << 15 | 1 << 13 | 1 << 10 | 1 << 1 | 1;
const INT_ALL: u32 = 0x7f;
const INT_RECEIVED: u32 = 1 << 2;
const TX_READY: u32 = 1 << 15;
const TX_WRAP: u32 = 1 << 13;
const TX_PAD: u32 = 1 << 12;
const TX_CRC: u32 = 1 << 11;
const RX_EMPTY: u32 = 1 << 15;
const RX_WRAP: u32 = 1 << 13;
const CRC_BYTES: usize = 4;

const TX_FRAMES: usize = 1;
const RX_FRAMES: usize = 2;
/// Of an IP packet: what everybody must be able to take (RFC 791), so the other side of a TCP
/// connection sends no longer ones, and frames need little memory.
const MTU: usize = 576;
const HEADER_BYTES: usize = 14;
const FRAME_BYTES: usize = (HEADER_BYTES + MTU + CRC_BYTES).next_multiple_of(4);

/// Memory that the MAC reads and writes.
#[repr(C, align(4))]
struct Frames([[u8; FRAME_BYTES]; TX_FRAMES + RX_FRAMES]);

static mut FRAMES: Frames = Frames([[0; FRAME_BYTES]; TX_FRAMES + RX_FRAMES]);

fn frame(at: usize) -> *mut u8 {
    let all = (&raw mut FRAMES).cast::<u8>();
    all.wrapping_add(at * FRAME_BYTES)
}

fn flags(at: usize) -> u32 {
    read(DESCRIPTORS + at * 8)
}

fn set_flags(at: usize, flags: u32) {
    write(DESCRIPTORS + at * 8, flags);
}

const fn next(at: usize, count: usize) -> usize {
    if at + 1 == count { 0 } else { at + 1 }
}

const fn wrap(at: usize, count: usize, flag: u32) -> u32 {
    if at + 1 == count { flag } else { 0 }
}

/// The board's only MAC.
#[derive(Debug)]
pub(crate) struct Ethernet {
    next_tx: usize,
    next_rx: usize,
    /// False is a cut cable: what comes in and goes out is lost.
    pub(crate) plugged: bool,
}

impl Ethernet {
    pub(crate) fn new(address: [u8; 6]) -> Self {
        write(MODER, MODER_RESET);
        write(MODER, 0);
        write(INT_SOURCE, INT_ALL);
        write(INT_MASK, INT_RECEIVED);
        let [a, b, c, d, e, f] = address;
        write(MAC_ADDR0, u32::from_be_bytes([c, d, e, f]));
        write(MAC_ADDR1, u32::from_be_bytes([0, 0, a, b]));
        write(PACKETLEN, 64 << 16 | FRAME_BYTES as u32);
        write(TX_BD_NUM, TX_FRAMES as u32);
        for at in 0..TX_FRAMES + RX_FRAMES {
            write(DESCRIPTORS + at * 8 + 4, frame(at) as u32);
        }
        for at in 0..TX_FRAMES {
            set_flags(at, wrap(at, TX_FRAMES, TX_WRAP));
        }
        for at in 0..RX_FRAMES {
            set_flags(TX_FRAMES + at, RX_EMPTY | wrap(at, RX_FRAMES, RX_WRAP));
        }
        write(MODER, MODER_RUN);
        Self {
            next_tx: 0,
            next_rx: 0,
            plugged: true,
        }
    }

    /// What has come in is going to be looked at; the next frame interrupts again.
    pub(crate) fn clear_interrupt() {
        write(INT_SOURCE, INT_ALL);
    }

    /// Gives the frame that came in first back to the MAC.
    fn release(next_rx: &mut usize) {
        let at = *next_rx;
        set_flags(TX_FRAMES + at, RX_EMPTY | wrap(at, RX_FRAMES, RX_WRAP));
        *next_rx = next(at, RX_FRAMES);
    }
}

/// A frame that came in. The ring goes on only when it is consumed: the MAC looks at one
/// descriptor at a time.
pub(crate) struct Received<'a>(&'a mut usize);

/// A frame that can go out.
pub(crate) struct Sending<'a> {
    next_tx: &'a mut usize,
    plugged: bool,
}

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        let at = TX_FRAMES + *self.0;
        let len = (flags(at) >> 16) as usize;
        let len = len.saturating_sub(CRC_BYTES).min(FRAME_BYTES);
        // SAFETY: the frame lies in `FRAMES`, the MAC is done with it until `release`, and the
        // exclusive borrow of the ring keeps a second one from being handed out.
        let done = read(unsafe { core::slice::from_raw_parts(frame(at), len) });
        Ethernet::release(self.0);
        done
    }
}

impl TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, fill: F) -> R {
        let at = *self.next_tx;
        let len = len.min(FRAME_BYTES);
        // SAFETY: the frame lies in `FRAMES`, the MAC does not look at it before its flag is set
        // below, and the exclusive borrow of the ring keeps a second one from being handed out.
        let done = fill(unsafe { core::slice::from_raw_parts_mut(frame(at), len) });
        if self.plugged {
            let order = TX_READY | TX_PAD | TX_CRC | wrap(at, TX_FRAMES, TX_WRAP);
            set_flags(at, (len as u32) << 16 | order);
            *self.next_tx = next(at, TX_FRAMES);
        }
        done
    }
}

impl Device for Ethernet {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Sending<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received<'_>, Sending<'_>)> {
        while !self.plugged && flags(TX_FRAMES + self.next_rx) & RX_EMPTY == 0 {
            Self::release(&mut self.next_rx);
        }
        let none = flags(TX_FRAMES + self.next_rx) & RX_EMPTY != 0;
        if none || flags(self.next_tx) & TX_READY != 0 {
            return None;
        }
        let sending = Sending {
            next_tx: &mut self.next_tx,
            plugged: self.plugged,
        };
        Some((Received(&mut self.next_rx), sending))
    }

    fn transmit(&mut self, _: Instant) -> Option<Sending<'_>> {
        (flags(self.next_tx) & TX_READY == 0).then_some(Sending {
            next_tx: &mut self.next_tx,
            plugged: self.plugged,
        })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut is = DeviceCapabilities::default();
        is.medium = Medium::Ethernet;
        is.max_transmission_unit = HEADER_BYTES + MTU;
        is.max_burst_size = Some(1);
        is
    }
}
