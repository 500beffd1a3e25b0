//! Everything of one store into another, empty one: `signalbox store copy`. Rows go table by table
//! as they are; then the target is read again, and numbers and checksums of each table must be
//! those of the source. All or nothing: a PostgreSQL database gets all of it in one transaction, a
//! SQLite file is written beside its place and moved there at the end. Both ends are locked
//! meanwhile, as by a daemon.

mod cell;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use async_trait::async_trait;
use futures_util::{StreamExt as _, stream::BoxStream};

pub(super) use self::cell::{Cell, Row, Sum};
use super::{Place, Result, StoreError, postgres, sqlite};

/// A table, and the order of its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Table {
    /// Its name, in both stores.
    pub(super) name: &'static str,
    /// Columns of its key.
    pub(super) key: &'static str,
}

/// The table of samples that are rows.
pub(super) const SAMPLE: &str = "sample";

/// All tables; what another refers to comes first.
const TABLES: [Table; 19] = [
    table("node", "name"),
    table("node_password", "node"),
    table("actuator", "node, name"),
    table("mark", "node, boot"),
    table("series", "id"),
    table(SAMPLE, "series_id, ts_us"),
    table("chunk", "key"),
    table("latest", "series_id"),
    table("rollup", "series_id, hour"),
    table("rule", "id"),
    table("incident", "id"),
    table("command", "id"),
    table("schedule", "id"),
    table("silence", "id"),
    table("node_config", "node"),
    table("mail", "id"),
    table("bad_message", "id"),
    table("account", "username"),
    table("session", "token_hash"),
];

const fn table(name: &'static str, key: &'static str) -> Table {
    Table { name, key }
}

/// Rows in the order of a table's key.
pub(super) type Rows<'r> = BoxStream<'r, Result<Row>>;

/// One side of a copy, locked.
#[async_trait]
pub(super) trait End: Send {
    /// Names of all tables that hold something of ours.
    async fn tables(&mut self) -> Result<Vec<String>>;
    /// Columns of a table that are copied.
    async fn columns(&mut self, table: Table) -> Result<Vec<String>>;
    /// Number of rows.
    async fn count(&mut self, table: Table) -> Result<u64>;
    /// All rows.
    fn rows<'e>(&'e mut self, table: Table, columns: &[String]) -> Rows<'e>;
    /// Writes rows into an empty table.
    async fn fill(&mut self, table: Table, columns: &[String], rows: Rows<'_>) -> Result<()>;
    /// Makes what was filled the store, for good, and closes it.
    async fn finish(self: Box<Self>) -> Result<()>;
}

/// How far a copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// So many rows are there to be copied.
    Found(u64),
    /// A table is being copied.
    Copies(&'static str),
    /// A table is being compared.
    Checks(&'static str),
    /// So many rows more were copied or compared.
    Done(u64),
}

/// What was copied: each table with its number of rows.
pub type Copied = Vec<(&'static str, u64)>;

/// Rows between two words of progress.
const TOLD_EVERY: u64 = 5_000;

/// Copies a store. `told` is called every few thousand rows.
///
/// # Errors
/// [`StoreError::Unusable`]: a side is open in a daemon, the source is no store, the target is not
/// empty, or what is there at the end is not what was copied. Whatever the error, the target is
/// what it was.
pub async fn copy(
    from: &Place,
    to: &Place,
    told: &(dyn Fn(Progress) + Send + Sync),
) -> Result<Copied> {
    if from == to {
        return Err(refused(from, "is both source and target"));
    }
    let mut source = source(from).await?;
    let mut target = target(to).await?;
    let tables = tables(from, source.as_mut(), to, target.as_mut()).await?;
    let mut all = 0;
    for table in &tables {
        all += source.count(*table).await?;
        if target.count(*table).await? > 0 {
            return Err(refused(to, "is not empty"));
        }
    }
    told(Progress::Found(all));
    let mut copied = Vec::new();
    for table in &tables {
        told(Progress::Copies(table.name));
        let columns = target.columns(*table).await?;
        let sum = Sum::default();
        let rows = summed(source.rows(*table, &columns), &sum, told);
        target.fill(*table, &columns, rows).await?;
        copied.push((*table, columns, sum));
    }
    for (table, columns, sum) in &copied {
        told(Progress::Checks(table.name));
        let again = Sum::default();
        let mut rows = summed(target.rows(*table, columns), &again, told);
        while let Some(row) = rows.next().await {
            row?;
        }
        drop(rows);
        if again != *sum {
            let name = table.name;
            return Err(refused(
                to,
                &format!("has other rows in `{name}` than were copied"),
            ));
        }
    }
    target.finish().await?;
    source.finish().await?;
    Ok(copied
        .into_iter()
        .map(|(table, _, sum)| (table.name, sum.rows()))
        .collect())
}

/// Counts rows and adds up their checksums on the way.
fn summed<'r>(
    rows: Rows<'r>,
    sum: &'r Sum,
    told: &'r (dyn Fn(Progress) + Send + Sync),
) -> Rows<'r> {
    rows.inspect(move |row| {
        if let Ok(row) = row {
            let rows = sum.add(row);
            if rows.is_multiple_of(TOLD_EVERY) {
                told(Progress::Done(TOLD_EVERY));
            }
        }
    })
    .boxed()
}

async fn source(place: &Place) -> Result<Box<dyn End>> {
    Ok(match place {
        Place::Sqlite(path) => Box::new(sqlite::copy::source(path).await?),
        Place::Postgres(address) => Box::new(postgres::copy::source(address).await?),
    })
}

async fn target(place: &Place) -> Result<Box<dyn End>> {
    Ok(match place {
        Place::Sqlite(path) => Box::new(sqlite::copy::target(path).await?),
        Place::Postgres(address) => Box::new(postgres::copy::target(address).await?),
    })
}

/// The tables to copy. A table that this list does not know, or that the target lacks, stops it:
/// nothing is left behind unsaid.
async fn tables(
    from: &Place,
    source: &mut dyn End,
    to: &Place,
    target: &mut dyn End,
) -> Result<Vec<Table>> {
    let known: BTreeMap<&str, Table> = TABLES.iter().map(|table| (table.name, *table)).collect();
    let (theirs, ours) = (source.tables().await?, target.tables().await?);
    for name in &theirs {
        let Some(table) = known.get(name.as_str()) else {
            return Err(refused(from, &format!("has the unknown table `{name}`")));
        };
        if !ours.contains(name) && source.count(*table).await? > 0 {
            return Err(refused(to, &format!("has no table `{name}`")));
        }
    }
    let both = |table: &Table| {
        let has = |names: &[String]| names.iter().any(|name| name == table.name);
        has(&theirs) && has(&ours)
    };
    Ok(TABLES.into_iter().filter(both).collect())
}

fn refused(place: &Place, reason: &str) -> StoreError {
    StoreError::Unusable {
        reason: format!("`{place}` {reason}"),
    }
}
