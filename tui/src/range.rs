//! Ranges of time as people type them: `last 6h`, `yesterday`, `2026-11-01 .. 2026-11-03`,
//! `06:00 .. 09:30`, `2026-11-01`. Without a zone they are read in the person's own.

use chrono::{
    DateTime, Days, Local, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc,
};

use crate::words;

/// A range: from, and until when; `None` follows the time.
pub(crate) type Range = (TimeDelta, Option<DateTime<Utc>>);

/// Longest range, in days: ten years.
const DAYS_MAX: i64 = 3_660;

/// Reads a range.
pub(crate) fn read(text: &str, now: DateTime<Utc>) -> Result<Range, String> {
    read_in(text, now, &Local)
}

fn read_in<Z: TimeZone>(text: &str, now: DateTime<Utc>, zone: &Z) -> Result<Range, String> {
    let text = text.trim();
    let today = now.with_timezone(zone).date_naive();
    let (from, to) = if let Some((from, to)) = text.split_once("..") {
        let from = instant(from.trim(), today, false, zone)?;
        let to = match to.trim() {
            "" | "now" => return span(now - from, None),
            to => instant(to, today, true, zone)?,
        };
        (from, to)
    } else {
        let rest = text.strip_prefix("last ").unwrap_or(text);
        match rest.trim() {
            "today" => return span(now - midnight(today, zone)?, None),
            "yesterday" => day(today - Days::new(1), zone)?,
            "week" => return span(TimeDelta::days(7), None),
            "month" => return span(TimeDelta::days(30), None),
            "year" => return span(TimeDelta::days(366), None),
            rest => match rest.parse::<NaiveDate>() {
                Ok(date) => day(date, zone)?,
                // A bare number would be seconds, which nobody means.
                Err(_) if rest.parse::<f64>().is_ok() => return Err(wrong(text)),
                Err(_) => {
                    let s = words::duration_s(rest).map_err(|_| wrong(text))?;
                    return span(TimeDelta::seconds(i64::from(s)), None);
                }
            },
        }
    };
    if from >= to {
        return Err("the range must begin before it ends".to_owned());
    }
    span(to - from, Some(to))
}

fn wrong(text: &str) -> String {
    format!("`{text}` is no range; write `last 6h`, `yesterday`, `2026-11-01 .. 2026-11-03`")
}

fn span(span: TimeDelta, end: Option<DateTime<Utc>>) -> Result<Range, String> {
    if span < TimeDelta::seconds(10) {
        return Err("a range has at least ten seconds".to_owned());
    }
    if span > TimeDelta::days(DAYS_MAX) {
        return Err(format!("a range has at most {DAYS_MAX} days"));
    }
    Ok((span, end))
}

fn day<Z: TimeZone>(date: NaiveDate, zone: &Z) -> Result<(DateTime<Utc>, DateTime<Utc>), String> {
    Ok((midnight(date, zone)?, midnight(date + Days::new(1), zone)?))
}

/// Midnight, or the first instant of the day where clocks skip it.
fn midnight<Z: TimeZone>(date: NaiveDate, zone: &Z) -> Result<DateTime<Utc>, String> {
    local(date.and_time(NaiveTime::MIN), zone)
}

fn local<Z: TimeZone>(at: NaiveDateTime, zone: &Z) -> Result<DateTime<Utc>, String> {
    let skipped = || {
        zone.from_local_datetime(&(at + TimeDelta::hours(1)))
            .earliest()
    };
    zone.from_local_datetime(&at)
        .earliest()
        .or_else(skipped)
        .map(|at| at.with_timezone(&Utc))
        .ok_or_else(|| format!("`{at}` does not exist in this time zone"))
}

/// A time, a date, or both; a date as an end is its whole day.
pub(crate) fn instant<Z: TimeZone>(
    text: &str,
    today: NaiveDate,
    is_end: bool,
    zone: &Z,
) -> Result<DateTime<Utc>, String> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(at.with_timezone(&Utc));
    }
    if let Ok(date) = text.parse::<NaiveDate>() {
        return midnight(if is_end { date + Days::new(1) } else { date }, zone);
    }
    let time = |text: &str| {
        NaiveTime::parse_from_str(text, "%H:%M")
            .or_else(|_| NaiveTime::parse_from_str(text, "%H:%M:%S"))
    };
    if let Ok(time) = time(text) {
        return local(today.and_time(time), zone);
    }
    let parts = text.split_once([' ', 'T']);
    if let Some((date, clock)) = parts
        && let (Ok(date), Ok(time)) = (date.parse::<NaiveDate>(), time(clock.trim()))
    {
        return local(date.and_time(time), zone);
    }
    Err(format!(
        "`{text}` is no time; write `2026-11-01`, `06:30` or `2026-11-01 06:30`"
    ))
}

#[cfg(test)]
mod tests {
    use chrono::FixedOffset;

    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-11-21T10:00:00Z".parse().unwrap()
    }

    /// What a text becomes in a zone two hours ahead: from, to.
    fn range(text: &str) -> Result<(String, String), String> {
        let zone = FixedOffset::east_opt(7_200).unwrap();
        let (span, end) = read_in(text, now(), &zone)?;
        let to = end.unwrap_or_else(now);
        let show = |at: DateTime<Utc>| at.format("%m-%d %H:%M").to_string();
        let open = if end.is_none() { "…" } else { "" };
        Ok((show(to - span), format!("{}{open}", show(to))))
    }

    #[test]
    fn ranges_are_read_in_the_persons_zone() {
        for (text, from, to) in [
            ("last 6h", "11-21 04:00", "11-21 10:00…"),
            ("90m", "11-21 08:30", "11-21 10:00…"),
            ("last week", "11-14 10:00", "11-21 10:00…"),
            ("today", "11-20 22:00", "11-21 10:00…"),
            ("yesterday", "11-19 22:00", "11-20 22:00"),
            ("2026-11-01", "10-31 22:00", "11-01 22:00"),
            ("2026-11-01 .. 2026-11-03", "10-31 22:00", "11-03 22:00"),
            ("06:00 .. 09:30", "11-21 04:00", "11-21 07:30"),
            ("2026-11-01 06:00 ..", "11-01 04:00", "11-21 10:00…"),
            (
                "2026-11-01T06:00:00Z .. 2026-11-01T07:00:00Z",
                "11-01 06:00",
                "11-01 07:00",
            ),
        ] {
            let expected = (from.to_owned(), to.to_owned());
            assert_eq!(range(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_range_is_told() {
        for (text, part) in [
            ("", "is no range"),
            ("5", "is no range"),
            ("soon", "is no range"),
            ("09:00 .. 08:00", "begin before"),
            ("2026-13-01 ..", "is no time"),
            ("5s", "at least ten seconds"),
            ("1990-01-01 ..", "at most 3660 days"),
        ] {
            let error = range(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
