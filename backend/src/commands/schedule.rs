//! Cron expressions with a time zone.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};

/// Reads a five-field expression: minute, hour, day of month, month, day of week.
///
/// # Errors
/// What is wrong, in words.
pub fn parse(text: &str) -> Result<Cron, String> {
    CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .build()
        .parse(text)
        .map_err(|error| error.to_string())
}

/// The first run after a time. Around a change of the clock: a run in the hour that is left out
/// comes at its end, one in the hour that comes twice runs once.
#[must_use]
pub fn next(cron: &Cron, tz: Tz, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    cron.find_next_occurrence(&after.with_timezone(&tz), false)
        .ok()
        .map(|next| next.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(cron: &str, tz: &str, after: &str, n: usize) -> Vec<String> {
        let (cron, tz) = (parse(cron).unwrap(), tz.parse().unwrap());
        let mut at: DateTime<Utc> = after.parse().unwrap();
        (0..n)
            .map(|_| {
                at = next(&cron, tz, at).unwrap();
                at.format("%d %H:%M").to_string()
            })
            .collect()
    }

    #[test]
    fn the_zone_decides() {
        assert_eq!(
            runs("0 7 * * *", "Europe/Paris", "2026-01-10T00:00:00Z", 2),
            ["10 06:00", "11 06:00"]
        );
        assert_eq!(
            runs("0 7 * * *", "Europe/Paris", "2026-07-10T00:00:00Z", 1),
            ["10 05:00"]
        );
    }

    #[test]
    fn a_daily_run_comes_once_a_day_over_both_changes_of_the_clock() {
        // 2026-03-29: 02:00 to 03:00 does not exist in Paris.
        assert_eq!(
            runs("30 2 * * *", "Europe/Paris", "2026-03-27T12:00:00Z", 4),
            ["28 01:30", "29 01:00", "30 00:30", "31 00:30"]
        );
        // 2026-10-25: 02:00 to 03:00 comes twice.
        let autumn = runs("30 2 * * *", "Europe/Paris", "2026-10-24T12:00:00Z", 3);
        assert_eq!(autumn, ["25 00:30", "26 01:30", "27 01:30"]);
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in ["", "* * * *", "61 * * * *", "0 0 0 * * *", "x * * * *"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
