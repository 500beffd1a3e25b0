//! What tests with real programs share: private servers, free ports, waiting,
//! a terminal. Used by the
//! end-to-end tests in `tests/e2e` (feature `e2e`) and by the unit suites that need a server
//! (feature `servers` of the backend). Programs that play the other side and have no package of
//! their own are in `python/`. `cargo xtask test` installs what they need.
#![expect(
    clippy::unwrap_used,
    reason = "a failed expectation is a failed test, also in its helpers"
)]

mod mosquitto;
mod nats;
mod port;
mod postgres;
mod rabbitmq;
mod screen;
mod server;
mod wait;

pub use mosquitto::Mosquitto;
pub use nats::Nats;
pub use port::free_port;
pub use postgres::Postgres;
pub use rabbitmq::RabbitMq;
pub use screen::Screen;
pub use wait::{DEADLINE, eventually, look_for, never_within};
