//! Statements that go to the server one behind the other, without waiting for the answers in
//! between: a transaction costs one round trip, not one for each of its statements. When one
//! fails, the server skips the rest and turns the COMMIT into a rollback.

use std::{future::ready, pin::Pin};

use futures_util::FutureExt as _;
use tokio_postgres::{Client, Error, Statement, types::ToSql};

/// A value for a `$n`.
pub(super) type Value<'v> = Box<dyn ToSql + Sync + Send + 'v>;

/// Values for the `$n` of a statement.
macro_rules! values {
    ($($value:expr),* $(,)?) => {
        vec![$(Box::new($value) as $crate::store::postgres::pipeline::Value<'_>),*]
    };
}
pub(super) use values;

type Answer<'c> = Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 'c>>;

/// Statements that were sent and not answered yet.
pub(super) struct Pipeline<'c> {
    pub(super) client: &'c Client,
    begun: bool,
    waiting: Vec<Answer<'c>>,
}

impl<'c> Pipeline<'c> {
    pub(super) fn new(client: &'c Client) -> Self {
        Self {
            client,
            begun: false,
            waiting: Vec::new(),
        }
    }

    fn add(&mut self, mut answer: Answer<'c>) {
        // Polled once, which sends it; the answer is looked at later.
        match (&mut answer).now_or_never() {
            None => self.waiting.push(answer),
            Some(Ok(())) => {}
            // In its turn: what an earlier statement is told is the cause, and what this one is
            // told may be only that the transaction has failed already.
            Some(Err(error)) => self.waiting.push(Box::pin(ready(Err(error)))),
        }
    }

    /// Begins the transaction, unless that was done.
    pub(super) fn begin(&mut self) {
        if !self.begun {
            self.begun = true;
            self.send_text("BEGIN".to_owned());
        }
    }

    /// Sends a statement without values, or several.
    pub(super) fn send_text(&mut self, text: String) {
        let client = self.client;
        self.add(Box::pin(async move { client.batch_execute(&text).await }));
    }

    /// Sends a statement with its values.
    pub(super) fn send<'v>(&mut self, statement: &'c Statement, values: Vec<Value<'v>>)
    where
        'v: 'c,
    {
        let client = self.client;
        self.add(Box::pin(async move {
            client.execute_raw(statement, values).await.map(|_| ())
        }));
    }

    /// Waits for all answers; the first error, which has undone the transaction.
    pub(super) async fn flush(&mut self) -> Result<(), Error> {
        let mut first = Ok(());
        for answer in self.waiting.drain(..) {
            first = first.and(answer.await);
        }
        first
    }

    /// Ends the transaction; when this is `Ok`, all of it is on disk.
    pub(super) async fn commit(mut self) -> Result<(), Error> {
        if self.begun {
            self.send_text("COMMIT".to_owned());
        }
        self.flush().await
    }
}
