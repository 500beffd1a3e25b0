//! One verb, one file.

pub(crate) mod commands;
pub(crate) mod config;
pub(crate) mod data;
pub(crate) mod demo;
pub(crate) mod dial_stdio;
pub(crate) mod fingerprint;
pub(crate) mod firmware;
pub(crate) mod health;
pub(crate) mod incidents;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod mail;
pub(crate) mod node_log;
pub(crate) mod nodes;
pub(crate) mod publish;
pub(crate) mod rules;
pub(crate) mod send;
pub(crate) mod serve;
pub(crate) mod sessions;
pub(crate) mod silence;
pub(crate) mod sim;
pub(crate) mod store;
pub(crate) mod subscribe;
pub(crate) mod terminal;
pub(crate) mod user;
pub(crate) mod watch;
