//! Keys and what they do, in one table: the footer, the help, the palette and the documentation
//! show the same table that the keys are looked up in. A file of the person's own changes it.

mod chord;
mod file;
mod table;

use ratatui::crossterm::event::KeyEvent;

pub(crate) use chord::Chord;
pub use file::KeymapError;

/// Where the person is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Place {
    Anywhere,
    Overview,
    Node,
    Chart,
    Rules,
    Incidents,
    Messages,
    Commands,
    Admin,
    Log,
}

impl Place {
    /// All, in the order of the help.
    pub(crate) const ALL: [Self; 10] = [
        Self::Overview,
        Self::Node,
        Self::Chart,
        Self::Rules,
        Self::Incidents,
        Self::Messages,
        Self::Commands,
        Self::Admin,
        Self::Log,
        Self::Anywhere,
    ];

    /// The word in files and in the documentation.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Anywhere => "anywhere",
            Self::Overview => "nodes",
            Self::Node => "node",
            Self::Chart => "chart",
            Self::Rules => "rules",
            Self::Incidents => "incidents",
            Self::Messages => "messages",
            Self::Commands => "commands",
            Self::Admin => "administration",
            Self::Log => "log",
        }
    }
}

macro_rules! commands {
    ($($cmd:ident $id:literal)*) => {
        /// What a key does.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) enum Cmd { $($cmd),* }

        impl Cmd {
            pub(crate) const ALL: &[Self] = &[$(Self::$cmd),*];

            /// The word in the file of keys and behind `:`.
            pub(crate) const fn id(self) -> &'static str {
                match self { $(Self::$cmd => $id),* }
            }
        }
    };
}

commands! {
    Quit "quit" Help "help" Palette "palette" Line "line" Filter "filter" Back "back"
    Undo "undo" Copy "copy"
    GoOverview "nodes" GoRules "rules" GoIncidents "incidents" GoMessages "messages"
    GoCommands "commands" GoAdmin "administration" GoLog "log"
    Up "up" Down "down" PageUp "page-up" PageDown "page-down" First "first" Last "last"
    Open "open" OpenChart "chart" Layout "layout" Sort "sort"
    Toggle "toggle" OnFor "on-for" NextActuator "next-actuator" NextMetric "next-metric"
    Wider "wider" Narrower "narrower" Earlier "earlier" Later "later" Range "range" Now "now"
    CursorLeft "cursor-left" CursorRight "cursor-right" CursorFarLeft "cursor-far-left"
    CursorFarRight "cursor-far-right" CursorOff "cursor-off" Peak "peak" Mark "mark"
    Freeze "freeze" Scale "scale" Overlay "overlay" Compare "compare" Export "export"
    New "new" Edit "edit" Delete "delete" Enable "enable" Duplicate "duplicate" DryRun "dry-run"
    Acknowledge "acknowledge" AckUntil "acknowledge-until" Silence "silence"
    EndSilence "end-silence" Details "details"
    OnlyBad "only-bad" Pause "pause" Decode "decode"
    Cancel "cancel" Refresh "refresh"
}

/// A line of the table.
#[derive(Debug, Clone)]
pub(crate) struct Binding {
    pub(crate) place: Place,
    /// None when the person took them away.
    pub(crate) chords: Vec<Chord>,
    pub(crate) cmd: Cmd,
    pub(crate) text: &'static str,
    /// Whether the footer shows it.
    pub(crate) footer: bool,
}

impl Binding {
    /// The first key as shown; empty when it has none.
    pub(crate) fn shown(&self) -> String {
        self.chords
            .first()
            .map(ToString::to_string)
            .unwrap_or_default()
    }

    /// All keys as shown.
    #[cfg(test)]
    pub(crate) fn all_shown(&self) -> Vec<String> {
        self.chords.iter().map(ToString::to_string).collect()
    }
}

/// The table in use.
#[derive(Debug, Clone)]
pub struct Keymap {
    bindings: Vec<Binding>,
}

