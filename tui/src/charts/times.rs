//! The times below a chart: round ones of the person's clock, as many as there is room for.

use chrono::{DateTime, Offset as _, TimeDelta, TimeZone, Utc};

use crate::words::Zone;

/// Between two labels.
const SPACE: i64 = 6;

const DAY_S: i64 = 86_400;

/// Steps between labels, in seconds.
const STEPS_S: [i64; 22] = [
    1,
    5,
    10,
    30,
    60,
    120,
    300,
    600,
    900,
    1_800,
    3_600,
    2 * 3_600,
    3 * 3_600,
    6 * 3_600,
    12 * 3_600,
    DAY_S,
    2 * DAY_S,
    7 * DAY_S,
    14 * DAY_S,
    30 * DAY_S,
    91 * DAY_S,
    365 * DAY_S,
];

/// A labelled time.
#[derive(Debug, PartialEq)]
pub(super) struct Tick {
    pub(super) at: DateTime<Utc>,
    pub(super) text: String,
}

/// The labels of a span that takes so many columns.
pub(super) fn ticks(from: DateTime<Utc>, to: DateTime<Utc>, columns: u16) -> Vec<Tick> {
    ticks_in(from, to, columns, &Zone)
}

fn ticks_in<Z: TimeZone>(
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    columns: u16,
    zone: &Z,
) -> Vec<Tick>
where
    Z::Offset: std::fmt::Display,
{
    let span_s = (to - from).num_seconds().max(1);
    let format = |step_s: i64| match step_s {
        _ if step_s >= DAY_S && span_s > 300 * DAY_S => "%Y-%m-%d",
        _ if step_s >= DAY_S => "%m-%d",
        _ if span_s > DAY_S + 3_600 => "%m-%d %H:%M",
        _ if step_s >= 60 => "%H:%M",
        _ => "%H:%M:%S",
    };
    let width = |step_s: i64| match format(step_s) {
        "%Y-%m-%d" => 10,
        "%m-%d %H:%M" => 11,
        "%H:%M:%S" => 8,
        _ => 5,
    };
    let fits = |step_s: &i64| {
        let labels = span_s / step_s + 1;
        labels * (width(*step_s) + SPACE) - SPACE <= i64::from(columns)
    };
    let step_s = STEPS_S.into_iter().find(fits).unwrap_or(span_s);
    // Round by the clock on the wall.
    let offset_s = i64::from(
        zone.offset_from_utc_datetime(&from.naive_utc())
            .fix()
            .local_minus_utc(),
    );
    let local_s = from.timestamp() + offset_s;
    let first_s = local_s.div_euclid(step_s) * step_s + step_s - offset_s;
    let Some(first) = DateTime::from_timestamp(first_s, 0) else {
        return Vec::new();
    };
    let step = TimeDelta::seconds(step_s);
    std::iter::successors(Some(first), |at| at.checked_add_signed(step))
        .take_while(|at| *at <= to)
        .map(|at| Tick {
            at,
            text: at.with_timezone(zone).format(format(step_s)).to_string(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use chrono::FixedOffset;

    use super::*;

    fn texts(span: TimeDelta, columns: u16) -> Vec<String> {
        let to: DateTime<Utc> = "2026-11-21T10:07:31Z".parse().unwrap();
        // A zone with half an hour.
        let zone = FixedOffset::east_opt(5 * 3_600 + 1_800).unwrap();
        let ticks = ticks_in(to - span, to, columns, &zone);
        ticks.into_iter().map(|tick| tick.text).collect()
    }

    #[test]
    fn labels_are_round_on_the_wall_clock() {
        let hour = texts(TimeDelta::hours(1), 71);
        assert_eq!(hour.len(), 6);
        assert_eq!(hour[..2], ["14:40", "14:50"]);
        let minute = texts(TimeDelta::minutes(1), 71);
        assert_eq!(minute, ["15:37:00", "15:37:30"]);
        let day = texts(TimeDelta::days(1), 71);
        assert_eq!(day, ["18:00", "00:00", "06:00", "12:00"]);
        let week = texts(TimeDelta::days(7), 111);
        assert_eq!(week[0], "11-15");
        assert_eq!(week.len(), 7);
    }

    #[test]
    fn labels_have_room_at_any_span_and_width() {
        for columns in [20, 31, 71, 111, 211, 300] {
            for span_s in [
                10,
                60,
                300,
                3_600,
                DAY_S,
                7 * DAY_S,
                366 * DAY_S,
                3_660 * DAY_S,
            ] {
                let all = texts(TimeDelta::seconds(span_s), columns);
                let taken: usize = all.iter().map(|text| text.len() + 1).sum();
                assert!(taken <= usize::from(columns), "{columns} {span_s}: {all:?}");
                assert!(!all.is_empty() || columns < 71, "{columns} {span_s}");
            }
        }
    }
}
