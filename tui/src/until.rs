//! Ends of something, as people type them: `2h`, `until 08:00`, `2026-11-23 08:00`. Without a zone
//! they are read in the person's own; a time of day that has passed is tomorrow's.

use chrono::{DateTime, Days, Local, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};

use crate::{range, words};

/// Reads an end.
///
/// # Errors
/// How it should be written.
pub fn read(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, String> {
    match lead(text, now)? {
        (at, "") => Ok(at),
        _ => Err(wrong(text)),
    }
}

/// Reads an end with other words behind it; gives these, trimmed.
///
/// # Errors
/// How it should be written.
pub(crate) fn lead(text: &str, now: DateTime<Utc>) -> Result<(DateTime<Utc>, &str), String> {
    lead_in(text, now, &Local)
}

fn lead_in<'t, Z: TimeZone>(
    text: &'t str,
    now: DateTime<Utc>,
    zone: &Z,
) -> Result<(DateTime<Utc>, &'t str), String> {
    let text = text.trim();
    let rest = text.strip_prefix("until ").unwrap_or(text).trim_start();
    let (first, behind) = word(rest);
    let today = now.with_timezone(zone).date_naive();
    let at = |text: &str| range::instant(text, today, false, zone);
    let is_time = |text: &str| {
        NaiveTime::parse_from_str(text, "%H:%M").is_ok()
            || NaiveTime::parse_from_str(text, "%H:%M:%S").is_ok()
    };
    let (end, behind) = if first.parse::<NaiveDate>().is_ok() {
        let (second, after) = word(behind);
        if is_time(second) {
            (at(&format!("{first} {second}"))?, after)
        } else {
            (at(first)?, behind)
        }
    } else if is_time(first) {
        let mut end = at(first)?;
        if end <= now {
            end = range::instant(
                &format!("{} {first}", today + Days::new(1)),
                today,
                false,
                zone,
            )?;
        }
        (end, behind)
    } else if let Ok(end) = DateTime::parse_from_rfc3339(first) {
        (end.with_timezone(&Utc), behind)
    } else if rest.len() != text.len() {
        // `until 2h` says two different things.
        return Err(wrong(text));
    } else {
        // A bare number would be seconds, which nobody means here.
        if first.parse::<f64>().is_ok() {
            return Err(wrong(text));
        }
        let s = words::duration_s(first).map_err(|_| wrong(text))?;
        (now + TimeDelta::seconds(s.into()), behind)
    };
    if end <= now {
        return Err(format!("`{text}` has passed"));
    }
    Ok((end, behind))
}

fn word(text: &str) -> (&str, &str) {
    let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (first, rest.trim())
}

fn wrong(text: &str) -> String {
    format!("`{text}` is no end; write `2h`, `until 08:00` or `until 2026-11-23 08:00`")
}

#[cfg(test)]
mod tests {
    use chrono::FixedOffset;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn durations_clocks_and_dates_with_a_comment_behind() {
        let zone = FixedOffset::east_opt(3_600).unwrap();
        let now = at("2026-11-21T09:00:00Z");
        for (text, end, rest) in [
            ("2h", "2026-11-21T11:00:00Z", ""),
            (
                "1h30m  filters are cleaned",
                "2026-11-21T10:30:00Z",
                "filters are cleaned",
            ),
            ("until 08:00", "2026-11-22T07:00:00Z", ""),
            ("11:30 lunch", "2026-11-21T10:30:00Z", "lunch"),
            (
                "until 2026-11-23 08:00 new pump",
                "2026-11-23T07:00:00Z",
                "new pump",
            ),
            ("2026-11-23 new pump", "2026-11-22T23:00:00Z", "new pump"),
            ("until 2026-11-23T08:00:00Z", "2026-11-23T08:00:00Z", ""),
        ] {
            assert_eq!(lead_in(text, now, &zone), Ok((at(end), rest)), "{text}");
        }
        for bad in ["", "soon", "60", "until 2h", "2026-11-01", "until", "25:00"] {
            assert!(lead_in(bad, now, &zone).is_err(), "{bad}");
        }
        assert!(read("2h then", now).is_err());
    }
}
