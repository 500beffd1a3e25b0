//! The configuration: `signalbox.toml`, environment and flags, in rising order.
//! This file holds the types with their defaults; `config/load.rs` reads them.

mod check;
mod load;
mod reload;
mod sources;

pub use load::{ConfigError, EXAMPLE, default_file, load};
pub use reload::{Change, Changes, LiveConfig, ReloadError, Reloader};

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::store::StoreUrl;

/// Everything that can be configured. Every section and key may be left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where things are kept.
    pub store: StoreConfig,
    /// HTTP API.
    pub api: ApiConfig,
    /// Embedded or external broker.
    pub mqtt: MqttConfig,
    /// Foreign topics.
    pub mapping: Vec<MappingConfig>,
    /// Plausibility ranges and units by metric name; adds to the built-in ones.
    pub metric: BTreeMap<String, MetricConfig>,
    /// Commands.
    pub command: CommandConfig,
    /// Mail server; absent: alerts show in the terminal only.
    pub mail: Option<MailConfig>,
    /// Accounts.
    pub account: AccountConfig,
    /// Logging.
    pub log: LogConfig,
}

/// `[store]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreConfig {
    /// Folder of the station, with its database unless `url` names another; the platform's data
    /// folder when absent.
    pub data_dir: Option<PathBuf>,
    /// Where everything is kept; a file in the folder when absent.
    pub url: Option<StoreUrl>,
    /// Raw samples are kept this long; 0 is for ever.
    pub raw_retention_days: u32,
    /// Hourly statistics are kept this long; 0 is for ever.
    pub rollup_retention_days: u32,
    /// Days whose end is this long ago are compressed; 0 is never.
    pub seal_after_days: u32,
    /// Raw samples of a metric are kept this long instead of `raw_retention_days`; 0 is for ever.
    pub retention_days: BTreeMap<String, u32>,
    /// A measurement may wait this long for others that are committed with it; 0 commits at once.
    /// More of them per commit write less to the disk, and are acknowledged later.
    pub commit_interval_ms_max: u32,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            data_dir: None,
            url: None,
            raw_retention_days: 400,
            rollup_retention_days: 0,
            seal_after_days: 2,
            retention_days: BTreeMap::new(),
            commit_interval_ms_max: 0,
        }
    }
}

/// `[api]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApiConfig {
    /// TCP address; TLS, and on loopback also plain HTTP.
    pub address: std::net::IpAddr,
    /// TCP port; 0 picks a free one.
    pub port: u16,
    /// Unix socket; in the data folder when absent.
    pub socket: Option<PathBuf>,
    /// Who may speak plain HTTP instead of TLS.
    pub plain_text: PlainText,
    /// PEM file with the certificate that the station shows, and those that lead to its
    /// authority; one of its own making when absent.
    pub cert_file: Option<PathBuf>,
    /// PEM file with its key.
    pub key_file: Option<PathBuf>,
}

/// Who may speak plain HTTP to the API over TCP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PlainText {
    /// This machine: nobody listens in on loopback.
    #[default]
    Loopback,
    /// Everyone who reaches the port, because a proxy in front ends TLS.
    Proxy,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            address: std::net::Ipv4Addr::LOCALHOST.into(),
            port: 8080,
            socket: None,
            plain_text: PlainText::default(),
            cert_file: None,
            key_file: None,
        }
    }
}

/// `[mqtt]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MqttConfig {
    /// Where the embedded broker listens; port 0 picks a free one.
    pub listen: SocketAddr,
    /// Lets clients in without a login, and lets them publish for any node. With a warning.
    pub anonymous: bool,
    /// Largest packet accepted.
    pub packet_bytes_max: usize,
    /// Most clients at a time.
    pub clients_max: usize,
    /// An external broker instead: `mqtt://user@host:1883`, or `mqtts://` with TLS.
    pub broker: Option<Secret>,
    /// Its password (better in the environment: `SIGNALBOX_MQTT__BROKER_PASSWORD`).
    pub broker_password: Option<Secret>,
    /// PEM file with the authorities that are believed; those of the system when absent.
    pub broker_ca_file: Option<PathBuf>,
    /// PEM file with the certificate that the station shows.
    pub broker_cert_file: Option<PathBuf>,
    /// PEM file with its key.
    pub broker_key_file: Option<PathBuf>,
    /// Version of MQTT that is spoken with the external broker.
    pub version: MqttVersion,
    /// Client id at the external broker. It belongs to one station only.
    pub client_id: String,
    /// A connection to the external broker that says nothing for this long is dead.
    pub keep_alive_s: u16,
    /// QoS of the subscriptions at the external broker.
    pub qos: u8,
    /// QoS of commands at the external broker.
    pub command_qos: u8,
    /// Stations of the same group share the measurements of the external broker.
    pub share_group: Option<String>,
}

