//! Topic names, built and parsed only here, and the rule for the names in them.

use core::fmt;

use heapless::String;

use crate::limits::{NAME_BYTES_MAX, TOPIC_BYTES_MAX};

/// First level of all our topics.
pub const PREFIX: &str = "signalbox";
/// Begins the topics of the station itself: `signalbox/_station/ID/status` and what it says to
/// itself. No node's name begins with `_`.
pub const STATION_PREFIX: &str = "signalbox/_station/";
/// The classic topic, with its leading slash.
pub const CLASSIC: &str = "/exp/sensor";
/// The node that classic messages belong to when they name none.
pub const CLASSIC_NODE: &str = "exp";

/// A topic as text.
pub type TopicName = String<TOPIC_BYTES_MAX>;

/// What a topic is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic<'a> {
    /// Measurements of a node.
    Telemetry {
        /// The node.
        node: &'a str,
    },
    /// Status and last will of a node, retained.
    Status {
        /// The node.
        node: &'a str,
    },
    /// Orders to a node; only the station publishes here.
    Command {
        /// The node.
        node: &'a str,
    },
    /// A node's answers to commands.
    Ack {
        /// The node.
        node: &'a str,
    },
    /// A node's log.
    Log {
        /// The node.
        node: &'a str,
    },
    /// Configuration for a node, retained; only the station publishes here.
    Config {
        /// The node.
        node: &'a str,
    },
    /// `/exp/sensor`.
    Classic,
    /// Below our prefix, but nothing that this version knows, or with a bad node name.
    Unknown(&'a str),
    /// Somebody else's.
    Other(&'a str),
}

impl<'a> Topic<'a> {
    /// Tells what a topic is for.
    #[must_use]
    pub fn parse(topic: &'a str) -> Self {
        if topic == CLASSIC {
            return Self::Classic;
        }
        let Some(rest) = topic
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.strip_prefix('/'))
        else {
            return Self::Other(topic);
        };
        let Some((node, kind)) = rest.split_once('/') else {
            return Self::Unknown(topic);
        };
        if check_name(node).is_err() {
            return Self::Unknown(topic);
        }
        match kind {
            "telemetry" => Self::Telemetry { node },
            "status" => Self::Status { node },
            "command" => Self::Command { node },
            "ack" => Self::Ack { node },
            "log" => Self::Log { node },
            "config" => Self::Config { node },
            _ => Self::Unknown(topic),
        }
    }
}

/// Topic of a node's measurements.
#[must_use]
pub fn telemetry(node: &str) -> TopicName {
    build(node, "telemetry")
}

/// Topic of a node's status and last will.
#[must_use]
pub fn status(node: &str) -> TopicName {
    build(node, "status")
}

/// Topic of orders to a node.
#[must_use]
pub fn command(node: &str) -> TopicName {
    build(node, "command")
}

/// Topic of a node's answers.
#[must_use]
pub fn ack(node: &str) -> TopicName {
    build(node, "ack")
}

/// Topic of a node's configuration.
#[must_use]
pub fn config(node: &str) -> TopicName {
    build(node, "config")
}

/// Topic of a node's log.
#[must_use]
pub fn log(node: &str) -> TopicName {
    build(node, "log")
}

/// A name that is too long is cut, which no checked name is.
fn build(node: &str, kind: &str) -> TopicName {
    let mut topic = TopicName::new();
    for part in [PREFIX, "/", node, "/", kind] {
        if topic.push_str(part).is_err() {
            break;
        }
    }
    topic
}

/// Why a name cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameError {
    /// It has no character.
    Empty,
    /// It has more than [`NAME_BYTES_MAX`] bytes.
    TooLong,
    /// It does not begin with a letter or digit.
    BadStart,
    /// It has a character other than letters, digits, `_` and `-`.
    BadCharacter(char),
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a name needs at least one character"),
            Self::TooLong => write!(f, "a name has at most {NAME_BYTES_MAX} characters"),
            Self::BadStart => f.write_str("a name begins with a letter or a digit"),
            Self::BadCharacter(bad) => {
                write!(
                    f,
                    "a name has only letters, digits, `_` and `-`, not `{}`",
                    bad.escape_debug()
                )
            }
        }
    }
}

impl core::error::Error for NameError {}

/// Checks a node, metric or actuator name: 1 to 32 ASCII letters, digits, `_`, `-`, the first one
/// a letter or digit. Upper and lower case are kept apart, because boards are labelled `ESP-01`;
/// wildcards, slashes, spaces and control characters can never reach a topic, a screen or a log.
///
/// # Errors
/// The rule that the name breaks.
pub fn check_name(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(NameError::TooLong);
    }
    for (at, character) in name.chars().enumerate() {
        let is_mark = matches!(character, '_' | '-');
        if !character.is_ascii_alphanumeric() && !is_mark {
            return Err(NameError::BadCharacter(character));
        }
        if at == 0 && is_mark {
            return Err(NameError::BadStart);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_parsed_as_they_are_built() {
        assert_eq!(
            Topic::parse(&telemetry("a")),
            Topic::Telemetry { node: "a" }
        );
        assert_eq!(
            Topic::parse(&status("ESP-01")),
            Topic::Status { node: "ESP-01" }
        );
        assert_eq!(
            Topic::parse(&command("x_1")),
            Topic::Command { node: "x_1" }
        );
        assert_eq!(Topic::parse(&ack("9")), Topic::Ack { node: "9" });
        assert_eq!(Topic::parse("/exp/sensor"), Topic::Classic);
        assert_eq!(Topic::parse("exp/sensor"), Topic::Other("exp/sensor"));
        assert_eq!(
            Topic::parse("signalboxes/a/ack"),
            Topic::Other("signalboxes/a/ack")
        );
    }

    #[test]
    fn what_is_ours_but_not_known_is_told_apart() {
        for topic in [
            "signalbox/a",
            "signalbox/a/b",
            "signalbox//ack",
            "signalbox/a/ack/b",
            "signalbox/é/ack",
        ] {
            assert_eq!(Topic::parse(topic), Topic::Unknown(topic));
        }
    }

    #[test]
    fn names_are_checked() {
        let long = "abcdefghijklmnopqrstuvwxyz0123456";
        assert_eq!(check_name(&long[..32]), Ok(()));
        assert_eq!(check_name(long), Err(NameError::TooLong));
        assert_eq!(check_name(""), Err(NameError::Empty));
        assert_eq!(check_name("-a"), Err(NameError::BadStart));
        assert_eq!(check_name("a/b"), Err(NameError::BadCharacter('/')));
        assert_eq!(check_name("a\n"), Err(NameError::BadCharacter('\n')));
        assert_eq!(telemetry(&long[..32]).len(), 10 + 32 + 10);
    }
}
