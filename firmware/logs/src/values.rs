//! What stands in the blanks of a line, read from a frame: little-endian, in the order of the
//! blanks' numbers. A frame begins with the number of its line, then the time.

use defmt_parser::{DisplayHint, Parameter, TimePrecision, Type};

use crate::{
    Line, NESTING_MAX, VALUES_MAX,
    table::{Format, Piece, Table},
    text,
};

/// Why a frame cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Bytes are missing.
    #[error("the line is not whole")]
    Cut,
    /// No line has this number.
    #[error("there is no line {0} in the image")]
    Unknown(u16),
    /// A value cannot be what the image says.
    #[error("a value of the line is not what the image says")]
    Value,
    /// More than anybody would write.
    #[error("the line has more values than {VALUES_MAX}, or deeper ones than {NESTING_MAX}")]
    TooMuch,
    /// Of a kind that is not read here.
    #[error("the line has a kind of value that is not known")]
    Kind,
}

/// What stands in a blank.
#[derive(Debug)]
pub(crate) enum Value<'t> {
    Unsigned(u128),
    Signed(i128),
    /// With the bytes that it had, for hexadecimal.
    Float(f64),
    Single(f32),
    Bool(bool),
    Char(char),
    Text(std::borrow::Cow<'t, str>),
    Bytes(Vec<u8>),
    /// A text with blanks of its own.
    Inner(&'t [Piece], Vec<Value<'t>>),
    List(Vec<Value<'t>>),
    /// One after the other.
    Sequence(Vec<Value<'t>>),
}

/// Reads a frame's bytes.
pub(crate) fn line(table: &Table, bytes: &[u8]) -> Result<Line, FrameError> {
    let mut reader = Reader {
        table,
        bytes,
        values: 0,
    };
    let number = reader.u16()?;
    let format = table.get(number).filter(|format| format.is_line);
    let format = format.ok_or(FrameError::Unknown(number))?;
    let at_ms = match &table.timestamp {
        Some(timestamp) => {
            let pieces = reader.variant(timestamp)?;
            let values = reader.all(pieces, 0)?;
            milliseconds(pieces, &values)
        }
        None => None,
    };
    let pieces = reader.variant(format)?;
    let values = reader.all(pieces, 0)?;
    Ok(Line {
        level: format.level,
        at_ms,
        text: text::write(pieces, &values),
    })
}

/// The time, when it is a single number of a known unit.
fn milliseconds(pieces: &[Piece], values: &[Value<'_>]) -> Option<u32> {
    let [Piece::Blank(blank)] = pieces else {
        return None;
    };
    let [Value::Unsigned(time)] = values else {
        return None;
    };
    let ms = match blank.hint.as_ref()? {
        DisplayHint::Seconds(unit) | DisplayHint::Time(unit) => match unit {
            TimePrecision::Micros => time / 1_000,
            TimePrecision::Millis => *time,
            TimePrecision::Seconds => time.checked_mul(1_000)?,
        },
        _ => return None,
    };
    Some(ms as u32)
}

struct Reader<'t, 'b> {
    table: &'t Table,
    bytes: &'b [u8],
    values: usize,
}

impl<'t> Reader<'t, '_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], FrameError> {
        let (bytes, rest) = self.bytes.split_first_chunk().ok_or(FrameError::Cut)?;
        self.bytes = rest;
        Ok(*bytes)
    }

    fn u16(&mut self) -> Result<u16, FrameError> {
        Ok(u16::from_le_bytes(self.take()?))
    }

    fn count(&mut self) -> Result<usize, FrameError> {
        let count = u32::from_le_bytes(self.take()?);
        usize::try_from(count).map_err(|_| FrameError::TooMuch)
    }

    fn slice(&mut self, bytes: usize) -> Result<&[u8], FrameError> {
        let (slice, rest) = self.bytes.split_at_checked(bytes).ok_or(FrameError::Cut)?;
        self.bytes = rest;
        Ok(slice)
    }

    /// A text without a length: 0xff, which is in no UTF-8, ends it.
    fn printed(&mut self) -> Result<String, FrameError> {
        let end = self.bytes.iter().position(|byte| *byte == 0xff);
        let text = self.slice(end.ok_or(FrameError::Cut)?)?.to_vec();
        self.take::<1>()?;
        String::from_utf8(text).map_err(|_| FrameError::Value)
    }

    /// A text that a line refers to by its number.
    fn format(&mut self) -> Result<&'t Format, FrameError> {
        let number = self.u16()?;
        self.inner(number)
    }

    fn inner(&self, number: u16) -> Result<&'t Format, FrameError> {
        let format = self.table.get(number).filter(|format| !format.is_line);
        format.ok_or(FrameError::Unknown(number))
    }

    /// Of an enum the variant that comes next; else the only text.
    fn variant<'f>(&mut self, format: &'f Format) -> Result<&'f [Piece], FrameError> {
        let at = match format.variants.len() {
            0 => return Err(FrameError::Kind),
            1 => 0,
            2..=256 => usize::from(u8::from_le_bytes(self.take()?)),
            _ => usize::from(self.u16()?),
        };
        let pieces = format.variants.get(at).ok_or(FrameError::Value)?;
        Ok(pieces)
    }

    /// What stands in all blanks of a text, by their numbers.
    fn all(&mut self, pieces: &'t [Piece], depth: usize) -> Result<Vec<Value<'t>>, FrameError> {
        let mut blanks: Vec<&Parameter> = Vec::new();
        for piece in pieces {
            if let Piece::Blank(blank) = piece {
                blanks.push(blank);
            }
        }
        blanks.sort_by_key(|blank| blank.index);
        blanks.dedup_by_key(|blank| blank.index);
        blanks
            .into_iter()
            .map(|blank| self.value(&blank.ty, depth))
            .collect()
    }

    fn value(&mut self, kind: &Type, depth: usize) -> Result<Value<'t>, FrameError> {
        self.values += 1;
        if self.values > VALUES_MAX || depth > NESTING_MAX {
            return Err(FrameError::TooMuch);
        }
        Ok(match kind {
            Type::U8 => Value::Unsigned(u8::from_le_bytes(self.take()?).into()),
            Type::U16 => Value::Unsigned(self.u16()?.into()),
            Type::U32 | Type::Usize => Value::Unsigned(u32::from_le_bytes(self.take()?).into()),
            Type::U64 => Value::Unsigned(u64::from_le_bytes(self.take()?).into()),
            Type::U128 => Value::Unsigned(u128::from_le_bytes(self.take()?)),
            Type::I8 => Value::Signed(i8::from_le_bytes(self.take()?).into()),
            Type::I16 => Value::Signed(i16::from_le_bytes(self.take()?).into()),
            Type::I32 | Type::Isize => Value::Signed(i32::from_le_bytes(self.take()?).into()),
            Type::I64 => Value::Signed(i64::from_le_bytes(self.take()?).into()),
            Type::I128 => Value::Signed(i128::from_le_bytes(self.take()?)),
            Type::F32 => Value::Single(f32::from_le_bytes(self.take()?)),
            Type::F64 => Value::Float(f64::from_le_bytes(self.take()?)),
            Type::Bool => match self.take()? {
                [0] => Value::Bool(false),
                [1] => Value::Bool(true),
                [_] => return Err(FrameError::Value),
            },
            Type::Char => {
                let code = u32::from_le_bytes(self.take()?);
                Value::Char(char::from_u32(code).ok_or(FrameError::Value)?)
            }
            Type::Str => {
                let bytes = self.count()?;
                let text = self.slice(bytes)?.to_vec();
                let text = String::from_utf8(text).map_err(|_| FrameError::Value)?;
                Value::Text(text.into())
            }
            Type::IStr => Value::Text(self.format()?.raw.as_str().into()),
            Type::Debug | Type::Display => Value::Text(self.printed()?.into()),
            Type::U8Slice => {
                let bytes = self.count()?;
                Value::Bytes(self.slice(bytes)?.to_vec())
            }
            Type::U8Array(bytes) => Value::Bytes(self.slice(*bytes)?.to_vec()),
            Type::Format => {
                let format = self.format()?;
                self.formatted(format, depth)?
            }
            Type::FormatSlice => {
                let count = self.count()?;
                self.list(count, depth)?
            }
            Type::FormatArray(count) => self.list(*count, depth)?,
            Type::FormatSequence => self.sequence(depth)?,
            Type::BitField(_) => return Err(FrameError::Kind),
        })
    }

    fn formatted(&mut self, format: &'t Format, depth: usize) -> Result<Value<'t>, FrameError> {
        let pieces = self.variant(format)?;
        let values = self.all(pieces, depth + 1)?;
        Ok(Value::Inner(pieces, values))
    }

    /// All of one kind, which is told once.
    fn list(&mut self, count: usize, depth: usize) -> Result<Value<'t>, FrameError> {
        let format = self.format()?;
        let mut values = Vec::new();
        for _ in 0..count {
            self.values += 1;
            if self.values > VALUES_MAX {
                return Err(FrameError::TooMuch);
            }
            values.push(self.formatted(format, depth)?);
        }
        Ok(Value::List(values))
    }

    /// Each tells what it is, until none follows.
    fn sequence(&mut self, depth: usize) -> Result<Value<'t>, FrameError> {
        let mut values = Vec::new();
        loop {
            let number = self.u16()?;
            if number == 0 {
                return Ok(Value::Sequence(values));
            }
            self.values += 1;
            if self.values > VALUES_MAX {
                return Err(FrameError::TooMuch);
            }
            let format = self.inner(number)?;
            values.push(self.formatted(format, depth)?);
        }
    }
}
