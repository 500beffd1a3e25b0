//! Times that are taken by sealed samples, for the rows of one batch.

use tokio_postgres::Client;

use super::statements::Statements;
use crate::store::{
    Result,
    chunk::{Reader, day_of, has_key, key},
    history::damaged,
};

/// Rows come in the order of series and time, so the times of one day are enough to keep.
#[derive(Debug)]
pub(super) struct SealedTimes {
    border_us: i64,
    /// Series, day, times.
    day: Option<(i32, i64, Vec<i64>)>,
}

impl SealedTimes {
    pub(super) const fn new(border_us: i64) -> Self {
        Self {
            border_us,
            day: None,
        }
    }

    /// Whether a sample of a time may be sealed.
    pub(super) const fn reach(&self, ts_us: i64) -> bool {
        ts_us < self.border_us
    }

    /// Whether a sample of a series and time is sealed.
    pub(super) async fn have(
        &mut self,
        client: &Client,
        statements: &Statements,
        series: i32,
        ts_us: i64,
    ) -> Result<bool> {
        if !self.reach(ts_us) {
            return Ok(false);
        }
        let day = day_of(ts_us);
        let known = matches!(&self.day, Some((s, d, _)) if (*s, *d) == (series, day));
        if !known {
            let times = read(client, statements, series, day).await?;
            self.day = Some((series, day, times));
        }
        let times = self.day.as_ref().map(|(_, _, times)| times);
        Ok(times.is_some_and(|times| times.binary_search(&ts_us).is_ok()))
    }
}

async fn read(client: &Client, statements: &Statements, series: i32, day: i64) -> Result<Vec<i64>> {
    if !has_key(day) {
        return Ok(Vec::new());
    }
    let key = key(series.into(), day);
    let Some(row) = client.query_opt(&statements.chunk_data, &[&key]).await? else {
        return Ok(Vec::new());
    };
    Reader::open(day, row.try_get(0)?)
        .and_then(|mut reader| reader.times(&(i64::MIN..i64::MAX)))
        .map_err(|error| damaged(series.into(), day, &error))
}
