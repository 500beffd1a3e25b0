//! A PostgreSQL database as one side of a copy: all of it in one transaction.

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, pin_mut, stream};
use tokio_postgres::{
    Client, CopyInSink, Row as PgRow,
    binary_copy::BinaryCopyInWriter,
    types::{ToSql, Type},
};
use uuid::Uuid;

use super::{
    Address, CALL_TIMEOUT, bounded, migrate,
    partitions::{self, Months},
    pipeline::Pipeline,
    session::{Locked, Writer},
    unusable,
    write::{group_hash, text},
};
use crate::store::{
    Result, StoreError,
    catalog::Catalog,
    copy::{Cell, End, Row, Rows, SAMPLE, Table},
};

/// Rows that are written at a time: of samples, their months are made first.
const ROWS_TOGETHER: usize = 20_000;
/// What only PostgreSQL has; made from the rest.
const GROUP_HASH: &str = "group_hash";

/// A locked database, with a transaction open.
pub(in crate::store) struct Side {
    locked: Locked,
    months: Months,
    is_target: bool,
}

/// Opens the database to copy from.
pub(in crate::store) async fn source(address: &Address) -> Result<Side> {
    let locked = lock(address).await?;
    if !bounded(CALL_TIMEOUT, locked.check_database(address)).await? {
        return Err(unusable(address, "has no store"));
    }
    migrate(address).await?;
    begin(locked, "REPEATABLE READ, READ ONLY", false).await
}

/// Opens the database to copy into, and makes the tables in it.
pub(in crate::store) async fn target(address: &Address) -> Result<Side> {
    let locked = lock(address).await?;
    bounded(CALL_TIMEOUT, locked.check_database(address)).await?;
    migrate(address).await?;
    begin(locked, "READ COMMITTED", true).await
}

async fn lock(address: &Address) -> Result<Locked> {
    Writer::new(address.clone(), Uuid::new_v4(), Catalog::default())
        .lock()
        .await
}

async fn begin(locked: Locked, mode: &str, is_target: bool) -> Result<Side> {
    // A table may take as long as it takes.
    let sql = format!(
        "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; \
         BEGIN ISOLATION LEVEL {mode}"
    );
    locked.client().batch_execute(&sql).await?;
    let months = Months::load(locked.client()).await?;
    Ok(Side {
        locked,
        months,
        is_target,
    })
}

impl Side {
    fn client(&self) -> &Client {
        self.locked.client()
    }

    async fn copy_in(&self, table: Table, columns: &[String], rows: &[Row]) -> Result<()> {
        let has_hash = table.name == "bad_message";
        let mut columns = columns.to_vec();
        if has_hash {
            columns.push(GROUP_HASH.to_owned());
        }
        let (name, list) = (table.name, columns.join(", "));
        let asked = self
            .client()
            .prepare(&format!("SELECT {list} FROM {name}"))
            .await?;
        let types: Vec<Type> = asked.columns().iter().map(|c| c.type_().clone()).collect();
        let into = format!("COPY {name} ({list}) FROM STDIN BINARY");
        let sink: CopyInSink<Bytes> = self.client().copy_in(&into).await?;
        let writer = BinaryCopyInWriter::new(sink, &types);
        pin_mut!(writer);
        let at = |column: &str| columns.iter().position(|name| name == column);
        for row in rows {
            let mut values: Vec<Box<dyn ToSql + Sync + Send + '_>> = row
                .iter()
                .zip(&types)
                .map(|(cell, kind)| value(cell, kind))
                .collect::<Result<_>>()?;
            if has_hash {
                let text_at = |column| match at(column).and_then(|at| row.get(at)) {
                    Some(Cell::Text(text)) => text.as_str(),
                    _ => "",
                };
                values.push(Box::new(group_hash(text_at("topic"), text_at("reason"))));
            }
            writer.as_mut().write_raw(values).await?;
        }
        writer.finish().await?;
        Ok(())
    }

    /// Makes the months of some samples.
    async fn make_months(&mut self, columns: &[String], rows: &[Row]) -> Result<()> {
        let at = columns.iter().position(|name| name == "ts_us");
        let times = rows.iter().filter_map(|row| match row.get(at?) {
            Some(Cell::Integer(us)) => Some(*us),
            _ => None,
        });
        let missing = self.months.missing(times);
        let mut pipeline = Pipeline::new(self.locked.client());
        partitions::make(&mut pipeline, &missing);
        pipeline.flush().await?;
        drop(pipeline);
        self.months.0.extend(missing);
        Ok(())
    }
}

#[async_trait]
impl End for Side {
    async fn tables(&mut self) -> Result<Vec<String>> {
        let rows = self
            .client()
            .query(
                "SELECT relname::text FROM pg_class WHERE relkind IN ('r', 'p') \
                 AND NOT relispartition AND relname <> '_sqlx_migrations' AND relnamespace = \
                 (SELECT oid FROM pg_namespace WHERE nspname = current_schema())",
                &[],
            )
            .await?;
        let names = rows.iter().map(|row| row.try_get(0));
        Ok(names.collect::<Result<_, _>>()?)
    }

