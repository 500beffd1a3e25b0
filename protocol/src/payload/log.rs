//! `signalbox/<node>/log`: what a node says of itself, QoS 0. A short header, then defmt's frames
//! as they come (rzCOBS, a zero behind each): the text is not in them, but in the symbol table of
//! the image that the header names.
//!
//! | bytes | |
//! |---|---|
//! | 0 | version: 1 |
//! | 1 to 8 | the first bytes of the image's build id |
//! | 9 to 12 | the node's clock when it sent, ms, modulo 2^32, little-endian |
//! | 13 and on | frames |

pub use super::config::LogLevel;
use super::{DecodeError, check_len};
use crate::limits::LOG_BYTES_MAX;

/// Bytes before the frames.
pub const LOG_HEADER_BYTES: usize = 13;
/// Bytes that name an image.
pub const BUILD_BYTES: usize = 8;
/// Ends a frame, and is in none.
pub const FRAME_END: u8 = 0;

const VERSION: u8 = 1;

impl LogLevel {
    /// As it stands in configurations and on screens.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// The first bytes of an image's build id.
pub type Build = [u8; BUILD_BYTES];

/// Lines of a node, still as frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log<'a> {
    /// Which image wrote them.
    pub build: Build,
    /// The node's clock when it sent, ms, modulo 2^32. Frames tell when they were written by the
    /// same clock.
    pub now_ms: u32,
    /// The frames.
    pub frames: &'a [u8],
}

impl<'a> Log<'a> {
    /// Reads a payload; frames are not looked at.
    ///
    /// # Errors
    /// It is too long, too short, or of another version.
    pub fn decode(payload: &'a [u8]) -> Result<Self, DecodeError> {
        check_len(payload, LOG_BYTES_MAX)?;
        let (header, frames) = payload
            .split_first_chunk::<LOG_HEADER_BYTES>()
            .ok_or(problem("is cut off"))?;
        let [version, b0, b1, b2, b3, b4, b5, b6, b7, now @ ..] = *header;
        if version != VERSION {
            return Err(problem("is of a version that is not known"));
        }
        Ok(Self {
            build: [b0, b1, b2, b3, b4, b5, b6, b7],
            now_ms: u32::from_le_bytes(now),
            frames,
        })
    }
}

const fn problem(problem: &'static str) -> DecodeError {
    DecodeError::Field {
        field: "header",
        problem,
    }
}

/// What comes before the frames.
#[must_use]
pub fn header(build: &Build, now_ms: u32) -> [u8; LOG_HEADER_BYTES] {
    let mut header = [VERSION; LOG_HEADER_BYTES];
    let (before, now) = header.split_at_mut(1 + BUILD_BYTES);
    before[1..].copy_from_slice(build);
    now.copy_from_slice(&now_ms.to_le_bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_it_is_written() {
        let mut payload = header(b"\x01\x02\x03\x04\x05\x06\x07\x08", 0x0102_0304).to_vec();
        payload.extend_from_slice(b"\x05\x06\x00");
        let log = Log::decode(&payload).unwrap();
        assert_eq!(log.build, [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(log.now_ms, 0x0102_0304);
        assert_eq!(log.frames, b"\x05\x06\x00");
    }

    #[test]
    fn what_is_short_long_or_newer_is_refused() {
        let whole = header(&[0; BUILD_BYTES], 0);
        assert!(Log::decode(&whole).is_ok());
        assert!(Log::decode(&whole[..LOG_HEADER_BYTES - 1]).is_err());
        let mut newer = whole;
        newer[0] = 2;
        assert!(Log::decode(&newer).is_err());
        let mut long = whole.to_vec();
        long.resize(LOG_BYTES_MAX, 1);
        assert!(Log::decode(&long).is_ok());
        long.push(1);
        assert!(Log::decode(&long).is_err());
    }
}
