//! What is particular to PostgreSQL: the lock, months, known samples, lost connections. Every
//! test has a database of its own in one private server, or a server of its own to break.

use signalbox_tests::Postgres;

use super::*;
use crate::store::suite::{Fixture, store_suite};

/// A database of its own for each test.
struct Base(Address);

fn address(server: &Postgres, database: &str) -> Address {
    Address::parse(&server.url_of(database)).unwrap()
}

impl Fixture for Base {
    type Store = PostgresStore;

    async fn new() -> Self {
        let server = Postgres::shared();
        Self(address(server, &server.new_database()))
    }

    async fn open(&self) -> PostgresStore {
        open(&self.0).await.unwrap()
    }

    async fn close(store: PostgresStore) {
        store.close().await;
    }
}

store_suite!(Base);
