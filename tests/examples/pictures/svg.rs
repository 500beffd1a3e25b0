//! A screen as SVG. Letters are text; the bars and dots of charts are shapes, since fonts do not
//! agree on them.

use std::{collections::BTreeMap, fmt::Write as _};

use vt100::{Cell, Color, Screen};

/// Of one character, in pixels.
const WIDTH: u16 = 8;
const HEIGHT: u16 = 17;
/// Around the screen.
const MARGIN: u16 = 8;
/// Baseline of a letter below the top of its row.
const BASELINE: u16 = 13;
const INK: &str = "#d4d4d4";
const PAPER: &str = "#101418";
/// The sixteen colours that terminals name, as many show them.
const SIXTEEN: [&str; 16] = [
    "#101418", "#e06c6c", "#87d787", "#ffd75f", "#6ca8e0", "#d787ff", "#5fd7ff", "#d4d4d4",
    "#6c6c6c", "#ff8787", "#a8e8a8", "#ffe38f", "#8fc4f0", "#e4b0ff", "#8fe4ff", "#ffffff",
];

/// How a cell looks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Style {
    ink: String,
    paper: String,
    bold: bool,
}

/// The picture.
pub(crate) fn picture(screen: &Screen) -> String {
    let (rows, columns) = screen.size();
    let (rows, columns) = (rows.get(), columns.get());
    let (width, height) = (columns * WIDTH + 2 * MARGIN, rows * HEIGHT + 2 * MARGIN);
    let mut letters = String::new();
    let mut papers = String::new();
    // Shapes of one colour are one path.
    let mut shapes: BTreeMap<String, String> = BTreeMap::new();
    for row in 0..rows {
        let mut run: Option<(Style, u16, String)> = None;
        for column in 0..=columns {
            let cell = screen.cell(row, column);
            let (style, mut text) = cell.map_or_else(
                || (None, ""),
                |cell| {
                    let text = if cell.has_contents() {
                        cell.contents()
                    } else {
                        " "
                    };
                    (Some(style(cell)), text)
                },
            );
            if let Some(style) = &style
                && let Some(path) = shape(text, MARGIN + column * WIDTH, MARGIN + row * HEIGHT)
            {
                shapes.entry(style.ink.clone()).or_default().push_str(&path);
                text = " ";
            }
            match (&mut run, style) {
                (Some((of, _, so_far)), Some(style)) if *of == style => so_far.push_str(text),
                (_, style) => {
                    if let Some((of, first, text)) = run.take() {
                        write(&of, &text, (first, row), &mut letters, &mut papers);
                    }
                    run = style.map(|style| (style, column, text.to_owned()));
                }
            }
        }
    }
    let shapes: String = shapes
        .into_iter()
        .map(|(ink, path)| format!("<path fill=\"{ink}\" d=\"{path}\"/>\n"))
        .collect();
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         width=\"{width}\" height=\"{height}\" font-family=\"'DejaVu Sans Mono',Menlo,Consolas,\
         monospace\" font-size=\"13\" fill=\"{INK}\">\n\
         <style>text{{white-space:pre}}.b{{font-weight:bold}}</style>\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"{PAPER}\"/>\n\
         {papers}{shapes}{letters}</svg>\n"
    )
}

/// Letters of one style that stand beside each other; words far apart become texts of their own.
fn write(
    style: &Style,
    text: &str,
    (first, row): (u16, u16),
    letters: &mut String,
    papers: &mut String,
) {
    let columns = text.chars().count();
    let (x, y) = (MARGIN + first * WIDTH, MARGIN + row * HEIGHT);
    if style.paper != PAPER {
        let width = columns * usize::from(WIDTH);
        let paper = &style.paper;
        add(
            papers,
            format_args!(
                "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{HEIGHT}\" fill=\"{paper}\"/>\n"
            ),
        );
    }
    let line = y + BASELINE;
    let mut rest = text;
    let mut at = usize::from(x);
    while let Some(start) = rest.find(|c| c != ' ') {
        at += start * usize::from(WIDTH);
        rest = &rest[start..];
        let end = rest.find("  ").unwrap_or(rest.trim_end().len());
        let (word, after) = rest.split_at(end);
        let count = word.chars().count();
        let width = count * usize::from(WIDTH);
        let word = word
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        let fill = if style.ink == INK {
            String::new()
        } else {
            format!(" fill=\"{}\"", style.ink)
        };
        let bold = if style.bold { " class=\"b\"" } else { "" };
        add(
            letters,
            format_args!(
                "<text x=\"{at}\" y=\"{line}\" textLength=\"{width}\"{fill}{bold}>{word}</text>\n"
            ),
        );
        at += width;
        rest = after;
    }
}

fn add(to: &mut String, what: std::fmt::Arguments<'_>) {
    to.write_fmt(what).expect("a string takes everything");
}

fn style(cell: &Cell) -> Style {
    let ink = colour(cell.fgcolor(), INK);
    let paper = colour(cell.bgcolor(), PAPER);
    let (ink, paper) = if cell.inverse() {
        (paper, ink)
    } else {
        (ink, paper)
    };
    Style {
        ink,
        paper,
        bold: cell.bold(),
    }
}

fn colour(colour: Color, default: &str) -> String {
    match colour {
        Color::Rgb(r, g, b) => format!("#{r:02x}{g:02x}{b:02x}"),
        Color::Idx(n) => SIXTEEN
            .get(usize::from(n))
            .map_or_else(|| default.to_owned(), |text| (*text).to_owned()),
        Color::Default => default.to_owned(),
    }
}

/// The shape of a bar or of Braille dots, as a path.
fn shape(text: &str, x: u16, y: u16) -> Option<String> {
    let mut chars = text.chars();
    let (c, None) = (chars.next()?, chars.next()) else {
        return None;
    };
    let rect =
        |x: u16, y: u16, width: u16, height: u16| format!("M{x} {y}h{width}v{height}h-{width}z");
    match c {
        '\u{2581}'..='\u{2588}' => {
            let eighths = u16::try_from(u32::from(c) - 0x2580).ok()?;
            // A row's full bar does not touch the row above.
            let tall = ((HEIGHT - 1) * eighths).div_ceil(8);
            Some(rect(x, y + HEIGHT - tall, WIDTH, tall))
        }
        '\u{258c}' => Some(rect(x, y, WIDTH / 2, HEIGHT)),
        '\u{2800}'..='\u{28ff}' => {
            let dots = u32::from(c) - 0x2800;
            // Column and row of each bit.
            let places = [
                (0, 0),
                (0, 1),
                (0, 2),
                (1, 0),
                (1, 1),
                (1, 2),
                (0, 3),
                (1, 3),
            ];
            let set = (0..).zip(places).filter(|(bit, _)| dots >> bit & 1 == 1);
            let dot = |(_, (column, row)): (u32, (u16, u16))| {
                rect(x + 1 + column * 4, y + 1 + row * 4, 2, 2)
            };
            Some(set.map(dot).collect())
        }
        _ => None,
    }
}
