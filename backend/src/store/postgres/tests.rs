//! What is particular to PostgreSQL: the lock, months, known samples, lost connections. Every
//! test has a database of its own in one private server, or a server of its own to break.

use signalbox_tests::Postgres;

use super::*;
use crate::store::{
    Batch, EngineStore as _, Retention, SampleFilter, SampleStore as _, StateStore as _,
    suite::{Fixture, at_s, exact, rows, samples_of, store_suite, t0},
};

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
store_suite!(sealing Base);

impl Base {
    /// Asks the database past the store.
    fn sql(&self, query: &str) -> String {
        Postgres::shared().sql_in(self.0.database(), query)
    }
}

fn near(batch: &[i64]) -> Batch {
    let samples = batch.iter().map(|s| exact("soil", at_s(*s), 1.0));
    samples_of("attic", samples.collect())
}

/// What all tests with a lost connection end in: a batch is whole, and there once.
async fn assert_stores(store: &PostgresStore, base: &Base, second: i64, n: u64) {
    let done = store.commit(&near(&[second])).await.unwrap();
    assert_eq!(done.samples_stored, 1);
    assert_eq!(base.sql("SELECT count(*) FROM sample"), n.to_string());
    assert_eq!(base.sql("SELECT sum(n) FROM rollup"), n.to_string());
}

#[tokio::test]
async fn a_second_daemon_is_refused() {
    let base = Base::new().await;
    let first = base.open().await;
    let refused = open(&base.0).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!(
            "the store cannot be used: `{}` is open in another daemon",
            base.0
        )
    );
    drop(first);
    base.open().await;
}

