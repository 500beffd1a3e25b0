//! What the configuration says about an external broker, checked and ready for use.

use std::{fmt, sync::Arc, time::Duration};

use percent_encoding::percent_decode_str;
use rumqttc::tokio_rustls::rustls::ClientConfig;
use signalbox_protocol::topic::CLASSIC;
use url::Url;

use super::{
    tls,
    wire::{Qos, Subscription, Version},
};
use crate::config::{Config, MqttConfig, MqttVersion};

/// Longest client id; it is a level of the station's own topics.
const CLIENT_ID_BYTES_MAX: usize = 64;
/// Shortest and longest keep-alive.
const KEEP_ALIVE_S: (u16, u16) = (5, 3_600);
/// Most subscriptions: two or three of our own, and one a mapping.
pub(super) const SUBSCRIPTIONS_MAX: usize = 1_000;
/// Our own topics of which everybody who shares the work must hear everything.
const STATE_FILTERS: [&str; 2] = ["signalbox/+/status", "signalbox/+/ack"];
/// Of which each message goes to one of those who share the work.
const DATA_FILTERS: [&str; 2] = ["signalbox/+/telemetry", CLASSIC];
/// Log lines: of those who share the work each must hear all, because it keeps them itself.
const LOG_FILTER: &str = "signalbox/+/log";

/// Why a key of `[mqtt]` cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`mqtt.{key}` {problem}")]
pub struct BrokerConfigError {
    /// The key.
    pub key: &'static str,
    /// What is wrong with it, and what would be right.
    pub problem: String,
}

/// How to reach the broker, and what to ask of it.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) login: Option<(String, String)>,
    pub(super) client_id: String,
    pub(super) keep_alive: Duration,
    pub(super) version: Version,
    pub(super) packet_bytes_max: u32,
    /// Everybody hears these.
    pub(super) state: Vec<Subscription>,
    /// Shared, where the configuration names a group.
    pub(super) data: Vec<Subscription>,
    pub(super) share_group: Option<String>,
    pub(super) command_qos: Qos,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("address", &self.address())
            .field("client_id", &self.client_id)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// `None` when the configuration names no external broker.
    pub(super) fn new(config: &Config) -> Result<Option<Self>, BrokerConfigError> {
        let mqtt = &config.mqtt;
        let Some(broker) = &mqtt.broker else {
            return Ok(None);
        };
        let url = parse(broker.reveal())?;
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| wrong("broker", "names no host".to_owned()))?;
        let is_tls = url.scheme() == "mqtts";
        check_names(mqtt)?;
        let mut data: Vec<Subscription> = DATA_FILTERS
            .iter()
            .map(|filter| subscription(filter, mqtt.qos))
            .collect();
        for mapping in &config.mapping {
            data.push(subscription(
                &mapping.topic,
                mapping.qos.unwrap_or(mqtt.qos),
            ));
        }
        if data.len() > SUBSCRIPTIONS_MAX {
            let problem = format!("has more than {SUBSCRIPTIONS_MAX} topics to subscribe to");
            return Err(wrong("broker", problem));
        }
        Ok(Some(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url.port().unwrap_or(if is_tls { 8_883 } else { 1_883 }),
            tls: tls::config(mqtt, is_tls)?,
            login: login(&url, mqtt)?,
            client_id: mqtt.client_id.clone(),
            keep_alive: Duration::from_secs(mqtt.keep_alive_s.into()),
            version: match mqtt.version {
                MqttVersion::V3 => Version::V3,
                MqttVersion::V5 => Version::V5,
            },
            packet_bytes_max: u32::try_from(mqtt.packet_bytes_max).unwrap_or(u32::MAX),
            state: STATE_FILTERS
                .iter()
                .map(|filter| subscription(filter, mqtt.qos))
                .chain([subscription(LOG_FILTER, 0)])
                .collect(),
            data,
            share_group: mqtt.share_group.clone(),
            command_qos: Qos::new(mqtt.command_qos),
        }))
    }

    /// Without login, for people.
    pub(super) fn address(&self) -> String {
        let scheme = if self.tls.is_some() { "mqtts" } else { "mqtt" };
        if self.host.contains(':') {
            format!("{scheme}://[{}]:{}", self.host, self.port)
        } else {
            format!("{scheme}://{}:{}", self.host, self.port)
        }
    }
}

