//! Who may publish and subscribe where: pure decisions, asked by the broker for every publish,
//! subscription and last will.

use std::sync::Arc;

use signalbox_protocol::topic::{CLASSIC, PREFIX, Topic};

use crate::ingest::Decoder;

/// The rules of this station.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub(super) decoder: Arc<Decoder>,
}

impl Rules {
    /// A node publishes below its own topics, on the classic topic and on mapped ones; an
    /// anonymous client (there is none unless the configuration lets them in) wherever some node
    /// may, and on foreign topics. Only the station speaks on command topics.
    ///
    /// # Errors
    /// Why not, to stand behind the client's name.
    pub(super) fn publish(&self, node: Option<&str>, topic: &str) -> Result<(), &'static str> {
        match Topic::parse(topic) {
            Topic::Telemetry { node: of }
            | Topic::Status { node: of }
            | Topic::Ack { node: of }
            | Topic::Log { node: of } => match node {
                Some(node) if node != of => Err("may not publish for another node"),
                _ => Ok(()),
            },
            Topic::Command { .. } | Topic::Config { .. } => {
                Err("may not give orders: only the station does, and never retained ones")
            }
            Topic::Unknown(_) => Err("may not publish here: not a topic of the node protocol"),
            Topic::Classic => Ok(()),
            Topic::Other(topic) if topic.starts_with('$') => Err("may not publish here"),
            Topic::Other(topic) if node.is_none_or(|node| self.decoder.maps_to(topic, node)) => {
                Ok(())
            }
            Topic::Other(topic) if self.decoder.maps(topic) => {
                Err("may not publish here: the `[[mapping]]` of this topic is another node's")
            }
            Topic::Other(_) => Err("may not publish here: no `[[mapping]]` takes this topic"),
        }
    }

    /// A node subscribes below its own topics, to the classic one and to mapped ones; an anonymous client
    /// anywhere.
    ///
    /// # Errors
    /// Why not, to stand behind the client's name.
    pub(super) fn subscribe(&self, node: Option<&str>, filter: &str) -> Result<(), &'static str> {
        let Some(node) = node else {
            return Ok(());
        };
        let own = filter
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.strip_prefix('/'))
            .and_then(|rest| rest.strip_prefix(node))
            .is_some_and(|rest| rest.starts_with('/'));
        if own || filter == CLASSIC || self.is_mapped(filter, node) {
            return Ok(());
        }
        Err("may not subscribe here: only below its own topics and to what is mapped to it")
    }
}

impl Rules {
    /// A filter without wildcards is a topic.
    fn is_mapped(&self, filter: &str, node: &str) -> bool {
        !filter.contains(['+', '#', '$']) && self.decoder.maps_to(filter, node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, MappingConfig};

    fn rules() -> Rules {
        let config = Config {
            mapping: vec![MappingConfig {
                topic: "tele/+/SENSOR".to_owned(),
                node: Some("{1}".to_owned()),
                node_path: None,
                metrics: [("t".to_owned(), "$.t".to_owned())].into(),
                login: None,
                ts_path: None,
                qos: None,
            }],
            ..Config::default()
        };
        Rules {
            decoder: Arc::new(Decoder::new(&config).unwrap()),
        }
    }

    #[test]
    fn a_node_publishes_only_where_it_belongs() {
        let rules = rules();
        for (topic, node, anonymous) in [
            ("signalbox/a/telemetry", true, true),
            ("signalbox/a/status", true, true),
            ("signalbox/a/ack", true, true),
            ("signalbox/b/telemetry", false, true),
            ("signalbox/ab/telemetry", false, true),
            ("signalbox/a/command", false, false),
            ("signalbox/b/command", false, false),
            ("signalbox/a/config", false, false),
            ("signalbox/a/other", false, false),
            ("signalbox/a", false, false),
            ("/exp/sensor", true, true),
            ("exp/sensor", false, true),
            ("tele/a/SENSOR", true, true),
            ("tele/x/SENSOR", false, true),
            ("tele/x/STATE", false, true),
            ("$SYS/broker/load", false, false),
        ] {
            assert_eq!(rules.publish(Some("a"), topic).is_ok(), node, "{topic}");
            assert_eq!(rules.publish(None, topic).is_ok(), anonymous, "{topic}");
        }
    }

    #[test]
    fn a_node_hears_only_what_is_for_it() {
        let rules = rules();
        for (filter, allowed) in [
            ("signalbox/a/command", true),
            ("signalbox/a/#", true),
            ("signalbox/a/+", true),
            ("/exp/sensor", true),
            ("signalbox/a", false),
            ("signalbox/ab/command", false),
            ("signalbox/+/command", false),
            ("signalbox/#", false),
            ("#", false),
            ("/exp/#", false),
            ("$share/g/signalbox/a/command", false),
            ("tele/a/SENSOR", true),
            ("tele/x/SENSOR", false),
            ("tele/+/SENSOR", false),
        ] {
            assert_eq!(
                rules.subscribe(Some("a"), filter).is_ok(),
                allowed,
                "{filter}"
            );
            assert!(rules.subscribe(None, filter).is_ok());
        }
    }
}
