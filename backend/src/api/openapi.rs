//! `GET /api/v1/openapi.json`: the description of the API. Paths and bodies come from the
//! handlers; what every route has in common (session, errors) is added from the router's
//! table, so that it cannot be forgotten.

use axum::{Json, extract::State};
use signalbox_protocol::api::{
    error::ErrorBody,
    event::{Event, StreamOptions},
};
use utoipa::{
    OpenApi,
    openapi::{
        Content, Ref, RefOr, Required, Response, ResponseBuilder,
        path::{Operation, PathItem},
        request_body::RequestBody,
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use super::{
    SharedState, VERSION, auth, commands, configs, data, incidents, logs, mails, messages, metrics,
    nodes,
    router::{Access, RouteInfo, route_list},
    rules, sessions, silences, station, users, ws,
};

/// The range route that needs `from` and `to`.
const BY_DATE_PATH: &str = "/api/v1/data/byDate";
/// Name of the security scheme.
const SESSION: &str = "session";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "signalbox",
        description = "A control station for MQTT sensor nodes. Times are RFC 3339 with an \
            offset; durations end in their unit. Every error has the same envelope.",
    ),
    paths(
        station::index,
        station::health,
        metrics::metrics,
        users::list_short,
        ws::connect,
        auth::sign_up,
        auth::log_in,
        auth::log_out_by_get,
        auth::log_out,
        auth::who_am_i,
        users::list,
        users::add,
        users::change,
        users::delete,
        sessions::list,
        sessions::end,
        nodes::list,
        nodes::add,
        nodes::one,
        nodes::remove_password,
        configs::list,
        configs::one,
        configs::set,
        logs::list,
        logs::firmware,
        logs::add,
        logs::remove,
        data::last,
        data::all,
        data::by_date,
        commands::add,
        commands::timed,
        rules::trigger,
        commands::list,
        commands::one,
        commands::cancel,
        commands::schedules,
        commands::schedule,
        commands::change_schedule,
        commands::delete_schedule,
        rules::list,
        rules::add,
        rules::dry_run,
        rules::one,
        rules::change,
        rules::delete,
        incidents::list,
        incidents::one,
        incidents::acknowledge,
        silences::list,
        silences::add,
        silences::one,
        silences::end,
        messages::list,
        mails::list,
        mails::test,
        mails::retry,
        station::station,
        description,
    ),
    components(schemas(ErrorBody, Event, StreamOptions))
)]
struct Description;

/// This description.
#[utoipa::path(
    get, path = "/api/v1/openapi.json", tag = "station",
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value))
)]
pub(crate) async fn description(State(_): State<SharedState>) -> Json<utoipa::openapi::OpenApi> {
    Json(document())
}

/// The whole description.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    let mut api = Description::openapi();
    VERSION.clone_into(&mut api.info.version);
    let components = api.components.get_or_insert_default();
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "the token of `POST /api/v1/auth/login`; root and the daemon's own user need none \
             on the unix socket",
        ))
        .build();
    components
        .security_schemes
        .insert(SESSION.to_owned(), RefOr::T(SecurityScheme::Http(scheme)));
    for route in route_list() {
        if let Some(operation) = api
            .paths
            .paths
            .get_mut(route.path)
            .and_then(|item| operation(item, &route))
        {
            complete(operation, &route);
        }
    }
    api
}

fn operation<'a>(item: &'a mut PathItem, route: &RouteInfo) -> Option<&'a mut Operation> {
    match route.method.as_str() {
        "GET" => item.get.as_mut(),
        "POST" => item.post.as_mut(),
        "PUT" => item.put.as_mut(),
        "PATCH" => item.patch.as_mut(),
        "DELETE" => item.delete.as_mut(),
        _ => None,
    }
}

/// The two range routes share their query type, but only one needs the range.
fn require(operation: &mut Operation, names: &[&str]) {
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(parameter) = parameter
            && names.contains(&parameter.name.as_str())
        {
            parameter.required = Required::True;
        }
    }
}

/// `get_v1_nodes_node` for `GET /api/v1/nodes/{node}`: unique, as method and path are.
fn operation_id(route: &RouteInfo) -> String {
    let path = route.path.strip_prefix("/api").unwrap_or(route.path);
    let words = path.split(|c: char| !c.is_ascii_alphanumeric());
    let mut id = route.method.as_str().to_ascii_lowercase();
    for word in words.filter(|word| !word.is_empty()) {
        id.push('_');
        id.push_str(word);
    }
    id
}

/// Whether a body is JSON; an image is not.
fn is_json(body: &RefOr<RequestBody>) -> bool {
    match body {
        RefOr::T(body) => body.content.contains_key("application/json"),
        RefOr::Ref(_) => true,
    }
}

/// Adds what the table and the guard know.
fn complete(operation: &mut Operation, route: &RouteInfo) {
    operation.operation_id = Some(operation_id(route));
    if route.path == BY_DATE_PATH {
        require(operation, &["from", "to"]);
    }
    let mut also = vec![(422, "a value is wrong; `field` names it")];
    if route.access != Access::Open {
        also.push((401, "no session, or one that has ended"));
        operation.security = Some(vec![SecurityRequirement::new(SESSION, [""; 0])]);
    }
    if let Access::From(role) = route.access
        && role > signalbox_protocol::api::user::Role::Viewer
    {
        also.push((403, "the role may not do this"));
    }
    let is_json = operation.request_body.as_ref().map(is_json);
    if is_json == Some(false) {
        also.push((413, "the body is too large"));
    } else if is_json == Some(true) {
        also.push((400, "the body is not JSON"));
        also.push((413, "the body is too large"));
        also.push((415, "the body is not declared as JSON"));
    } else if route.path.contains('{') {
        also.push((400, "the path cannot be read"));
    }
    also.push((500, "the station failed; its log has the cause"));
    also.push((503, "the store or the engine is away, or too busy"));
    let responses = &mut operation.responses.responses;
    for (status, description) in also {
        responses
            .entry(status.to_string())
            .or_insert_with(|| RefOr::T(Response::new(description)));
    }
    for (status, response) in responses.iter_mut() {
        let failed = status.starts_with(['4', '5']);
        if let RefOr::T(response) = response
            && failed
            && response.content.is_empty()
        {
            let description = response.description.clone();
            let body = Content::new(Some(RefOr::Ref(Ref::from_schema_name("ErrorBody"))));
            *response = ResponseBuilder::new()
                .description(description)
                .content("application/json", body)
                .build();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_route_is_described_and_every_description_is_a_route() {
        let mut routed = BTreeSet::new();
        for route in route_list() {
            assert!(routed.insert(format!("{} {}", route.method, route.path)));
        }
        let mut described = BTreeSet::new();
        let document = serde_json::to_value(document()).unwrap();
        for (path, item) in document["paths"].as_object().unwrap() {
            for method in item.as_object().unwrap().keys() {
                described.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
        assert_eq!(routed, described);
    }

    #[test]
    fn operation_ids_are_unique() {
        let document = serde_json::to_value(document()).unwrap();
        let mut seen = BTreeSet::new();
        for item in document["paths"].as_object().unwrap().values() {
            for operation in item.as_object().unwrap().values() {
                let id = operation["operationId"].as_str().unwrap();
                assert!(seen.insert(id.to_owned()), "{id}");
            }
        }
    }
}
