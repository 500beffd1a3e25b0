//! The key of a chunk in its table: series and day in one number, so that the days of a series
//! lie side by side.

/// Keys of a series; the years 0 to 9999 need 3,652,425.
pub(in crate::store) const DAYS: i64 = 1 << 22;
/// 1970-01-01, counted from the year 0.
const DAY_OF_1970: i64 = 719_528;
/// First and last day that a key can have.
const DAY_MIN: i64 = -DAY_OF_1970;
const DAY_MAX: i64 = DAYS - 1 - DAY_OF_1970;

/// The key of a day; one that has none becomes the nearest that has.
pub(in crate::store) const fn key(series: i64, day: i64) -> i64 {
    series * DAYS + in_series(day)
}

/// The part of a key that is the same for all series.
pub(in crate::store) const fn in_series(day: i64) -> i64 {
    let day = if day < DAY_MIN {
        DAY_MIN
    } else if day > DAY_MAX {
        DAY_MAX
    } else {
        day
    };
    day + DAY_OF_1970
}

/// Whether a day has a key.
pub(in crate::store) fn has_key(day: i64) -> bool {
    (DAY_MIN..=DAY_MAX).contains(&day)
}

/// Series and day of a key.
pub(in crate::store) const fn of_key(key: i64) -> (i64, i64) {
    (key.div_euclid(DAYS), key.rem_euclid(DAYS) - DAY_OF_1970)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_tells_series_and_day() {
        for (series, day) in [
            (0, 0),
            (1, -1),
            (7, DAY_MIN),
            (9, DAY_MAX),
            (1 << 31, 20_000),
        ] {
            assert_eq!(of_key(key(series, day)), (series, day));
        }
        assert_eq!(key(3, i64::MIN), key(3, DAY_MIN));
        assert_eq!(key(3, i64::MAX) + 1, key(4, DAY_MIN));
        assert!(has_key(0) && !has_key(DAY_MAX + 1) && !has_key(DAY_MIN - 1));
    }
}
