//! What handlers take: bodies, queries and path parameters, each refused with the API's own
//! error envelope that names the field at fault.

use axum::{
    body::{Bytes, HttpBody as _},
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
    http::{HeaderMap, StatusCode, Uri, header, request::Parts},
};
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::{BODY_BYTES_MAX, error::ApiError};

/// A JSON body; syntax errors are 400, wrong or unknown fields 422.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            return Err(ApiError::NotJson);
        }
        let body =
            Bytes::from_request(request, state)
                .await
                .map_err(|rejection| match rejection.status() {
                    StatusCode::PAYLOAD_TOO_LARGE => ApiError::TooLarge {
                        bytes_max: BODY_BYTES_MAX,
                    },
                    _ => ApiError::Malformed {
                        message: "the body cannot be read".to_owned(),
                    },
                })?;
        parse(&body).map(Self)
    }
}

/// A JSON body that may be absent.
pub(crate) struct MaybeBody<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for MaybeBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if !request.headers().contains_key(header::CONTENT_TYPE) && request.body().is_end_stream() {
            return Ok(Self(T::default()));
        }
        JsonBody::from_request(request, state)
            .await
            .map(|JsonBody(body)| Self(body))
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE);
    let essence = value
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    // Every body is an object; serde would also take a struct's fields as a list.
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    if first.is_some_and(|byte| b"[\"tfn-0123456789".contains(byte)) {
        return Err(ApiError::Invalid {
            field: None,
            message: "the body must be a JSON object".to_owned(),
            hint: None,
        });
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        match inner.classify() {
            Category::Data => ApiError::Invalid {
                field: (path != ".").then_some(path),
                message: inner.to_string(),
                hint: None,
            },
            Category::Syntax | Category::Eof | Category::Io => ApiError::Malformed {
                message: format!("the body is not JSON: {inner}"),
            },
        }
    })?;
    deserializer.end().map_err(|error| ApiError::Malformed {
        message: format!("the body is not JSON: {error}"),
    })?;
    Ok(value)
}

/// A query string; unknown and wrong parameters are 422.
pub(crate) struct QueryOf<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for QueryOf<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let query = with_plus_in_times(parts.uri.query().unwrap_or_default());
        let uri = Uri::builder()
            .path_and_query(format!("/?{query}"))
            .build()
            .map_err(|error| ApiError::Malformed {
                message: format!("the query cannot be read: {error}"),
            })?;
        let Query(value) = Query::try_from_uri(&uri).map_err(|rejection| {
            let text = std::error::Error::source(&rejection)
                .map_or_else(|| rejection.to_string(), ToString::to_string);
            let field = text.split_once(": ").map(|(path, _)| path.to_owned());
            ApiError::Invalid {
                field: field.filter(|path| !path.contains(' ')),
                message: text,
                hint: None,
            }
        })?;
        Ok(Self(value))
    }
}

/// A raw `+` in a query means a space, but people write `+02:00` in times. In `from` and `to` a
/// space can only stand between date and time (index 10), so any later `+` is a plus.
fn with_plus_in_times(query: &str) -> String {
    const DATE_CHARS: usize = "2026-01-01".len();
    let fixed = |pair: &str| match pair.split_once('=') {
        Some((key @ ("from" | "to"), value)) if value.len() > DATE_CHARS + 1 => {
            match value.split_at_checked(DATE_CHARS + 1) {
                Some((date, rest)) => format!("{key}={date}{}", rest.replace('+', "%2B")),
                None => pair.to_owned(),
            }
        }
        _ => pair.to_owned(),
    };
    query.split('&').map(fixed).collect::<Vec<_>>().join("&")
}

/// Parameters of the path.
pub(crate) struct PathOf<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for PathOf<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(value) = Path::from_request_parts(parts, state)
            .await
            .map_err(|rejection| ApiError::Malformed {
                message: rejection.body_text().to_lowercase(),
            })?;
        Ok(Self(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plus_in_a_time_stays_a_plus() {
        assert_eq!(
            with_plus_in_times("from=2026-01-01T00:00:00+02:00&node=a+b"),
            "from=2026-01-01T00:00:00%2B02:00&node=a+b"
        );
        assert_eq!(
            with_plus_in_times("to=2026-01-01+10:00:00+02:00"),
            "to=2026-01-01+10:00:00%2B02:00"
        );
        assert_eq!(with_plus_in_times("to=%2B&from=é"), "to=%2B&from=é");
        assert_eq!(with_plus_in_times(""), "");
    }

    #[test]
    fn the_faulty_field_is_named() {
        use signalbox_protocol::api::rule::NewRule;
        let bad = br#"{"metric":"t","op":">","value":1,"command":{"actuator":7}}"#;
        match parse::<NewRule>(bad) {
            Err(ApiError::Invalid { field, .. }) => {
                assert_eq!(field.as_deref(), Some("command.actuator"));
            }
            other => panic!("{:?}", other.map(|_| ())),
        }
        assert!(matches!(
            parse::<NewRule>(b"{} {}"),
            Err(ApiError::Invalid { field: None, .. })
        ));
        assert!(matches!(
            parse::<serde_json::Value>(b"{} {}"),
            Err(ApiError::Malformed { .. })
        ));
        assert!(matches!(
            parse::<serde_json::Value>(b" [null]"),
            Err(ApiError::Invalid { field: None, .. })
        ));
    }
}
