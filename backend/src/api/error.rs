//! The one error type of the API and its envelope. Fed by every handler, extractor and
//! fallback; what the client sees is its kind, a sentence and a hint, while internal causes
//! go to the log here and nowhere else.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use signalbox_protocol::api::{
    error::{ErrorBody, ErrorDetail},
    user::Role,
};

use crate::{
    auth::{AuthError, PasswordError},
    engine::RequestError,
    store::StoreError,
};

/// Seconds after which a client may try again when something is away.
const RETRY_AFTER_S: u64 = 2;

/// Why a request failed; each variant is one status.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// 400: the body or the address cannot be read at all.
    Malformed { message: String },
    /// 401: no session, or one that has ended.
    Unauthorized { message: &'static str },
    /// 401: name or password is wrong, not told which.
    WrongLogin,
    /// 403: the caller may not do this.
    Forbidden { message: String, hint: String },
    /// 404.
    NotFound { what: &'static str, id: String },
    /// 404: the address.
    NoRoute { path: String },
    /// 405.
    MethodNotAllowed { method: String },
    /// 406.
    NotAcceptable { message: &'static str },
    /// 409.
    Conflict {
        message: String,
        field: Option<&'static str>,
        hint: Option<String>,
    },
    /// 413.
    TooLarge { bytes_max: usize },
    /// 415.
    NotJson,
    /// 422: readable, but a value is wrong.
    Invalid {
        field: Option<String>,
        message: String,
        hint: Option<&'static str>,
    },
    /// 426: not a WebSocket handshake.
    UpgradeRequired,
    /// 429.
    TooMany { retry_after_s: u64 },
    /// 500; the cause goes to the log.
    Internal { cause: String },
    /// 503; the cause goes to the log.
    Unavailable { message: String, cause: String },
}

impl ApiError {
    /// 422 for a field.
    pub(crate) fn invalid(field: &str, message: impl Into<String>) -> Self {
        Self::Invalid {
            field: Some(field.to_owned()),
            message: message.into(),
            hint: None,
        }
    }

    /// 403 for a role that is too low.
    pub(crate) fn role(needed: Role, has: Role) -> Self {
        Self::Forbidden {
            message: format!("role `{}` may not do this", has.as_str()),
            hint: format!("log in as {} or higher", needed.as_str()),
        }
    }

    const fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Malformed { .. } => (StatusCode::BAD_REQUEST, "invalid"),
            Self::Unauthorized { .. } | Self::WrongLogin => {
                (StatusCode::UNAUTHORIZED, "unauthorized")
            }
            Self::Forbidden { .. } => (StatusCode::FORBIDDEN, "forbidden"),
            Self::NotFound { .. } | Self::NoRoute { .. } => (StatusCode::NOT_FOUND, "not_found"),
            Self::MethodNotAllowed { .. } => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::NotAcceptable { .. } => (StatusCode::NOT_ACCEPTABLE, "not_acceptable"),
            Self::Conflict { .. } => (StatusCode::CONFLICT, "conflict"),
            Self::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            Self::NotJson => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported"),
            Self::Invalid { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
            Self::UpgradeRequired => (StatusCode::UPGRADE_REQUIRED, "unsupported"),
            Self::TooMany { .. } => (StatusCode::TOO_MANY_REQUESTS, "too_many_requests"),
            Self::Internal { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
            Self::Unavailable { .. } => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        }
    }

    /// Message, field and hint for the envelope.
    fn words(self) -> (String, Option<String>, Option<String>) {
        match self {
            Self::Malformed { message } => (message, None, None),
            Self::Unauthorized { message } => (
                message.to_owned(),
                None,
                Some("`POST /api/v1/auth/login` gives a token".to_owned()),
            ),
            Self::WrongLogin => ("user name or password is wrong".to_owned(), None, None),
            Self::Forbidden { message, hint } => (message, None, Some(hint)),
            Self::NotFound { what, id } => (format!("{what} `{id}` does not exist"), None, None),
            Self::NoRoute { path } => (
                format!("`{path}` is not a route"),
                None,
                Some("`GET /api/v1/openapi.json` lists all routes".to_owned()),
            ),
            Self::MethodNotAllowed { method } => (
                format!("this route has no `{method}`"),
                None,
                Some("the `Allow` header names what it has".to_owned()),
            ),
            Self::NotAcceptable { message } => (message.to_owned(), None, None),
            Self::Conflict {
                message,
                field,
                hint,
            } => (message, field.map(str::to_owned), hint),
            Self::TooLarge { bytes_max } => {
                (format!("a body has at most {bytes_max} bytes"), None, None)
            }
            Self::NotJson => (
                "the body must be JSON".to_owned(),
                None,
                Some("send `Content-Type: application/json`".to_owned()),
            ),
            Self::Invalid {
                field,
                message,
                hint,
            } => (message, field, hint.map(str::to_owned)),
            Self::UpgradeRequired => ("this route speaks WebSocket only".to_owned(), None, None),
            Self::TooMany { retry_after_s } => (
                "too many failed logins".to_owned(),
                None,
                Some(format!("try again in {retry_after_s} s")),
            ),
            Self::Internal { .. } => (
                "the station failed to do this".to_owned(),
                None,
                Some("the station's log has the cause".to_owned()),
            ),
            Self::Unavailable { message, .. } => {
                (message, None, Some("try again in a moment".to_owned()))
            }
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code) = self.status_and_code();
        let header = match &self {
            Self::Unauthorized { .. } | Self::WrongLogin => {
                Some((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")))
            }
            Self::TooMany { retry_after_s } => {
                Some((header::RETRY_AFTER, HeaderValue::from(*retry_after_s)))
            }
            Self::Unavailable { cause, .. } => {
                tracing::warn!(cause, "request answered with 503");
                Some((header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S)))
            }
            Self::UpgradeRequired => Some((header::UPGRADE, HeaderValue::from_static("websocket"))),
            Self::Internal { cause } => {
                tracing::error!(cause, "request answered with 500");
                None
            }
            _ => None,
        };
        let (message, field, hint) = self.words();
        let body = ErrorBody {
            error: ErrorDetail {
                code: code.to_owned(),
                message,
                field,
                hint,
            },
        };
        let mut response = (status, Json(body)).into_response();
        response.headers_mut().extend(header);
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable { reason } => Self::Unavailable {
                message: "the store is unavailable".to_owned(),
                cause: reason,
            },
            StoreError::Taken { name } => Self::Conflict {
                message: format!("`{name}` is taken"),
                field: None,
                hint: None,
            },
            StoreError::Missing { name } => Self::NotFound {
                what: "row",
                id: name,
            },
            StoreError::BadCursor { cursor } => Self::Invalid {
                field: Some("after".to_owned()),
                message: format!("`{cursor}` is not a cursor of this listing"),
                hint: Some("take it from `next` of the page before"),
            },
            StoreError::Unusable { reason } => Self::Internal { cause: reason },
            StoreError::Damaged { .. } => Self::Internal {
                cause: error.to_string(),
            },
        }
    }
}

impl From<RequestError> for ApiError {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Invalid { field, message } => Self::invalid(field, message),
            RequestError::NotFound { what, id } => Self::NotFound { what, id },
            RequestError::Conflict { message } => Self::Conflict {
                message,
                field: None,
                hint: None,
            },
            RequestError::TooMany { what, max } => Self::Conflict {
                message: format!("there are already {max} {what}"),
                field: None,
                hint: Some(format!("delete {what} that are no longer needed, or wait")),
            },
            RequestError::Unavailable { reason } => Self::Unavailable {
                message: "the station cannot do this now".to_owned(),
                cause: reason,
            },
        }
    }
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        let message = error.to_string();
        match error {
            AuthError::Wrong => Self::WrongLogin,
            AuthError::Throttled { retry_after_s } => Self::TooMany { retry_after_s },
            AuthError::NotOpen { .. } => Self::Forbidden {
                message,
                hint: "an administrator can make the account".to_owned(),
            },
            AuthError::Invalid { field, message } => Self::invalid(field, message),
            AuthError::LastAdministrator { .. } => Self::Conflict {
                message,
                field: None,
                hint: Some("make another account an administrator first".to_owned()),
            },
            AuthError::Password(PasswordError::Busy) => Self::Unavailable {
                cause: message.clone(),
                message,
            },
            AuthError::Password(PasswordError::Hash(cause)) => Self::Internal { cause },
            AuthError::Random(cause) => Self::Internal { cause },
            AuthError::Store(StoreError::Taken { name }) => Self::Conflict {
                message: format!("`{name}` is taken"),
                field: Some("username"),
                hint: None,
            },
            AuthError::Store(StoreError::Missing { name }) => Self::NotFound {
                what: "account",
                id: name,
            },
            AuthError::Store(error) => error.into(),
        }
    }
}