/// Text that is never shown: a password, or a URL that may hold one.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl std::str::FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self::from(text))
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Version of MQTT.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum MqttVersion {
    /// 3.1.1, which every broker speaks.
    #[default]
    #[serde(rename = "3.1.1")]
    V3,
    /// 5, in which the broker tells its limits.
    #[serde(rename = "5")]
    V5,
}

impl Default for MqttConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 1883)),
            anonymous: false,
            packet_bytes_max: 262_144,
            clients_max: 10_000,
            broker: None,
            broker_password: None,
            broker_ca_file: None,
            broker_cert_file: None,
            broker_key_file: None,
            version: MqttVersion::default(),
            client_id: "signalbox".to_owned(),
            keep_alive_s: 30,
            qos: 1,
            command_qos: 1,
            share_group: None,
        }
    }
}

/// `[[mapping]]`: a foreign topic and where its values are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MappingConfig {
    /// Topic filter; `+` and `#` as in MQTT.
    pub topic: String,
    /// Node name: fixed, or `{1}` for the level that the first `+` stands for, and so on.
    pub node: Option<String>,
    /// JSON path (RFC 9535) of the node name in the payload, instead of `node`.
    pub node_path: Option<String>,
    /// The only login that may publish here, for a gateway that speaks for many nodes. When
    /// absent it is the node itself; with `node_path`, which is known too late, any login.
    #[serde(default)]
    pub login: Option<String>,
    /// Metric name → JSON path (RFC 9535) of its value; `$` for a payload that is the bare value.
    pub metrics: BTreeMap<String, String>,
    /// JSON path of the time: RFC 3339 text or Unix seconds or milliseconds.
    pub ts_path: Option<String>,
    /// QoS of the subscription at an external broker; `mqtt.qos` when absent.
    #[serde(default)]
    pub qos: Option<u8>,
}

/// `[metric.NAME]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricConfig {
    /// Smallest plausible value.
    pub min: Option<f64>,
    /// Largest plausible value.
    pub max: Option<f64>,
    /// Shown behind the value.
    pub unit: Option<String>,
}

/// `[command]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CommandConfig {
    /// A sent command that is not answered for this long has timed out.
    pub ack_timeout_s: u32,
    /// A command waits this long for an offline node.
    pub expiry_s: u32,
    /// A timed ON must be seen to be off this long after its end; else the station sends OFF.
    pub off_check_grace_s: u32,
    /// Time zone of cron expressions that name none; IANA name.
    pub tz: chrono_tz::Tz,
}

impl Default for CommandConfig {
    fn default() -> Self {
        Self {
            ack_timeout_s: 10,
            expiry_s: 3_600,
            off_check_grace_s: 2,
            tz: chrono_tz::Tz::UTC,
        }
    }
}

/// How the mail connection is protected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailTls {
    /// TLS from the start (port 465).
    Tls,
    /// STARTTLS, required (port 587).
    #[default]
    Starttls,
    /// Plain text: only without a user name, or to loopback.
    None,
}

/// `[mail]`
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailConfig {
    /// Mail server.
    pub host: String,
    /// Its port; 465 for `tls`, 587 for `starttls`, 25 for `none` when absent.
    #[serde(default)]
    pub port: Option<u16>,
    /// Protection of the connection.
    #[serde(default)]
    pub tls: MailTls,
    /// PEM file with certificates that are believed beside the well-known authorities, for a
    /// mail server of one's own.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Login name.
    #[serde(default)]
    pub username: Option<String>,
    /// Its password (better in the environment: `SIGNALBOX_MAIL__PASSWORD`).
    #[serde(default)]
    pub password: Option<String>,
    /// Sender address.
    pub from: String,
    /// A mail that could not be delivered for this long is given up.
    #[serde(default = "give_up_h")]
    pub give_up_h: u32,
    /// First pause after a failed try; doubles up to 1,800 s.
    #[serde(default = "retry_s")]
    pub retry_s: u32,
}

const fn give_up_h() -> u32 {
    72
}

const fn retry_s() -> u32 {
    10
}

impl std::fmt::Debug for MailConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MailConfig")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("tls", &self.tls)
            .field("ca_file", &self.ca_file)
            .field("username", &self.username)
            .field("from", &self.from)
            .finish_non_exhaustive()
    }
}

/// Who may sign up after the first account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SignupPolicy {
    /// Anyone, as viewer.
    Open,
    /// Only accounts that an administrator makes.
    #[default]
    Invitation,
    /// Nobody.
    Closed,
}

/// `[account]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccountConfig {
    /// Who may sign up after the first account.
    pub signup: SignupPolicy,
    /// Life-time of a session.
    pub session_h: u32,
}

impl Default for AccountConfig {
    fn default() -> Self {
        Self {
            signup: SignupPolicy::default(),
            session_h: 24 * 7,
        }
    }
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter like `info,signalbox_backend=debug`.
    pub level: String,
    /// File; standard error when absent.
    pub file: Option<PathBuf>,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            file: None,
        }
    }
}
