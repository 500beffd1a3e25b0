//! Log lines of a node, made readable. A node sends defmt's frames: the number of a line and what
//! stands in its blanks. The text is in the symbol table of its image, so whoever reads the frames
//! needs the image: the station, and `cargo xtask firmware log`.
//!
//! [`Table::read`] takes an image (an ELF file), [`Table::lines`] takes frames. Both take any bytes:
//! frames come from the network.
//!
//! `table` reads the image, `values` reads a frame, `text` writes the line. Why this is not the
//! crate `defmt-decoder`: see `docs/decisions/node-logs.md`.

#[cfg(any(test, feature = "made"))]
pub mod made;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod values;

pub use table::{IMAGE_BYTES_MAX, Table, TableError};
pub use values::FrameError;

use signalbox_protocol::payload::log::{FRAME_END, LogLevel};

/// Characters of a line; what is longer is cut.
pub const LINE_CHARS_MAX: usize = 400;
/// Blanks of a line, with those in what stands in them.
pub const VALUES_MAX: usize = 256;
/// How deep what stands in a blank may have blanks itself.
pub const NESTING_MAX: usize = 8;

/// A line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// How much it matters; `println!` has none.
    pub level: Option<LogLevel>,
    /// The node's clock when it was written, ms modulo 2^32; nothing when the image tells no time.
    pub at_ms: Option<u32>,
    /// What it says, with control characters escaped.
    pub text: String,
}

impl Table {
    /// Reads frames, each with a zero behind it.
    pub fn lines<'a>(
        &'a self,
        frames: &'a [u8],
    ) -> impl Iterator<Item = Result<Line, FrameError>> + 'a {
        split(frames).map(|frame| self.line(frame))
    }

    /// Reads one frame, as it was sent.
    ///
    /// # Errors
    /// It is not from this image, or not whole.
    pub fn line(&self, frame: &[u8]) -> Result<Line, FrameError> {
        let bytes = rzcobs::decode(frame).map_err(|_| FrameError::Cut)?;
        values::line(self, &bytes)
    }
}

/// The frames, without the zeros between them.
pub fn split(frames: &[u8]) -> impl Iterator<Item = &[u8]> {
    let whole = frames.split(|byte| *byte == FRAME_END);
    whole.filter(|frame| !frame.is_empty())
}
