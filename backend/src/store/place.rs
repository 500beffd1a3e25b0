//! Where the store is: `sqlite:PATH` or `postgres://…`, as configured or given to a command.

use std::{fmt, path::PathBuf, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::postgres::Address;

/// A store's place. Shows itself without a password.
#[derive(Clone, PartialEq, Eq)]
pub enum Place {
    /// A file.
    Sqlite(PathBuf),
    /// A database of a server.
    Postgres(Box<Address>),
}

/// Why a text names no place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{shown}` is not a store: {problem}; it must be `sqlite:PATH` or \
         `postgres://USER:PASSWORD@HOST:PORT/DATABASE`"
)]
pub struct PlaceError {
    /// As given, without what could be a password.
    shown: String,
    /// What is wrong.
    problem: String,
}

impl FromStr for Place {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        let refused = |problem: &str| PlaceError {
            shown: harmless(text),
            problem: problem.to_owned(),
        };
        match text.split_once(':') {
            Some(("sqlite", path)) => {
                // `sqlite:///var/lib/x.db` is as common as `sqlite:/var/lib/x.db`.
                let path = path.strip_prefix("//").unwrap_or(path);
                if path.is_empty() {
                    return Err(refused("it names no file"));
                }
                Ok(Self::Sqlite(PathBuf::from(path)))
            }
            Some(("postgres" | "postgresql", _)) => Address::parse(text)
                .map(|address| Self::Postgres(Box::new(address)))
                .map_err(|problem| refused(&problem)),
            _ => Err(refused(
                "it begins with neither `sqlite:` nor `postgres://`",
            )),
        }
    }
}

/// The text without what stands before the last `@`, since a password may be there.
fn harmless(text: &str) -> String {
    match (text.split_once("://"), text.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://…@{rest}"),
        _ => text.to_owned(),
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(address) => address.fmt(f),
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A place as it stands in the configuration; a bad one is told by the check of the whole
/// configuration, since TOML's own error would show the line with the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreUrl(Result<Place, PlaceError>);

impl StoreUrl {
    /// The place.
    ///
    /// # Errors
    /// The text was none.
    pub const fn place(&self) -> Result<&Place, &PlaceError> {
        self.0.as_ref()
    }
}

impl From<Place> for StoreUrl {
    fn from(place: Place) -> Self {
        Self(Ok(place))
    }
}

impl Serialize for StoreUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Ok(place) => serializer.collect_str(place),
            Err(error) => serializer.collect_str(&error.shown),
        }
    }
}

impl<'de> Deserialize<'de> for StoreUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(String::deserialize(deserializer)?.parse()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_and_shown_without_a_password() {
        for (text, shown) in [
            ("sqlite:a/b.db", "sqlite:a/b.db"),
            ("sqlite:///var/b.db", "sqlite:/var/b.db"),
            (
                "postgres://anna:s%40cret@db.example.org/station",
                "postgres://anna@db.example.org:5432/station",
            ),
            (
                "postgresql://anna@[::1]:5433/station?sslmode=verify-full",
                "postgres://anna@[::1]:5433/station?sslmode=verify-full",
            ),
            (
                "postgres://anna@/station?host=/run/postgresql",
                "postgres://anna@/station?host=/run/postgresql",
            ),
        ] {
            let place: Place = text.parse().unwrap();
            assert_eq!(place.to_string(), shown);
            assert_eq!(format!("{place:?}"), shown);
        }
    }

    #[test]
    fn what_is_no_place_is_refused_without_showing_a_password() {
        for (text, part) in [
            ("sqlite:", "names no file"),
            ("mysql://a:secret@b/c", "neither"),
            ("postgres://a:secret@/c", "names no host"),
            ("postgres://:secret@h/c", "names no user"),
            ("postgres://a:secret@h", "names no database"),
            ("postgres://a:secret@h/c?sslmode=maybe", "`maybe`"),
            ("postgres://a:secret@h/c?colour=red", "`colour`"),
            ("postgres://a:secret@h:port/c", "port"),
        ] {
            let error = text.parse::<Place>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
