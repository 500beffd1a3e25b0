//! What is particular to SQLite: the file, its lock, its log, and a disk that fills up.

use std::future::Future;

use futures_util::{TryStreamExt as _, poll};
use signalbox_protocol::api::{command::CommandState, incident::IncidentState};

use super::*;
use crate::store::{
    AccountStore as _, Batch, EngineStore as _, MailKind, OutboxStore as _, SampleFilter,
    SampleStore as _, StateStore as _,
    suite::{Fixture, at_s, exact, rows, samples_of, store_suite},
};

/// A folder of its own for each test.
struct Place(tempfile::TempDir);

impl Place {
    fn path(&self) -> PathBuf {
        self.0.path().join("signalbox.db")
    }
}

impl Fixture for Place {
    type Store = SqliteStore;

    async fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    async fn open(&self) -> SqliteStore {
        open(&self.path()).await.unwrap()
    }

    async fn close(store: SqliteStore) {
        store.close().await;
    }
}

store_suite!(Place);
store_suite!(sealing Place);

/// Something of everything, for a node that is not known yet.
fn some_of_all(number: u32) -> Batch {
    let node = format!("node{number}");
    let samples = (0..600)
        .map(|i| exact(&format!("m{}", i % 3), at_s(i), f64::from(number)))
        .collect();
    Batch {
        marks: vec![rows::mark(&node, 1, number, 1)],
        nodes: vec![rows::node(&node)],
        actuators: vec![rows::actuator(&node, "led")],
        rules: vec![rows::rule(number)],
        incidents: vec![rows::incident(number, IncidentState::Firing)],
        commands: vec![rows::command(number, CommandState::Sent)],
        schedules: vec![rows::schedule(number, Some(1))],
        mails: vec![rows::mail(number, MailKind::Firing, &node)],
        bad_messages: vec![rows::bad_message(&node, "not JSON", 1)],
        ..samples_of(&node, samples)
    }
}

/// How many of such batches are there; fails unless each is there as a whole.
async fn whole_batches(store: &SqliteStore) -> usize {
    let loaded = store.load().await.unwrap();
    let n = loaded.nodes.len();
    let samples = store.stream(SampleFilter::default());
    let samples: Vec<_> = samples.try_collect().await.unwrap();
    assert_eq!(samples.len(), 600 * n);
    assert_eq!(loaded.latest.len(), 3 * n);
    for found in [
        loaded.marks.len(),
        loaded.actuators.len(),
        loaded.rules.len(),
        loaded.incidents.len(),
        loaded.commands.len(),
        loaded.schedules.len(),
        store.mails(None, 1_000).await.unwrap().len(),
        store.bad_messages(1_000).await.unwrap().len(),
    ] {
        assert_eq!(found, n);
    }
    n
}

async fn pragma(store: &SqliteStore, text: &str) -> i64 {
    let mut writer = store.writer.lock().await;
    sqlx::query_scalar(sqlx::AssertSqlSafe(format!("PRAGMA {text}")))
        .fetch_one(&mut writer.connection)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_second_daemon_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/er/signalbox.db");
    let first = open(&path).await.unwrap();
    let refused = open(&path).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!(
            "the store cannot be used: `{}` is open in another daemon",
            path.display()
        )
    );
    drop(first);
    open(&path).await.unwrap();
}

#[tokio::test]
async fn another_programs_file_is_left_alone() {
    let place = Place::new().await;
    let options = SqliteConnectOptions::new()
        .filename(place.path())
        .create_if_missing(true);
    let mut theirs = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query("CREATE TABLE theirs (x)")
        .execute(&mut theirs)
        .await
        .unwrap();
    theirs.close().await.unwrap();
    let database = std::fs::read(place.path()).unwrap();
    for content in [database, b"a shopping list\n".to_vec(), vec![0; 4_096]] {
        std::fs::write(place.path(), &content).unwrap();
        let refused = open(&place.path()).await.unwrap_err();
        assert!(
            matches!(refused, StoreError::Unusable { .. })
                && refused.to_string().contains("is a file of another program"),
            "{refused}"
        );
        assert_eq!(std::fs::read(place.path()).unwrap(), content);
    }
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused() {
    let place = Place::new().await;
    let store = place.open().await;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9001, 'from the future', 1, x'00', 0)",
    )
    .execute(&mut store.writer.lock().await.connection)
    .await
    .unwrap();
    store.close().await;
    let refused = open(&place.path()).await.unwrap_err();
    assert!(
        refused.to_string().contains("written by a newer version")
            && refused.to_string().contains("9001"),
        "{refused}"
    );
}

#[cfg(unix)]
#[tokio::test]
async fn only_its_user_reads_the_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new().await;
    let store = place.open().await;
    store.commit(&some_of_all(1)).await.unwrap();
    let mut files = 0;
    for file in std::fs::read_dir(place.0.path()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", file.path());
        files += 1;
    }
    assert_eq!(files, 4, "database, log, its index, lock");
}

#[tokio::test]
async fn the_writer_waits_for_the_disk_and_keeps_references() {
    let place = Place::new().await;
    let store = place.open().await;
    assert_eq!(pragma(&store, "synchronous").await, 2, "FULL");
    assert_eq!(pragma(&store, "foreign_keys").await, 1);
}

#[tokio::test]
async fn what_was_committed_is_in_the_files() {
    let place = Place::new().await;
    let store = place.open().await;
    for number in 0..5 {
        store.commit(&some_of_all(number)).await.unwrap();
    }
    // As after a power cut: the files as they are now, without an orderly end.
    let after = Place::new().await;
    for suffix in ["", "-wal"] {
        let name = format!("signalbox.db{suffix}");
        std::fs::copy(place.0.path().join(&name), after.0.path().join(&name)).unwrap();
    }
    assert_eq!(whole_batches(&after.open().await).await, 5);
}

