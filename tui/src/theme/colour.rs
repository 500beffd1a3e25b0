//! How many colours a terminal shows, and the nearest one that it has.

use ratatui::style::Color;

/// How many colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// None: `NO_COLOR`, or a terminal that has none.
    None,
    /// The sixteen of the terminal's own palette.
    Sixteen,
    /// 256: the sixteen, a cube of 216, and 24 greys.
    Indexed,
    /// Any.
    True,
}

impl Depth {
    /// What the person's environment says: `NO_COLOR`, `COLORTERM`, `TERM`.
    pub fn of_environment(variable: impl Fn(&str) -> Option<String>) -> Self {
        let of = |name: &str| variable(name).unwrap_or_default();
        let term = of("TERM");
        if !of("NO_COLOR").is_empty() || term == "dumb" || term.ends_with("-m") {
            return Self::None;
        }
        if matches!(of("COLORTERM").as_str(), "truecolor" | "24bit") || term.ends_with("-direct") {
            return Self::True;
        }
        if term.contains("256color") {
            return Self::Indexed;
        }
        Self::Sixteen
    }

    /// The nearest colour that is shown.
    pub(super) fn nearest(self, colour: Color) -> Color {
        let Color::Rgb(r, g, b) = colour else {
            return match (self, colour) {
                (Self::Sixteen, Color::Indexed(n @ 16..)) => sixteen(rgb_of(n)),
                _ => colour,
            };
        };
        match self {
            Self::None => Color::Reset,
            Self::Sixteen => sixteen([r, g, b]),
            Self::Indexed => indexed([r, g, b]),
            Self::True => colour,
        }
    }
}

/// The sixteen as xterm shows them by default; their order is that of the numbers.
const SIXTEEN: [(Color, [u8; 3]); 16] = [
    (Color::Black, [0, 0, 0]),
    (Color::Red, [205, 0, 0]),
    (Color::Green, [0, 205, 0]),
    (Color::Yellow, [205, 205, 0]),
    (Color::Blue, [0, 0, 238]),
    (Color::Magenta, [205, 0, 205]),
    (Color::Cyan, [0, 205, 205]),
    (Color::Gray, [229, 229, 229]),
    (Color::DarkGray, [127, 127, 127]),
    (Color::LightRed, [255, 0, 0]),
    (Color::LightGreen, [0, 255, 0]),
    (Color::LightYellow, [255, 255, 0]),
    (Color::LightBlue, [92, 92, 255]),
    (Color::LightMagenta, [255, 0, 255]),
    (Color::LightCyan, [0, 255, 255]),
    (Color::White, [255, 255, 255]),
];

/// The steps of the cube.
const CUBE: [u8; 6] = [0, 95, 135, 175, 215, 255];

fn distance(one: [u8; 3], other: [u8; 3]) -> u32 {
    one.into_iter()
        .zip(other)
        .map(|(one, other)| u32::from(one.abs_diff(other)).pow(2))
        .sum()
}

fn sixteen(rgb: [u8; 3]) -> Color {
    let nearest = SIXTEEN
        .iter()
        .min_by_key(|(_, known)| distance(*known, rgb));
    nearest.map_or(Color::Reset, |(colour, _)| *colour)
}

fn indexed(rgb: [u8; 3]) -> Color {
    let nearest = (16..=255).min_by_key(|n| distance(rgb_of(*n), rgb));
    nearest.map_or(Color::Reset, Color::Indexed)
}

/// Of a number: xterm's table.
fn rgb_of(n: u8) -> [u8; 3] {
    match n {
        0..=15 => SIXTEEN[usize::from(n)].1,
        16..=231 => {
            let n = usize::from(n - 16);
            [CUBE[n / 36], CUBE[n / 6 % 6], CUBE[n % 6]]
        }
        232.. => [8 + 10 * (n - 232); 3],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_tells_the_colours() {
        let depth = |pairs: &'static [(&str, &str)]| {
            Depth::of_environment(|name| {
                let found = pairs.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(depth(&[("TERM", "xterm-256color")]), Depth::Indexed);
        assert_eq!(depth(&[("TERM", "linux")]), Depth::Sixteen);
        assert_eq!(depth(&[("TERM", "dumb")]), Depth::None);
        assert_eq!(
            depth(&[("TERM", "xterm"), ("COLORTERM", "truecolor")]),
            Depth::True
        );
        assert_eq!(depth(&[("TERM", "xterm"), ("NO_COLOR", "1")]), Depth::None);
        assert_eq!(
            depth(&[("TERM", "xterm"), ("NO_COLOR", "")]),
            Depth::Sixteen
        );
    }

    #[test]
    fn a_colour_becomes_the_nearest_that_there_is() {
        let rgb = Color::Rgb(255, 95, 95);
        assert_eq!(Depth::True.nearest(rgb), rgb);
        assert_eq!(Depth::Indexed.nearest(rgb), Color::Indexed(203));
        assert_eq!(
            Depth::Sixteen.nearest(Color::Rgb(250, 5, 5)),
            Color::LightRed
        );
        assert_eq!(Depth::Sixteen.nearest(Color::Indexed(16)), Color::Black);
        assert_eq!(Depth::None.nearest(rgb), Color::Reset);
        assert_eq!(rgb_of(244), [128; 3]);
    }
}
