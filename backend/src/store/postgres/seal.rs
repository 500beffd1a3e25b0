//! Sealing: whole days of rows into chunks, in steps. Reading and compressing go beside the
//! writer; it is held only while the rows of a few days leave and their chunks come, in one
//! transaction. A month of which no row is left goes as a whole, since its index would stay.

use super::{
    PostgresStore,
    partitions::Month,
    pipeline::{Pipeline, values},
    prune::drop_one,
    session::Session,
};
use crate::store::{
    Result, Sealed,
    chunk::{DAY_US, day_of, key},
    history::{Cursor, Ready, gather},
};

/// One step through all series.
pub(super) async fn step(store: &PostgresStore, before_us: i64) -> Result<Sealed> {
    let mut cursor = store.sealing.lock().await;
    // Only days that are over.
    let before_us = day_of(before_us).saturating_mul(DAY_US);
    let begun = std::mem::replace(&mut *cursor, Cursor::START);
    let (ready, next) = gather(&store.tables(), begun, before_us).await?;
    let mut days = 0;
    if !ready.is_empty() {
        let mut writer = store.writer().await?;
        store.border.raise(before_us);
        days = writer
            .work(async |session| write(session, &ready).await)
            .await?;
        tracing::debug!(days, "samples sealed");
    }
    if next.is_none() {
        drop_empty_months(store, before_us).await?;
    }
    let more = next.is_some();
    *cursor = next.unwrap_or(Cursor::START);
    Ok(Sealed { days, more })
}

/// Rows out, chunks in. A day that has other rows by now than it was made of is left for the next
/// round. How many were written.
async fn write(session: &Session, ready: &[Ready]) -> Result<u64> {
    let mut pipeline = Pipeline::new(&session.client);
    pipeline.begin();
    let mut days = 0;
    for Ready {
        series,
        rows,
        chunk,
    } in ready
    {
        let (from, to) = (chunk.day * DAY_US, (chunk.day + 1) * DAY_US);
        pipeline.flush().await?;
        let gone = session
            .client
            .execute(
                &session.statements.rows_sealed,
                &[series, &from, &to, &rows.cast_signed()],
            )
            .await?;
        if gone != *rows {
            continue;
        }
        let summary = &chunk.summary;
        let (first, last) = (&summary.first, &summary.last);
        pipeline.send(
            &session.statements.put_chunk,
            values![
                key(*series, chunk.day),
                i64::from(summary.samples),
                summary.good.n.cast_signed(),
                summary.good.min,
                summary.good.max,
                summary.good.sum,
                first.ts_us,
                first.value,
                last.ts_us,
                last.value,
                chunk.data.as_slice(),
            ],
        );
        days += 1;
    }
    pipeline.commit().await?;
    Ok(days)
}

/// Drops months before a time of which all is sealed. A late sample makes its month anew.
async fn drop_empty_months(store: &PostgresStore, before_us: i64) -> Result<()> {
    let mut writer = store.writer().await?;
    writer
        .work(async |session| {
            let over: Vec<Month> = session
                .months
                .0
                .iter()
                .copied()
                .take_while(|month| month.end_us() <= before_us)
                .collect();
            for month in over {
                let name = month.name();
                let left = format!("SELECT EXISTS (SELECT 1 FROM {name})");
                let left: bool = session.client.query_one(&left, &[]).await?.try_get(0)?;
                if !left && drop_one(session, month).await? {
                    tracing::debug!(partition = name, "all of a month is sealed");
                }
            }
            Ok(())
        })
        .await
}
