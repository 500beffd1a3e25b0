//! Configuration of nodes: what is wanted is a row, published retained after its commit; the node
//! says in its status what it works by, or why it has refused. Whoever comes with another version
//! than the wanted one is sent that again, so nothing depends on what a broker keeps.

use chrono::{DateTime, Utc};
use signalbox_protocol::{
    api::config::{
        ConfigState, DesiredConfig, NewNodeConfig, NodeConfig, RefusedConfig, ReportedConfig,
    },
    limits::CONFIG_BYTES_MAX,
    payload::Encoding,
    topic,
};

use super::{RequestError, draft::Draft, run::Engine, state::State};
use crate::{ingest::Status, mqtt::Publish};

impl State {
    pub(super) fn set_config(
        &mut self,
        node: &str,
        new: NewNodeConfig,
        by: String,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) -> Result<NodeConfig, RequestError> {
        if !self.nodes.contains_key(node) {
            return Err(RequestError::NotFound {
                what: "node",
                id: node.to_owned(),
            });
        }
        let mut config = self.config_of(node);
        let known = config.desired.as_ref().map_or(0, |desired| desired.version);
        if new.replaces != known {
            return Err(RequestError::Conflict {
                message: format!(
                    "the configuration of `{node}` is at version {known}, not at `{}`",
                    new.replaces
                ),
            });
        }
        // Above what the node may have from another life of the station.
        let told = config.reported.as_ref().and_then(|told| told.version);
        let version = known.max(told.unwrap_or_default()).saturating_add(1);
        new.settings
            .to_wire(version)
            .map_err(|error| RequestError::Invalid {
                field: "settings",
                message: format!("`{}` {}", error.field, error.problem),
            })?;
        tracing::info!(node.id = node, by, version, "node configuration set");
        config.desired = Some(DesiredConfig {
            version,
            settings: new.settings,
            set_by: by,
            set_at: now,
        });
        config.refused = None;
        self.put_config(config.clone(), draft);
        draft.send_config.insert(node.to_owned());
        config.state = config.stands();
        Ok(config)
    }

    /// Takes over what a node says of its configuration.
    pub(super) fn config_told(
        &mut self,
        node: &str,
        status: &Status,
        came: bool,
        at: DateTime<Utc>,
        draft: &mut Draft,
    ) {
        let before = self.config_of(node);
        let tells = status.config.is_some() || status.config_refused.is_some();
        if before.desired.is_none() && before.reported.is_none() && !tells {
            return;
        }
        let mut config = before.clone();
        let told = config.reported.as_ref().map(|told| told.version);
        if told != Some(status.config) {
            let desired = config.desired.as_ref();
            let known = desired.filter(|desired| Some(desired.version) == status.config);
            config.reported = Some(ReportedConfig {
                version: status.config,
                settings: known.map(|desired| desired.settings.clone()),
                since: at,
            });
        }
        config.refused = status.config_refused.as_ref().map(|(version, reason)| {
            let known = config.refused.take();
            known
                .filter(|known| known.version == *version && known.reason == *reason)
                .unwrap_or_else(|| RefusedConfig {
                    version: *version,
                    reason: reason.clone(),
                    at,
                })
        });
        config.state = config.stands();
        let wants = config.state == ConfigState::Pending && (came || tells);
        if wants {
            draft.send_config.insert(node.to_owned());
        }
        if config != before {
            if config.state != before.state {
                tracing::info!(node.id = node, state = ?config.state, "node configuration");
            }
            self.put_config(config, draft);
        }
    }

    /// The link speaks again: what was published meanwhile went nowhere.
    pub(super) fn send_pending_configs(&self, draft: &mut Draft) {
        let pending = self.configs.values();
        let pending = pending.filter(|config| config.state == ConfigState::Pending);
        draft
            .send_config
            .extend(pending.map(|config| config.node.clone()));
    }

    fn config_of(&self, node: &str) -> NodeConfig {
        let known = self.configs.get(node).cloned();
        known.unwrap_or_else(|| NodeConfig::unset(node))
    }

    fn put_config(&mut self, mut config: NodeConfig, draft: &mut Draft) {
        config.state = config.stands();
        draft.configs.insert(config.node.clone());
        self.configs.insert(config.node.clone(), config);
    }
}

impl Engine {
    /// Hands a node's configuration to the link. What it cannot take now is sent when the node or
    /// the link comes again.
    pub(super) async fn publish_config(&self, node: &str) {
        let config = self.state.configs.get(node);
        let Some(message) = config.and_then(wire) else {
            tracing::error!(
                node.id = node,
                "a configuration does not fit into a message"
            );
            return;
        };
        if let Err(error) = self.parts.link.publish(message).await {
            tracing::warn!(node.id = node, %error, "a configuration could not be published; it waits");
        }
    }
}

/// JSON, as commands are: nodes that speak Protocol Buffers read both.
fn wire(config: &NodeConfig) -> Option<Publish> {
    let desired = config.desired.as_ref()?;
    let message = desired.settings.to_wire(desired.version).ok()?;
    let mut buffer = [0; CONFIG_BYTES_MAX];
    let len = message.encode(Encoding::Json, &mut buffer).ok()?;
    Some(Publish {
        topic: topic::config(&config.node).as_str().to_owned(),
        payload: buffer[..len].to_vec(),
        expiry_s: None,
        retain: true,
    })
}
