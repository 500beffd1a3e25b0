//! What outlives a power cut: ids of executed commands, the node's settings and configuration, in a few sectors
//! of flash. `sequential-storage` writes one record behind the other and erases a sector only when
//! it is full, so that none wears out before the others. A command costs 40 bytes: with two sectors
//! of 4 KiB an erase every 90 commands or so, and flash that stands 10,000 erases (the ESP8266's
//! usual chips stand ten times as many) lasts for almost two million commands.

use core::{fmt::Debug, ops::Range};

use embedded_storage_async::nor_flash::NorFlash;
use heapless::Vec;
use sequential_storage::{
    cache::{Cache, Uncached},
    map::{MapConfig, MapStorage},
};
use signalbox_protocol::{limits::ID_BYTES, payload::Id};

use crate::RECENT_IDS_MAX;

/// Bytes of one record's value at most.
pub const RECORD_BYTES_MAX: usize = 512;
/// A record's key, and room up to a word.
const BUFFER_BYTES: usize = RECORD_BYTES_MAX + 32;
const NUMBER_BYTES: usize = 4;

type Records<F> = MapStorage<u8, F, Cache<Uncached, Uncached, Uncached, u8>>;

/// What is kept under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record {
    /// Login and broker, as the board writes them.
    Settings,
    /// Configuration from the station, as it came.
    Config,
}

impl Record {
    /// Below are the places of ids.
    const fn key(self) -> u8 {
        match self {
            Self::Settings => 0x80,
            Self::Config => 0x81,
        }
    }
}

/// The flash could not be read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlashFailed;

/// Records in flash.
pub struct Flash<F: NorFlash> {
    records: Records<F>,
    /// Number of the next id; its place is the number modulo [`RECENT_IDS_MAX`].
    next: u32,
}

impl<F: NorFlash> Flash<F>
where
    F::Error: Debug,
{
    /// Uses these sectors, at least two; and what is in them, which may be nothing, or what is left
    /// after a power cut in the middle of a write.
    ///
    /// # Panics
    /// The range is not of whole sectors, or too small.
    pub const fn new(flash: F, sectors: Range<u32>) -> Self {
        Self {
            records: MapStorage::new(flash, MapConfig::new(sectors), Cache::new_uncached()),
            next: 0,
        }
    }

    /// Ids of executed commands, the oldest first. To be called once, before
    /// [`Flash::remember`].
    ///
    /// # Errors
    /// The flash cannot be read.
    pub async fn recent(&mut self) -> Result<Vec<Id, RECENT_IDS_MAX>, FlashFailed> {
        let mut recent: Vec<Id, RECENT_IDS_MAX> = Vec::new();
        // Number of the newest, and how many come before it in the order of places.
        let mut newest: Option<(u32, usize)> = None;
        for place in 0..RECENT_IDS_MAX {
            let mut buffer = [0; BUFFER_BYTES];
            let key = place as u8;
            let found = self.records.fetch_item::<&[u8]>(&mut buffer, &key).await;
            let found = found.map_err(|_| FlashFailed)?.and_then(numbered_id);
            let Some((number, id)) = found else {
                continue;
            };
            if newest.is_none_or(|(known, _)| known < number) {
                newest = Some((number, recent.len()));
            }
            // There are as many places as it can hold.
            let _ = recent.push(id);
        }
        if let Some((number, before)) = newest {
            // Places are used in turn, so behind the newest lies the oldest.
            recent.rotate_left(before + 1);
            self.next = number.wrapping_add(1);
        }
        Ok(recent)
    }

    /// Remembers a command that was executed.
    ///
    /// # Errors
    /// The flash cannot be written.
    pub async fn remember(&mut self, id: &Id) -> Result<(), FlashFailed> {
        let mut value: Vec<u8, { NUMBER_BYTES + ID_BYTES }> = Vec::new();
        let parts = [&self.next.to_le_bytes()[..], id.as_bytes()];
        for part in parts {
            value.extend_from_slice(part).map_err(|_| FlashFailed)?;
        }
        let place = (self.next as usize % RECENT_IDS_MAX) as u8;
        self.store(place, &value).await?;
        self.next = self.next.wrapping_add(1);
        Ok(())
    }

    /// Reads a record into the buffer, at least [`RECORD_BYTES_MAX`] and 32 bytes.
    ///
    /// # Errors
    /// The flash cannot be read.
    pub async fn get<'b>(
        &mut self,
        record: Record,
        buffer: &'b mut [u8],
    ) -> Result<Option<&'b [u8]>, FlashFailed> {
        let found = self.records.fetch_item(buffer, &record.key()).await;
        found.map_err(|_| FlashFailed)
    }

    /// Writes a record, of at most [`RECORD_BYTES_MAX`] bytes.
    ///
    /// # Errors
    /// The flash cannot be written, or the record is too long.
    pub async fn set(&mut self, record: Record, bytes: &[u8]) -> Result<(), FlashFailed> {
        self.store(record.key(), bytes).await
    }

    async fn store(&mut self, key: u8, value: &[u8]) -> Result<(), FlashFailed> {
        if value.len() > RECORD_BYTES_MAX {
            return Err(FlashFailed);
        }
        let mut buffer = [0; BUFFER_BYTES];
        let stored = self.records.store_item(&mut buffer, &key, &value).await;
        stored.map_err(|_| FlashFailed)
    }
}

fn numbered_id(value: &[u8]) -> Option<(u32, Id)> {
    let (number, id) = value.split_first_chunk::<NUMBER_BYTES>()?;
    let id = core::str::from_utf8(id).ok()?;
    Some((u32::from_le_bytes(*number), Id::try_from(id).ok()?))
}
