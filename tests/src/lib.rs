//! End to end: the built program with real clients, servers and databases of others. Everything
//! is in `tests/e2e`, behind the feature `e2e`; the programs that play the other side and have no
//! package of their own are in `python/`. `cargo xtask test` installs what they need.
