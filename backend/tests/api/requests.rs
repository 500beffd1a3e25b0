//! What the API asks of the engine, and how the engine's answers become statuses.

use hyper::StatusCode;
use serde_json::{Value, json};
use signalbox_backend::engine::{Request, RequestError};
use signalbox_protocol::api::command::{Command, CommandState, Origin};

use crate::helper::{Reply, Station};

/// Sends one request and lets `engine` answer it.
async fn answered(
    station: &mut Station,
    method: &str,
    path: &str,
    body: Option<Value>,
    engine: impl FnOnce(Request),
) -> Reply {
    let mut client = station.unix().await;
    let call = async {
        match (method, body) {
            ("POST", Some(body)) => client.post(path, &body).await,
            ("PATCH", Some(body)) => client.patch(path, &body).await,
            _ => {
                let request = client.request(method, path);
                client.send(request).await
            }
        }
    };
    let answer = async {
        let request = station.requests.recv().await.unwrap();
        engine(request);
    };
    tokio::join!(call, answer).0
}

fn led_on() -> Value {
    json!({"node": "kitchen", "actuator": "led", "action": "on"})
}

#[tokio::test]
async fn a_command_is_asked_for_in_the_callers_name() {
    let mut station = Station::start().await;
    let now = station.state.clock.now();
    let reply = answered(
        &mut station,
        "POST",
        "/api/v1/command/add",
        Some(led_on()),
        |request| {
            let Request::AddCommand { new, by, reply } = request else {
                panic!("{request:?}");
            };
            assert!(by.starts_with("uid:"), "{by}");
            let command = Command {
                id: "01J".to_owned(),
                node: new.node,
                actuator: new.actuator,
                action: new.action,
                for_ms: None,
                state: CommandState::Requested,
                origin: Origin::User { username: by },
                reason: None,
                requested_at: now,
                not_before: None,
                expires_at: now,
                sent_at: None,
                finished_at: None,
                outcome: None,
                off_at: None,
            };
            reply.send(Ok(command)).unwrap();
        },
    )
    .await;
    assert_eq!(reply.status, StatusCode::ACCEPTED);
    assert_eq!(reply.json(), json!({"id": "01J", "state": "requested"}));
}

#[tokio::test]
async fn every_answer_of_the_engine_has_its_status() {
    let mut station = Station::start().await;
    let text = |text: &str| text.to_owned();
    let cases = [
        (
            RequestError::Invalid {
                field: "actuator",
                message: text("`x` is bad"),
            },
            422,
            "invalid",
        ),
        (
            RequestError::NotFound {
                what: "node",
                id: text("kitchen"),
            },
            404,
            "not_found",
        ),
        (
            RequestError::Conflict {
                message: text("it was sent"),
            },
            409,
            "conflict",
        ),
        (
            RequestError::TooMany {
                what: "open commands",
                max: 7,
            },
            409,
            "conflict",
        ),
        (
            RequestError::Unavailable {
                reason: text("secret"),
            },
            503,
            "unavailable",
        ),
    ];
    for (error, status, code) in cases {
        let path = "/api/v1/command/add";
        let reply = answered(&mut station, "POST", path, Some(led_on()), |request| {
            let Request::AddCommand { reply, .. } = request else {
                panic!("{request:?}");
            };
            reply.send(Err(error)).unwrap();
        })
        .await;
        let detail = reply.error(status, code);
        assert!(!detail.to_string().contains("secret"), "{detail}");
    }
}

