//! The file of a person's own keys: a table per place, an action and its keys in each line.
//!
//! ```toml
//! [anywhere]
//! quit = "Q"
//! [nodes]
//! toggle = ["Space", "x"]
//! on-for = []            # takes its keys away
//! ```

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

use super::{Chord, Cmd, Keymap, Place};

/// Largest file of keys.
const FILE_BYTES_MAX: usize = 65_536;

/// All that is wrong with a file of keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct KeymapError(
    /// One sentence each.
    pub Vec<String>,
);

#[derive(Deserialize)]
#[serde(untagged)]
enum Keys {
    One(String),
    Many(Vec<String>),
}

/// Changes a key map as the file says.
pub(super) fn apply(keymap: &mut Keymap, text: &str) -> Result<(), KeymapError> {
    let one = |text: String| KeymapError(vec![text]);
    if text.len() > FILE_BYTES_MAX {
        return Err(one(format!("larger than {FILE_BYTES_MAX} bytes")));
    }
    let file: BTreeMap<String, BTreeMap<String, Keys>> =
        toml::from_str(text).map_err(|error| one(error.to_string().trim_end().to_owned()))?;
    let mut wrong = Vec::new();
    for (place, lines) in file {
        let found = Place::ALL.into_iter().find(|known| known.word() == place);
        let Some(found) = found else {
            let known: Vec<&str> = Place::ALL.into_iter().map(Place::word).collect();
            wrong.push(format!("`{place}` is none of {}", known.join(", ")));
            continue;
        };
        for (action, keys) in lines {
            if let Err(text) = set(keymap, found, &action, keys) {
                wrong.push(format!("[{place}] {action}: {text}"));
            }
        }
    }
    wrong.extend(conflicts(keymap));
    if !keymap
        .bindings
        .iter()
        .any(|binding| binding.cmd == Cmd::Quit && !binding.chords.is_empty())
    {
        wrong.push("[anywhere] quit: at least one key must be left".to_owned());
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(KeymapError(wrong))
    }
}

fn set(keymap: &mut Keymap, place: Place, action: &str, keys: Keys) -> Result<(), String> {
    let keys = match keys {
        Keys::One(key) => vec![key],
        Keys::Many(keys) => keys,
    };
    let chords = keys
        .iter()
        .map(|key| key.parse())
        .collect::<Result<_, _>>()?;
    let line = keymap
        .bindings
        .iter_mut()
        .find(|binding| binding.place == place && binding.cmd.id() == action);
    match line {
        Some(binding) => {
            binding.chords = chords;
            Ok(())
        }
        None => {
            let known = Cmd::ALL.iter().any(|cmd| cmd.id() == action);
            Err(if known {
                "this action is not of this place; `?` lists them".to_owned()
            } else {
                "there is no such action; docs/terminal.md lists them".to_owned()
            })
        }
    }
}

/// Every key that means two things at the same place, with both.
pub(super) fn conflicts(keymap: &Keymap) -> Vec<String> {
    let mut seen: HashMap<(Place, Chord), Cmd> = HashMap::new();
    let mut found = Vec::new();
    for binding in &keymap.bindings {
        for chord in &binding.chords {
            match seen.insert((binding.place, *chord), binding.cmd) {
                Some(other) if other != binding.cmd => found.push(format!(
                    "[{}] `{chord}` is both {} and {}",
                    binding.place.word(),
                    other.id(),
                    binding.cmd.id()
                )),
                _ => {}
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use ratatui::crossterm::event::{KeyCode, KeyEvent};

    use super::*;

    #[test]
    fn keys_move_and_can_be_taken_away() {
        let text = "[anywhere]\nquit = [\"Q\", \"Ctrl-c\"]\n[nodes]\non-for = []\n";
        let keymap = Keymap::from_toml(text).unwrap();
        let press = |c| keymap.command(Place::Overview, KeyEvent::from(KeyCode::Char(c)));
        assert_eq!(press('Q'), Some(Cmd::Quit));
        assert_eq!((press('q'), press('o')), (None, None));
    }

    #[test]
    fn everything_that_is_wrong_is_named_at_once() {
        let text = "[nowhere]\nquit = \"q\"\n[nodes]\ntoggle = \"s\"\nfly = \"f\"\nacknowledge = \
                    \"z\"\nopen = \"Hyper-x\"\n[anywhere]\nquit = []\nhelp = \"u\"\n";
        let KeymapError(wrong) = Keymap::from_toml(text).unwrap_err();
        let all = wrong.join("\n");
        for part in [
            "`nowhere` is none of",
            "[nodes] fly: there is no such action",
            "[nodes] acknowledge: this action is not of this place",
            "`Hyper-x` is no key",
            "[nodes] `s` is both toggle and sort",
            "[anywhere] `u` is both undo and help",
            "[anywhere] quit: at least one key must be left",
        ] {
            assert!(all.contains(part), "{part}\n{all}");
        }
        assert_eq!(wrong.len(), 7, "{all}");
        assert!(Keymap::from_toml("[nodes").is_err());
        assert!(Keymap::from_toml(&" ".repeat(FILE_BYTES_MAX + 1)).is_err());
    }
}
