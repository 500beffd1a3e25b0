//! The tables as `store/history/` asks for them.

use std::ops::Range;

use sqlx::{PgConnection, PgPool, Postgres, QueryBuilder};

use super::{call, write::text};
use crate::store::{
    Result,
    catalog::Catalog,
    chunk::{DAY_US, DAYS, Folder, Point, Stats, day_of, in_series, key, of_key},
    history::{
        Border, CHUNKS_TOGETHER_MAX, ChunksAsked, Cut, Order, RowsAsked, Sealable, Source, Stored,
        Which, fold_chunk,
    },
};

/// Connections that read, and what is known without asking.
#[derive(Debug, Clone)]
pub(super) struct Tables {
    pub(super) readers: PgPool,
    pub(super) border: Border,
    pub(super) catalog: Catalog,
}

/// Bucket number or key, n, min, max, sum.
type Folded = (i64, i64, f64, f64, f64);

const fn stats((_, n, min, max, sum): &Folded) -> Stats {
    Stats {
        n: n.unsigned_abs(),
        min: *min,
        max: *max,
        sum: *sum,
    }
}

const fn direction(order: Order) -> &'static str {
    match order {
        Order::OldestFirst => "",
        Order::NewestFirst => " DESC",
    }
}

const fn pick(order: Order) -> &'static str {
    match order {
        Order::OldestFirst => "min",
        Order::NewestFirst => "max",
    }
}

const fn flags(bits: i16) -> u8 {
    bits.to_le_bytes()[0]
}

fn push_which(query: &mut QueryBuilder<Postgres>, which: &Which) {
    if let Some(id) = which.id {
        query.push(" AND id = ").push_bind(id);
        return;
    }
    query.push(" AND id <= ").push_bind(which.id_max);
    push_names(query, which);
}

fn push_names(query: &mut QueryBuilder<Postgres>, which: &Which) {
    if let Some(node) = &which.node {
        query
            .push(" AND node = ")
            .push_bind(text(node).into_owned());
    }
    if let Some(metric) = &which.metric {
        query.push(" AND metric = ");
        query.push_bind(text(metric).into_owned());
    }
}

const fn point(ts_us: i64, value: f64, bits: i16) -> Point {
    Point {
        ts_us,
        value,
        flags: flags(bits),
    }
}

impl Tables {
    /// Each column as one array: a thousand rows of their own take twice as long to come over.
    /// An aggregate takes the rows of a sorted subquery as they come.
    async fn rows_of_one(&self, asked: &RowsAsked<'_>, id: i64) -> Result<Vec<(i64, Point)>> {
        let mut query = QueryBuilder::<Postgres>::new(
            "SELECT coalesce(array_agg(ts_us), '{}'), coalesce(array_agg(value), '{}'), \
             coalesce(array_agg(flags), '{}') FROM \
             (SELECT ts_us, value, flags FROM sample WHERE series_id = ",
        );
        query.push_bind(id).push("::int4 AND ts_us >= ");
        query.push_bind(asked.range_us.start);
        query.push(" AND ts_us < ").push_bind(asked.range_us.end);
        if let Some((ts_us, _, _)) = asked.after {
            query.push(" AND ts_us > ").push_bind(ts_us);
        }
        query.push(" ORDER BY ts_us").push(direction(asked.order));
        query.push(" LIMIT ").push_bind(i64::from(asked.limit));
        query.push(") AS found");
        let (times, values, bits): (Vec<i64>, Vec<f64>, Vec<i16>) =
            call(async { Ok(query.build_query_as().fetch_one(&self.readers).await?) }).await?;
        let columns = times.into_iter().zip(values).zip(bits);
        let row = |((ts_us, value), bits)| (id, point(ts_us, value, bits));
        Ok(columns.map(row).collect())
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
        if let Some(id) = asked.which.id {
            return self.rows_of_one(asked, id).await;
        }
        let mut query = rows_query(asked);
        let rows: Vec<(i64, i64, f64, i16)> =
            call(async { Ok(query.build_query_as().fetch_all(&self.readers).await?) }).await?;
        let row = |(series, ts_us, value, bits)| (series, point(ts_us, value, bits));
        Ok(rows.into_iter().map(row).collect())
    }

