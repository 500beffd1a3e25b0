//! Configuration of nodes: set, told to the node until it says that it works by it, or why not.

use serde_json::{Value, json};
use signalbox_protocol::api::{
    config::{ConfigState, NewNodeConfig, NodeConfig},
    event::Event,
};

use super::rig::{Rig, drain};
use crate::{
    engine::{Request, RequestError},
    store::StateStore as _,
};

async fn set(rig: &mut Rig, replaces: u32, settings: Value) -> Result<NodeConfig, RequestError> {
    let new: NewNodeConfig =
        serde_json::from_value(json!({"replaces": replaces, "settings": settings})).unwrap();
    rig.ask(|reply| Request::SetNodeConfig {
        node: "kitchen".to_owned(),
        new,
        by: "anna".to_owned(),
        reply,
    })
    .await
}

async fn status(rig: &mut Rig, more: Value) {
    let mut body = json!({"online": true, "boot": 7, "uptime_s": 5});
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    rig.receive("signalbox/kitchen/status", body).await;
}

async fn stored(rig: &Rig) -> NodeConfig {
    rig.store
        .real
        .node_config("kitchen")
        .await
        .unwrap()
        .unwrap()
}

#[tokio::test]
async fn it_is_told_at_once_and_stands_when_the_node_says_so() {
    let mut rig = Rig::new().await;
    rig.online(json!({"led": "off"})).await;
    let mut feed = rig.live.subscribe();
    let settings = json!({"interval_ms": 30_000, "metrics": {"soil": {"dead_band": 2.5}}});
    let config = set(&mut rig, 0, settings.clone()).await.unwrap();
    assert_eq!(config.state, ConfigState::Pending);
    let sent = rig.link.take();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0]["topic"], "signalbox/kitchen/config");
    assert_eq!(sent[0]["version"], 1);
    assert_eq!(
        sent[0]["metrics"],
        json!({"soil": {"dead_band_milli": 2_500}})
    );

    status(&mut rig, json!({"config": 1})).await;
    let config = stored(&rig).await;
    assert_eq!(config.state, ConfigState::Applied);
    let reported = config.reported.unwrap();
    assert_eq!(reported.version, Some(1));
    assert_eq!(serde_json::to_value(reported.settings).unwrap(), settings);
    let states: Vec<ConfigState> = drain(&mut feed)
        .into_iter()
        .filter_map(|event| match event {
            Event::NodeConfig { config } => Some(config.state),
            _ => None,
        })
        .collect();
    assert_eq!(states, [ConfigState::Pending, ConfigState::Applied]);
    // Who says it again is not told again, and nothing is written.
    status(&mut rig, json!({"config": 1})).await;
    assert!(rig.link.take().is_empty());
}

#[tokio::test]
async fn a_refusal_stands_with_its_reason_until_there_is_another() {
    let mut rig = Rig::new().await;
    rig.online(json!({})).await;
    set(&mut rig, 0, json!({"interval_ms": 5_000}))
        .await
        .unwrap();
    status(&mut rig, json!({"config": 1})).await;
    set(&mut rig, 1, json!({"metrics": {"light": {"offset": 1}}}))
        .await
        .unwrap();
    rig.link.take();
    let refused = json!({"config": 1, "config_refused": {"version": 2, "reason": "no light"}});
    status(&mut rig, refused.clone()).await;
    let config = stored(&rig).await;
    assert_eq!(config.state, ConfigState::Refused);
    assert_eq!(config.refused.as_ref().unwrap().reason, "no light");
    assert_eq!(config.reported.unwrap().version, Some(1));
    rig.offline().await;
    status(&mut rig, refused).await;
    assert!(rig.link.take().is_empty(), "it has said no");
    assert_eq!(set(&mut rig, 2, json!({})).await.unwrap().refused, None);
    status(&mut rig, json!({"config": 3})).await;
    assert_eq!(stored(&rig).await.state, ConfigState::Applied);
}

#[tokio::test]
async fn a_node_that_comes_with_another_is_told_also_after_a_restart() {
    let mut rig = Rig::new().await;
    rig.online(json!({})).await;
    set(&mut rig, 0, json!({"log": "info"})).await.unwrap();
    rig.link.take();
    rig.restart().await;
    rig.offline().await;
    rig.online(json!({})).await;
    assert_eq!(rig.link.take().len(), 1, "it never said that it has it");
    // From another life of the station: what is set next is above that.
    status(&mut rig, json!({"config": 40})).await;
    assert_eq!(rig.link.take()[0]["version"], 1);
    assert_eq!(stored(&rig).await.reported.unwrap().settings, None);
    let next = set(&mut rig, 1, json!({})).await.unwrap();
    assert_eq!(next.desired.unwrap().version, 41);
}

#[tokio::test]
async fn what_cannot_be_is_refused_and_nothing_goes_out() {
    let mut rig = Rig::new().await;
    let unknown = set(&mut rig, 0, json!({})).await.unwrap_err();
    assert!(
        matches!(unknown, RequestError::NotFound { .. }),
        "{unknown}"
    );
    rig.online(json!({})).await;
    set(&mut rig, 0, json!({})).await.unwrap();
    rig.link.take();
    let stale = set(&mut rig, 0, json!({})).await.unwrap_err();
    assert!(matches!(stale, RequestError::Conflict { .. }), "{stale}");
    let wrong = set(&mut rig, 1, json!({"metrics": {"soil": {"dry": 5}}})).await;
    assert_eq!(
        wrong.unwrap_err().to_string(),
        "`metrics.soil.dry and wet` go together"
    );
    assert!(rig.link.take().is_empty());
}
