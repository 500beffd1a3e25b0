//! What outlives a reset (not a power cut), as bytes for memory that a reset leaves alone: of the
//! ESP8266's real-time clock, 512 bytes. Written often, because it does not wear out; flash, which
//! does, is for [`crate::flash`].
//!
//! The block begins with a mark that names its version, and a checksum: after a power cut
//! the memory holds anything.

use serde::{Deserialize, Serialize};

use crate::{Saved, switches::SavedRef};

/// Bytes of the block.
pub const KEPT_BYTES: usize = 512;
/// Written at least this often.
pub const KEEP_MS: u64 = 1_000;
/// Starts in a row that have to fail before the node starts in safe mode.
pub const FAILED_STARTS_MAX: u8 = 5;
/// A start that lasts so long has not failed.
pub const GOOD_START_MS: u64 = 60_000;

const MARK: [u8; 4] = *b"SGN1";
const CHECKSUM_BYTES: usize = 4;
/// As in Ethernet; without a table, which would take 1 KiB of data RAM.
const CRC: crc::Crc<u32, crc::NoTable> = crc::Crc::<u32, crc::NoTable>::new(&crc::CRC_32_ISO_HDLC);

/// What outlives a reset.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Starts in a row that have ended before [`GOOD_START_MS`], this one among them.
    pub failed_starts: u8,
    /// Actuators, off-timers, ids.
    pub saved: Saved,
}

/// The same, as it lies in a node: a copy would take stack.
#[derive(Debug, Serialize)]
pub(crate) struct KeptRef<'a> {
    pub(crate) failed_starts: u8,
    pub(crate) saved: SavedRef<'a>,
}

/// Writes a [`Kept`] or a [`KeptRef`] into the block.
pub(crate) fn write(kept: &impl Serialize, block: &mut [u8; KEPT_BYTES]) {
    block.fill(0);
    let (mark, rest) = block.split_at_mut(MARK.len());
    let (checksum, body) = rest.split_at_mut(CHECKSUM_BYTES);
    // A test shows that the longest fits; without the mark the block says nothing.
    if postcard::to_slice(kept, body).is_ok() {
        mark.copy_from_slice(&MARK);
        checksum.copy_from_slice(&CRC.checksum(body).to_le_bytes());
    }
}

impl Kept {
    /// Writes it into the block.
    pub fn write(&self, block: &mut [u8; KEPT_BYTES]) {
        write(self, block);
    }

    /// Reads the block; `None` when it was not written by this version, or is not whole.
    #[must_use]
    #[inline(never)] // What it needs on the way does not lie below what comes next.
    pub fn read(block: &[u8; KEPT_BYTES]) -> Option<Self> {
        let (checksum, body) = block.strip_prefix(&MARK)?.split_first_chunk()?;
        let whole = u32::from_le_bytes(*checksum) == CRC.checksum(body);
        whole.then(|| postcard::from_bytes(body).ok()).flatten()
    }

    /// What a node begins with, after a reset that took at most `blind_ms` since the block was
    /// written: so much is taken off the timers, so that none ever runs longer than ordered.
    #[must_use]
    pub fn after_reset(mut self, blind_ms: u32) -> Self {
        self.was_reset(blind_ms);
        self
    }

    /// The same, in place.
    pub fn was_reset(&mut self, blind_ms: u32) {
        for (on, off_in_ms) in &mut self.saved.actuators {
            *off_in_ms = match off_in_ms.map(|rest| rest.saturating_sub(blind_ms)) {
                Some(0) => {
                    *on = false;
                    None
                }
                rest => rest,
            };
        }
        self.failed_starts = self.failed_starts.saturating_add(1);
    }

    /// Whether too many starts have failed: then the node joins the network and answers, but
    /// begins with everything off, does not measure, and uses no configuration but its login.
    #[must_use]
    pub const fn is_safe_mode(&self) -> bool {
        self.failed_starts >= FAILED_STARTS_MAX
    }
}
