//! Runs before every handler: who calls, whether the route lets them in, whether the query is
//! one the route knows, and how long the handler may take. Fed by the router's table; feeds
//! handlers with a [`Caller`].

use std::time::{Duration, Instant};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{Access, REQUEST_S_MAX, SharedState, error::ApiError};
use crate::auth::{Caller, Contact, Peer};

/// Prefix of the WebSocket subprotocol that carries a token.
const PROTOCOL_TOKEN_PREFIX: &str = "bearer.";

/// What the guard of one route knows.
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) state: SharedState,
    pub(crate) access: Access,
    pub(crate) takes_query: bool,
    pub(crate) takes_protocol_token: bool,
}

pub(crate) async fn guard(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = match admit(&gate, &mut request).await {
        Ok(()) => {
            let limit = Duration::from_secs(REQUEST_S_MAX);
            tokio::time::timeout(limit, next.run(request))
                .await
                .unwrap_or_else(|_| {
                    ApiError::Unavailable {
                        message: "the station is too busy to answer".to_owned(),
                        cause: format!("{method} {path} took longer than {REQUEST_S_MAX} s"),
                    }
                    .into_response()
                })
        }
        Err(error) => error.into_response(),
    };
    // The path only: a query can hold what a person typed into the wrong field.
    tracing::debug!(
        http.method = %method,
        http.path = path,
        http.status = response.status().as_u16(),
        duration_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX),
        "request"
    );
    response
}

async fn admit(gate: &Gate, request: &mut Request) -> Result<(), ApiError> {
    if let Access::From(needed) = gate.access {
        let peer = request.extensions().get::<Peer>().copied();
        let token = token(request.headers(), gate.takes_protocol_token)?;
        let caller = caller(&gate.state, token, peer).await?;
        if let Some(peer) = peer {
            let agent = request.headers().get(header::USER_AGENT);
            let agent = agent.and_then(|agent| agent.to_str().ok());
            let contact = Contact::new(gate.state.clock.now(), peer, agent);
            if let Some(session) = caller.session {
                gate.state.presence.seen(session, contact.clone());
            }
            request.extensions_mut().insert(contact);
        }
        if caller.role < needed {
            return Err(ApiError::role(needed, caller.role));
        }
        request.extensions_mut().insert(caller);
    }
    let query = request.uri().query().unwrap_or_default();
    if !gate.takes_query && !query.is_empty() {
        let name = query.split(['&', '=']).next().unwrap_or_default();
        return Err(ApiError::invalid(
            name,
            format!("this route takes no query, but got `{name}`"),
        ));
    }
    Ok(())
}

/// A token wins over the peer's user id: whoever shows one wants to be that account, and a
/// token that has ended must not fall back to something else.
async fn caller(
    state: &SharedState,
    token: Option<&str>,
    peer: Option<Peer>,
) -> Result<Caller, ApiError> {
    if let Some(token) = token {
        return state
            .accounts
            .by_token(token)
            .await?
            .ok_or(ApiError::Unauthorized {
                message: "the session has ended or never was",
            });
    }
    let local = match peer {
        Some(Peer::Unix { uid }) => Caller::local(uid, state.own_uid),
        Some(Peer::Tcp(_) | Peer::Tls(_)) | None => None,
    };
    local.ok_or(ApiError::Unauthorized {
        message: "this route needs a session",
    })
}

fn token(headers: &HeaderMap, from_protocol: bool) -> Result<Option<&str>, ApiError> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        return bearer(value).map(Some).ok_or(ApiError::Unauthorized {
            message: "the `Authorization` header is not `Bearer <token>`",
        });
    }
    if !from_protocol {
        return Ok(None);
    }
    Ok(headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .find_map(|protocol| protocol.trim().strip_prefix(PROTOCOL_TOKEN_PREFIX)))
}

fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim_matches(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: header::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn a_token_is_found_where_it_may_stand() {
        let found = |map: &HeaderMap, ws| token(map, ws).ok().map(|t| t.map(str::to_owned));
        let some = |text: &str| Some(Some(text.to_owned()));
        for value in ["Bearer abc", "bearer abc", "BEARER  abc "] {
            assert_eq!(
                found(&headers(header::AUTHORIZATION, value), false),
                some("abc")
            );
        }
        for value in ["Basic abc", "abc", "Bearer"] {
            assert_eq!(found(&headers(header::AUTHORIZATION, value), false), None);
        }
        let protocol = headers(header::SEC_WEBSOCKET_PROTOCOL, "signalbox.v1, bearer.abc");
        assert_eq!(found(&protocol, true), some("abc"));
        assert_eq!(found(&protocol, false), Some(None));
        assert_eq!(found(&HeaderMap::new(), true), Some(None));
    }
}
