//! What a person has chosen for the terminal. Read from files and flags by the program; the
//! terminal only uses it.

use std::{fs, path::PathBuf, str::FromStr};

use ratatui::symbols::Marker;

use crate::{
    keymap::Keymap,
    theme::{Depth, Theme, names},
};

/// Which actions ask first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Confirm {
    /// None.
    Off,
    /// Those that take something away.
    #[default]
    Dangerous,
    /// All that change something.
    All,
}

/// What charts are made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Marks {
    /// Dots, eight in a character: most terminals.
    #[default]
    Braille,
    /// Blocks, eight in a character: terminals with Unicode 16.
    Octant,
    /// Half blocks: terminals that have few characters, like the Linux console.
    Block,
    /// ASCII alone, everywhere on the screen.
    Ascii,
}

impl Marks {
    pub(crate) const fn marker(self) -> Marker {
        match self {
            Self::Braille => Marker::Braille,
            Self::Octant => Marker::Octant,
            Self::Block => Marker::HalfBlock,
            Self::Ascii => Marker::Custom('*'),
        }
    }
}

macro_rules! words {
    ($name:ident: $($variant:ident $word:literal),*) => {
        impl $name {
            /// The words that it is chosen by.
            pub const WORDS: &[&str] = &[$($word),*];
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(format!("`{text}` is none of {}", Self::WORDS.join(", "))),
                }
            }
        }
    };
}
words!(Confirm: Off "off", Dangerous "dangerous", All "all");
words!(Marks: Braille "braille", Octant "octant", Block "block", Ascii "ascii");

/// What a person has chosen.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Keys.
    pub keymap: Keymap,
    /// Name of a theme, or the path of its file; `None` goes by the terminal's background.
    pub theme: Option<String>,
    /// Where themes of the person's own are, as `NAME.toml`.
    pub themes: Option<PathBuf>,
    /// How many colours the terminal shows.
    pub depth: Depth,
    /// Which actions ask first.
    pub confirm: Confirm,
    /// Nothing can be changed.
    pub read_only: bool,
    /// Whether the mouse is listened to; without it the terminal's own marking works.
    pub mouse: bool,
    /// What charts are made of.
    pub marks: Marks,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            keymap: Keymap::default(),
            theme: None,
            themes: None,
            depth: Depth::Sixteen,
            confirm: Confirm::default(),
            read_only: false,
            mouse: true,
            marks: Marks::default(),
        }
    }
}

impl Settings {
    /// A theme by name or path.
    ///
    /// # Errors
    /// That there is none, or what is wrong with its file.
    pub fn find_theme(&self, name: &str) -> Result<Theme, String> {
        if let Some(theme) = Theme::named(name, self.depth) {
            return Ok(theme);
        }
        let path = if name.contains(['/', '.']) {
            PathBuf::from(name)
        } else {
            let own = self.themes.as_ref();
            own.map_or_else(|| name.into(), |own| own.join(format!("{name}.toml")))
        };
        let text = fs::read_to_string(&path).map_err(|error| {
            let known: Vec<&str> = names().collect();
            format!(
                "`{name}` is none of {}, and `{}` cannot be read: {error}",
                known.join(", "),
                path.display()
            )
        })?;
        Theme::from_toml(&text, self.depth)
            .map_err(|error| format!("`{}`: {error}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_theme_is_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let text = include_str!("../themes/light.toml").replace("#d70000", "blue");
        fs::write(folder.path().join("mine.toml"), text).unwrap();
        let settings = Settings {
            themes: Some(folder.path().to_owned()),
            depth: Depth::True,
            ..Settings::default()
        };
        let theme = settings.find_theme("mine").unwrap();
        assert_eq!(theme.bad().fg, Some(ratatui::style::Color::Blue));
        assert!(settings.find_theme("dark").is_ok());
        let error = settings.find_theme("theirs").unwrap_err();
        assert!(error.contains("`theirs` is none of dark, light"), "{error}");
        let path = folder.path().join("bad.toml");
        fs::write(&path, "nothing").unwrap();
        assert!(settings.find_theme(path.to_str().unwrap()).is_err());
    }

    #[test]
    fn words_are_read() {
        assert_eq!("octant".parse(), Ok(Marks::Octant));
        assert_eq!("all".parse(), Ok(Confirm::All));
        assert!("maybe".parse::<Confirm>().is_err());
    }
}
