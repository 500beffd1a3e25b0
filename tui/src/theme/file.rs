//! A theme's file: a table per meaning.

use ratatui::style::{Color, Modifier, Style};
use serde::{Deserialize, Deserializer, de::Error as _};

use super::{Depth, SERIES_MAX, Theme};

/// Why a file is no theme.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ThemeError(String);

#[derive(Debug, Clone, Copy)]
struct Shade(Color);

impl<'de> Deserialize<'de> for Shade {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(|_| {
            D::Error::custom(format!(
                "`{text}` is no colour; write `red`, `light-red`, `208` or `#ff8700`"
            ))
        })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Entry {
    fg: Option<Shade>,
    bg: Option<Shade>,
    bold: bool,
    dim: bool,
    underline: bool,
    reverse: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// For people: which background it is made for.
    #[serde(rename = "background")]
    _background: Option<String>,
    series: Vec<Shade>,
    good: Entry,
    bad: Entry,
    warn: Entry,
    line: Entry,
    dim: Entry,
    bold: Entry,
    selected: Entry,
    threshold: Entry,
}

impl Entry {
    fn style(&self, depth: Depth) -> Style {
        let mut style = Style::new();
        for (on, modifier) in [
            (self.bold, Modifier::BOLD),
            (self.dim, Modifier::DIM),
            (self.underline, Modifier::UNDERLINED),
            (self.reverse, Modifier::REVERSED),
        ] {
            if on {
                style = style.add_modifier(modifier);
            }
        }
        if depth == Depth::None {
            // A background is told by reversing.
            if self.bg.is_some() {
                style = style.add_modifier(Modifier::REVERSED);
            }
            return style;
        }
        if let Some(Shade(colour)) = self.fg {
            style = style.fg(depth.nearest(colour));
        }
        if let Some(Shade(colour)) = self.bg {
            style = style.bg(depth.nearest(colour));
        }
        style
    }
}

pub(super) fn read(text: &str, depth: Depth) -> Result<Theme, ThemeError> {
    let file: File = toml::from_str(text)
        .map_err(|error| ThemeError(error.to_string().trim_end().to_owned()))?;
    if file.series.is_empty() {
        return Err(ThemeError("`series` needs at least one colour".to_owned()));
    }
    let mut series = [Color::Reset; SERIES_MAX];
    if depth != Depth::None {
        for (to, Shade(from)) in series.iter_mut().zip(file.series.iter().cycle()) {
            *to = depth.nearest(*from);
        }
    }
    let dim = if depth == Depth::None {
        file.dim.style(depth).add_modifier(Modifier::DIM)
    } else {
        file.dim.style(depth)
    };
    Ok(Theme {
        good: file.good.style(depth),
        bad: file.bad.style(depth),
        warn: file.warn.style(depth),
        line: file.line.style(depth),
        dim,
        bold: file.bold.style(depth),
        selected: file.selected.style(depth),
        threshold: file.threshold.style(depth),
        series,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_colour_is_named() {
        let text = include_str!("../../themes/dark.toml").replace("#ff5f5f", "#ff5f5");
        let error = Theme::from_toml(&text, Depth::True).unwrap_err();
        assert!(
            error.to_string().contains("`#ff5f5` is no colour"),
            "{error}"
        );
        let text = include_str!("../../themes/dark.toml").replace("[warn]", "[wran]");
        assert!(Theme::from_toml(&text, Depth::True).is_err());
    }

    #[test]
    fn fewer_colours_are_used_again() {
        let text = include_str!("../../themes/dark.toml");
        let begin = text.find("series").unwrap();
        let end = begin + text[begin..].find('\n').unwrap();
        let one = text.replace(&text[begin..end], "series = [\"red\"]");
        let theme = Theme::from_toml(&one, Depth::True).unwrap();
        assert_eq!(theme.series(5), Color::Red);
        let none = text.replace(&text[begin..end], "series = []");
        assert!(Theme::from_toml(&none, Depth::True).is_err());
    }
}
