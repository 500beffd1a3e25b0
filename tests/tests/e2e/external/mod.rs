//! Brokers of others: Mosquitto, RabbitMQ, NATS.

mod away;
mod helper;
mod losses;
mod mosquitto;
mod others;
mod shipped;
pub(crate) mod tls;
