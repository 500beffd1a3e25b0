//! Brokers of others: Mosquitto, RabbitMQ, NATS.

mod shipped;
