//! The tables as `store/history/` asks for them.

use std::ops::Range;

use futures_util::TryStreamExt as _;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection, SqlitePool};

use super::rows::{RowReaders, direction};
use crate::store::{
    Result,
    catalog::Catalog,
    chunk::{DAY_US, DAYS, Folder, Point, Stats, day_of, in_series, key, of_key},
    history::{
        Border, CHUNKS_TOGETHER_MAX, ChunksAsked, Cut, Order, RowsAsked, Source, Stored, Which,
        fold_chunk,
    },
};

/// Connections that read, and what is known without asking.
#[derive(Debug, Clone)]
pub(super) struct Tables {
    pub(super) readers: SqlitePool,
    pub(super) rows: RowReaders,
    pub(super) border: Border,
    pub(super) catalog: Catalog,
}

/// Bucket number, n, min, max, sum.
type Folded = (i64, i64, f64, f64, f64);

const fn stats((_, n, min, max, sum): &Folded) -> Stats {
    Stats {
        n: n.unsigned_abs(),
        min: *min,
        max: *max,
        sum: *sum,
    }
}

fn push_which(query: &mut QueryBuilder<Sqlite>, which: &Which) {
    if let Some(id) = which.id {
        query.push(" AND id = ").push_bind(id);
        return;
    }
    query.push(" AND id <= ").push_bind(which.id_max);
    // Without the sign the planner would leave the order of ids.
    if let Some(node) = &which.node {
        query.push(" AND +node = ").push_bind(node.clone());
    }
    if let Some(metric) = &which.metric {
        query.push(" AND +metric = ").push_bind(metric.clone());
    }
}

impl Source for Tables {
    async fn sealed_before_us(&self) -> Result<i64> {
        Ok(self.border.us())
    }

    fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    async fn rows(&self, asked: &RowsAsked<'_>) -> Result<Vec<(i64, Point)>> {
        self.rows.read(asked).await
    }

    async fn chunks(&self, asked: &ChunksAsked<'_>) -> Result<Vec<Stored>> {
        let mut connection = self.readers.acquire().await?;
        chunks(&mut connection, asked).await
    }

    async fn rows_edge(
        &self,
        which: &Which,
        range_us: Range<i64>,
        order: Order,
    ) -> Result<Option<i64>> {
        let pick = pick(order);
        let mut query = QueryBuilder::<Sqlite>::new("SELECT ");
        query
            .push(pick)
            .push("((SELECT ts_us FROM sample WHERE series_id = id AND ts_us >= ");
        query.push_bind(range_us.start);
        query.push(" AND ts_us < ").push_bind(range_us.end);
        query.push(" ORDER BY ts_us").push(direction(order));
        query.push(" LIMIT 1)) FROM series WHERE 1");
        push_which(&mut query, which);
        let (edge,) = query.build_query_as().fetch_one(&self.readers).await?;
        Ok(edge)
    }

    async fn chunks_edge(
        &self,
        which: &Which,
        range_us: Range<i64>,
        order: Order,
    ) -> Result<Option<i64>> {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT ");
        query.push(pick(order)).push("((SELECT ");
        match order {
            Order::OldestFirst => query.push("max(first_us, ").push_bind(range_us.start),
            Order::NewestFirst => query.push("min(last_us, ").push_bind(range_us.end - 1),
        };
        query.push(") FROM chunk WHERE ");
        push_days(
            &mut query,
            (day_of(range_us.start), day_of(range_us.end - 1)),
        );
        query.push(" AND last_us >= ").push_bind(range_us.start);
        query.push(" AND first_us < ").push_bind(range_us.end);
        query.push(" ORDER BY key").push(direction(order));
        query.push(" LIMIT 1)) FROM series WHERE 1");
        push_which(&mut query, which);
        let (edge,) = query.build_query_as().fetch_one(&self.readers).await?;
        Ok(edge)
    }

    async fn fold_samples(
        &self,
        series: i64,
        range_us: Range<i64>,
        folder: &mut Folder,
    ) -> Result<()> {
        // One transaction, so that no sample is counted both as a row and in its chunk.
        let mut snapshot = self.readers.begin().await?;
        fold_rows(&mut snapshot, series, &range_us, folder).await?;
        let below = range_us.start..range_us.end.min(self.border.us());
        if !below.is_empty() {
            fold_chunks(&mut snapshot, series, &below, folder).await?;
        }
        snapshot.commit().await?;
        Ok(())
    }

    async fn rollup(&self, series: i64, hours: Range<i64>, cut: Cut) -> Result<Vec<(i64, Stats)>> {
        let folded: Vec<Folded> = sqlx::query_as(
            "SELECT (hour * 3600000000 - ?1) / ?2 AS bucket, sum(n), min(min), max(max), \
             sum(sum) FROM rollup WHERE series_id = ?3 AND hour >= ?4 AND hour < ?5 \
             GROUP BY bucket ORDER BY bucket",
        )
        .bind(cut.from_us)
        .bind(cut.width_us)
        .bind(series)
        .bind(hours.start)
        .bind(hours.end)
        .fetch_all(&self.readers)
        .await?;
        Ok(folded.iter().map(|row| (row.0, stats(row))).collect())
    }

