//! Writes a line: its text with values in the blanks, as their hints say. A hint holds for what
//! stands in the blank, too. Hints for bit flags, CBOR and calendar times are passed over.

use std::fmt::Write as _;

use defmt_parser::{DisplayHint, Parameter, TimePrecision, Type};

use crate::{LINE_CHARS_MAX, table::Piece, values::Value};

/// Widest number with zeros before it.
const PAD_MAX: usize = 64;

/// Writes a line.
pub(crate) fn write(pieces: &[Piece], values: &[Value<'_>]) -> String {
    let mut line = Text(String::new());
    line.pieces(pieces, values, None);
    let mut clean = String::new();
    for (at, character) in line.0.chars().enumerate() {
        if at == LINE_CHARS_MAX {
            clean.push('…');
            break;
        }
        if character.is_control() {
            clean.extend(character.escape_default());
        } else {
            clean.push(character);
        }
    }
    clean
}

/// A line that is being written.
struct Text(String);

impl Text {
    /// Values are bounded in number and a text is as long as its image has it, so this ends; once
    /// it is long enough, the rest is left out.
    fn is_full(&self) -> bool {
        self.0.len() > 4 * LINE_CHARS_MAX
    }

    fn pieces(&mut self, pieces: &[Piece], values: &[Value<'_>], outer: Option<&DisplayHint>) {
        // Values are in the order of the blanks' numbers, which may have gaps.
        let mut numbers: Vec<usize> = pieces.iter().filter_map(number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        for piece in pieces {
            if self.is_full() {
                return;
            }
            match piece {
                Piece::Text(text) => self.0.push_str(text),
                Piece::Blank(blank) => {
                    let at = numbers.binary_search(&blank.index).unwrap_or(usize::MAX);
                    if let Some(value) = values.get(at) {
                        self.value(blank, value, outer);
                    }
                }
            }
        }
    }

    fn value(&mut self, blank: &Parameter, value: &Value<'_>, outer: Option<&DisplayHint>) {
        let hint = match (&blank.hint, outer) {
            // `?` says nothing of a number: what the outer blank says holds.
            (None | Some(DisplayHint::Debug), Some(outer)) => Some(outer),
            (own, _) => own.as_ref(),
        };
        match value {
            Value::Unsigned(number) => self.unsigned(*number, hint),
            Value::Signed(number) => self.signed(*number, &blank.ty, hint),
            // Both write the shortest text that is read back as the same number.
            Value::Single(number) => self.put(format_args!("{number:?}")),
            Value::Float(number) => self.put(format_args!("{number:?}")),
            Value::Bool(yes) => self.put(format_args!("{yes}")),
            Value::Char(character) => self.0.push(*character),
            Value::Text(text) if blank.hint == Some(DisplayHint::Debug) => {
                self.put(format_args!("{text:?}"));
            }
            Value::Text(text) => self.0.push_str(text),
            Value::Bytes(bytes) => self.bytes(bytes, hint),
            Value::Inner(pieces, values) => self.pieces(pieces, values, hint),
            Value::Sequence(values) => values.iter().for_each(|value| self.inner(value, hint)),
            Value::List(values) => {
                self.0.push('[');
                for (at, value) in values.iter().enumerate() {
                    if at > 0 {
                        self.0.push_str(", ");
                    }
                    self.inner(value, hint);
                }
                self.0.push(']');
            }
        }
    }

    fn inner(&mut self, value: &Value<'_>, hint: Option<&DisplayHint>) {
        if let Value::Inner(pieces, values) = value
            && !self.is_full()
        {
            self.pieces(pieces, values, hint);
        }
    }

    fn put(&mut self, what: std::fmt::Arguments<'_>) {
        // A string takes everything.
        let _ = self.0.write_fmt(what);
    }

    fn unsigned(&mut self, number: u128, hint: Option<&DisplayHint>) {
        match hint {
            Some(DisplayHint::NoHint { zero_pad }) => {
                self.put(format_args!("{number:0width$}", width = pad(*zero_pad)));
            }
            Some(DisplayHint::Seconds(unit) | DisplayHint::Time(unit)) => match unit {
                TimePrecision::Micros => self.put(format_args!(
                    "{}.{:06}",
                    number / 1_000_000,
                    number % 1_000_000
                )),
                TimePrecision::Millis => {
                    self.put(format_args!("{}.{:03}", number / 1_000, number % 1_000));
                }
                TimePrecision::Seconds => self.put(format_args!("{number}")),
            },
            Some(hint) => self.radix(number, hint),
            None => self.put(format_args!("{number}")),
        }
    }

    fn signed(&mut self, number: i128, kind: &Type, hint: Option<&DisplayHint>) {
        match hint {
            Some(DisplayHint::NoHint { zero_pad }) => {
                self.put(format_args!("{number:0width$}", width = pad(*zero_pad)));
            }
            // As its bits are, and not with a sign.
            Some(hint @ DisplayHint::Hexadecimal { .. }) => {
                let bits = number.cast_unsigned();
                let bits = match kind {
                    Type::I8 => bits & 0xff,
                    Type::I16 => bits & 0xffff,
                    Type::I32 | Type::Isize => bits & 0xffff_ffff,
                    Type::I64 => bits & u128::from(u64::MAX),
                    _ => bits,
                };
                self.radix(bits, hint);
            }
            Some(hint @ (DisplayHint::Octal { .. } | DisplayHint::Binary { .. })) => {
                self.radix(number.cast_unsigned(), hint);
            }
            _ => self.put(format_args!("{number}")),
        }
    }

    fn radix(&mut self, number: u128, hint: &DisplayHint) {
        match hint {
            DisplayHint::Hexadecimal {
                alternate,
                uppercase,
                zero_pad,
            } => {
                let width = pad(*zero_pad);
                match (alternate, uppercase) {
                    (false, false) => self.put(format_args!("{number:0width$x}")),
                    (false, true) => self.put(format_args!("{number:0width$X}")),
                    (true, false) => self.put(format_args!("{number:#0width$x}")),
                    (true, true) => self.put(format_args!("{number:#0width$X}")),
                }
            }
            DisplayHint::Octal {
                alternate,
                zero_pad,
            } => {
                let width = pad(*zero_pad);
                match alternate {
                    false => self.put(format_args!("{number:0width$o}")),
                    true => self.put(format_args!("{number:#0width$o}")),
                }
            }
            DisplayHint::Binary {
                alternate,
                zero_pad,
            } => {
                let width = pad(*zero_pad);
                match alternate {
                    false => self.put(format_args!("{number:0width$b}")),
                    true => self.put(format_args!("{number:#0width$b}")),
                }
            }
            _ => self.put(format_args!("{number}")),
        }
    }

    fn bytes(&mut self, bytes: &[u8], hint: Option<&DisplayHint>) {
        match hint {
            Some(DisplayHint::Ascii) => {
                self.put(format_args!("b\"{}\"", bytes.escape_ascii()));
            }
            Some(hint @ (DisplayHint::Hexadecimal { .. } | DisplayHint::Binary { .. })) => {
                self.0.push('[');
                for (at, byte) in bytes.iter().take(LINE_CHARS_MAX).enumerate() {
                    if at > 0 {
                        self.0.push_str(", ");
                    }
                    self.radix((*byte).into(), hint);
                }
                self.0.push(']');
            }
            _ => {
                let some = &bytes[..bytes.len().min(LINE_CHARS_MAX)];
                self.put(format_args!("{some:?}"));
            }
        }
    }
}

const fn number(piece: &Piece) -> Option<usize> {
    match piece {
        Piece::Blank(blank) => Some(blank.index),
        Piece::Text(_) => None,
    }
}

fn pad(zeros: usize) -> usize {
    zeros.min(PAD_MAX)
}