impl Default for Keymap {
    fn default() -> Self {
        let chords = |keys: &str| -> Vec<Chord> {
            keys.split(' ')
                .map(|key| key.parse().expect("a test reads the whole table"))
                .collect()
        };
        let binding = |&(place, keys, cmd, text, footer)| Binding {
            place,
            chords: chords(keys),
            cmd,
            text,
            footer,
        };
        Self {
            bindings: table::TABLE.iter().map(binding).collect(),
        }
    }
}

impl Keymap {
    /// The default keys, changed by a file (see [`KeymapError`] for what is refused).
    ///
    /// # Errors
    /// Everything that is wrong with the file, at once.
    pub fn from_toml(text: &str) -> Result<Self, KeymapError> {
        let mut keymap = Self::default();
        file::apply(&mut keymap, text)?;
        Ok(keymap)
    }

    /// What a key does at a place; a place's own keys come before those of everywhere.
    pub(crate) fn command(&self, place: Place, key: KeyEvent) -> Option<Cmd> {
        let chord = Chord::from(key);
        self.here(place)
            .find(|binding| binding.chords.contains(&chord))
            .map(|binding| binding.cmd)
    }

    /// The lines that hold at a place, its own first.
    pub(crate) fn here(&self, place: Place) -> impl Iterator<Item = &Binding> {
        let of = move |wanted| {
            self.bindings
                .iter()
                .filter(move |binding| binding.place == wanted)
        };
        of(place).chain(of(Place::Anywhere).filter(move |_| place != Place::Anywhere))
    }

    /// All lines.
    pub(crate) fn all(&self) -> &[Binding] {
        &self.bindings
    }
}

#[cfg(test)]
mod tests {
    use ratatui::crossterm::event::{
        KeyCode::{Char, End},
        KeyModifiers,
    };

    use super::*;

    #[test]
    fn no_key_means_two_things_at_the_same_place() {
        assert_eq!(file::conflicts(&Keymap::default()), Vec::<String>::new());
    }

    #[test]
    fn a_place_comes_before_anywhere() {
        let keymap = Keymap::default();
        let end = KeyEvent::from(End);
        assert_eq!(keymap.command(Place::Node, end), Some(Cmd::CursorOff));
        assert_eq!(keymap.command(Place::Rules, end), Some(Cmd::Last));
        let ctrl = |c| KeyEvent::new(Char(c), KeyModifiers::CONTROL);
        assert_eq!(keymap.command(Place::Rules, ctrl('c')), Some(Cmd::Quit));
        assert_eq!(keymap.command(Place::Rules, ctrl('d')), None);
    }

    #[test]
    fn every_command_has_a_word_of_its_own_and_a_line() {
        let keymap = Keymap::default();
        for (at, cmd) in Cmd::ALL.iter().enumerate() {
            assert!(
                keymap.all().iter().any(|binding| binding.cmd == *cmd),
                "{cmd:?}"
            );
            assert!(Cmd::ALL[..at].iter().all(|other| other.id() != cmd.id()));
        }
    }

    /// The rows of docs/terminal.md's table: key, place, text.
    #[test]
    fn the_documentation_lists_every_key() {
        let rows: Vec<String> = Place::ALL
            .into_iter()
            .flat_map(|place| {
                let keymap = Keymap::default();
                let own: Vec<Binding> = keymap
                    .all()
                    .iter()
                    .filter(|binding| binding.place == place)
                    .cloned()
                    .collect();
                own.into_iter().map(move |binding| {
                    let keys: Vec<String> = binding
                        .all_shown()
                        .iter()
                        .map(|key| format!("`{key}`"))
                        .collect();
                    format!(
                        "| {} | {} | {} | `{}` |",
                        keys.join(" "),
                        place.word(),
                        binding.text,
                        binding.cmd.id()
                    )
                })
            })
            .collect();
        let doc = include_str!("../../../docs/terminal.md");
        let (_, rest) = doc.split_once("| key | where | what | name |\n").unwrap();
        let told: Vec<&str> = rest
            .lines()
            .skip(1)
            .take_while(|line| line.starts_with('|'))
            .collect();
        let rows = rows.join("\n");
        assert_eq!(told.join("\n"), rows, "the table must be:\n{rows}");
    }
}