    async fn chunks(&self, asked: &ChunksAsked<'_>) -> Result<Vec<Stored>> {
        call(async {
            let mut connection = self.readers.acquire().await?;
            chunks(&mut connection, asked).await
        })
        .await
    }

    async fn rows_edge(
        &self,
        which: &Which,
        range_us: Range<i64>,
        order: Order,
    ) -> Result<Option<i64>> {
        let mut query = QueryBuilder::<Postgres>::new("SELECT ");
        query
            .push(pick(order))
            .push("((SELECT ts_us FROM sample WHERE series_id = series.id AND ts_us >= ");
        query.push_bind(range_us.start);
        query.push(" AND ts_us < ").push_bind(range_us.end);
        query.push(" ORDER BY ts_us").push(direction(order));
        query.push(" LIMIT 1)) FROM series WHERE true");
        push_which(&mut query, which);
        let (edge,) =
            call(async { Ok(query.build_query_as().fetch_one(&self.readers).await?) }).await?;
        Ok(edge)
    }

    async fn chunks_edge(
        &self,
        which: &Which,
        range_us: Range<i64>,
        order: Order,
    ) -> Result<Option<i64>> {
        let mut query = QueryBuilder::<Postgres>::new("SELECT ");
        query.push(pick(order)).push("((SELECT ");
        match order {
            Order::OldestFirst => query.push("greatest(first_us, ").push_bind(range_us.start),
            Order::NewestFirst => query.push("least(last_us, ").push_bind(range_us.end - 1),
        };
        query.push(") FROM chunk WHERE ");
        push_days(
            &mut query,
            (day_of(range_us.start), day_of(range_us.end - 1)),
        );
        query.push(" AND last_us >= ").push_bind(range_us.start);
        query.push(" AND first_us < ").push_bind(range_us.end);
        query.push(" ORDER BY key").push(direction(order));
        query.push(" LIMIT 1)) FROM series WHERE true");
        push_which(&mut query, which);
        let (edge,) =
            call(async { Ok(query.build_query_as().fetch_one(&self.readers).await?) }).await?;
        Ok(edge)
    }

    async fn fold_samples(
        &self,
        series: i64,
        range_us: Range<i64>,
        folder: &mut Folder,
    ) -> Result<()> {
        call(async {
            // One snapshot, so that no sample is counted both as a row and in its chunk.
            let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
            let mut snapshot = self.readers.begin_with(begin).await?;
            fold_rows(&mut snapshot, series, &range_us, folder).await?;
            let below = range_us.start..range_us.end.min(self.border.us());
            if !below.is_empty() {
                fold_chunks(&mut snapshot, series, &below, folder).await?;
            }
            snapshot.commit().await?;
            Ok(())
        })
        .await
    }

    async fn rollup(&self, series: i64, hours: Range<i64>, cut: Cut) -> Result<Vec<(i64, Stats)>> {
        let query = sqlx::query_as(
            "SELECT (hour * 3600000000 - $1) / $2 AS bucket, sum(n)::int8, min(min), max(max), \
             sum(greatest(least(sum, 1e303), -1e303)) FROM rollup \
             WHERE series_id = $3::int4 AND hour >= $4 AND hour < $5 \
             GROUP BY bucket ORDER BY bucket",
        )
        .bind(cut.from_us)
        .bind(cut.width_us)
        .bind(series)
        .bind(hours.start)
        .bind(hours.end);
        let folded: Vec<Folded> = call(async { Ok(query.fetch_all(&self.readers).await?) }).await?;
        Ok(folded.iter().map(|row| (row.0, stats(row))).collect())
    }

