//! The one error envelope of the API.

use alloc::string::String;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Body of every reply with a 4xx or 5xx status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// What went wrong.
    pub error: ErrorDetail,
}

/// What went wrong, for programs (`code`, `field`) and for people (`message`, `hint`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorDetail {
    /// Stable word for programs: `invalid` (400, 422), `unauthorized` (401), `forbidden` (403),
    /// `not_found` (404), `method_not_allowed` (405), `not_acceptable` (406), `conflict` (409),
    /// `too_large` (413), `unsupported` (415, 426), `too_many_requests` (429),
    /// `internal` (500), `unavailable` (503).
    pub code: String,
    /// One sentence, lower case, the offending value in backticks.
    pub message: String,
    /// The request field at fault, for `invalid` and `conflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}
