//! Cron expressions with a time zone: the station runs by them, and whoever writes one sees with
//! the same code when it will.

use chrono::{DateTime, Utc};
pub use chrono_tz::Tz;
pub use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

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

/// Reads the name of an IANA time zone.
///
/// # Errors
/// That it is none, in words.
pub fn zone(name: &str) -> Result<Tz, String> {
    name.parse()
        .map_err(|_| format!("`{}` is not an IANA time zone", name.escape_debug()))
}

/// The first runs after a time, at most `n`; none when it never comes.
#[must_use]
pub fn runs(cron: &Cron, tz: Tz, after: DateTime<Utc>, n: usize) -> Vec<DateTime<Utc>> {
    let first = next(cron, tz, after);
    std::iter::successors(first, |run| next(cron, tz, *run))
        .take(n)
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn runs(cron: &str, tz: &str, after: &str, n: usize) -> Vec<String> {
        let (cron, tz) = (parse(cron).unwrap(), zone(tz).unwrap());
        super::runs(&cron, tz, after.parse().unwrap(), n)
            .into_iter()
            .map(|at| at.format("%d %H:%M").to_string())
            .collect()
    }

    #[test]
    fn what_never_comes_has_no_runs() {
        let never = runs("0 0 30 2 *", "UTC", "2026-01-10T00:00:00Z", 3);
        assert_eq!(never, Vec::<String>::new());
        assert!(zone("Mars").unwrap_err().contains("`Mars`"));
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

    /// The engine would run a schedule for ever whose next run is not after the last.
    #[test]
    fn every_run_is_after_the_one_before_in_every_zone() {
        let zones = [
            "Europe/Paris",
            "America/New_York",
            "Australia/Lord_Howe",
            "America/Scoresbysund",
            "Africa/Casablanca",
            "Asia/Kathmandu",
            "UTC",
        ];
        let fields = prop::sample::select(vec!["*", "*/7", "0", "30", "1,2,3", "59"]);
        let hours = prop::sample::select(vec!["*", "*/2", "0", "1", "2", "3", "1-3", "23"]);
        let days = prop::sample::select(vec!["* * *", "* * SUN", "29 * *", "L * *", "1 * MON"]);
        let config = ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::default()
        };
        proptest!(config, |(minute in fields, hour in hours, day in days,
            zone in prop::sample::select(zones.to_vec()), s in 0_i64..2 * 366 * 86_400)| {
            let cron = parse(&format!("{minute} {hour} {day}")).unwrap();
            let tz = zone.parse().unwrap();
            let mut at = DateTime::from_timestamp(1_767_225_600 + s, 0).unwrap();
            for _ in 0..40 {
                let after = next(&cron, tz, at).unwrap();
                prop_assert!(after > at, "{cron:?} in {zone} after {at}: {after}");
                at = after;
            }
        });
    }

    #[test]
    fn what_runs_every_half_hour_does_so_over_both_changes() {
        let spring = runs("*/30 * * * *", "Europe/Paris", "2026-03-29T00:00:00Z", 4);
        assert_eq!(spring, ["29 00:30", "29 01:00", "29 01:30", "29 02:00"]);
        let autumn = runs("*/30 * * * *", "Europe/Paris", "2026-10-24T23:30:00Z", 6);
        let expected = [
            "25 00:00", "25 00:30", "25 01:00", "25 01:30", "25 02:00", "25 02:30",
        ];
        assert_eq!(autumn, expected);
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in ["", "* * * *", "61 * * * *", "0 0 0 * * *", "x * * * *"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
