//! The daemon as a library. Data flows from the nodes to the person, and the folders follow it:
//!
//! | folder | takes | gives |
//! |---|---|---|
//! | [`mqtt`] | packets of nodes | [`ingest::Inbound`] messages; publishes commands |
//! | [`ingest`] | topic and payload | decoded, validated bodies or the reason why not |
//! | [`engine`] | messages, requests, the clock | one [`store::Batch`] a transaction, then its effects |
//! | `rules`, `alerts`, `commands` | samples, acks, deadlines | incidents, mails, commands (pure logic, used by the engine) |
//! | [`store`] | batches | durable rows, and every query |
//! | [`live`] | committed changes | events for every listener |
//! | [`logs`] | frames of nodes' log lines | lines, read with the firmware's symbol table |
//! | `auth`, `api` | HTTP requests | replies, sessions, the WebSocket |
//! | [`tls`] | certificate and key | the encrypted side of the API's listener |
//! | [`systemd`] | the engine's heartbeat, troubles | readiness, watchdog, a line of status |

pub mod alerts;
pub mod api;
pub mod auth;
pub mod clock;
pub mod commands;
pub mod config;
pub mod counters;
pub mod engine;
pub mod health;
pub mod ingest;
pub mod listeners;
pub mod live;
pub mod logs;
pub mod mqtt;
pub mod prune;
pub mod rules;
pub mod run;
pub mod store;
pub mod systemd;
pub mod tls;