#[tokio::test]
async fn a_full_disk_loses_nothing_and_is_got_over() {
    let place = Place::new().await;
    let store = place.open().await;
    let pages = pragma(&store, "page_count").await;
    pragma(&store, &format!("max_page_count = {}", pages + 40)).await;
    let mut stored = 0;
    let refused = loop {
        match store.commit(&some_of_all(stored)).await {
            Ok(_) => stored += 1,
            Err(error) => break error,
        }
        assert!(stored < 1_000, "the disk never filled up");
    };
    assert!(
        matches!(&refused, StoreError::Unavailable { reason } if reason.contains("full")),
        "{refused:?}"
    );
    assert!(stored > 0);
    for _ in 0..3 {
        assert!(store.commit(&some_of_all(stored)).await.is_err());
        assert_eq!(whole_batches(&store).await, stored as usize);
    }
    pragma(&store, &format!("max_page_count = {}", pages + 10_000)).await;
    for number in stored..stored + 3 {
        store.commit(&some_of_all(number)).await.unwrap();
    }
    assert_eq!(whole_batches(&store).await, stored as usize + 3);
}

#[tokio::test]
async fn a_locked_file_is_told_and_got_over() {
    let place = Place::new().await;
    let store = place.open().await;
    pragma(&store, "busy_timeout = 50").await;
    let options = SqliteConnectOptions::new().filename(place.path());
    let mut other = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut other)
        .await
        .unwrap();
    let refused = store.commit(&some_of_all(0)).await.unwrap_err();
    assert!(
        matches!(&refused, StoreError::Unavailable { reason } if reason.contains("locked")),
        "{refused:?}"
    );
    assert_eq!(whole_batches(&store).await, 0, "reading goes on");
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    store.commit(&some_of_all(0)).await.unwrap();
    assert_eq!(whole_batches(&store).await, 1);
}

/// Polls a future so many times at most, then drops it.
async fn give_up_after(polls: u32, future: impl Future) {
    let mut future = std::pin::pin!(future);
    for _ in 0..polls {
        if poll!(&mut future).is_ready() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_commit_that_nobody_waits_for_is_whole_or_not_there() {
    let place = Place::new().await;
    let store = place.open().await;
    for number in 0..40 {
        give_up_after(number * number, store.commit(&some_of_all(number))).await;
    }
    // Behind this one, the last that was given up is decided.
    store.set_node_password("cellar", "hash").await.unwrap();
    let there = whole_batches(&store).await;
    assert!(there < 40, "none was given up");
    store.commit(&some_of_all(1_000)).await.unwrap();
    assert_eq!(whole_batches(&store).await, there + 1);
    store.set_node_password("attic", "hash").await.unwrap();
}

#[tokio::test]
async fn the_log_stays_bounded_while_a_reader_is_slow() {
    let place = Place::new().await;
    let store = place.open().await;
    let mut written = 0;
    let mut stream = store.stream(SampleFilter::default());
    for part in 0..40 {
        let samples = (0..10_000)
            .map(|i| exact("soil", at_s(part * 10_000 + i), 1.0))
            .collect();
        written += store
            .commit(&samples_of("attic", samples))
            .await
            .unwrap()
            .samples_stored;
        // The reader has always begun and never ended.
        assert!(stream.try_next().await.unwrap().is_some());
    }
    assert_eq!(written, 400_000);
    let log = std::fs::metadata(place.0.path().join("signalbox.db-wal")).unwrap();
    assert!(
        log.len() <= u64::from(WAL_BYTES_KEPT),
        "the log has {} bytes",
        log.len()
    );
}

#[tokio::test]
async fn a_damaged_chunk_is_named_and_gives_no_values() {
    let place = Place::new().await;
    let store = place.open().await;
    let samples = [1, 2, 3].map(|s| exact("soil", at_s(s), 1.0));
    let batch = samples_of("attic", samples.into());
    store.commit(&batch).await.unwrap();
    let later = at_s(2 * 86_400);
    assert_eq!(store.seal(later).await.unwrap().days, 1);
    let sql =
        "UPDATE chunk SET data = CAST(substr(data, 1, 9) || x'ff' || substr(data, 11) AS BLOB)";
    let mut writer = store.writer.lock().await;
    sqlx::query(sql)
        .execute(&mut writer.connection)
        .await
        .unwrap();
    drop(writer);
    let filter = SampleFilter::default();
    let day = at_s(0).timestamp() / 86_400;
    let told = format!("series `1`, day `{day}`: the chunk is damaged: its checksum is another");
    for answer in [
        store.last(&filter, 1).await.map(|_| ()),
        store.page(&filter, None, 1).await.map(|_| ()),
        store.stream(filter.clone()).try_next().await.map(|_| ()),
        store.commit(&batch).await.map(|_| ()),
        store
            .buckets(&filter, at_s(0)..at_s(9), 3)
            .await
            .map(|_| ()),
    ] {
        assert!(
            matches!(&answer, Err(StoreError::Damaged { what }) if *what == told),
            "{answer:?}"
        );
    }
    // What is newer can still be written and read.
    let new = samples_of("attic", vec![exact("soil", later, 2.0)]);
    store.commit(&new).await.unwrap();
    let newer = SampleFilter {
        from: Some(later),
        ..filter
    };
    assert_eq!(store.last(&newer, 9).await.unwrap().len(), 1);
}