    async fn row_days(&self, series: i64, days: Range<i64>) -> Result<Vec<i64>> {
        // From day to day by the key, whatever the number of rows. Days are counted from the
        // year 0, since SQLite rounds towards zero.
        let days: Vec<i64> = sqlx::query_scalar(
            "WITH RECURSIVE found (day) AS (\
             SELECT ((SELECT ts_us FROM sample WHERE series_id = ?1 AND ts_us >= ?2 \
             AND ts_us < ?3 ORDER BY ts_us LIMIT 1) + ?4) / ?5 \
             UNION ALL SELECT ((SELECT ts_us FROM sample WHERE series_id = ?1 \
             AND ts_us >= (found.day + 1) * ?5 - ?4 AND ts_us < ?3 ORDER BY ts_us LIMIT 1) \
             + ?4) / ?5 FROM found WHERE found.day IS NOT NULL) \
             SELECT day FROM found WHERE day IS NOT NULL",
        )
        .bind(series)
        .bind(days.start * DAY_US)
        .bind(days.end * DAY_US)
        .bind(in_series(0) * DAY_US)
        .bind(DAY_US)
        .fetch_all(&self.readers)
        .await?;
        Ok(days.into_iter().map(|day| day - in_series(0)).collect())
    }

    async fn summaries(&self, series: i64, days: Range<i64>) -> Result<Vec<(i64, Stats)>> {
        let rows: Vec<Folded> = sqlx::query_as(
            "SELECT key, good, min, max, sum FROM chunk WHERE key >= ? AND key <= ? ORDER BY key",
        )
        .bind(key(series, days.start))
        .bind(key(series, days.end - 1))
        .fetch_all(&self.readers)
        .await?;
        Ok(rows
            .iter()
            .map(|row| (of_key(row.0).1, stats(row)))
            .collect())
    }
}

const fn pick(order: Order) -> &'static str {
    match order {
        Order::OldestFirst => "min",
        Order::NewestFirst => "max",
    }
}

/// The keys of some days of the series of the outer query.
fn push_days(query: &mut QueryBuilder<Sqlite>, (first, last): (i64, i64)) {
    query.push("key >= id * ").push(DAYS).push(" + ");
    query.push_bind(in_series(first));
    query.push(" AND key <= id * ").push(DAYS).push(" + ");
    query.push_bind(in_series(last));
}

async fn chunks(connection: &mut SqliteConnection, asked: &ChunksAsked<'_>) -> Result<Vec<Stored>> {
    let mut query =
        QueryBuilder::<Sqlite>::new("SELECT key, data FROM series CROSS JOIN chunk ON ");
    push_days(&mut query, asked.days);
    query.push(" WHERE 1");
    push_which(&mut query, asked.which);
    if let Some((series, day)) = asked.after {
        query.push(" AND id >= ").push_bind(series);
        // With the sign for many series: this bound instead of that of each series' own days
        // would have every series read all those between.
        query.push(match (asked.which.id, asked.order) {
            (Some(_), Order::OldestFirst) => " AND key > ",
            (None, Order::OldestFirst) => " AND +key > ",
            (_, Order::NewestFirst) => " AND key < ",
        });
        query.push_bind(key(series, day));
    }
    query.push(" ORDER BY id, key").push(direction(asked.order));
    query.push(" LIMIT ").push_bind(asked.limit);
    let rows: Vec<(i64, Vec<u8>)> = query.build_query_as().fetch_all(connection).await?;
    let stored = |(key, data)| {
        let (series, day) = of_key(key);
        Stored { series, day, data }
    };
    Ok(rows.into_iter().map(stored).collect())
}

/// Grouped by SQLite, so that only as many rows as buckets come over.
async fn fold_rows(
    connection: &mut SqliteConnection,
    series: i64,
    range_us: &Range<i64>,
    folder: &mut Folder,
) -> Result<()> {
    let (from_us, width_us) = folder.grid();
    let mut rows = sqlx::query_as::<_, Folded>(
        "SELECT (ts_us - ?1) / ?2 AS bucket, count(*), min(value), max(value), sum(value) \
         FROM sample WHERE series_id = ?3 AND ts_us >= ?4 AND ts_us < ?5 AND flags = 0 \
         GROUP BY bucket ORDER BY bucket",
    )
    .bind(from_us)
    .bind(width_us)
    .bind(series)
    .bind(range_us.start)
    .bind(range_us.end)
    .fetch(connection);
    while let Some(row) = rows.try_next().await? {
        if let Ok(bucket) = usize::try_from(row.0) {
            folder.join(bucket, &stats(&row));
        }
    }
    Ok(())
}

async fn fold_chunks(
    connection: &mut SqliteConnection,
    series: i64,
    range_us: &Range<i64>,
    folder: &mut Folder,
) -> Result<()> {
    let which = Which {
        id: Some(series),
        ..Which::default()
    };
    let mut after = None;
    loop {
        let found = chunks(
            connection,
            &ChunksAsked {
                which: &which,
                days: (day_of(range_us.start), day_of(range_us.end - 1)),
                after,
                order: Order::OldestFirst,
                limit: CHUNKS_TOGETHER_MAX,
            },
        )
        .await?;
        for chunk in &found {
            fold_chunk(chunk, range_us, folder)?;
        }
        match found.last() {
            Some(last) if found.len() == CHUNKS_TOGETHER_MAX as usize => {
                after = Some((last.series, last.day));
            }
            _ => return Ok(()),
        }
    }
}
