//! The board's parallel flash (Intel's command set, CFI), of which two sectors hold what outlives a
//! power cut. QEMU keeps it in a file: `-drive if=pflash,format=raw,file=...` of [`CHIP_BYTES`].

use core::{
    convert::Infallible,
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

use embedded_storage_async::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use signalbox_node::flash::Flash;

use crate::cpu::{read, write};

const CHIP: usize = 0x9800_0000;
const CHIP_BYTES: usize = 4 << 20;
const SECTOR_BYTES: usize = 64 << 10;
const SECTORS: usize = 2;
const WORD_BYTES: usize = 4;

const READ_ARRAY: u32 = 0xff;
const PROGRAM: u32 = 0x40;
const ERASE: u32 = 0x20;
const CONFIRM: u32 = 0xd0;
const READY: u32 = 0x80;

/// Records in the board's flash.
pub(crate) type BoardFlash = Flash<Chip>;

/// What a future gives that never waits, as those of this flash.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => unreachable!("this board's flash does not wait"),
    }
}

/// To be called once.
pub(crate) const fn open() -> BoardFlash {
    Flash::new(Chip, 0..(SECTORS * SECTOR_BYTES) as u32)
}

/// The board's only flash.
#[derive(Debug)]
pub(crate) struct Chip;

impl Chip {
    fn wait(address: usize) {
        while read(address) & READY == 0 {}
        write(address, READ_ARRAY);
    }
}

impl ErrorType for Chip {
    type Error = Infallible;
}

impl ReadNorFlash for Chip {
    const READ_SIZE: usize = WORD_BYTES;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Infallible> {
        let places = (CHIP + offset as usize..).step_by(WORD_BYTES);
        for (word, place) in bytes.chunks_mut(WORD_BYTES).zip(places) {
            let value = read(place).to_le_bytes();
            word.copy_from_slice(&value[..word.len()]);
        }
        Ok(())
    }

    fn capacity(&self) -> usize {
        CHIP_BYTES
    }
}

impl NorFlash for Chip {
    const WRITE_SIZE: usize = WORD_BYTES;
    const ERASE_SIZE: usize = SECTOR_BYTES;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), Infallible> {
        for offset in (from..to).step_by(SECTOR_BYTES) {
            let sector = CHIP + offset as usize;
            write(sector, ERASE);
            write(sector, CONFIRM);
            Self::wait(sector);
        }
        Ok(())
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Infallible> {
        let places = (CHIP + offset as usize..).step_by(WORD_BYTES);
        let (words, _) = bytes.as_chunks::<WORD_BYTES>();
        for (word, place) in words.iter().zip(places) {
            write(place, PROGRAM);
            write(place, u32::from_le_bytes(*word));
            Self::wait(place);
        }
        Ok(())
    }
}
