//! A new configuration for a running station: what of it holds at once, and what after a restart.
//!
//! The stages hold a [`LiveConfig`] and look at it when they work. A bad configuration never gets
//! here: it is refused while it is read, and the old one stays.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::watch;
use toml::{Table, Value};

use super::{ApiConfig, Config, LogConfig, StoreConfig};
use crate::{
    ingest::{Decoder, MappingError},
    tls::{ServerTls, TlsError},
};

/// The configuration as it is now; a stage looks at it whenever it works.
pub type LiveConfig = watch::Receiver<Arc<Config>>;

/// Sections and keys that hold at once. All others need a restart.
const LIVE: &[&str] = &[
    "store.raw_retention_days",
    "store.rollup_retention_days",
    "store.seal_after_days",
    "store.retention_days",
    "store.commit_interval_ms_max",
    "command",
    "mapping",
    "metric",
    "mail",
    "account",
    "api.cert_file",
    "api.key_file",
    "log.level",
];
/// Keys whose values are told to nobody.
const SECRET: &[&str] = &[
    "mail.password",
    "mqtt.broker",
    "mqtt.broker_password",
    "store.url",
];
/// All mappings are one value.
const MAPPING: &str = "mapping";
/// Stands for the value of a key that is not there.
const ABSENT: &str = "(none)";

