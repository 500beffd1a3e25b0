//! Months of `sample`, a partition each, so that retention drops files and not rows. Months are
//! made when the first sample comes for them, and the one after the newest is made with it, so
//! that at the turn of a month nobody waits. What lies outside the years below goes into two
//! partitions that are always there: nothing is refused for lack of a partition.

use std::collections::BTreeSet;

use chrono::{Datelike as _, Months as CalendarMonths, NaiveDate};
use tokio_postgres::Client;

use super::{pipeline::Pipeline, session::Session};
use crate::store::{Result, convert::time};

/// Years that have a partition for each month; as in the migration.
const YEARS: std::ops::Range<i32> = 2020..2100;
/// What the names of partitions begin with.
const PREFIX: &str = "sample_";

/// A month, by its first day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Month(NaiveDate);

impl Month {
    /// The month of a time; none when it lies outside the years.
    pub(super) fn of(us: i64) -> Option<Self> {
        let day = time(us).date_naive();
        let within = YEARS.contains(&day.year());
        within.then(|| day.with_day(1).map(Self)).flatten()
    }

    fn next(self) -> Option<Self> {
        let next = self.0.checked_add_months(CalendarMonths::new(1))?;
        YEARS.contains(&next.year()).then_some(Self(next))
    }

    /// First microsecond.
    pub(super) fn begin_us(self) -> i64 {
        self.0
            .and_time(chrono::NaiveTime::MIN)
            .and_utc()
            .timestamp_micros()
    }

    /// First microsecond after it.
    pub(super) fn end_us(self) -> i64 {
        let next = self.0.checked_add_months(CalendarMonths::new(1));
        next.map_or(i64::MAX, |next| Self(next).begin_us())
    }

    /// Name of its partition.
    pub(super) fn name(self) -> String {
        self.0.format("sample_%Y_%m").to_string()
    }

    fn parse(name: &str) -> Option<Self> {
        let month = name.strip_prefix(PREFIX)?;
        NaiveDate::parse_from_str(&format!("{month}_01"), "%Y_%m_%d")
            .ok()
            .map(Self)
    }
}

/// Months that have a partition, as committed.
#[derive(Debug, Default)]
pub(super) struct Months(pub(super) BTreeSet<Month>);

impl Months {
    pub(super) async fn load(client: &Client) -> Result<Self, tokio_postgres::Error> {
        let rows = client
            .query(
                "SELECT relname::text FROM pg_inherits JOIN pg_class ON oid = inhrelid \
                 WHERE inhparent = 'sample'::regclass",
                &[],
            )
            .await?;
        let names = rows.iter().map(|row| row.try_get::<_, &str>(0));
        let months = names.filter_map(|name| name.map(Month::parse).transpose());
        Ok(Self(months.collect::<Result<_, _>>()?))
    }

    /// Months that must be made before samples of these times can be stored.
    pub(super) fn missing(&self, times: impl Iterator<Item = i64>) -> BTreeSet<Month> {
        let mut missing = BTreeSet::new();
        let mut known: Option<(i64, i64)> = None;
        for us in times {
            if known.is_some_and(|(from, to)| (from..to).contains(&us)) {
                continue;
            }
            let Some(month) = Month::of(us) else { continue };
            known = Some((month.begin_us(), month.end_us()));
            if !self.0.contains(&month) {
                missing.insert(month);
            }
            let newest = self.0.last().is_none_or(|newest| month >= *newest);
            if newest && let Some(next) = month.next() {
                missing.insert(next);
            }
        }
        missing
    }
}

/// Makes partitions, within the transaction that is under way. A table that is made beside and
/// then attached does not keep readers waiting, as `PARTITION OF` does.
pub(super) fn make(pipeline: &mut Pipeline<'_>, months: &BTreeSet<Month>) {
    for month in months {
        let (name, from, to) = (month.name(), month.begin_us(), month.end_us());
        pipeline.send_text(format!(
            "CREATE TABLE {name} (LIKE sample INCLUDING ALL); \
             ALTER TABLE sample ATTACH PARTITION {name} FOR VALUES FROM ({from}) TO ({to})"
        ));
    }
}

/// Makes the months of now and after now.
pub(super) async fn make_ahead(session: &mut Session, now_us: i64) -> Result<()> {
    let mut missing = session.months.missing(std::iter::once(now_us));
    missing.retain(|month| !session.months.0.contains(month));
    let mut pipeline = Pipeline::new(&session.client);
    pipeline.begin();
    make(&mut pipeline, &missing);
    pipeline.commit().await?;
    session.months.0.extend(missing);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn us(text: &str) -> i64 {
        text.parse::<chrono::DateTime<chrono::Utc>>()
            .unwrap()
            .timestamp_micros()
    }

    #[test]
    fn a_month_has_a_name_and_borders() {
        let month = Month::of(us("2024-02-29T23:59:59.999999Z")).unwrap();
        assert_eq!(month.name(), "sample_2024_02");
        assert_eq!(Month::parse("sample_2024_02"), Some(month));
        assert_eq!(month.begin_us(), us("2024-02-01T00:00:00Z"));
        assert_eq!(month.end_us(), us("2024-03-01T00:00:00Z"));
        assert_eq!(Month::parse("sample_past"), None);
        for outside in ["2019-12-31T23:59:59Z", "2100-01-01T00:00:00Z"] {
            assert_eq!(Month::of(us(outside)), None);
        }
        assert_eq!(Month::of(i64::MIN), None);
        assert_eq!(Month::of(i64::MAX), None);
        let last = Month::of(us("2099-12-31T00:00:00Z")).unwrap();
        assert_eq!(
            (last.end_us(), last.next()),
            (us("2100-01-01T00:00:00Z"), None)
        );
    }

    #[test]
    fn the_month_after_the_newest_is_made_with_it() {
        let names = |months: BTreeSet<Month>| -> Vec<String> {
            months.into_iter().map(Month::name).collect()
        };
        let mut months = Months::default();
        let missing = months.missing([us("2024-12-31T00:00:00Z")].into_iter());
        assert_eq!(names(missing.clone()), ["sample_2024_12", "sample_2025_01"]);
        months.0.extend(missing);
        let again = [us("2024-12-01T00:00:00Z"), us("2024-12-02T00:00:00Z")];
        assert_eq!(names(months.missing(again.into_iter())), [""; 0]);
        let late = [us("2021-03-05T00:00:00Z"), 0];
        assert_eq!(names(months.missing(late.into_iter())), ["sample_2021_03"]);
        let turned = [us("2025-01-01T00:00:00Z")];
        assert_eq!(
            names(months.missing(turned.into_iter())),
            ["sample_2025_02"]
        );
    }
}