#[tokio::test]
async fn each_route_asks_for_its_own_thing() {
    let mut station = Station::start().await;
    let rule = json!({"metric": "temperature", "op": ">", "value": 30});
    let timed = json!({"node": "a", "actuator": "led", "action": "on", "duration_s": 5});
    let cases = [
        (
            "POST",
            "/api/v1/command/timed",
            Some(timed),
            "AddTimedCommand",
        ),
        ("POST", "/api/v1/command/01J/cancel", None, "CancelCommand"),
        (
            "POST",
            "/api/v1/command/trigger",
            Some(rule.clone()),
            "AddRule",
        ),
        ("POST", "/api/v1/rules", Some(rule), "AddRule"),
        (
            "PATCH",
            "/api/v1/rules/01J",
            Some(json!({"node": null})),
            "PatchRule",
        ),
        ("DELETE", "/api/v1/rules/01J", None, "DeleteRule"),
        (
            "PATCH",
            "/api/v1/schedules/01J",
            Some(json!({"paused": true, "duration_s": null})),
            "PatchSchedule { id: \"01J\", patch: SchedulePatch { paused: Some(true), node: None, \
             actuator: None, action: None, duration_s: Some(None)",
        ),
        ("DELETE", "/api/v1/schedules/01J", None, "DeleteSchedule"),
        ("POST", "/api/v1/incidents/01J/ack", None, "AckIncident"),
        (
            "POST",
            "/api/v1/incidents/01J/ack",
            Some(json!({"duration_s": 60, "note": "on my way"})),
            "AckIncident { id: \"01J\", ack: Acknowledge { until_at: None, duration_s: Some(60)",
        ),
        (
            "POST",
            "/api/v1/silences",
            Some(json!({"node": "cellar-*", "duration_s": 60})),
            "AddSilence",
        ),
        ("POST", "/api/v1/silences/01J/end", None, "EndSilence"),
    ];
    for (method, path, body, expected) in cases {
        // The engine drops the request: it is stopping.
        let reply = answered(&mut station, method, path, body, |request| {
            let name = format!("{request:?}");
            assert!(name.starts_with(expected), "{path}: {name}");
        })
        .await;
        reply.error(503, "unavailable");
    }
}

#[tokio::test]
async fn a_null_clears_a_field_and_an_absent_one_stays() {
    let mut station = Station::start().await;
    let patch = json!({"node": null, "hold_s": 5});
    let path = "/api/v1/rules/01J";
    answered(&mut station, "PATCH", path, Some(patch), |request| {
        let Request::PatchRule { id, patch, .. } = request else {
            panic!("{request:?}");
        };
        assert_eq!(id, "01J");
        assert_eq!(
            (patch.node, patch.hold_s, patch.email),
            (Some(None), Some(5), None)
        );
    })
    .await;
}

#[tokio::test]
async fn what_does_not_exist_is_404() {
    let station = Station::start().await;
    let mut client = station.unix().await;
    for path in [
        "/api/v1/command/01J",
        "/api/v1/rules/01J",
        "/api/v1/schedules/01J",
        "/api/v1/incidents/01J",
    ] {
        client.get(path).await.error(404, "not_found");
    }
}

#[tokio::test]
async fn an_empty_station_answers_every_list() {
    let station = Station::start().await;
    let mut client = station.unix().await;
    for (path, list) in [
        ("/api/v1/nodes", "nodes"),
        ("/api/v1/command/all", "commands"),
        ("/api/v1/schedules", "schedules"),
        ("/api/v1/rules", "rules"),
        ("/api/v1/incidents", "incidents"),
        ("/api/v1/messages", "messages"),
        ("/api/v1/messages?bad=true", "messages"),
        ("/api/v1/mails", "mails"),
        ("/api/v1/users", "users"),
    ] {
        let reply = client.get(path).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}: {reply:?}");
        assert_eq!(reply.json()[list], json!([]), "{path}");
    }
    let station_reply = client.get("/api/v1/station").await.json();
    assert_eq!(station_reply["id"], station.state.id.to_string());
    assert_eq!(station_reply["mail_configured"], false);
    let index = client.get("/").await;
    assert_eq!(index.text(), format!("My id is {}", station.state.id));
    assert!(index.header("content-type").starts_with("text/plain"));
    let metrics = client.get("/metrics").await.text();
    assert!(
        metrics.contains("signalbox_messages_received_total 0\n"),
        "{metrics}"
    );
    assert!(metrics.contains("signalbox_broker_up 1\n"), "{metrics}");
    assert!(metrics.ends_with("# EOF\n"), "{metrics}");
}