/// Refuses what cannot work, before anything is started.
///
/// # Errors
/// The key at fault.
pub fn check(config: &Config) -> Result<(), BrokerConfigError> {
    let mqtt = &config.mqtt;
    for (key, level) in [("qos", mqtt.qos), ("command_qos", mqtt.command_qos)] {
        check_qos(key, level)?;
    }
    for mapping in &config.mapping {
        check_qos("qos", mapping.qos.unwrap_or(0))?;
    }
    Settings::new(config).map(|_| ())
}

fn check_qos(key: &'static str, level: u8) -> Result<(), BrokerConfigError> {
    if level > 2 {
        return Err(wrong(key, format!("is `{level}`, must be 0, 1 or 2")));
    }
    Ok(())
}

fn check_names(mqtt: &MqttConfig) -> Result<(), BrokerConfigError> {
    let id = &mqtt.client_id;
    let is_good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if id.is_empty() || id.len() > CLIENT_ID_BYTES_MAX || !id.chars().all(is_good) {
        let problem = format!(
            "is `{}`, must be 1 to {CLIENT_ID_BYTES_MAX} letters, digits, `-` and `_`",
            id.escape_debug()
        );
        return Err(wrong("client_id", problem));
    }
    let (min, max) = KEEP_ALIVE_S;
    let keep_alive = mqtt.keep_alive_s;
    if !(min..=max).contains(&keep_alive) {
        let problem = format!("is `{keep_alive}`, must be at least {min} and at most {max}");
        return Err(wrong("keep_alive_s", problem));
    }
    if let Some(group) = &mqtt.share_group
        && (group.is_empty() || group.contains(['/', '+', '#']) || group.len() > 64)
    {
        let problem = format!(
            "is `{}`, must be 1 to 64 characters without `/`, `+` and `#`",
            group.escape_debug()
        );
        return Err(wrong("share_group", problem));
    }
    Ok(())
}

fn parse(text: &str) -> Result<Url, BrokerConfigError> {
    // The text may hold a password: it is never part of the message.
    let example = "must be like `mqtt://host:1883` or `mqtts://user@host`";
    let url = Url::parse(text)
        .map_err(|error| wrong("broker", format!("is no URL ({error}); it {example}")))?;
    if !matches!(url.scheme(), "mqtt" | "mqtts") {
        let problem = format!("has the scheme `{}`; it {example}", url.scheme());
        return Err(wrong("broker", problem));
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("broker", format!("ends in a path; it {example}")));
    }
    Ok(url)
}

fn login(url: &Url, mqtt: &MqttConfig) -> Result<Option<(String, String)>, BrokerConfigError> {
    let decoded = |text: &str| {
        let decoded = percent_decode_str(text).decode_utf8();
        decoded
            .map(std::borrow::Cow::into_owned)
            .map_err(|_| wrong("broker", "has a login that is not UTF-8".to_owned()))
    };
    let configured = mqtt.broker_password.as_ref().map(|secret| secret.reveal());
    if url.username().is_empty() {
        if configured.is_some() {
            let problem = "is set, but `mqtt.broker` names no user (`mqtt://user@host`)";
            return Err(wrong("broker_password", problem.to_owned()));
        }
        return Ok(None);
    }
    let password = match (configured, url.password()) {
        (Some(password), _) => password.to_owned(),
        (None, Some(password)) => decoded(password)?,
        (None, None) => String::new(),
    };
    Ok(Some((decoded(url.username())?, password)))
}

fn subscription(filter: &str, qos: u8) -> Subscription {
    Subscription {
        filter: filter.to_owned(),
        qos: Qos::new(qos),
    }
}

