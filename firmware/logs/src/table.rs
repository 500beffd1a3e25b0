//! The text of an image's lines: symbols in its section `.defmt`, whose addresses are the numbers
//! of lines and whose names are JSON. `defmt`'s book calls this interning; the format is that of
//! its version 4.

use std::collections::BTreeMap;

use defmt_parser::{Fragment, Parameter, ParserMode};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _};
use serde::Deserialize;
use signalbox_protocol::payload::log::{BUILD_BYTES, Build, LogLevel};

/// Bytes of an image that is read.
pub const IMAGE_BYTES_MAX: u64 = 64 << 20;

/// Of the frames that are understood.
const VERSION: &str = "4";
const ENCODING: &str = "rzcobs";
const SECTION: &str = ".defmt";

/// Why an image has no symbol table of log lines.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// Another kind of file.
    #[error("it is not an ELF file: {0}")]
    NotElf(object::Error),
    /// Stripped, or without log lines.
    #[error("it has no section `.defmt`")]
    NoSection,
    /// No note with a build id.
    #[error("it has no build id of {BUILD_BYTES} bytes or more")]
    NoBuildId,
    /// Of another defmt.
    #[error("its log lines are of version `{0}` of defmt, and not {VERSION}")]
    Version(String),
    /// Its frames are written in another way.
    #[error("its log lines are encoded as `{0}`, and not {ENCODING}")]
    Encoding(String),
    /// A symbol.
    #[error("its log line `{symbol}` is not understood: {problem}")]
    Line {
        /// As it stands in the image.
        symbol: String,
        /// What is wrong.
        problem: String,
    },
}

impl TableError {
    /// What to do next.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotElf(_) => "take the ELF file that the linker wrote, not the flash image",
            Self::NoSection => "take the ELF file that the linker wrote, before it is stripped",
            Self::NoBuildId => "link the firmware with `--build-id`",
            Self::Version(_) | Self::Encoding(_) | Self::Line { .. } => {
                "build the firmware with defmt 1 and its default encoding"
            }
        }
    }
}

/// A text with blanks.
#[derive(Debug)]
pub(crate) struct Format {
    /// `None` for what stands in a blank of a line.
    pub(crate) level: Option<LogLevel>,
    pub(crate) is_line: bool,
    /// Of an enum, one for each variant; else one.
    pub(crate) variants: Vec<Vec<Piece>>,
    /// As the image has it.
    pub(crate) raw: String,
}

/// A part of a text.
#[derive(Debug)]
pub(crate) enum Piece {
    Text(String),
    Blank(Parameter),
}

/// The text of an image's lines.
#[derive(Debug)]
pub struct Table {
    build: Build,
    formats: BTreeMap<u16, Format>,
    pub(crate) timestamp: Option<Format>,
}

/// A symbol's name. What else is in it tells equal lines apart.
#[derive(Deserialize)]
struct Symbol {
    tag: String,
    data: String,
}

impl Table {
    /// Reads an image. Takes a while for a large one: not for a task that others wait for.
    ///
    /// # Errors
    /// [`TableError`], with a hint.
    pub fn read(image: &[u8]) -> Result<Self, TableError> {
        let elf = object::File::parse(image).map_err(TableError::NotElf)?;
        let section = elf
            .section_by_name(SECTION)
            .ok_or(TableError::NoSection)?
            .index();
        let (mut version, mut encoding) = (None, None);
        let mut table = Self {
            build: build(&elf).ok_or(TableError::NoBuildId)?,
            formats: BTreeMap::new(),
            timestamp: None,
        };
        for symbol in elf.symbols() {
            let Ok(name) = symbol.name() else { continue };
            if let Some(value) = name.strip_prefix("_defmt_version_ = ") {
                version = Some(value);
            } else if let Some(value) = name.strip_prefix("_defmt_encoding_ = ") {
                encoding = Some(value);
            } else if symbol.section_index() == Some(section) && name.starts_with('{') {
                table.add(name, symbol.address())?;
            }
        }
        match (version, encoding) {
            (Some(VERSION), Some(ENCODING)) => Ok(table),
            (Some(VERSION), encoding) => Err(TableError::Encoding(
                encoding.unwrap_or_default().to_owned(),
            )),
            (version, _) => Err(TableError::Version(version.unwrap_or_default().to_owned())),
        }
    }

    fn add(&mut self, name: &str, address: u64) -> Result<(), TableError> {
        let bad = |problem: String| TableError::Line {
            symbol: name.chars().take(200).collect(),
            problem,
        };
        let symbol: Symbol = serde_json::from_str(name).map_err(|error| bad(error.to_string()))?;
        let (is_line, level) = match symbol.tag.as_str() {
            "defmt_error" => (true, Some(LogLevel::Error)),
            "defmt_warn" => (true, Some(LogLevel::Warn)),
            "defmt_info" => (true, Some(LogLevel::Info)),
            "defmt_debug" => (true, Some(LogLevel::Debug)),
            "defmt_trace" => (true, Some(LogLevel::Trace)),
            "defmt_println" => (true, None),
            // Other tools may have symbols of their own there.
            tag if !tag.starts_with("defmt_") => return Ok(()),
            _ => (false, None),
        };
        let derived = symbol.tag == "defmt_derived";
        let interned = symbol.tag == "defmt_str";
        let variants = if interned {
            Ok(Vec::new())
        } else if derived {
            symbol.data.split('|').map(pieces).collect()
        } else {
            pieces(&symbol.data).map(|pieces| vec![pieces])
        };
        let format = Format {
            level,
            is_line,
            variants: variants.map_err(|error| bad(error.to_string()))?,
            raw: symbol.data,
        };
        if symbol.tag == "defmt_timestamp" {
            self.timestamp = Some(format);
        } else {
            let number = u16::try_from(address);
            let number = number.map_err(|_| bad("its number is too large".to_owned()))?;
            self.formats.insert(number, format);
        }
        Ok(())
    }

    /// Which image this is of.
    #[must_use]
    pub const fn build(&self) -> Build {
        self.build
    }

    /// How many lines the image can write.
    #[must_use]
    pub fn len(&self) -> usize {
        self.formats.values().filter(|f| f.is_line).count()
    }

    /// Whether the image writes no line at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn get(&self, number: u16) -> Option<&Format> {
        self.formats.get(&number)
    }
}

fn pieces(text: &str) -> Result<Vec<Piece>, defmt_parser::Error> {
    let fragments = defmt_parser::parse(text, ParserMode::ForwardsCompatible)?;
    let pieces = fragments.into_iter().map(|fragment| match fragment {
        Fragment::Literal(text) => Piece::Text(text.into_owned()),
        Fragment::Parameter(parameter) => Piece::Blank(parameter),
    });
    Ok(pieces.collect())
}

/// The first bytes of the note with the build id.
fn build(elf: &object::File<'_>) -> Option<Build> {
    let id = elf.build_id().ok().flatten()?;
    id.first_chunk().copied()
}
