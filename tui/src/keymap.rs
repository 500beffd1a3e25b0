//! Keys and what they do, in one table: the footer and the help show the same table that the
//! keys are looked up in.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Where the person is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Anywhere,
    Overview,
    Node,
    Rules,
    Incidents,
    Messages,
}

/// What a key does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cmd {
    Quit,
    Help,
    Filter,
    Back,
    GoOverview,
    GoRules,
    GoIncidents,
    GoMessages,
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    Open,
    Toggle,
    OnFor,
    NextActuator,
    NextMetric,
    Wider,
    Narrower,
    Earlier,
    Later,
    CursorLeft,
    CursorRight,
    CursorOff,
    New,
    Edit,
    Delete,
    Enable,
    Acknowledge,
    OnlyBad,
}

/// A line of the table.
#[derive(Debug)]
pub(crate) struct Binding {
    pub(crate) place: Place,
    codes: &'static [KeyCode],
    pub(crate) shown: &'static str,
    pub(crate) cmd: Cmd,
    pub(crate) text: &'static str,
    /// Whether the footer shows it.
    pub(crate) footer: bool,
}

macro_rules! keys {
    ($($place:ident [$($code:expr),+] $shown:literal $cmd:ident $text:literal $footer:literal;)*) => {
        &[$(Binding {
            place: Place::$place,
            codes: &[$($code),+],
            shown: $shown,
            cmd: Cmd::$cmd,
            text: $text,
            footer: $footer,
        }),*]
    };
}

use KeyCode::{Char, Down, End, Enter, Esc, Home, Left, PageDown, PageUp, Right, Tab, Up};

/// The table; the first line that fits wins.
#[rustfmt::skip]
pub(crate) const BINDINGS: &[Binding] = keys![
    Overview  [Enter, Right]         "Enter"  Open         "open" true;
    Overview  [Char(' ')]            "Space"  Toggle       "toggle" true;
    Overview  [Char('o')]            "o"      OnFor        "on for…" true;
    Overview  [Char('a'), Tab]       "a"      NextActuator "mark the next actuator" false;
    Node      [Char(' ')]            "Space"  Toggle       "toggle" true;
    Node      [Char('o')]            "o"      OnFor        "on for…" true;
    Node      [Char('a')]            "a"      NextActuator "mark the next actuator" false;
    Node      [Char('m'), Tab]       "m"      NextMetric   "metric" true;
    Node      [Char('-')]            "-"      Wider        "longer range" true;
    Node      [Char('+'), Char('=')] "+"      Narrower     "shorter range" true;
    Node      [Char('[')]            "["      Earlier      "earlier times" false;
    Node      [Char(']')]            "]"      Later        "later times" false;
    Node      [Left]                 "←"      CursorLeft   "read out" true;
    Node      [Right]                "→"      CursorRight  "read out, further on" false;
    Node      [End]                  "End"    CursorOff    "stop reading out" false;
    Rules     [Char('n')]            "n"      New          "new" true;
    Rules     [Enter, Char('e')]     "e"      Edit         "edit" true;
    Rules     [Char('d')]            "d"      Delete       "delete" true;
    Rules     [Char(' ')]            "Space"  Enable       "on, off" true;
    Incidents [Char('a')]            "a"      Acknowledge  "acknowledge" true;
    Messages  [Char('b')]            "b"      OnlyBad      "only those that were refused" true;
    Anywhere  [Char('1')]            "1"      GoOverview   "nodes" false;
    Anywhere  [Char('2')]            "2"      GoRules      "rules" false;
    Anywhere  [Char('3')]            "3"      GoIncidents  "incidents" false;
    Anywhere  [Char('4')]            "4"      GoMessages   "messages" false;
    Anywhere  [Up, Char('k')]        "↑"      Up           "up" false;
    Anywhere  [Down, Char('j')]      "↓"      Down         "down" false;
    Anywhere  [PageUp]               "PgUp"   PageUp       "a page up" false;
    Anywhere  [PageDown]             "PgDn"   PageDown     "a page down" false;
    Anywhere  [Home, Char('g')]      "g"      First        "to the top" false;
    Anywhere  [End, Char('G')]       "G"      Last         "to the bottom" false;
    Anywhere  [Char('/')]            "/"      Filter       "filter" true;
    Anywhere  [Char('?')]            "?"      Help         "help" true;
    Anywhere  [Esc]                  "Esc"    Back         "back, or clear the filter" false;
    Anywhere  [Char('q')]            "q"      Quit         "quit" true;
];

/// What a key does at a place.
pub(crate) fn command(place: Place, key: KeyEvent) -> Option<Cmd> {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return (key.code == Char('c')).then_some(Cmd::Quit);
    }
    if key.modifiers.contains(KeyModifiers::ALT) {
        return None;
    }
    here(place)
        .find(|binding| binding.codes.contains(&key.code))
        .map(|binding| binding.cmd)
}

/// The lines that hold at a place.
pub(crate) fn here(place: Place) -> impl Iterator<Item = &'static Binding> {
    BINDINGS
        .iter()
        .filter(move |binding| binding.place == place || binding.place == Place::Anywhere)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_means_two_things_at_the_same_place() {
        for (at, one) in BINDINGS.iter().enumerate() {
            for other in &BINDINGS[at + 1..] {
                let same = one.place == other.place;
                let shared = one.codes.iter().any(|code| other.codes.contains(code));
                assert!(!(same && shared), "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn a_place_comes_before_anywhere() {
        let end = KeyEvent::from(End);
        assert_eq!(command(Place::Node, end), Some(Cmd::CursorOff));
        assert_eq!(command(Place::Rules, end), Some(Cmd::Last));
        let ctrl = |c| KeyEvent::new(Char(c), KeyModifiers::CONTROL);
        assert_eq!(command(Place::Rules, ctrl('c')), Some(Cmd::Quit));
        assert_eq!(command(Place::Rules, ctrl('d')), None);
    }
}
