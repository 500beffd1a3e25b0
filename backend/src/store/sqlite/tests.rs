//! What is particular to SQLite: the file itself.

use super::*;
use crate::store::{
    EngineStore, StateStore,
    suite::{Fixture, store_suite},
};

/// A folder of its own for each test.
struct Place(tempfile::TempDir);

impl Fixture for Place {
    type Store = SqliteStore;

    async fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    async fn open(&self) -> SqliteStore {
        open(&self.0.path().join("signalbox.db")).await.unwrap()
    }

    async fn close(store: SqliteStore) {
        store.close().await;
    }
}

store_suite!(Place);

#[tokio::test]
async fn a_second_daemon_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/signalbox.db");
    let first = open(&path).await.unwrap();
    let refused = open(&path).await.unwrap_err();
    assert!(
        refused.to_string().contains("is open in another daemon"),
        "{refused}"
    );
    drop(first);
    open(&path).await.unwrap();
}

#[tokio::test]
async fn another_programs_file_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true);
    let mut theirs = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query("CREATE TABLE theirs (x)")
        .execute(&mut theirs)
        .await
        .unwrap();
    theirs.close().await.unwrap();
    let refused = open(&path).await.unwrap_err();
    assert!(refused.to_string().contains("another program"), "{refused}");
}

#[tokio::test]
async fn only_its_user_reads_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    let store = open(&path).await.unwrap();
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert!(store.size_bytes().await.unwrap() > 0);
    store.ping().await.unwrap();
}

#[tokio::test]
async fn a_full_disk_loses_nothing_and_is_got_over() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("x.db")).await.unwrap();
    let batch = |seq: i64| crate::store::Batch {
        samples: vec![crate::store::NodeSamples {
            node: "a".into(),
            samples: (0..500)
                .map(|i| crate::ingest::Sample {
                    metric: format!("m{i}"),
                    ts: time(seq * 1_000_000),
                    exact_ts: true,
                    value: 1.0,
                    out_of_range: false,
                    clock_suspect: false,
                })
                .collect(),
        }],
        ..Default::default()
    };
    let pages: i64 = {
        let mut writer = store.writer.lock().await;
        let pages: i64 = sqlx::query_scalar("PRAGMA page_count")
            .fetch_one(&mut writer.connection)
            .await
            .unwrap();
        let sql = format!("PRAGMA max_page_count = {}", pages + 20);
        sqlx::query(sqlx::AssertSqlSafe(sql))
            .execute(&mut writer.connection)
            .await
            .unwrap();
        pages
    };
    let mut stored = 0;
    let refused = loop {
        match store.commit(&batch(stored)).await {
            Ok(committed) => assert_eq!(committed.samples_stored, 500),
            Err(error) => break error,
        }
        stored += 1;
    };
    assert!(refused.to_string().contains("full"), "{refused}");
    {
        let mut writer = store.writer.lock().await;
        let sql = format!("PRAGMA max_page_count = {}", pages + 10_000);
        sqlx::query(sqlx::AssertSqlSafe(sql))
            .execute(&mut writer.connection)
            .await
            .unwrap();
    }
    let again = store.commit(&batch(stored)).await.unwrap();
    assert_eq!(again.samples_stored, 500);
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM sample")
        .fetch_one(&store.readers)
        .await
        .unwrap();
    assert_eq!(rows, 500 * (stored + 1));
}