#[tokio::test]
async fn another_programs_or_a_newer_database_is_left_alone() {
    let base = Base::new().await;
    base.sql("CREATE VIEW theirs AS SELECT 1");
    let refused = open(&base.0).await.unwrap_err();
    assert!(
        matches!(refused, StoreError::Unusable { .. })
            && refused
                .to_string()
                .contains("has tables of another program"),
        "{refused}"
    );
    assert_eq!(base.sql("SELECT to_regclass('_sqlx_migrations')"), "");

    let base = Base::new().await;
    base.open().await.close().await;
    base.sql(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9001, 'from the future', true, '\\x00', 0)",
    );
    let refused = open(&base.0).await.unwrap_err();
    assert!(
        refused.to_string().contains("written by a newer version")
            && refused.to_string().contains("9001"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_month_is_made_for_whatever_comes() {
    let base = Base::new().await;
    let store = base.open().await;
    let months =
        || base.sql("SELECT count(*) FROM pg_inherits WHERE inhparent = 'sample'::regclass");
    let made: i32 = months().parse().unwrap();
    let at = |text: &str| exact("soil", text.parse().unwrap(), 1.0);
    let samples = vec![
        at("2021-03-31T23:59:59.999999Z"),
        at("2021-04-01T00:00:00Z"),
        at("1999-01-01T00:00:00Z"),
        at("2222-01-01T00:00:00Z"),
    ];
    let done = store.commit(&samples_of("attic", samples)).await.unwrap();
    assert_eq!(done.samples_stored, 4);
    assert_eq!(months(), (made + 2).to_string());
    for (table, n) in [("sample_2021_03", "1"), ("sample_2021_04", "1")] {
        assert_eq!(base.sql(&format!("SELECT count(*) FROM {table}")), n);
    }
    // Somebody took one away: it is made again.
    base.sql("DROP TABLE sample_2021_03");
    let late = samples_of("attic", vec![at("2021-03-05T00:00:00Z")]);
    let refused = store.commit(&late).await.unwrap_err();
    assert!(
        matches!(refused, StoreError::Unavailable { .. }),
        "{refused}"
    );
    assert_eq!(store.commit(&late).await.unwrap().samples_stored, 1);

    // Months that are over go as a whole, one a step.
    let keep = Retention {
        raw_before: Some("2021-05-01T00:00:00Z".parse().unwrap()),
        ..Retention::default()
    };
    let mut steps = 0;
    while store.prune(&keep).await.unwrap() {
        steps += 1;
    }
    assert_eq!(steps, 2);
    assert_eq!(months(), made.to_string());
    assert_eq!(base.sql("SELECT count(*) FROM sample"), "1");
    assert_eq!(
        store.commit(&late).await.unwrap().samples_stored,
        1,
        "late again"
    );
}

#[tokio::test]
async fn many_samples_of_which_some_are_known_are_counted_once() {
    let base = Base::new().await;
    let store = base.open().await;
    let first: Vec<i64> = (0..5_000).collect();
    store.commit(&near(&first)).await.unwrap();
    let overlapping: Vec<i64> = (2_500..7_500).collect();
    let done = store.commit(&near(&overlapping)).await.unwrap();
    assert_eq!((done.samples_stored, done.samples_known), (2_500, 2_500));
    assert_eq!(base.sql("SELECT sum(n), sum(sum) FROM rollup"), "7500|7500");
    assert_eq!(base.sql("SELECT count(*) FROM sample"), "7500");
}

#[tokio::test]
async fn what_postgresql_cannot_hold_is_replaced_and_never_stops_the_engine() {
    let base = Base::new().await;
    let store = base.open().await;
    let long = "x".repeat(60_000);
    let huge = [f64::MAX, f64::MAX, f64::MIN, f64::MIN_POSITIVE];
    let samples = huge
        .iter()
        .zip(0..)
        .map(|(v, s)| exact("soil", at_s(s), *v));
    let batch = Batch {
        bad_messages: vec![
            rows::bad_message(&long, "a\0b", 1),
            rows::bad_message(&long, "a\0b", 2),
        ],
        rules: vec![rows::rule(1), rows::rule(1)],
        ..samples_of("attic", samples.collect())
    };
    store.commit(&batch).await.unwrap();
    let bad = store.bad_messages(10).await.unwrap();
    assert_eq!(bad.len(), 1);
    assert_eq!(
        (bad[0].count, bad[0].reason.as_deref()),
        (2, Some("a\u{fffd}b"))
    );
    let filter = SampleFilter::default();
    for buckets in [1, 60] {
        let range = t0()..at_s(3_600);
        let reply = store.buckets(&filter, range, buckets).await.unwrap();
        assert_eq!(reply.series[0].buckets[0].n, 4);
    }
    let nobody = SampleFilter {
        node: Some("a\0".to_owned()),
        ..filter
    };
    assert_eq!(store.last(&nobody, 1).await.unwrap(), []);
}

#[tokio::test]
async fn a_month_that_is_in_use_is_dropped_later() {
    let base = Base::new().await;
    let store = base.open().await;
    let old = exact("soil", "2021-04-01T00:00:00Z".parse().unwrap(), 1.0);
    store.commit(&samples_of("attic", vec![old])).await.unwrap();
    let is_there = || base.sql("SELECT to_regclass('sample_2021_04') IS NOT NULL");

    let mut reader = store.readers.begin().await.unwrap();
    let count = sqlx::query("SELECT count(*) FROM sample_2021_04");
    count.fetch_one(&mut *reader).await.unwrap();
    let before = t0();
    assert_eq!(store.seal(before).await.unwrap().days, 1);
    assert_eq!(is_there(), "t");
    // The connection that writes is as good as before.
    let done = store.commit(&near(&[1])).await.unwrap();
    assert_eq!(done.samples_stored, 1);

    reader.rollback().await.unwrap();
    store.seal(before).await.unwrap();
    assert_eq!(is_there(), "f");
}

#[tokio::test]
async fn commits_wait_for_the_disk() {
    let base = Base::new().await;
    base.sql(&format!(
        "ALTER DATABASE {} SET synchronous_commit = off",
        base.0.database()
    ));
    let store = base.open().await;
    let mut writer = store.writer().await.unwrap();
    let shown = writer.work(async |session| {
        let row = session
            .client
            .query_one("SHOW synchronous_commit", &[])
            .await?;
        Ok(row.get::<_, String>(0))
    });
    assert_eq!(shown.await.unwrap(), "on");
}

/// Ends all connections of a database, as an administrator or a restart does.
const END_ALL: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
    WHERE datname = current_database() AND pid <> pg_backend_pid()";

#[tokio::test(flavor = "multi_thread")]
async fn lost_connections_are_made_again() {
    let base = Base::new().await;
    let store = base.open().await;
    assert_stores(&store, &base, 1, 1).await;
    store.ping().await.unwrap();
    base.sql(END_ALL);
    // One call may be told, and the next one works.
    let mut tried = 0;
    while let Err(error) = store.commit(&near(&[2])).await {
        assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
        tried += 1;
        assert!(tried < 3, "it never comes back: {error}");
    }
    assert_stores(&store, &base, 3, 3).await;
    tried = 0;
    while let Err(error) = store.ping().await {
        tried += 1;
        assert!(tried <= READERS_MAX, "{error}");
    }
}

/// The lock is lost with the connection, and another daemon may have it by then.
#[tokio::test(flavor = "multi_thread")]
async fn who_lost_the_lock_to_another_daemon_writes_no_more() {
    let base = Base::new().await;
    let store = base.open().await;
    base.sql(END_ALL);
    let other = base.open().await;
    let mut refused = store.commit(&near(&[1])).await.unwrap_err();
    if matches!(refused, StoreError::Unavailable { .. }) {
        refused = store.commit(&near(&[1])).await.unwrap_err();
    }
    assert!(refused.to_string().contains("another daemon"), "{refused}");
    assert!(store.load().await.is_err(), "nor does it load");
    other.close().await;
    assert_stores(&store, &base, 2, 1).await;
}

/// The answer to a COMMIT is lost, and it is done late: who loads waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_without_an_answer_is_decided_before_the_state_is_loaded() {
    let base = Base::new().await;
    let store = base.open().await;
    // A deferred trigger holds the COMMIT for as long as somebody has this lock.
    base.sql(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ \
         BEGIN PERFORM pg_sleep(1); RETURN NULL; END $$; \
         CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON mark DEFERRABLE INITIALLY DEFERRED \
         FOR EACH ROW EXECUTE FUNCTION slow()",
    );
    let batch = Batch {
        marks: vec![rows::mark("attic", 1, 7, 1)],
        ..near(&[1])
    };
    // Long enough for the COMMIT to be on its way, too short for its end.
    let given_up = tokio::time::timeout(Duration::from_millis(500), store.commit(&batch)).await;
    assert!(given_up.is_err(), "it was not slow");
    let loaded = store.load().await.unwrap();
    let stored = base.sql("SELECT count(*) FROM sample");
    assert_eq!(
        loaded.marks.len().to_string(),
        stored,
        "mark and sample go together"
    );
    assert_eq!(loaded.latest.len().to_string(), stored);
    let now = base.sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
    assert_eq!(now, "0", "it was still under way");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_fail_in_time_while_the_server_is_away_and_work_when_it_is_back() {
    let mut server = Postgres::start();
    let base = address(&server, "signalbox");
    let store = open(&base).await.unwrap();
    store.commit(&near(&[1])).await.unwrap();
    server.kill();
    let begun = std::time::Instant::now();
    for _ in 0..2 {
        let errors = [
            store.commit(&near(&[2])).await.map(|_| ()).unwrap_err(),
            store.load().await.map(|_| ()).unwrap_err(),
            store.ping().await.unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
        }
    }
    assert!(begun.elapsed() < Duration::from_secs(20));
    server.start_again();
    assert_eq!(store.load().await.unwrap().latest.len(), 1);
    store.commit(&near(&[2])).await.unwrap();
    assert_eq!(server.sql("SELECT sum(n) FROM rollup"), "2");
}

/// A description of everything in a database.
fn dump(server: &Postgres, database: &str) -> String {
    let mut dump = server.tool("pg_dump");
    dump.args(["--schema-only", "--no-owner", "--username", "postgres"]);
    dump.args([
        "--exclude-table",
        "_sqlx_migrations",
        "--exclude-table",
        "sample_20*",
    ]);
    dump.arg("--host").arg(server.socket_dir());
    dump.args(["--port", &server.port().to_string(), database]);
    let done = dump.output().unwrap();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    let text = String::from_utf8(done.stdout).unwrap();
    // A random word, which is in newer versions of the program.
    let lines = text.lines().filter(|line| !line.starts_with('\\'));
    lines.map(|line| format!("{line}\n")).collect()
}

#[tokio::test]
async fn the_schema_to_read_is_the_one_that_the_migrations_make() {
    let server = Postgres::shared();
    let base = Base::new().await;
    base.open().await.close().await;
    let read = server.new_database();
    server.sql_in(&read, include_str!("../../../../schema.sql"));
    let (made, read) = (dump(server, base.0.database()), dump(server, &read));
    assert!(made.contains("CREATE TABLE public.sample ("), "{made}");
    assert_eq!(made, read);
}