pub(super) fn wrong(key: &'static str, problem: String) -> BrokerConfigError {
    BrokerConfigError { key, problem }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn settings(change: impl FnOnce(&mut Config)) -> Result<Settings, String> {
        let mut config = Config::default();
        config.mqtt.broker = Some(Secret::from("mqtt://broker"));
        change(&mut config);
        check(&config).map_err(|error| error.to_string())?;
        Ok(Settings::new(&config).unwrap().unwrap())
    }

    fn of(url: &str) -> Result<Settings, String> {
        settings(|config| config.mqtt.broker = Some(Secret::from(url)))
    }

    #[test]
    fn a_url_says_where_and_who() {
        let plain = of("mqtt://broker").unwrap();
        assert_eq!((plain.host.as_str(), plain.port), ("broker", 1_883));
        assert_eq!(plain.login, None);
        let all = of("mqtts://st%40tion:p%2Fw@[::1]:99/").unwrap();
        assert_eq!((all.host.as_str(), all.port), ("::1", 99));
        assert_eq!(all.address(), "mqtts://[::1]:99");
        assert_eq!(all.login, Some(("st@tion".to_owned(), "p/w".to_owned())));
        assert!(all.tls.is_some());
        assert!(!format!("{all:?}").contains("p/w"));
        let environment = settings(|config| {
            config.mqtt.broker = Some(Secret::from("mqtt://me@broker"));
            config.mqtt.broker_password = Some(Secret::from("secret"));
            assert!(!format!("{config:?}").contains("secret"), "{config:?}");
        });
        let login = Some(("me".to_owned(), "secret".to_owned()));
        assert_eq!(environment.unwrap().login, login);
    }

    #[test]
    fn what_cannot_work_is_refused_without_the_password() {
        for (url, words) in [
            ("broker:1883", "scheme `broker`"),
            ("mqtt:", "names no host"),
            ("http://user:secret@host", "scheme `http`"),
            ("mqtt://user:secret@host:70000", "invalid port"),
            ("mqtt://user:secret@host/path", "path"),
            ("mqtt://user:secret@", "host"),
        ] {
            let error = of(url).unwrap_err();
            assert!(error.starts_with("`mqtt.broker`"), "{error}");
            assert!(error.contains(words), "{url}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
        type Change = fn(&mut Config);
        let changes: [(Change, &str); 7] = [
            (
                |c| c.mqtt.client_id = String::new(),
                "`mqtt.client_id` is ``",
            ),
            (|c| c.mqtt.client_id = "a b".to_owned(), "`mqtt.client_id`"),
            (|c| c.mqtt.keep_alive_s = 4, "`mqtt.keep_alive_s` is `4`"),
            (|c| c.mqtt.qos = 3, "`mqtt.qos` is `3`"),
            (|c| c.mqtt.command_qos = 3, "`mqtt.command_qos` is `3`"),
            (
                |c| c.mqtt.share_group = Some("a/b".to_owned()),
                "`mqtt.share_group`",
            ),
            (
                |c| c.mqtt.broker_password = Some(Secret::from("x")),
                "names no user",
            ),
        ];
        for (change, words) in changes {
            let error = settings(change).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn each_mapping_is_subscribed_to_with_its_own_level() {
        let settings = settings(|config| {
            config.mqtt.qos = 2;
            config.mapping = toml::from_str::<Config>(
                "[[mapping]]\ntopic = \"a/+\"\nnode = \"{1}\"\nmetrics = { t = \"$\" }\nqos = 0\n\
                 [[mapping]]\ntopic = \"b/+\"\nnode = \"{1}\"\nmetrics = { t = \"$\" }\n",
            )
            .unwrap()
            .mapping;
        });
        let data = settings.unwrap().data;
        let levels: Vec<(&str, Qos)> = data.iter().map(|s| (&*s.filter, s.qos)).collect();
        assert_eq!(levels[0], ("signalbox/+/telemetry", Qos::ExactlyOnce));
        assert_eq!(levels[2], ("a/+", Qos::AtMostOnce));
        assert_eq!(levels[3], ("b/+", Qos::ExactlyOnce));
    }
}
