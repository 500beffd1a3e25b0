//! A key with its modifiers, as people write it: `q`, `G`, `Ctrl-s`, `Space`, `Shift-Left`.

use std::{fmt, str::FromStr};

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// A key press.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Chord {
    code: KeyCode,
    ctrl: bool,
    alt: bool,
    /// Only of keys that are no characters: a character carries its shift in itself.
    shift: bool,
}

/// Names of keys that are no characters: as written in a file, and as shown.
const NAMES: [(KeyCode, &str, &str); 15] = [
    (KeyCode::Enter, "Enter", "Enter"),
    (KeyCode::Esc, "Esc", "Esc"),
    (KeyCode::Tab, "Tab", "Tab"),
    (KeyCode::BackTab, "BackTab", "Shift-Tab"),
    (KeyCode::Backspace, "Backspace", "Backspace"),
    (KeyCode::Delete, "Delete", "Del"),
    (KeyCode::Insert, "Insert", "Ins"),
    (KeyCode::Home, "Home", "Home"),
    (KeyCode::End, "End", "End"),
    (KeyCode::PageUp, "PgUp", "PgUp"),
    (KeyCode::PageDown, "PgDn", "PgDn"),
    (KeyCode::Up, "Up", "↑"),
    (KeyCode::Down, "Down", "↓"),
    (KeyCode::Left, "Left", "←"),
    (KeyCode::Right, "Right", "→"),
];

impl From<KeyEvent> for Chord {
    fn from(key: KeyEvent) -> Self {
        Self {
            code: key.code,
            ctrl: key.modifiers.contains(KeyModifiers::CONTROL),
            alt: key.modifiers.contains(KeyModifiers::ALT),
            shift: key.modifiers.contains(KeyModifiers::SHIFT)
                && !matches!(key.code, KeyCode::Char(_) | KeyCode::BackTab),
        }
    }
}

impl From<Chord> for KeyEvent {
    fn from(chord: Chord) -> Self {
        let mut modifiers = KeyModifiers::NONE;
        for (on, modifier) in [
            (chord.ctrl, KeyModifiers::CONTROL),
            (chord.alt, KeyModifiers::ALT),
            (chord.shift, KeyModifiers::SHIFT),
        ] {
            if on {
                modifiers |= modifier;
            }
        }
        Self::new(chord.code, modifiers)
    }
}

impl FromStr for Chord {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (mut ctrl, mut alt, mut shift) = (false, false, false);
        let mut rest = text;
        // A lone `-` is the key itself.
        while let Some((modifier, key)) = rest.split_once('-').filter(|(_, key)| !key.is_empty()) {
            match modifier.to_lowercase().as_str() {
                "ctrl" | "c" => ctrl = true,
                "alt" | "a" => alt = true,
                "shift" | "s" => shift = true,
                _ => break,
            }
            rest = key;
        }
        let wrong = || {
            format!("`{text}` is no key; write `q`, `G`, `Ctrl-s`, `Space`, `Enter`, `F5`, `Left`")
        };
        let named = NAMES
            .iter()
            .find(|(_, name, shown)| name.eq_ignore_ascii_case(rest) || *shown == rest);
        let mut chars = rest.chars();
        let code = match (named, chars.next(), chars.next()) {
            (Some((KeyCode::Tab, ..)), ..) if shift => KeyCode::BackTab,
            (Some((code, ..)), ..) => *code,
            _ if rest.eq_ignore_ascii_case("space") => KeyCode::Char(' '),
            (None, Some(c), None) if !c.is_control() && c != ' ' => KeyCode::Char(c),
            (None, Some('f' | 'F'), Some(_)) => match rest[1..].parse() {
                Ok(n @ 1..=12) => KeyCode::F(n),
                _ => return Err(wrong()),
            },
            _ => return Err(wrong()),
        };
        if shift && matches!(code, KeyCode::Char(_)) {
            return Err(format!(
                "`{text}`: write the character that it gives, like `G`"
            ));
        }
        Ok(Self {
            code,
            ctrl,
            alt,
            shift: shift && code != KeyCode::BackTab,
        })
    }
}

impl fmt::Display for Chord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (on, name) in [
            (self.ctrl, "Ctrl-"),
            (self.alt, "Alt-"),
            (self.shift, "Shift-"),
        ] {
            if on {
                f.write_str(name)?;
            }
        }
        match self.code {
            KeyCode::Char(' ') => f.write_str("Space"),
            KeyCode::Char(c) => write!(f, "{c}"),
            KeyCode::F(n) => write!(f, "F{n}"),
            code => {
                let named = NAMES.iter().find(|(named, ..)| *named == code);
                f.write_str(named.map_or("?", |(_, _, shown)| shown))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_are_shown() {
        for text in [
            "q",
            "G",
            "Ctrl-s",
            "Alt-x",
            "Space",
            "Enter",
            "Shift-←",
            "F12",
            "-",
            "+",
            "Ctrl--",
            "Shift-Tab",
            "↑",
        ] {
            let chord: Chord = text.parse().unwrap();
            assert_eq!(chord.to_string(), text);
            assert_eq!(Chord::from(KeyEvent::from(chord)), chord);
        }
        let left: Chord = "shift-left".parse().unwrap();
        assert_eq!(left.to_string(), "Shift-←");
        for bad in ["", "Hyper-x", "ab", "F13", "Shift-g", " "] {
            assert!(bad.parse::<Chord>().is_err(), "{bad}");
        }
    }
}
