//! Silences without a clock or a store: what a person may ask for, and which incidents it fits.
//! Fed by `engine::silences`.

use chrono::{DateTime, TimeDelta, Utc};
use glob::Pattern;
use signalbox_protocol::api::{
    incident::Incident,
    silence::{NewSilence, Silence},
};

use crate::engine::RequestError;

/// Characters of a pattern.
pub const PATTERN_CHARS_MAX: usize = 100;
/// Characters of a comment, and of the note of an acknowledgement.
pub const NOTE_CHARS_MAX: usize = 200;
/// How far ahead a silence may begin, how long it may be, and how long one may be
/// acknowledged for.
pub const AHEAD_MAX: TimeDelta = TimeDelta::days(366);

/// Begin and end of a silence that may be made.
///
/// # Errors
/// [`RequestError::Invalid`] with the field.
pub fn check(
    new: &NewSilence,
    now: DateTime<Utc>,
) -> Result<(DateTime<Utc>, DateTime<Utc>), RequestError> {
    let patterns = [
        ("rule", &new.rule),
        ("node", &new.node),
        ("metric", &new.metric),
    ];
    for (field, text) in patterns {
        pattern(field, text.as_deref())?;
    }
    if patterns.iter().all(|(_, text)| text.is_none()) {
        let message = "one of `rule`, `node` and `metric` must be there; `*` fits all";
        return Err(invalid("node", message.to_owned()));
    }
    note("comment", Some(&new.comment))?;
    // What has begun already begins now.
    let from = new.from_at.map_or(now, |from| from.max(now));
    if from > now + AHEAD_MAX {
        let message = format!("`{from}` is more than {} days ahead", AHEAD_MAX.num_days());
        return Err(invalid("from_at", message));
    }
    match until(from, new.until_at, new.duration_s)? {
        Some(until) => Ok((from, until)),
        None => Err(invalid(
            "duration_s",
            "one of `until_at` and `duration_s` must be there".to_owned(),
        )),
    }
}

/// The end of something that begins at a time; `None` when neither is given.
///
/// # Errors
/// [`RequestError::Invalid`] with the field.
pub fn until(
    from: DateTime<Utc>,
    until_at: Option<DateTime<Utc>>,
    duration_s: Option<u32>,
) -> Result<Option<DateTime<Utc>>, RequestError> {
    let max = from + AHEAD_MAX;
    match (until_at, duration_s) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(invalid(
            "duration_s",
            "`until_at` and `duration_s` do not go together".to_owned(),
        )),
        (Some(at), None) if at <= from => Err(invalid(
            "until_at",
            format!("`{at}` is not after the begin, `{from}`"),
        )),
        (Some(at), None) if at > max => Err(invalid(
            "until_at",
            format!("`{at}` is more than {} days ahead", AHEAD_MAX.num_days()),
        )),
        (Some(at), None) => Ok(Some(at)),
        (None, Some(s)) => {
            let at = from + TimeDelta::seconds(s.into());
            if s == 0 || at > max {
                let s_max = AHEAD_MAX.num_seconds();
                let message = format!("`{s}` is not between 1 and {s_max}");
                return Err(invalid("duration_s", message));
            }
            Ok(Some(at))
        }
    }
}

/// Checks what a person wrote for others.
///
/// # Errors
/// [`RequestError::Invalid`] with the field.
pub fn note(field: &'static str, text: Option<&str>) -> Result<(), RequestError> {
    match text {
        Some(text)
            if text.chars().count() > NOTE_CHARS_MAX || text.chars().any(char::is_control) =>
        {
            let message = format!("a {field} has at most {NOTE_CHARS_MAX} printable characters");
            Err(invalid(field, message))
        }
        _ => Ok(()),
    }
}

fn pattern(field: &'static str, text: Option<&str>) -> Result<Option<Pattern>, RequestError> {
    let Some(text) = text else { return Ok(None) };
    let shown: String = text
        .chars()
        .take(PATTERN_CHARS_MAX)
        .collect::<String>()
        .escape_debug()
        .collect();
    if text.is_empty() || text.chars().count() > PATTERN_CHARS_MAX {
        let message = format!("`{shown}` has not 1 to {PATTERN_CHARS_MAX} characters");
        return Err(invalid(field, message));
    }
    match Pattern::new(text) {
        Ok(pattern) => Ok(Some(pattern)),
        Err(error) => Err(invalid(field, format!("`{shown}`: {}", error.msg))),
    }
}