/// A key that has another value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Section and key.
    pub key: String,
    /// Before; `(hidden)` for a secret.
    pub from: String,
    /// Now.
    pub to: String,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` from {} to {}", self.key, self.from, self.to)
    }
}

/// What another configuration changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Hold at once.
    pub live: Vec<Change>,
    /// Hold after a restart.
    pub after_restart: Vec<Change>,
}

/// Compares two configurations, key by key.
fn compare(old: &Config, new: &Config) -> Changes {
    let resubscribes = subscribes_by_mapping(old);
    let (old, new) = (keys(old), keys(new));
    let mut changes = Changes::default();
    let mut all: Vec<&String> = old.keys().chain(new.keys()).collect();
    all.sort();
    all.dedup();
    for key in all {
        let (from, to) = (old.get(key), new.get(key));
        if from == to {
            continue;
        }
        let shown = |value: Option<&String>| match value {
            Some(_) if SECRET.contains(&key.as_str()) => "(hidden)".to_owned(),
            Some(value) => value.clone(),
            None => ABSENT.to_owned(),
        };
        let change = Change {
            key: key.clone(),
            from: shown(from),
            to: shown(to),
        };
        if is_live(key) && !(key == MAPPING && resubscribes) {
            changes.live.push(change);
        } else {
            changes.after_restart.push(change);
        }
    }
    changes
}

/// What holds until the restart: the new values where they are live, the old ones elsewhere.
fn until_restart(old: &Config, new: Config) -> Config {
    Config {
        api: ApiConfig {
            cert_file: new.api.cert_file,
            key_file: new.api.key_file,
            ..old.api.clone()
        },
        mqtt: old.mqtt.clone(),
        store: StoreConfig {
            raw_retention_days: new.store.raw_retention_days,
            rollup_retention_days: new.store.rollup_retention_days,
            seal_after_days: new.store.seal_after_days,
            retention_days: new.store.retention_days,
            commit_interval_ms_max: new.store.commit_interval_ms_max,
            ..old.store.clone()
        },
        log: LogConfig {
            level: new.log.level,
            file: old.log.file.clone(),
        },
        mapping: if subscribes_by_mapping(old) {
            old.mapping.clone()
        } else {
            new.mapping
        },
        metric: new.metric,
        command: new.command,
        mail: new.mail,
        account: new.account,
    }
}

/// Gives a running station another configuration; clones share it.
#[derive(Debug, Clone)]
pub struct Reloader {
    config: watch::Sender<Arc<Config>>,
    decoder: Arc<Decoder>,
    tls: ServerTls,
}

/// Why a new configuration is refused; nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// A mapping that cannot be used.
    #[error(transparent)]
    Mapping(#[from] MappingError),
    /// The certificate of the API.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl Reloader {
    /// For the stages that hold receivers of `config`, the decoder that the links share, and the
    /// certificate of the API.
    #[must_use]
    pub const fn new(
        config: watch::Sender<Arc<Config>>,
        decoder: Arc<Decoder>,
        tls: ServerTls,
    ) -> Self {
        Self {
            config,
            decoder,
            tls,
        }
    }

    /// Lets hold at once what can, and says what changed and what needs a restart.
    ///
    /// # Errors
    /// [`ReloadError`]; nothing has changed then.
    pub fn reload(&self, new: Config) -> Result<Changes, ReloadError> {
        let old = Arc::clone(&self.config.borrow());
        let changes = compare(&old, &new);
        let new = until_restart(&old, new);
        // The files may be others although their names are the same. A mapping that is refused
        // leaves the certificate that the old configuration names.
        self.tls.reload(&new.api)?;
        if let Err(error) = self.decoder.replace(&new) {
            self.tls.reload(&old.api)?;
            return Err(error.into());
        }
        self.config.send_replace(Arc::new(new));
        Ok(changes)
    }
}

/// At a broker of one's own the mappings are subscriptions, which are made at the start.
const fn subscribes_by_mapping(config: &Config) -> bool {
    config.mqtt.broker.is_some()
}

fn is_live(key: &str) -> bool {
    LIVE.iter().any(|live| {
        key == *live
            || key
                .strip_prefix(live)
                .is_some_and(|rest| rest.starts_with('.'))
    })
}

/// Every key with its value as it would be written.
fn keys(config: &Config) -> BTreeMap<String, String> {
    let mut keys = BTreeMap::new();
    // What was read from TOML can be written as TOML.
    walk("", &Table::try_from(config).unwrap_or_default(), &mut keys);
    keys
}

fn walk(prefix: &str, table: &Table, keys: &mut BTreeMap<String, String>) {
    for (name, value) in table {
        let key = format!("{prefix}{name}");
        match value {
            Value::Table(table) => walk(&format!("{key}."), table, keys),
            value => {
                keys.insert(key, value.to_string());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn every_change_is_named_and_sorted_by_when_it_holds() {
        let old = config("[api]\nport = 1\n[command]\nack_timeout_s = 5\n[log]\nlevel = \"info\"");
        let new = config(
            "[api]\nport = 2\n[command]\nack_timeout_s = 6\n[metric.t]\nmin = 1.5\n\
             [store]\ndata_dir = \"/x\"\ncommit_interval_ms_max = 9",
        );
        let changes = compare(&old, &new);
        let shown = |changes: &[Change]| -> Vec<String> {
            changes.iter().map(ToString::to_string).collect()
        };
        assert_eq!(
            shown(&changes.live),
            [
                "`command.ack_timeout_s` from 5 to 6",
                "`metric.t.min` from (none) to 1.5",
                "`store.commit_interval_ms_max` from 0 to 9",
            ]
        );
        assert_eq!(
            shown(&changes.after_restart),
            [
                "`api.port` from 1 to 2",
                "`store.data_dir` from (none) to \"/x\"",
            ]
        );
        assert_eq!(compare(&new, &new), Changes::default());
    }

    #[test]
    fn a_secret_is_told_to_nobody() {
        let mail = |password: &str| {
            config(&format!(
                "[mail]\nhost = \"h\"\nfrom = \"a@b.c\"\npassword = \"{password}\""
            ))
        };
        let changes = compare(&mail("one"), &mail("two"));
        assert_eq!(
            changes.live[0].to_string(),
            "`mail.password` from (hidden) to (hidden)"
        );
    }

    #[test]
    fn a_broker_of_ones_own_is_subscribed_to_at_the_start_only() {
        let old = config("[mqtt]\nbroker = \"mqtt://a\"");
        let mapping = "[[mapping]]\ntopic = \"a\"\nnode = \"x\"\nmetrics = {t = \"$\"}";
        let new = config(&format!("[mqtt]\nbroker = \"mqtt://a\"\n{mapping}"));
        let changes = compare(&old, &new);
        assert_eq!(changes.live, []);
        assert_eq!(changes.after_restart[0].key, "mapping");
        assert_eq!(until_restart(&old, new), old);
    }

    /// Whatever is said to hold at once is in what the station goes on with, and nothing else.
    #[test]
    fn what_is_live_holds_and_the_rest_stays() {
        let old = Config::default();
        let new = config(
            "[api]\nport = 2\n[account]\nsession_h = 1\n[command]\nexpiry_s = 6\n\
             [mqtt]\nanonymous = true\n[log]\nlevel = \"debug\"\nfile = \"/f\"\n\
             [metric.t]\nmin = 1.5\n[mail]\nhost = \"h\"\nfrom = \"a@b.c\"\n\
             [[mapping]]\ntopic = \"a\"\nnode = \"x\"\nmetrics = {t = \"$\"}\n\
             [store]\ndata_dir = \"/x\"\nraw_retention_days = 7\nrollup_retention_days = 8\n\
             commit_interval_ms_max = 9",
        );
        let both = until_restart(&old, new.clone());
        assert_eq!(compare(&old, &both).live, compare(&old, &new).live);
        assert_eq!(compare(&old, &both).after_restart, []);
        assert_eq!(compare(&both, &new).live, []);
        let later = compare(&both, &new).after_restart;
        assert_eq!(later, compare(&old, &new).after_restart);
    }
}
