//! The table of chunks as a commit needs it: where it ends, and which times are taken in it.

use sqlx::{Row as _, SqliteConnection};

use super::pipeline::Pipeline;
use crate::store::{
    Result,
    chunk::{Reader, day_of, has_key, key},
    history::{Border, damaged},
};

/// The border of what is sealed.
pub(super) async fn load_border(connection: &mut SqliteConnection) -> Result<Border> {
    let newest: Option<i64> = sqlx::query_scalar(
        "SELECT max((SELECT key % 4194304 FROM chunk \
         WHERE key >= id * 4194304 AND key < (id + 1) * 4194304 \
         ORDER BY key DESC LIMIT 1)) FROM series",
    )
    .fetch_one(connection)
    .await?;
    Ok(Border::new(newest))
}

/// Times that are taken by sealed samples, for the rows of one batch. Rows come in the order of
/// series and time, so the times of one day are enough to keep.
#[derive(Debug)]
pub(super) struct Taken {
    border_us: i64,
    /// Series, day, times.
    day: Option<(i64, i64, Vec<i64>)>,
}

impl Taken {
    pub(super) const fn new(border_us: i64) -> Self {
        Self {
            border_us,
            day: None,
        }
    }

    /// Whether a sample of a time may be sealed.
    pub(super) const fn reaches(&self, ts_us: i64) -> bool {
        ts_us < self.border_us
    }

    /// Whether a sample of a series and time is sealed.
    pub(super) async fn has(
        &mut self,
        pipeline: &mut Pipeline<'_>,
        series: i64,
        ts_us: i64,
    ) -> Result<bool> {
        Ok(self.reaches(ts_us)
            && self
                .times(pipeline, series, day_of(ts_us))
                .await?
                .binary_search(&ts_us)
                .is_ok())
    }

    /// The first time at or after this one at which no sample is sealed.
    pub(super) async fn next_free(
        &mut self,
        pipeline: &mut Pipeline<'_>,
        series: i64,
        mut ts_us: i64,
    ) -> Result<i64> {
        while self.reaches(ts_us) {
            let day = day_of(ts_us);
            let times = self.times(pipeline, series, day).await?;
            let Ok(at) = times.binary_search(&ts_us) else {
                break;
            };
            ts_us += times[at..]
                .iter()
                .zip(ts_us..)
                .take_while(|(taken, ts_us)| *taken == ts_us)
                .map(|_| 1)
                .sum::<i64>();
            if day_of(ts_us) == day {
                break;
            }
        }
        Ok(ts_us)
    }

    async fn times(
        &mut self,
        pipeline: &mut Pipeline<'_>,
        series: i64,
        day: i64,
    ) -> Result<&[i64]> {
        let known = matches!(&self.day, Some((s, d, _)) if (*s, *d) == (series, day));
        if !known {
            let times = read_times(pipeline, series, day).await?;
            self.day = Some((series, day, times));
        }
        Ok(self.day.as_ref().map_or(&[], |(_, _, times)| times))
    }
}

async fn read_times(pipeline: &mut Pipeline<'_>, series: i64, day: i64) -> Result<Vec<i64>> {
    if !has_key(day) {
        return Ok(Vec::new());
    }
    pipeline
        .add("SELECT data FROM chunk WHERE key = ?")
        .bind(key(series, day));
    let Some(row) = pipeline.fetch().await?.pop() else {
        return Ok(Vec::new());
    };
    let data: Vec<u8> = row.try_get(0)?;
    Reader::open(day, &data)
        .and_then(|mut reader| reader.times(&(i64::MIN..i64::MAX)))
        .map_err(|error| damaged(series, day, &error))
}
