//! Every route, a line each: method, path, who may call it, handler. The guard, the OpenAPI
//! description and the tests all follow this table.

use std::any::Any;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    handler::Handler,
    http::{HeaderValue, Method, Uri, header},
    middleware::{from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{MethodFilter, MethodRouter, on},
};
use signalbox_protocol::api::user::Role;
use tower_http::catch_panic::CatchPanicLayer;

use super::{
    BODY_BYTES_MAX, SharedState, auth, commands, configs, data,
    error::ApiError,
    guard::{Gate, guard},
    incidents, logs, mails, messages, metrics, nodes, openapi, rules, sessions, silences, station,
    users, ws,
};

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everyone.
    Open,
    /// A valid session, or a local process, of this role or higher.
    From(Role),
}

/// What is known of a route besides its handler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteInfo {
    /// HTTP method.
    pub method: Method,
    /// Path with parameters in braces.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
}

struct Route {
    info: RouteInfo,
    takes_query: bool,
    handler: MethodRouter<SharedState>,
}

impl Route {
    /// The route has query parameters.
    fn query(mut self) -> Self {
        self.takes_query = true;
        self
    }

    /// The route takes longer bodies than others.
    fn body_max(mut self, bytes: usize) -> Self {
        self.handler = self.handler.layer(DefaultBodyLimit::max(bytes));
        self
    }
}

const OPEN: Access = Access::Open;
const VIEWER: Access = Access::From(Role::Viewer);
const OPERATOR: Access = Access::From(Role::Operator);
const ADMINISTRATOR: Access = Access::From(Role::Administrator);
/// Path of the WebSocket, the one route that takes a token as a subprotocol.
const WS_PATH: &str = "/ws";

/// The table.
#[rustfmt::skip]
fn routes() -> Vec<Route> {
    vec![
        get("/", OPEN, station::index),
        get("/health", OPEN, station::health),
        get("/metrics", VIEWER, metrics::metrics),
        get("/users", ADMINISTRATOR, users::list_short),
        get(WS_PATH, VIEWER, ws::connect),

        post("/api/v1/auth/signup", OPEN, auth::sign_up),
        post("/api/v1/auth/login", OPEN, auth::log_in),
        get("/api/v1/auth/logout", VIEWER, auth::log_out_by_get),
        post("/api/v1/auth/logout", VIEWER, auth::log_out),
        get("/api/v1/auth/whoami", VIEWER, auth::who_am_i),

        get("/api/v1/users", ADMINISTRATOR, users::list),
        post("/api/v1/users", ADMINISTRATOR, users::add),
        patch("/api/v1/users/{username}", ADMINISTRATOR, users::change),
        delete("/api/v1/users/{username}", ADMINISTRATOR, users::delete),

        get("/api/v1/sessions", ADMINISTRATOR, sessions::list),
        delete("/api/v1/sessions/{id}", ADMINISTRATOR, sessions::end),

        get("/api/v1/nodes", VIEWER, nodes::list),
        post("/api/v1/nodes", ADMINISTRATOR, nodes::add).query(),
        get("/api/v1/nodes/{node}", VIEWER, nodes::one),
        get("/api/v1/configs", VIEWER, configs::list),
        get("/api/v1/nodes/{node}/config", VIEWER, configs::one),
        put("/api/v1/nodes/{node}/config", OPERATOR, configs::set),
        delete("/api/v1/nodes/{node}/password", ADMINISTRATOR, nodes::remove_password),
        get("/api/v1/nodes/{node}/logs", VIEWER, logs::list).query(),
        get("/api/v1/firmware", VIEWER, logs::firmware),
        post("/api/v1/firmware", ADMINISTRATOR, logs::add).body_max(logs::IMAGE_BYTES_MAX),
        delete("/api/v1/firmware/{build}", ADMINISTRATOR, logs::remove),

        get("/api/v1/data/last", VIEWER, data::last).query(),
        get("/api/v1/data/all", VIEWER, data::all).query(),
        get("/api/v1/data/byDate", VIEWER, data::by_date).query(),

        post("/api/v1/command/add", OPERATOR, commands::add),
        post("/api/v1/command/timed", OPERATOR, commands::timed),
        post("/api/v1/command/trigger", OPERATOR, rules::trigger),
        get("/api/v1/command/all", VIEWER, commands::list).query(),
        get("/api/v1/command/{id}", VIEWER, commands::one),
        post("/api/v1/command/{id}/cancel", OPERATOR, commands::cancel),
        get("/api/v1/schedules", VIEWER, commands::schedules),
        get("/api/v1/schedules/{id}", VIEWER, commands::schedule),
        patch("/api/v1/schedules/{id}", OPERATOR, commands::change_schedule),
        delete("/api/v1/schedules/{id}", OPERATOR, commands::delete_schedule),

        get("/api/v1/rules", VIEWER, rules::list),
        post("/api/v1/rules", OPERATOR, rules::add),
        post("/api/v1/rules/dry-run", VIEWER, rules::dry_run),
        get("/api/v1/rules/{id}", VIEWER, rules::one),
        patch("/api/v1/rules/{id}", OPERATOR, rules::change),
        delete("/api/v1/rules/{id}", OPERATOR, rules::delete),

        get("/api/v1/incidents", VIEWER, incidents::list).query(),
        get("/api/v1/incidents/{id}", VIEWER, incidents::one),
        post("/api/v1/incidents/{id}/ack", OPERATOR, incidents::acknowledge),

        get("/api/v1/silences", VIEWER, silences::list).query(),
        post("/api/v1/silences", OPERATOR, silences::add),
        get("/api/v1/silences/{id}", VIEWER, silences::one),
        post("/api/v1/silences/{id}/end", OPERATOR, silences::end),

        get("/api/v1/messages", VIEWER, messages::list).query(),
        get("/api/v1/mails", OPERATOR, mails::list).query(),
        post("/api/v1/mails/test", ADMINISTRATOR, mails::test),
        post("/api/v1/mails/{id}/retry", OPERATOR, mails::retry),
        get("/api/v1/station", VIEWER, station::station),
        get("/api/v1/openapi.json", VIEWER, openapi::description),
    ]
}

