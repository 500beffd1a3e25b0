//! Styles by meaning. Every state is also told in words or signs, so that nothing depends on
//! colour. A theme is one file; four come with the program.

mod colour;
mod file;

use ratatui::style::{Color, Modifier, Style};

pub use colour::Depth;
pub use file::ThemeError;

/// Lines of a chart that have a colour of their own.
pub(crate) const SERIES_MAX: usize = 6;

/// The themes that come with the program: name and file.
const BUILT_IN: [(&str, &str); 4] = [
    ("dark", include_str!("../../themes/dark.toml")),
    ("light", include_str!("../../themes/light.toml")),
    ("contrast", include_str!("../../themes/contrast.toml")),
    ("colourblind", include_str!("../../themes/colourblind.toml")),
];

/// Names of the themes that come with the program.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    BUILT_IN.into_iter().map(|(name, _)| name)
}

/// Styles by meaning; without colours only bold, dim, underline and reverse remain.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Theme {
    good: Style,
    bad: Style,
    warn: Style,
    line: Style,
    dim: Style,
    bold: Style,
    selected: Style,
    threshold: Style,
    series: [Color; SERIES_MAX],
}

impl Theme {
    /// One that comes with the program.
    #[must_use]
    pub fn named(name: &str, depth: Depth) -> Option<Self> {
        let (_, text) = BUILT_IN.into_iter().find(|(known, _)| *known == name)?;
        Some(Self::from_toml(text, depth).expect("a test reads every theme"))
    }

    /// One from a file's text.
    ///
    /// # Errors
    /// What cannot be understood.
    pub fn from_toml(text: &str, depth: Depth) -> Result<Self, ThemeError> {
        file::read(text, depth)
    }

    /// Dark, with all colours or none.
    #[cfg(test)]
    pub(crate) fn new(colour: bool) -> Self {
        let depth = if colour { Depth::True } else { Depth::None };
        Self::named("dark", depth).expect("it is built in")
    }

    pub(crate) const fn good(self) -> Style {
        self.good
    }

    pub(crate) const fn bad(self) -> Style {
        self.bad
    }

    pub(crate) const fn warn(self) -> Style {
        self.warn
    }

    pub(crate) const fn line(self) -> Style {
        self.line
    }

    pub(crate) const fn dim(self) -> Style {
        self.dim
    }

    pub(crate) const fn bold(self) -> Style {
        self.bold
    }

    pub(crate) const fn selected(self) -> Style {
        self.selected
    }

    pub(crate) const fn threshold(self) -> Style {
        self.threshold
    }

    /// The colour of a line of a chart.
    pub(crate) const fn series(self, at: usize) -> Color {
        self.series[at % SERIES_MAX]
    }

    /// A text field.
    pub(crate) const fn field(self) -> Style {
        self.dim.add_modifier(Modifier::UNDERLINED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_theme_can_be_read_at_every_depth() {
        for name in names() {
            for depth in [Depth::None, Depth::Sixteen, Depth::Indexed, Depth::True] {
                let theme = Theme::named(name, depth).unwrap();
                // What is wrong and what is well differ in more than colour where both are told
                // by style alone.
                assert!(theme.bad().add_modifier.contains(Modifier::BOLD), "{name}");
                if depth == Depth::None {
                    assert_eq!(theme.bad().fg, None, "{name}");
                    assert!(
                        theme.selected().add_modifier.contains(Modifier::REVERSED),
                        "{name}"
                    );
                } else {
                    assert_ne!(theme.good().fg, theme.bad().fg, "{name} {depth:?}");
                }
            }
        }
        assert_eq!(Theme::named("pink", Depth::True), None);
    }
}