    async fn columns(&mut self, table: Table) -> Result<Vec<String>> {
        let sql = format!("SELECT * FROM {}", table.name);
        let asked = self.client().prepare(&sql).await?;
        let names = asked.columns().iter().map(|column| column.name());
        let copied = names.filter(|name| *name != GROUP_HASH);
        Ok(copied.map(str::to_owned).collect())
    }

    async fn count(&mut self, table: Table) -> Result<u64> {
        let sql = format!("SELECT count(*) FROM {}", table.name);
        let row = self.client().query_one(&sql, &[]).await?;
        Ok(row.try_get::<_, i64>(0)?.unsigned_abs())
    }

    fn rows<'e>(&'e mut self, table: Table, columns: &[String]) -> Rows<'e> {
        let (columns, Table { name, key }) = (columns.join(", "), table);
        let sql = format!("SELECT {columns} FROM {name} ORDER BY {key}");
        stream::once(async move {
            let none: [&(dyn ToSql + Sync); 0] = [];
            self.client().query_raw(&sql, none).await
        })
        .try_flatten()
        .map(|row| row_of(&row?))
        .boxed()
    }

    async fn fill(&mut self, table: Table, columns: &[String], rows: Rows<'_>) -> Result<()> {
        let mut chunks = rows.try_chunks(ROWS_TOGETHER);
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|error| error.1)?;
            if table.name == SAMPLE {
                self.make_months(columns, &chunk).await?;
            }
            self.copy_in(table, columns, &chunk).await?;
        }
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<()> {
        if !self.is_target {
            return Ok(());
        }
        // New rows get numbers behind those that were copied.
        let next = ["series", "bad_message"].map(|table| {
            format!(
                "SELECT setval(pg_get_serial_sequence('{table}', 'id'), \
                 greatest((SELECT max(id) FROM {table}), 1))"
            )
        });
        let sql = format!("{}; COMMIT; ANALYZE", next.join("; "));
        Ok(self.client().batch_execute(&sql).await?)
    }
}

fn mismatch(kind: &impl std::fmt::Display) -> StoreError {
    StoreError::Unusable {
        reason: format!("a value does not fit into a column of type `{kind}`"),
    }
}

/// A cell as a column wants it.
fn value<'c>(cell: &'c Cell, kind: &Type) -> Result<Box<dyn ToSql + Sync + Send + 'c>> {
    Ok(match (cell, kind) {
        (Cell::Null, _) => null(kind),
        (Cell::Integer(n), &Type::INT8) => Box::new(*n),
        (Cell::Integer(n), &Type::INT4) => Box::new(i32::try_from(*n).map_err(|_| mismatch(kind))?),
        (Cell::Integer(n), &Type::INT2) => Box::new(i16::try_from(*n).map_err(|_| mismatch(kind))?),
        (Cell::Integer(n), &Type::BOOL) => Box::new(*n != 0),
        (Cell::Real(n), &Type::FLOAT8) => Box::new(*n),
        (Cell::Text(t), &Type::TEXT) => Box::new(text(t)),
        (Cell::Bytes(b), &Type::BYTEA) => Box::new(b.as_slice()),
        _ => return Err(mismatch(kind)),
    })
}

fn null(kind: &Type) -> Box<dyn ToSql + Sync + Send> {
    match *kind {
        Type::INT8 => Box::new(None::<i64>),
        Type::INT4 => Box::new(None::<i32>),
        Type::INT2 => Box::new(None::<i16>),
        Type::BOOL => Box::new(None::<bool>),
        Type::FLOAT8 => Box::new(None::<f64>),
        Type::BYTEA => Box::new(None::<Vec<u8>>),
        _ => Box::new(None::<String>),
    }
}

fn row_of(row: &PgRow) -> Result<Row> {
    (0..row.len()).map(|at| cell_of(row, at)).collect()
}

fn cell_of(row: &PgRow, at: usize) -> Result<Cell> {
    let kind = row.columns()[at].type_();
    let cell = match *kind {
        Type::INT8 => row.try_get::<_, Option<i64>>(at)?.map(Cell::Integer),
        Type::INT4 => row
            .try_get::<_, Option<i32>>(at)?
            .map(|n| Cell::Integer(n.into())),
        Type::INT2 => row
            .try_get::<_, Option<i16>>(at)?
            .map(|n| Cell::Integer(n.into())),
        Type::BOOL => row
            .try_get::<_, Option<bool>>(at)?
            .map(|yes| Cell::Integer(yes.into())),
        Type::FLOAT8 => row.try_get::<_, Option<f64>>(at)?.map(Cell::Real),
        Type::TEXT => row.try_get::<_, Option<String>>(at)?.map(Cell::Text),
        Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(at)?.map(Cell::Bytes),
        _ => return Err(mismatch(kind)),
    };
    Ok(cell.unwrap_or(Cell::Null))
}
