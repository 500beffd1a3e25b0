//! Copies between stores that hold something of everything.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use futures_util::TryStreamExt as _;
use signalbox_protocol::api::{
    command::CommandState, data::Sample, incident::IncidentState, silence::SilenceState, user::Role,
};

use super::*;
use crate::store::{
    Batch, Loaded, MailKind, SampleFilter, SharedStore, open,
    suite::{at_s, exact, rows, samples_of, t0},
};

/// Samples are of many days and months.
const STEP_S: i64 = 3_600;
const SAMPLES: i64 = 2_000;

async fn fill(place: &Place) {
    let store = open(place).await.unwrap();
    for node in ["attic", "cellar"] {
        let samples = (0..SAMPLES).map(|i| {
            let mut sample = exact("soil", at_s(i * STEP_S), i as f64 / 8.0);
            sample.out_of_range = i % 7 == 0;
            sample
        });
        let batch = Batch {
            marks: vec![rows::mark(node, 1, 7, 1)],
            nodes: vec![rows::node(node)],
            actuators: vec![rows::actuator(node, "led")],
            rules: vec![rows::rule(1)],
            incidents: vec![rows::incident(1, IncidentState::Firing)],
            commands: vec![
                rows::command(1, CommandState::Sent),
                rows::command(2, CommandState::Confirmed),
            ],
            schedules: vec![rows::schedule(1, Some(1))],
            silences: vec![rows::silence(1, SilenceState::Active)],
            configs: vec![rows::config("attic", 3)],
            mails: vec![rows::mail(1, MailKind::Firing, node)],
            bad_messages: vec![rows::bad_message(node, "not JSON", 1)],
            ..samples_of(node, samples.collect())
        };
        store.commit(&batch).await.unwrap();
    }
    let user = rows::user("anna", Role::Operator);
    store.add_user(&user, "hash", true).await.unwrap();
    store.add_session(&rows::session(3, "anna")).await.unwrap();
    store.set_node_password("attic", "hash").await.unwrap();
    while store.seal(at_s(SAMPLES / 2 * STEP_S)).await.unwrap().more {}
}

/// Everything that the traits tell of a store.
#[derive(Debug, PartialEq)]
struct All {
    loaded: Loaded,
    samples: Vec<Sample>,
    buckets: String,
    rest: String,
}

async fn all(store: &SharedStore) -> All {
    let filter = SampleFilter::default();
    let range = t0()..at_s(SAMPLES * STEP_S);
    let mut loaded = store.load().await.unwrap();
    loaded.marks.sort_by(|a, b| a.node.cmp(&b.node));
    loaded.nodes.sort_by(|a, b| a.name.cmp(&b.name));
    loaded.actuators.sort_by(|a, b| a.node.cmp(&b.node));
    loaded.latest.sort_by(|a, b| a.node.cmp(&b.node));
    // Fewer than 50, which both stores cut alike.
    let buckets = store.buckets(&filter, range, 40).await.unwrap();
    let session = store.session(&[3; 32], at_s(20)).await.unwrap();
    let rest = (
        store.mails(None, 9).await.unwrap(),
        store.bad_messages(9).await.unwrap(),
        store.user("anna").await.unwrap(),
        store.node_password("attic").await.unwrap(),
        session,
    );
    All {
        loaded,
        samples: store.stream(filter).try_collect().await.unwrap(),
        buckets: format!("{buckets:?}"),
        rest: format!("{rest:?}"),
    }
}

fn file(folder: &tempfile::TempDir, name: &str) -> Place {
    Place::Sqlite(folder.path().join(name))
}

fn path(place: &Place) -> PathBuf {
    match place {
        Place::Sqlite(path) => path.clone(),
        Place::Postgres(_) => panic!("a file was expected"),
    }
}

