//! One connection to a broker: what has been received of a packet, what is under way, and when to
//! say that one is still there. Fed with bytes and the time by [`crate::app`].

use core::ops::Range;

use heapless::Vec;

use super::packet::{self, Header, Malformed, Message, Packet};
use crate::Kind;

/// Messages that wait for their PUBACK on a connection; more wait in the node.
pub const IN_FLIGHT_MAX: usize = 4;
/// The node says something at least this often; the broker takes it for gone after one and a half
/// times as long.
pub(crate) const KEEP_ALIVE_S: u16 = 20;
/// Id of the first packet of a connection that has one.
pub(crate) const FIRST_ID: u16 = 1;
/// A ping that is not answered for this long tells that the connection is dead.
pub(crate) const PONG_MS_MAX: u64 = 10_000;

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Lost {
    /// There was none to be had.
    NoConnection,
    /// The broker refused the node, with this code of MQTT 3.1.1 (5 is a wrong name or password).
    Refused(u8),
    /// The broker refused the subscription.
    NotSubscribed,
    /// The other side does not speak MQTT 3.1.1.
    Malformed,
    /// It ended, or broke.
    Closed,
    /// The other side has said nothing for too long, or taken nothing.
    Silent,
}

impl From<Malformed> for Lost {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// Where a packet is in the buffer; see [`Link::packet`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    Packet(Header),
    /// A message that is longer than the buffer: only its beginning is there, and the rest will be
    /// passed over.
    TooLong {
        packet_id: Option<u16>,
    },
}

#[derive(Debug)]
pub(crate) struct Link<'b> {
    buffer: &'b mut [u8],
    filled: usize,
    /// Bytes that belong to a packet that was too long.
    skip: usize,
    in_flight: Vec<(u16, Kind), IN_FLIGHT_MAX>,
    last_id: u16,
    sent_ms: u64,
    ping_ms: Option<u64>,
}

impl<'b> Link<'b> {
    pub(crate) const fn new(buffer: &'b mut [u8], now_ms: u64) -> Self {
        Self {
            buffer,
            filled: 0,
            skip: 0,
            in_flight: Vec::new(),
            last_id: 0,
            sent_ms: now_ms,
            ping_ms: None,
        }
    }

    /// Where what is read next belongs. Never empty: a packet that fills it is taken out first.
    pub(crate) fn free(&mut self) -> &mut [u8] {
        &mut self.buffer[self.filled..]
    }

    /// So many bytes were read into [`Link::free`].
    pub(crate) fn received(&mut self, bytes: usize) {
        self.filled = (self.filled + bytes).min(self.buffer.len());
        let skipped = self.skip.min(self.filled);
        self.skip -= skipped;
        self.remove(0..skipped);
    }

    /// The first packet in the buffer, when it is whole. It stays there until [`Link::taken`].
    pub(crate) fn found(&mut self) -> Result<Option<Found>, Malformed> {
        let received = &self.buffer[..self.filled];
        let Some(header) = packet::header(received)? else {
            return Ok(None);
        };
        if header.packet_bytes() <= self.filled {
            return Ok(Some(Found::Packet(header)));
        }
        if header.packet_bytes() <= self.buffer.len() || self.filled < self.buffer.len() {
            return Ok(None);
        }
        if !header.is_publish() {
            return Err(Malformed);
        }
        let Message { packet_id, .. } = packet::message(header.kind, &received[header.bytes..])?;
        self.skip = header.packet_bytes() - self.filled;
        self.filled = 0;
        Ok(Some(Found::TooLong { packet_id }))
    }

    pub(crate) fn packet(&self, header: Header) -> Result<Packet<'_>, Malformed> {
        packet::packet(header, &self.buffer[header.bytes..header.packet_bytes()])
    }

    /// The first packet is done with.
    pub(crate) fn taken(&mut self, header: Header) {
        self.remove(0..header.packet_bytes());
    }

    fn remove(&mut self, range: Range<usize>) {
        let end = range.end;
        self.buffer.copy_within(end..self.filled, 0);
        self.filled -= end;
    }

    /// A packet id that is not in use.
    pub(crate) fn next_id(&mut self) -> u16 {
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            if self.in_flight.iter().all(|(id, _)| *id != self.last_id) {
                return self.last_id;
            }
        }
    }

    pub(crate) fn has_room(&self) -> bool {
        !self.in_flight.is_full()
    }

    pub(crate) fn sent(&mut self, id: u16, kind: Kind) {
        // Asked for by `has_room`.
        let _ = self.in_flight.push((id, kind));
    }

    /// What a PUBACK is for; nothing when the id is not under way.
    pub(crate) fn acknowledged(&mut self, id: u16) -> Option<Kind> {
        let at = self.in_flight.iter().position(|(known, _)| *known == id)?;
        Some(self.in_flight.remove(at).1)
    }

    pub(crate) fn wrote(&mut self, now_ms: u64) {
        self.sent_ms = now_ms;
    }

    pub(crate) fn pinged(&mut self, now_ms: u64) {
        self.ping_ms = Some(now_ms);
    }

    pub(crate) fn answered(&mut self) {
        self.ping_ms = None;
    }

    /// When something has to happen: a ping, or the end.
    pub(crate) fn wake_ms(&self) -> u64 {
        match self.ping_ms {
            Some(ping_ms) => ping_ms + PONG_MS_MAX,
            None => self.sent_ms + u64::from(KEEP_ALIVE_S) * 1_000 / 2,
        }
    }

    pub(crate) fn ping_due(&self, now_ms: u64) -> bool {
        self.ping_ms.is_none() && self.wake_ms() <= now_ms
    }

    pub(crate) fn is_silent(&self, now_ms: u64) -> bool {
        self.ping_ms.is_some() && self.wake_ms() <= now_ms
    }
}