    async fn row_days(&self, series: i64, days: Range<i64>) -> Result<Vec<i64>> {
        // From day to day by the key, whatever the number of rows. Days are counted from the
        // year 0, since division rounds towards zero.
        let query = sqlx::query_scalar(
            "WITH RECURSIVE found (day) AS (\
             SELECT ((SELECT ts_us FROM sample WHERE series_id = $1::int4 AND ts_us >= $2 \
             AND ts_us < $3 ORDER BY ts_us LIMIT 1) + $4) / $5 \
             UNION ALL SELECT ((SELECT ts_us FROM sample WHERE series_id = $1::int4 \
             AND ts_us >= (found.day + 1) * $5 - $4 AND ts_us < $3 ORDER BY ts_us LIMIT 1) \
             + $4) / $5 FROM found WHERE found.day IS NOT NULL) \
             SELECT day FROM found WHERE day IS NOT NULL",
        )
        .bind(series)
        .bind(days.start * DAY_US)
        .bind(days.end * DAY_US)
        .bind(in_series(0) * DAY_US)
        .bind(DAY_US);
        let days: Vec<i64> = call(async { Ok(query.fetch_all(&self.readers).await?) }).await?;
        Ok(days.into_iter().map(|day| day - in_series(0)).collect())
    }

    async fn summaries(&self, series: i64, days: Range<i64>) -> Result<Vec<(i64, Stats)>> {
        let query = sqlx::query_as(
            "SELECT key, good, min, max, sum FROM chunk \
             WHERE key >= $1 AND key <= $2 ORDER BY key",
        )
        .bind(key(series, days.start))
        .bind(key(series, days.end - 1));
        let rows: Vec<Folded> = call(async { Ok(query.fetch_all(&self.readers).await?) }).await?;
        Ok(rows
            .iter()
            .map(|row| (of_key(row.0).1, stats(row)))
            .collect())
    }
}

impl Sealable for Tables {
    async fn first_row(
        &self,
        series: i64,
        from_us: i64,
        before_us: i64,
    ) -> Result<Option<(i64, i64)>> {
        let query = sqlx::query_as(
            "SELECT id::int8, first.ts_us FROM series CROSS JOIN LATERAL \
             (SELECT ts_us FROM sample WHERE series_id = id \
             AND ts_us >= CASE WHEN id = $1 THEN $2 ELSE $3 END AND ts_us < $4 \
             ORDER BY ts_us LIMIT 1) AS first WHERE id >= $1 ORDER BY id LIMIT 1",
        )
        .bind(series)
        .bind(from_us)
        .bind(i64::MIN)
        .bind(before_us);
        call(async { Ok(query.fetch_optional(&self.readers).await?) }).await
    }

    async fn day(
        &self,
        series: i64,
        day: i64,
        limit: i64,
    ) -> Result<(Vec<Point>, Option<Vec<u8>>)> {
        let rows = sqlx::query_as(
            "SELECT ts_us, value, flags FROM sample \
             WHERE series_id = $1::int4 AND ts_us >= $2 AND ts_us < $3 ORDER BY ts_us LIMIT $4",
        )
        .bind(series)
        .bind(day * DAY_US)
        .bind((day + 1) * DAY_US)
        .bind(limit);
        let chunk = sqlx::query_scalar("SELECT data FROM chunk WHERE key = $1");
        let chunk = chunk.bind(key(series, day));
        let (rows, chunk): (Vec<(i64, f64, i16)>, _) = call(async {
            let rows = rows.fetch_all(&self.readers).await?;
            Ok((rows, chunk.fetch_optional(&self.readers).await?))
        })
        .await?;
        let point = |(ts_us, value, bits)| Point {
            ts_us,
            value,
            flags: flags(bits),
        };
        Ok((rows.into_iter().map(point).collect(), chunk))
    }
}

fn rows_query(asked: &RowsAsked<'_>) -> QueryBuilder<Postgres> {
    let direction = direction(asked.order);
    // LATERAL keeps the planner at one short range of the key per series.
    let mut query = QueryBuilder::<Postgres>::new(
        "SELECT id::int8, ts_us, value, flags FROM series CROSS JOIN LATERAL \
         (SELECT ts_us, value, flags FROM sample WHERE sample.series_id = series.id \
         AND ts_us >= ",
    );
    query.push_bind(asked.range_us.start);
    query.push(" AND ts_us < ").push_bind(asked.range_us.end);
    // One of each series may have been given already.
    query.push(format_args!(" ORDER BY ts_us{direction} LIMIT "));
    query.push_bind(i64::from(asked.limit) + 1);
    query.push(") AS sample WHERE true");
    push_which(&mut query, asked.which);
    if let Some((ts_us, node, metric)) = asked.after {
        query.push(" AND (ts_us, node, metric) > (");
        query.push_bind(ts_us).push(", ");
        query.push_bind(node.to_owned()).push(", ");
        query.push_bind(metric.to_owned()).push(")");
    }
    query.push(format_args!(
        " ORDER BY ts_us{direction}, node{direction}, metric{direction} LIMIT "
    ));
    query.push_bind(i64::from(asked.limit));
    query
}

