//! Images made here, frames as defmt's encoder writes them, and bytes that are none.

use proptest::prelude::*;
use signalbox_protocol::payload::log::LogLevel;

use crate::{
    FrameError, LINE_CHARS_MAX, NESTING_MAX, Table, TableError, VALUES_MAX,
    made::{BUILD, ENCODING, VERSION, image, symbol},
    split,
};

/// A table of these lines and texts, with a time.
fn table(texts: &[(u64, &str, &str)]) -> Table {
    let mut symbols: Vec<(u64, String)> = texts
        .iter()
        .map(|(number, tag, data)| (*number, symbol(tag, data)))
        .collect();
    symbols.push((60, symbol("defmt_timestamp", "{=u32:ms}")));
    let mut all = vec![VERSION, ENCODING];
    all.extend(
        symbols
            .iter()
            .map(|(number, name)| (*number, name.as_str())),
    );
    Table::read(&image(&all, true)).unwrap()
}

/// A frame of line 1, at 1,500 ms, with these values.
fn frame(values: &[u8]) -> Vec<u8> {
    let mut bytes = vec![1, 0];
    bytes.extend(1_500_u32.to_le_bytes());
    bytes.extend(values);
    rzcobs::encode(&bytes)
}

/// How a line with this text and these values is shown.
fn shown(text: &str, values: &[u8]) -> String {
    let table = table(&[
        (1, "defmt_info", text),
        (2, "defmt_derived", "Silent|Refused({=u8})"),
        (3, "defmt_derived", "Point {{ x: {=i16}, y: {=i16} }}"),
        (4, "defmt_str", "an interned text"),
        (5, "defmt_prim", "{=u8}"),
    ]);
    let line = table.line(&frame(values)).unwrap();
    assert_eq!(line.level, Some(LogLevel::Info));
    assert_eq!(line.at_ms, Some(1_500));
    line.text
}

#[test]
fn values_are_shown_as_the_text_wants_them() {
    for (text, values, expected) in [
        ("plain {{}}", &[][..], "plain {}"),
        ("{=u8} {=i8}", &[200, 200], "200 -56"),
        (
            "{=u16:x} {=u16:#06X}",
            &[0x34, 0x12, 0x34, 0x12],
            "1234 0x1234",
        ),
        ("{=i8:x} {=u8:08b}", &[0xff, 5], "ff 00000101"),
        ("{=u32:ms}", &[0xdc, 5, 0, 0], "1.500"),
        ("{1=u8} {0=u8} {1=u8}", &[1, 2], "2 1 2"),
        ("{=bool} {=bool}", &[0, 1], "false true"),
        ("{=f32}", &[0, 0, 0xac, 0x41], "21.5"),
        (
            "{=str} {=str:?}",
            &[2, 0, 0, 0, b'o', b'k', 1, 0, 0, 0, b'"'],
            "ok \"\\\"\"",
        ),
        ("{=char}", &[0xe4, 0, 0, 0], "ä"),
        (
            "{=[u8]} {=[u8; 2]:a}",
            &[1, 0, 0, 0, 7, b'a', 0],
            "[7] b\"a\\x00\"",
        ),
        ("{=istr}", &[4, 0], "an interned text"),
        ("{} {}", &[2, 0, 0, 2, 0, 1, 5], "Silent Refused(5)"),
        ("{}", &[3, 0, 1, 0, 0xff, 0xff], "Point { x: 1, y: -1 }"),
        ("{=[?]:x}", &[2, 0, 0, 0, 5, 0, 10, 255], "[a, ff]"),
        ("{=__internal_Display}", b"as it is\xff", "as it is"),
        ("{=str}", &[2, 0, 0, 0, 0x1b, b'['], "\\u{1b}["),
    ] {
        assert_eq!(shown(text, values), expected, "{text}");
    }
}

#[test]
fn levels_are_those_of_the_lines() {
    let table = table(&[
        (1, "defmt_error", "a"),
        (2, "defmt_warn", "b"),
        (3, "defmt_debug", "c"),
        (4, "defmt_trace", "d"),
        (5, "defmt_println", "e"),
        (6, "other_tool", "{not a text"),
    ]);
    assert_eq!(table.len(), 5);
    assert_eq!(table.build(), BUILD);
    let mut frames = Vec::new();
    for number in 1..=5 {
        let bytes = [number, 0, 0, 0, 0, 0];
        frames.extend(rzcobs::encode(&bytes));
        frames.push(0);
    }
    let lines: Vec<_> = table.lines(&frames).map(|line| line.unwrap()).collect();
    let levels: Vec<_> = lines.iter().map(|line| line.level).collect();
    let (error, warn) = (Some(LogLevel::Error), Some(LogLevel::Warn));
    let (debug, trace) = (Some(LogLevel::Debug), Some(LogLevel::Trace));
    assert_eq!(levels, [error, warn, debug, trace, None]);
    assert_eq!(split(&frames).count(), 5);
}

#[test]
fn what_is_not_from_the_image_is_told() {
    let texts = [
        (1, "defmt_info", "{=bool}"),
        (2, "defmt_str", "text"),
        (3, "defmt_info", "{=str}"),
    ];
    let table = table(&texts);
    let read = |bytes: &[u8]| table.line(&rzcobs::encode(bytes)).unwrap_err();
    assert_eq!(read(&[9, 0, 0, 0, 0, 0]), FrameError::Unknown(9));
    // A text that stands in blanks is no line.
    assert_eq!(read(&[2, 0, 0, 0, 0, 0]), FrameError::Unknown(2));
    assert_eq!(read(&[1, 0, 0, 0, 0, 0, 2]), FrameError::Value);
    // The encoding fills up with zeros, so that only what is longer is missed.
    assert_eq!(read(&[3, 0, 0, 0, 0, 0, 100, 0, 0, 0]), FrameError::Cut);
    assert_eq!(table.line(&[0xff]).unwrap_err(), FrameError::Cut);
}

