//! Brokers of others: Mosquitto, RabbitMQ, NATS.

mod mosquitto;
mod shipped;