async fn copies(from: &Place, to: &Place) {
    let (found, done) = (AtomicU64::new(0), AtomicU64::new(0));
    let told = |progress| match progress {
        Progress::Found(rows) => found.store(rows, Ordering::Relaxed),
        Progress::Done(rows) => _ = done.fetch_add(rows, Ordering::Relaxed),
        Progress::Copies(_) | Progress::Checks(_) => {}
    };
    let copied = copy(from, to, &told).await.unwrap();
    let rows: u64 = copied.iter().map(|(_, rows)| rows).sum();
    assert_eq!(rows, found.into_inner());
    assert!(done.into_inner() <= 2 * rows);
    let before = all(&open(from).await.unwrap()).await;
    let store = open(to).await.unwrap();
    assert_eq!(all(&store).await, before);
    assert_eq!(before.samples.len() as i64, 2 * SAMPLES);

    // It goes on: what is new gets new numbers, what is known stays known.
    let news = samples_of("new", vec![exact("soil", at_s(1), 1.0)]);
    assert_eq!(store.commit(&news).await.unwrap().samples_stored, 1);
    let known = samples_of("attic", vec![exact("soil", at_s(0), 99.0)]);
    assert_eq!(store.commit(&known).await.unwrap().samples_known, 1);
    let bad = Batch {
        bad_messages: vec![rows::bad_message("new", "not JSON", 2)],
        ..Batch::default()
    };
    store.commit(&bad).await.unwrap();
    assert_eq!(store.bad_messages(9).await.unwrap().len(), 3);
}

/// Names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_file_is_copied_into_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (file(&folder, "from.db"), file(&folder, "to.db"));
    fill(&from).await;
    copies(&from, &to).await;
    let left = names(folder.path());
    assert!(
        !left.iter().any(|name| name.contains("copying")),
        "{left:?}"
    );
}

#[tokio::test]
async fn what_must_not_be_copied_is_refused_and_the_target_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (file(&folder, "from.db"), file(&folder, "to.db"));
    let none = |_| {};
    let refused = async |from: &Place, to: &Place| {
        let refused = copy(from, to, &none).await.unwrap_err();
        assert!(matches!(refused, StoreError::Unusable { .. }), "{refused}");
        refused.to_string()
    };
    assert!(refused(&from, &to).await.contains("does not exist"));
    fill(&from).await;
    assert!(
        refused(&from, &from)
            .await
            .contains("both source and target")
    );
    let running = open(&from).await.unwrap();
    assert!(refused(&from, &to).await.contains("another daemon"));
    drop(running);
    fill(&to).await;
    let before = all(&open(&to).await.unwrap()).await;
    assert!(refused(&from, &to).await.contains("is not empty"));
    assert_eq!(all(&open(&to).await.unwrap()).await, before);

    // A table of a later version is not left behind.
    let other = file(&folder, "other.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path(&from));
    let mut connection = sqlx::ConnectOptions::connect(&options).await.unwrap();
    sqlx::query("CREATE TABLE later (x)")
        .execute(&mut connection)
        .await
        .unwrap();
    sqlx::Connection::close(connection).await.unwrap();
    assert!(
        refused(&from, &other)
            .await
            .contains("unknown table `later`")
    );
    assert!(!path(&other).exists());
    let left = names(folder.path());
    assert!(
        !left.iter().any(|name| name.contains("copying")),
        "{left:?}"
    );
}

#[cfg(feature = "servers")]
#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_copied_into_a_database_and_back() {
    let server = signalbox_tests::Postgres::shared();
    let folder = tempfile::tempdir().unwrap();
    let from = file(&folder, "from.db");
    let database = server.new_database();
    let between: Place = server.url_of(&database).parse().unwrap();
    let other: Place = server.url_of(&server.new_database()).parse().unwrap();
    fill(&from).await;
    copies(&from, &between).await;
    // What `copies` has added is there as well.
    let none = |_| {};
    for (from, to) in [(&between, &file(&folder, "back.db")), (&between, &other)] {
        copy(from, to, &none).await.unwrap();
        let before = all(&open(from).await.unwrap()).await;
        assert_eq!(all(&open(to).await.unwrap()).await, before);
    }
    let refused = copy(&from, &between, &none).await.unwrap_err();
    assert!(refused.to_string().contains("is not empty"), "{refused}");
    server.sql_in(&database, "DELETE FROM session; DELETE FROM account");
    let refused = copy(&from, &between, &none).await.unwrap_err();
    assert!(refused.to_string().contains("is not empty"), "{refused}");
}