/// The keys of some days of the series of the outer query.
fn push_days(query: &mut QueryBuilder<Postgres>, (first, last): (i64, i64)) {
    query.push("key >= id::int8 * ").push(DAYS).push(" + ");
    query.push_bind(in_series(first));
    query.push(" AND key <= id::int8 * ").push(DAYS).push(" + ");
    query.push_bind(in_series(last));
}

fn push_after(query: &mut QueryBuilder<Postgres>, asked: &ChunksAsked<'_>) {
    if let Some((series, day)) = asked.after {
        query.push(match asked.order {
            Order::OldestFirst => " AND key > ",
            Order::NewestFirst => " AND key < ",
        });
        query.push_bind(key(series, day));
    }
    query.push(" ORDER BY key").push(direction(asked.order));
    query.push(" LIMIT ").push_bind(i64::from(asked.limit));
}

async fn chunks(connection: &mut PgConnection, asked: &ChunksAsked<'_>) -> Result<Vec<Stored>> {
    let mut query = QueryBuilder::<Postgres>::new("SELECT key, data FROM ");
    let (first, last) = asked.days;
    if let Some(id) = asked.which.id {
        query.push("chunk WHERE key >= ").push_bind(key(id, first));
        query.push(" AND key <= ").push_bind(key(id, last));
        push_after(&mut query, asked);
    } else {
        query.push("series CROSS JOIN LATERAL (SELECT key, data FROM chunk WHERE ");
        push_days(&mut query, asked.days);
        push_after(&mut query, asked);
        query.push(") AS chunk WHERE true");
        push_which(&mut query, asked.which);
        if let Some((series, _)) = asked.after {
            query.push(" AND id >= ").push_bind(series);
        }
        query.push(" ORDER BY id, key LIMIT ");
        query.push_bind(i64::from(asked.limit));
    }
    let rows: Vec<(i64, Vec<u8>)> = query.build_query_as().fetch_all(connection).await?;
    let stored = |(key, data)| {
        let (series, day) = of_key(key);
        Stored { series, day, data }
    };
    Ok(rows.into_iter().map(stored).collect())
}

/// Grouped by the server, so that only as many rows as buckets come over.
async fn fold_rows(
    connection: &mut PgConnection,
    series: i64,
    range_us: &Range<i64>,
    folder: &mut Folder,
) -> Result<()> {
    let (from_us, width_us) = folder.grid();
    let rows: Vec<Folded> = sqlx::query_as(
        "SELECT (ts_us - $1) / $2 AS bucket, count(*), min(value), max(value), \
         sum(greatest(least(value, 1e300), -1e300)) \
         FROM sample WHERE series_id = $3::int4 AND ts_us >= $4 AND ts_us < $5 AND flags = 0 \
         GROUP BY bucket ORDER BY bucket",
    )
    .bind(from_us)
    .bind(width_us)
    .bind(series)
    .bind(range_us.start)
    .bind(range_us.end)
    .fetch_all(connection)
    .await?;
    for row in rows {
        if let Ok(bucket) = usize::try_from(row.0) {
            folder.join(bucket, &stats(&row));
        }
    }
    Ok(())
}

async fn fold_chunks(
    connection: &mut PgConnection,
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
        let asked = ChunksAsked {
            which: &which,
            days: (day_of(range_us.start), day_of(range_us.end - 1)),
            after,
            order: Order::OldestFirst,
            limit: CHUNKS_TOGETHER_MAX,
        };
        let found = chunks(connection, &asked).await?;
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
