//! What a typed filter lets through: plain text, `!` for all that does not have it, `~` for
//! letters in this order with others between (fuzzy).

use memchr::memmem::Finder;
use nucleo_matcher::{
    Config, Matcher, Utf32Str,
    pattern::{Atom, AtomKind, CaseMatching, Normalization},
};

/// A filter, read once and used for every row.
#[derive(Debug)]
pub(crate) enum Filter {
    All,
    Plain(Finder<'static>),
    Inverse(Finder<'static>),
    Fuzzy(Atom, Box<Matcher>),
}

impl Filter {
    pub(crate) fn new(text: &str) -> Self {
        let text = text.trim();
        if let Some(rest) = text.strip_prefix('~').filter(|rest| !rest.is_empty()) {
            return Self::Fuzzy(atom(rest), Box::new(Matcher::new(Config::DEFAULT)));
        }
        let lower = text.to_lowercase();
        let finder = |text: &str| Finder::new(text.trim()).into_owned();
        match lower.strip_prefix('!') {
            Some("") => Self::All,
            Some(rest) => Self::Inverse(finder(rest)),
            None if lower.is_empty() || lower == "~" => Self::All,
            None => Self::Plain(finder(&lower)),
        }
    }

    /// Whether a row with these texts is shown.
    pub(crate) fn lets(&mut self, texts: &[&str]) -> bool {
        let has = |wanted: &Finder<'_>| texts.iter().any(|text| contains(text, wanted));
        match self {
            Self::All => true,
            Self::Plain(wanted) => has(wanted),
            Self::Inverse(wanted) => !has(wanted),
            Self::Fuzzy(atom, matcher) => texts
                .iter()
                .any(|text| score(atom, matcher, text).is_some()),
        }
    }
}

/// Whether a text has another in it, which is in lower case.
fn contains(text: &str, wanted: &Finder<'_>) -> bool {
    let is_lower = |byte: u8| byte.is_ascii() && !byte.is_ascii_uppercase();
    wanted.find(text.as_bytes()).is_some()
        || (!text.bytes().all(is_lower) && wanted.find(text.to_lowercase().as_bytes()).is_some())
}

fn atom(text: &str) -> Atom {
    Atom::new(
        text,
        CaseMatching::Ignore,
        Normalization::Smart,
        AtomKind::Fuzzy,
        false,
    )
}

fn score(atom: &Atom, matcher: &mut Matcher, text: &str) -> Option<u16> {
    let mut chars = Vec::new();
    atom.score(Utf32Str::new(text, &mut chars), matcher)
}

/// The items whose text fits, the best first; all in their order when nothing is typed.
pub(crate) fn ranked<T>(typed: &str, items: Vec<T>, text: impl Fn(&T) -> String) -> Vec<T> {
    let typed = typed.trim();
    if typed.is_empty() {
        return items;
    }
    let mut matcher = Matcher::new(Config::DEFAULT);
    let words: Vec<Atom> = typed.split_whitespace().map(atom).collect();
    let mut found: Vec<(u32, T)> = items
        .into_iter()
        .filter_map(|item| {
            let text = text(&item);
            let scores = words
                .iter()
                .map(|word| score(word, &mut matcher, &text).map(u32::from));
            Some((scores.sum::<Option<u32>>()?, item))
        })
        .collect();
    found.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    found.into_iter().map(|(_, item)| item).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_inverse_and_fuzzy() {
        let shown = |filter: &str| {
            let mut filter = Filter::new(filter);
            let all = ["Kitchen", "cellar", "room-12"];
            all.into_iter()
                .filter(|name| filter.lets(&[name]))
                .collect::<Vec<_>>()
        };
        assert_eq!(shown("").len(), 3);
        assert_eq!(shown("!").len(), 3);
        assert_eq!(shown("~").len(), 3);
        assert_eq!(shown("KIT"), ["Kitchen"]);
        assert_eq!(shown("!kit"), ["cellar", "room-12"]);
        assert_eq!(shown("~r12"), ["room-12"]);
        assert_eq!(shown("ktn"), [""; 0]);
        assert_eq!(shown("~ktn"), ["Kitchen"]);
    }

    #[test]
    fn the_best_fit_comes_first() {
        let items = vec!["go to rules", "delete", "undo the last edit"];
        let found = ranked("del", items.clone(), |item| (*item).to_owned());
        assert_eq!(found[0], "delete");
        assert_eq!(ranked("", items.clone(), |item| (*item).to_owned()), items);
        assert!(ranked("xyz", items, |item| (*item).to_owned()).is_empty());
    }
}
