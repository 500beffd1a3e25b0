//! Log lines of nodes: `GET /api/v1/nodes/{node}/logs`; and the symbol tables that make them
//! readable: `/api/v1/firmware`.

use alloc::{string::String, vec::Vec};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::payload::log::LogLevel;

/// A line that a node logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogLine {
    /// Rising number, of this run of the station.
    pub id: u64,
    /// Who logged it.
    pub node: String,
    /// When it was written, by the node's clock and the time of receipt.
    pub at: DateTime<Utc>,
    /// How much it matters; null when the line tells none, or cannot be read.
    pub level: Option<LogLevel>,
    /// What it says; of a line that cannot be read, why, and what to do.
    pub text: String,
    /// The image that wrote it, 16 hexadecimal digits.
    pub build: String,
    /// Whether it can be read: the station has the image's symbol table, and the line is whole.
    pub readable: bool,
}

/// Query of `GET /api/v1/nodes/{node}/logs`: newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LogQuery {
    /// Lines of this level and of graver ones; all when absent. Lines without a level are always
    /// there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<LogLevel>,
    /// Lines before this id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// How many, 1 to 1,000; 100 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
}

/// Reply of `GET /api/v1/nodes/{node}/logs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogLines {
    /// Newest first.
    pub lines: Vec<LogLine>,
}

/// An image whose log lines can be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Firmware {
    /// The first bytes of its build id, 16 hexadecimal digits.
    pub build: String,
    /// How many different lines it can log.
    pub lines: u64,
}

/// Reply of `GET /api/v1/firmware`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Firmwares {
    /// By build.
    pub firmware: Vec<Firmware>,
}