/// The table without its handlers.
#[must_use]
pub fn route_list() -> Vec<RouteInfo> {
    routes().into_iter().map(|route| route.info).collect()
}

/// The router over a state; the listener must add the [`crate::auth::Peer`] to each request.
pub fn router(state: SharedState) -> Router {
    let mut router = Router::new();
    for route in routes() {
        let gate = Gate {
            state: state.clone(),
            access: route.info.access,
            takes_query: route.takes_query,
            takes_protocol_token: route.info.path == WS_PATH,
        };
        let handler = route.handler.route_layer(from_fn_with_state(gate, guard));
        router = router.route(route.info.path, handler);
    }
    router
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(async |request, next: axum::middleware::Next| {
            let mut response = next.run(request).await;
            let headers = response.headers_mut();
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            headers.insert(
                header::X_CONTENT_TYPE_OPTIONS,
                HeaderValue::from_static("nosniff"),
            );
            response
        }))
        .with_state(state)
}

async fn no_route(uri: Uri) -> ApiError {
    ApiError::NoRoute {
        path: uri.path().to_owned(),
    }
}

async fn no_method(method: Method) -> ApiError {
    ApiError::MethodNotAllowed {
        method: method.to_string(),
    }
}

// The signature is the layer's.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the layer hands over the box"
)]
fn panicked(payload: Box<dyn Any + Send + 'static>) -> Response {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no text".to_owned());
    ApiError::Internal {
        cause: format!("a handler panicked: {text}"),
    }
    .into_response()
}

fn route<H, T>(
    method: Method,
    filter: MethodFilter,
    path: &'static str,
    access: Access,
    handler: H,
) -> Route
where
    H: Handler<T, SharedState>,
    T: 'static,
{
    Route {
        info: RouteInfo {
            method,
            path,
            access,
        },
        takes_query: false,
        handler: on(filter, handler),
    }
}

macro_rules! methods {
    ($($name:ident $method:ident),*) => {$(
        fn $name<H, T>(path: &'static str, access: Access, handler: H) -> Route
        where
            H: Handler<T, SharedState>,
            T: 'static,
        {
            route(Method::$method, MethodFilter::$method, path, access, handler)
        }
    )*};
}
methods!(get GET, post POST, put PUT, patch PATCH, delete DELETE);
