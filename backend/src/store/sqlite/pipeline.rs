//! Statements gathered into one step. A round trip to SQLite's thread costs as much as writing
//! several rows, so statements whose results nobody needs wait for the next one and go with it:
//! the batch of one message takes two round trips, not seven.

use sqlx::{
    Arguments as _, AssertSqlSafe, Encode, Sqlite, SqliteConnection, Type,
    error::BoxDynError,
    sqlite::{SqliteArguments, SqliteRow},
};

/// Values that wait at most before they are sent.
const WAITING_VALUES_MAX: usize = 256;

/// Values for the `?` of the waiting statements.
#[derive(Debug, Default)]
pub(super) struct Values {
    arguments: SqliteArguments,
    failed: Option<BoxDynError>,
}

impl Values {
    /// Adds the value of the next `?`. A value that cannot be written fails the step.
    pub(super) fn bind<'t, T: Encode<'t, Sqlite> + Type<Sqlite>>(&mut self, value: T) -> &mut Self {
        if let Err(error) = self.arguments.add(value) {
            self.failed.get_or_insert(error);
        }
        self
    }
}

/// Waiting statements and the connection that they are for. What still waits when it is dropped
/// is never executed.
#[derive(Debug)]
pub(super) struct Pipeline<'c> {
    connection: &'c mut SqliteConnection,
    text: String,
    values: Values,
}

impl<'c> Pipeline<'c> {
    pub(super) fn new(connection: &'c mut SqliteConnection) -> Self {
        Self {
            connection,
            text: String::new(),
            values: Values::default(),
        }
    }

    /// Adds a statement; its values are to be bound next, one for each `?` (without a number,
    /// since numbers would count from the first waiting statement). `text` must be one of a few:
    /// each combination that goes together is prepared once and kept.
    pub(super) fn add(&mut self, text: &str) -> &mut Values {
        if !self.text.is_empty() {
            self.text.push(';');
        }
        self.text.push_str(text);
        &mut self.values
    }

    /// Executes what waits, if it has become much.
    pub(super) async fn flush_if_much(&mut self) -> Result<(), sqlx::Error> {
        if self.values.arguments.len() >= WAITING_VALUES_MAX {
            self.flush().await?;
        }
        Ok(())
    }

    /// Executes what waits. After an error nothing waits any more, and the transaction has to be
    /// rolled back, unless the statement was the only one.
    pub(super) async fn flush(&mut self) -> Result<(), sqlx::Error> {
        self.fetch().await.map(|_| ())
    }

    /// Executes what waits; the rows that the last statement returns.
    pub(super) async fn fetch(&mut self) -> Result<Vec<SqliteRow>, sqlx::Error> {
        if self.text.is_empty() {
            return Ok(Vec::new());
        }
        let text = std::mem::take(&mut self.text);
        let Values { arguments, failed } = std::mem::take(&mut self.values);
        if let Some(error) = failed {
            return Err(sqlx::Error::Encode(error));
        }
        sqlx::query_with(AssertSqlSafe(text), arguments)
            .fetch_all(&mut *self.connection)
            .await
    }
    /// Executes what waits; the one row that the last statement returns.
    pub(super) async fn fetch_one(&mut self) -> Result<SqliteRow, sqlx::Error> {
        self.fetch().await?.pop().ok_or(sqlx::Error::RowNotFound)
    }
}