const fn invalid(field: &'static str, message: String) -> RequestError {
    RequestError::Invalid { field, message }
}

/// A silence and what it fits, ready to be asked.
#[derive(Debug)]
pub struct Matcher {
    rule: Option<Pattern>,
    node: Option<Pattern>,
    metric: Option<Pattern>,
}

impl Matcher {
    /// Of a silence; its patterns were checked when it was made.
    #[must_use]
    pub fn new(silence: &Silence) -> Self {
        let read = |text: &Option<String>| {
            let text = text.as_deref()?;
            // One that cannot be read any more still fits its own text.
            let literal = || Pattern::new(&Pattern::escape(text)).ok();
            Pattern::new(text).ok().or_else(literal)
        };
        Self {
            rule: read(&silence.rule),
            node: read(&silence.node),
            metric: read(&silence.metric),
        }
    }

    /// Whether the silence is about an incident.
    #[must_use]
    pub fn fits(&self, incident: &Incident) -> bool {
        let fits = |pattern: &Option<Pattern>, text: &str| {
            pattern.as_ref().is_none_or(|pattern| pattern.matches(text))
        };
        fits(&self.node, &incident.node)
            && fits(&self.metric, &incident.metric)
            && (fits(&self.rule, &incident.rule_name) || fits(&self.rule, &incident.rule))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000 + s, 0).unwrap()
    }

    fn field(new: &NewSilence) -> Option<&'static str> {
        match check(new, at(0)) {
            Err(RequestError::Invalid { field, .. }) => Some(field),
            Err(error) => panic!("{error}"),
            Ok(_) => None,
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_field() {
        let hour = || NewSilence {
            node: Some("cellar-*".to_owned()),
            duration_s: Some(3_600),
            ..NewSilence::default()
        };
        assert_eq!(check(&hour(), at(0)).unwrap(), (at(0), at(3_600)));
        let node = |text: &str| NewSilence {
            node: Some(text.to_owned()),
            ..hour()
        };
        let past = NewSilence {
            from_at: Some(at(-600)),
            ..hour()
        };
        assert_eq!(check(&past, at(0)).unwrap(), (at(0), at(3_600)));
        assert_eq!(field(&node("")), Some("node"));
        assert_eq!(field(&node("[a")), Some("node"));
        assert_eq!(field(&node(&"x".repeat(PATTERN_CHARS_MAX))), None);
        assert_eq!(
            field(&node(&"x".repeat(PATTERN_CHARS_MAX + 1))),
            Some("node")
        );
        let comment = |text: String| NewSilence {
            comment: text,
            ..hour()
        };
        assert_eq!(field(&comment("é".repeat(NOTE_CHARS_MAX))), None);
        assert_eq!(
            field(&comment("é".repeat(NOTE_CHARS_MAX + 1))),
            Some("comment")
        );
        assert_eq!(field(&comment("a\nb".to_owned())), Some("comment"));
        let until = |s| NewSilence {
            until_at: Some(at(s)),
            duration_s: None,
            ..hour()
        };
        let longest = AHEAD_MAX.num_seconds();
        assert_eq!(field(&until(longest)), None);
        assert_eq!(field(&until(longest + 1)), Some("until_at"));
        assert_eq!(field(&until(0)), Some("until_at"));
        let mut both = until(5);
        both.duration_s = Some(5);
        assert_eq!(field(&both), Some("duration_s"));
        both.until_at = None;
        both.duration_s = None;
        assert_eq!(field(&both), Some("duration_s"));
        both.duration_s = Some(0);
        assert_eq!(field(&both), Some("duration_s"));
        both.duration_s = Some(u32::MAX);
        assert_eq!(field(&both), Some("duration_s"));
        let late = NewSilence {
            from_at: Some(at(longest + 1)),
            ..hour()
        };
        assert_eq!(field(&late), Some("from_at"));
        let everything = NewSilence {
            node: None,
            ..hour()
        };
        assert_eq!(field(&everything), Some("node"));
    }
}
