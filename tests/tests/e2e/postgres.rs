//! A station with its store in PostgreSQL.

use crate::helper::{Postgres, eventually};

/// What every test below relies on.
#[test]
fn the_test_server_keeps_what_is_committed_through_kills_and_freezes() {
    let mut server = Postgres::start();
    server.sql("CREATE TABLE kept (n int); INSERT INTO kept VALUES (1)");
    server.kill();
    server.start_again();
    assert_eq!(server.sql("SELECT n FROM kept"), "1");
    server.restart();
    assert_eq!(server.sql("SELECT n FROM kept"), "1");
    server.freeze();
    server.thaw();
    eventually("it answers", || {
        (server.sql("SELECT n FROM kept") == "1").then_some(())
    });
    assert_eq!(server.sql("SHOW fsync"), "on");
}