#[test]
fn no_frame_makes_more_than_the_limits_allow() {
    // A list of so many things without a byte each; and a text that stands in its own blank.
    let texts = [
        (1, "defmt_info", "{=[?]}"),
        (2, "defmt_derived", "x"),
        (3, "defmt_derived", "({})"),
    ];
    let table = table(&texts);
    let most = u32::try_from(VALUES_MAX).unwrap();
    // The time and the list are values, too.
    for (count, fits) in [(most - 2, true), (most - 1, false), (u32::MAX, false)] {
        let mut values = count.to_le_bytes().to_vec();
        values.extend([2, 0]);
        let line = table.line(&frame(&values));
        assert_eq!(line.is_ok(), fits, "{count}");
    }
    let nested = |depth: usize| {
        let mut values = vec![1, 0, 0, 0];
        values.extend([3, 0].repeat(depth));
        values.extend([2, 0]);
        table.line(&frame(&values))
    };
    assert!(nested(NESTING_MAX).is_ok());
    assert_eq!(nested(NESTING_MAX + 1), Err(FrameError::TooMuch));
    let long = "x".repeat(LINE_CHARS_MAX + 1);
    let mut values = u32::try_from(long.len()).unwrap().to_le_bytes().to_vec();
    values.extend(long.as_bytes());
    let text = shown("{=str}", &values);
    assert_eq!(text.chars().count(), LINE_CHARS_MAX + 1);
    assert!(text.ends_with('…'));
}

#[test]
fn an_image_without_lines_is_refused_with_a_hint() {
    let line = symbol("defmt_info", "text");
    let bad = symbol("defmt_info", "{=nothing}");
    let (line, bad) = ((1, line.as_str()), (1, bad.as_str()));
    let read = |image: &[u8]| Table::read(image).unwrap_err();
    assert!(matches!(read(b"no ELF"), TableError::NotElf(_)));
    assert!(matches!(read(&image(&[], true)), TableError::NoSection));
    let whole = [VERSION, ENCODING, line];
    assert!(matches!(read(&image(&whole, false)), TableError::NoBuildId));
    assert!(matches!(
        read(&image(&[line], true)),
        TableError::Version(_)
    ));
    let newer = [(0, "_defmt_version_ = 5"), ENCODING, line];
    assert!(matches!(read(&image(&newer, true)), TableError::Version(v) if v == "5"));
    let raw = [VERSION, (0, "_defmt_encoding_ = raw"), line];
    assert!(matches!(read(&image(&raw, true)), TableError::Encoding(e) if e == "raw"));
    let unknown = read(&image(&[VERSION, ENCODING, bad], true));
    assert!(matches!(unknown, TableError::Line { .. }), "{unknown}");
    assert!(Table::read(&image(&whole, true)).is_ok());
}

proptest! {
    #[test]
    fn any_frames_are_survived(frames in prop::collection::vec(any::<u8>(), 0..300)) {
        let table = all_kinds();
        for line in table.lines(&frames).flatten() {
            prop_assert!(line.text.chars().count() <= 12 * (LINE_CHARS_MAX + 1));
            prop_assert!(!line.text.chars().any(char::is_control));
        }
    }

    #[test]
    fn any_values_are_survived(number in 1..30_u8, values in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut bytes = vec![number, 0, 0, 0, 0, 0];
        bytes.extend(values);
        if let Ok(line) = all_kinds().line(&rzcobs::encode(&bytes)) {
            prop_assert!(!line.text.chars().any(char::is_control));
        }
    }

    #[test]
    fn any_image_is_survived(mut bytes in prop::collection::vec(any::<u8>(), 0..300), cut in 0..900_usize) {
        let _ = Table::read(&bytes);
        let line = symbol("defmt_info", "{=u8}");
        let whole = image(&[VERSION, ENCODING, (1, line.as_str())], true);
        bytes.splice(0..0, whole[..cut.min(whole.len())].iter().copied());
        let _ = Table::read(&bytes);
    }
}

/// Every kind of value, in lines and in each other.
fn all_kinds() -> Table {
    table(&[
        (
            1,
            "defmt_info",
            "{=u8} {=u16:x} {=u32:ms} {=u64:us} {=u128} {=usize}",
        ),
        (
            2,
            "defmt_info",
            "{=i8:x} {=i16:o} {=i32:b} {=i64} {=i128:X} {=isize}",
        ),
        (3, "defmt_info", "{=f32} {=f64} {=bool} {=char}"),
        (4, "defmt_info", "{=str} {=str:?} {=istr}"),
        (5, "defmt_info", "{=[u8]:x} {=[u8; 4]:a} {=[u8]}"),
        (6, "defmt_info", "{} {=?} {=[?]} {=[?; 3]}"),
        (
            7,
            "defmt_info",
            "{=__internal_FormatSequence} {=__internal_Debug}",
        ),
        (8, "defmt_info", "{=0..4}"),
        (20, "defmt_derived", "A|B({})|C({=u8})"),
        (21, "defmt_derived", "S {{ a: {}, b: {=[?]} }}"),
        (22, "defmt_str", "text"),
        (23, "defmt_prim", "{=u8}"),
        (24, "defmt_write", "{=__internal_Display}"),
    ])
}
