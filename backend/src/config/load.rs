//! Reads the configuration: the file, what lies beside it in `conf.d`, then
//! `SIGNALBOX_SECTION__KEY` from the environment. Flags are laid over it by the command line. A
//! bad file is refused with file, line, key and what would be right.

use std::{
    io,
    path::{Path, PathBuf},
};

use serde::Deserialize as _;
use toml::{Table, Value};

use super::{Config, MailConfig, MailTls, Secret, check, sources};
use crate::store::Place;

/// The commented example; every default in it is the real one, a test sees to that.
pub const EXAMPLE: &str = include_str!("signalbox.toml");
/// Begins the name of every variable.
const PREFIX: &str = "SIGNALBOX_";
/// Stands between section and key.
const SEPARATOR: &str = "__";
/// Name of the file in the configuration folder.
const FILE_NAME: &str = "signalbox.toml";
/// Looked at when a user has no file of their own.
const SYSTEM_FILE: &str = "/etc/signalbox/signalbox.toml";

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the configuration `{path}` cannot be read")]
    Read {
        /// Its path.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Not TOML, an unknown key, or a value of the wrong kind.
    #[error("the configuration `{path}` is refused: {reason}")]
    File {
        /// Its path.
        path: PathBuf,
        /// With line, the line itself, and what was expected.
        reason: String,
    },
    /// A value that is of the right kind but makes no sense.
    #[error("{place}: `{key}` {problem}")]
    Value {
        /// File and line, or where else the value came from.
        place: String,
        /// Section and key.
        key: String,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// A variable that names no key.
    #[error("the environment variable `{name}` names no key of the configuration")]
    UnknownVariable {
        /// Its name.
        name: String,
    },
    /// A variable whose value is of the wrong kind.
    #[error("the environment variable `{name}` is refused: {reason}")]
    Variable {
        /// Its name.
        name: String,
        /// What is wrong.
        reason: String,
    },
}

/// The file that is read when none is named: the user's, else the system's, if there is one.
#[must_use]
pub fn default_file() -> Option<PathBuf> {
    let own = directories::ProjectDirs::from("", "", "signalbox")
        .map(|dirs| dirs.config_dir().join(FILE_NAME));
    own.into_iter()
        .chain([PathBuf::from(SYSTEM_FILE)])
        .find(|path| path.exists())
}

/// Reads a file (the defaults when there is none), the files of `conf.d` beside it, and the
/// environment, and checks the whole. Of a key that stands in several of them the last one
/// counts; `[[mapping]]` adds up.
///
/// # Errors
/// [`ConfigError`].
pub fn load(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, ConfigError> {
    let sources = match file {
        Some(file) => sources::read(file)?,
        None => Vec::new(),
    };
    let mut table = Table::new();
    for source in &sources {
        sources::lay_over(&mut table, source.table()?);
    }
    let mut last = None;
    for (name, value) in variables(environment) {
        set(&mut table, &name, &value)?;
        last = Some(name);
    }
    let config = Config::deserialize(table).map_err(|error| {
        // A file that begins a section and does not finish it is at fault, and knows the line.
        let at_fault = sources.iter().find_map(|source| source.whole().err());
        at_fault.unwrap_or_else(|| ConfigError::Variable {
            name: last.unwrap_or_default(),
            reason: error.message().to_owned(),
        })
    })?;
    check::check(&config).map_err(|(key, problem)| ConfigError::Value {
        place: sources::place(&sources, &key),
        key,
        problem,
    })?;
    Ok(config)
}

/// Ours, sorted, so that the result never depends on the order of the environment.
fn variables(
    environment: impl IntoIterator<Item = (String, String)>,
) -> std::collections::BTreeMap<String, String> {
    let ours = |name: &str| {
        name.strip_prefix(PREFIX)
            .is_some_and(|rest| rest.contains(SEPARATOR))
    };
    environment
        .into_iter()
        .filter(|(name, _)| ours(name))
        .collect()
}

fn set(table: &mut Table, name: &str, text: &str) -> Result<(), ConfigError> {
    let unknown = || ConfigError::UnknownVariable {
        name: name.to_owned(),
    };
    let path = name.strip_prefix(PREFIX).ok_or_else(unknown)?;
    let path = path.to_ascii_lowercase();
    let (section, key) = path.split_once(SEPARATOR).ok_or_else(unknown)?;
    let shape = shape();
    let kind = shape
        .get(section)
        .and_then(Value::as_table)
        .and_then(|section| section.get(key))
        .ok_or_else(unknown)?;
    let value = if kind.is_str() {
        Value::String(text.to_owned())
    } else {
        let literal = format!("value = {text}");
        toml::from_str::<Table>(&literal)
            .ok()
            .and_then(|mut table| table.remove("value"))
            .filter(|value| value.same_type(kind))
            .ok_or_else(|| ConfigError::Variable {
                name: name.to_owned(),
                reason: format!("`{text}` is no {}", kind.type_str()),
            })?
    };
    let section = table
        .entry(section)
        .or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(section) = section {
        section.insert(key.to_owned(), value);
    }
    Ok(())
}

/// A table with every key that the environment can set, for the kinds of their values.
fn shape() -> Table {
    let mut config = Config {
        mail: Some(MailConfig {
            host: String::new(),
            port: Some(0),
            tls: MailTls::default(),
            ca_file: Some(PathBuf::new()),
            username: Some(String::new()),
            password: Some(String::new()),
            from: String::new(),
            give_up_h: 0,
            retry_s: 0,
        }),
        ..Config::default()
    };
    config.store.data_dir = Some(PathBuf::new());
    config.store.url = Some(Place::Sqlite(PathBuf::new()).into());
    config.api.socket = Some(PathBuf::new());
    config.api.cert_file = Some(PathBuf::new());
    config.api.key_file = Some(PathBuf::new());
    config.log.file = Some(PathBuf::new());
    config.mqtt.broker = Some(Secret::from(""));
    config.mqtt.broker_password = Some(Secret::from(""));
    config.mqtt.broker_ca_file = Some(PathBuf::new());
    config.mqtt.broker_cert_file = Some(PathBuf::new());
    config.mqtt.broker_key_file = Some(PathBuf::new());
    config.mqtt.share_group = Some(String::new());
    Table::try_from(config).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn read(text: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("signalbox.toml");
        fs::write(&path, text).unwrap();
        let pairs = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let folder = dir.path().display().to_string();
        load(Some(&path), pairs).map_err(|error| error.to_string().replace(&folder, ""))
    }

    #[test]
    fn the_example_is_the_default() {
        assert_eq!(read(EXAMPLE, &[]).unwrap(), Config::default());
    }

    #[test]
    fn the_example_shows_every_key() {
        for (section, keys) in shape() {
            let Value::Table(keys) = keys else {
                continue;
            };
            for key in keys.keys() {
                let shown = EXAMPLE.lines().any(|line| {
                    let line = line.trim_start_matches('#');
                    line.split_once(" = ").is_some_and(|(name, _)| name == key)
                });
                assert!(shown, "{section}.{key}");
            }
        }
    }

    /// A key whose default is nothing must not be forgotten there.
    #[test]
    fn the_environment_can_set_every_key_of_the_example() {
        let shape = shape();
        let mut section = String::new();
        for line in EXAMPLE.lines() {
            let line = line.strip_prefix('#').unwrap_or(line);
            if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                section = name.to_owned();
                continue;
            }
            let Some((key, _)) = line.split_once(" = ").filter(|(key, _)| !key.contains(' '))
            else {
                continue;
            };
            // A list or a table of its own is for files.
            if section.contains(['[', '.']) {
                continue;
            }
            let known = shape.get(&section).and_then(|section| section.get(key));
            assert!(known.is_some(), "{section}.{key}");
        }
    }

    #[test]
    fn the_examples_in_comments_are_good() {
        // A commented line with a key or a section, as opposed to a sentence.
        let uncommented: Vec<&str> = EXAMPLE
            .lines()
            // It names a file that would have to be there.
            .filter(|line| !line.starts_with("#ca_file") && !line.starts_with("#broker_c"))
            .filter(|line| !line.starts_with("#broker_key_file"))
            .filter(|line| !line.starts_with("#cert_file") && !line.starts_with("#key_file"))
            .map(|line| match line.strip_prefix('#') {
                Some(rest) if !rest.starts_with(' ') => rest,
                _ => line,
            })
            .collect();
        let config = read(&uncommented.join("\n"), &[]).unwrap();
        assert_eq!(config.mapping.len(), 1);
        assert_eq!(config.mail.unwrap().host, "smtp.example.org");
        assert!(config.metric.contains_key("pressure"));
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let config = read(
            "[api]\nport = 1\naddress = \"::1\"",
            &[
                ("SIGNALBOX_API__PORT", "8081"),
                ("SIGNALBOX_MAIL__HOST", "mail"),
                ("SIGNALBOX_MAIL__FROM", "a@b.c"),
                ("SIGNALBOX_MAIL__PASSWORD", "12345"),
                ("SIGNALBOX_MQTT__ANONYMOUS", "true"),
                ("SIGNALBOX_STORE__DATA_DIR", "/data"),
                ("SIGNALBOX_HOST", "for the client"),
                ("PATH", "/bin"),
            ],
        )
        .unwrap();
        assert_eq!(config.api.port, 8081);
        assert_eq!(config.api.address.to_string(), "::1");
        assert_eq!(config.mail.unwrap().password.as_deref(), Some("12345"));
        assert!(config.mqtt.anonymous);
        assert_eq!(config.store.data_dir, Some(PathBuf::from("/data")));
    }

    /// One bad file per rejection, with what the person reads.
    #[test]
    fn a_bad_file_is_refused_with_line_key_and_what_would_be_right() {
        for (text, parts) in [
            (
                "[api]\nport = \"x\"",
                &["line 2", "port = \"x\"", "u16"][..],
            ),
            ("[api]\nport = 70000", &["line 2", "70000", "u16"]),
            (
                "[api]\nprot = 1",
                &["line 2", "unknown field `prot`", "`port`"],
            ),
            ("[apis]\n", &["line 1", "unknown field `apis`", "`api`"]),
            ("[api\n", &["line 1"]),
            (
                "[account]\nsignup = \"all\"",
                &["line 2", "`all`", "`invitation`"],
            ),
            ("[command]\ntz = \"Mars\"", &["line 2", "tz = "]),
            ("[mqtt]\nlisten = \"1883\"", &["line 2", "listen"]),
            (
                "\n[account]\nsession_h = 0",
                &["/signalbox.toml:3: `account.session_h`", "at least 1"],
            ),
            (
                "[command]\nack_timeout_s = 0",
                &["toml:2: `command.ack_timeout_s`"],
            ),
            (
                "[metric.x]\nmin = 5\nmax = 4",
                &["toml:2: `metric.x.min`", "less than"],
            ),
            ("[mail]\nhost = \"h\"", &["line 1", "missing field `from`"]),
            (
                "[mail]\nhost = \"h\"\nfrom = \"x\"",
                &["toml:1: `mail`", "not a mail address"],
            ),
            (
                "[[mapping]]\ntopic = \"a\"\nmetrics = {}",
                &["toml:1: `mapping`", "`a`", "`node`"],
            ),
            (
                "[store]\ncommit_interval_ms_max = 30001",
                &["toml:2: `store.commit_interval_ms_max`", "at most 30000"],
            ),
            ("[log]\nlevel = \"\"", &["toml:2: `log.level`"]),
            (
                "[store]\nurl = \"mysql://a:b@c/d\"",
                &["toml:2: `store.url`", "`mysql://…@c/d`", "`postgres://"],
            ),
        ] {
            let message = read(text, &[]).unwrap_err();
            for part in parts {
                assert!(message.contains(part), "{text}\n{message}");
            }
        }
    }

    #[test]
    fn a_bad_variable_is_named() {
        let message = read("", &[("SIGNALBOX_API__PORT", "many")]).unwrap_err();
        assert!(message.contains("`SIGNALBOX_API__PORT`") && message.contains("integer"));
        let message = read("", &[("SIGNALBOX_API__PRT", "1")]).unwrap_err();
        assert!(message.contains("`SIGNALBOX_API__PRT`"), "{message}");
        let message = read("", &[("SIGNALBOX_MAIL__HOST", "h")]).unwrap_err();
        assert!(message.contains("SIGNALBOX_MAIL__HOST") && message.contains("from"));
    }

    /// A folder with `signalbox.toml` and these files in `conf.d`.
    fn read_all(text: &str, more: &[(&str, &str)]) -> Result<Config, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("signalbox.toml");
        fs::write(&path, text).unwrap();
        let folder = dir.path().join("conf.d");
        fs::create_dir(&folder).unwrap();
        for (name, text) in more {
            fs::write(folder.join(name), text).unwrap();
        }
        let own = dir.path().display().to_string();
        load(Some(&path), []).map_err(|error| error.to_string().replace(&own, ""))
    }

    #[test]
    fn what_lies_in_conf_d_is_laid_over_the_file_by_name() {
        let mapping = |topic: &str| {
            format!("[[mapping]]\ntopic = \"{topic}\"\nnode = \"x\"\nmetrics = {{ t = \"$\" }}\n")
        };
        let config = read_all(
            &format!("[api]\nport = 1\naddress = \"::1\"\n{}", mapping("a")),
            &[
                (
                    "20-late.toml",
                    &format!("[api]\nport = 3\n{}", mapping("c")),
                ),
                (
                    "10-early.toml",
                    &format!("[api]\nport = 2\n{}", mapping("b")),
                ),
                ("notes.txt", "not for us"),
                (".30-hidden.toml", "[api]\nport = 4"),
            ],
        )
        .unwrap();
        assert_eq!(
            (config.api.port, config.api.address.to_string()),
            (3, "::1".to_owned())
        );
        let topics: Vec<&str> = config
            .mapping
            .iter()
            .map(|one| one.topic.as_str())
            .collect();
        assert_eq!(topics, ["a", "b", "c"]);
    }

    #[test]
    fn a_mistake_in_conf_d_is_named_with_its_file_and_line() {
        let refused = read_all("", &[("10.toml", "[api]\n\nport = 70000")]).unwrap_err();
        assert!(
            refused.contains("/conf.d/10.toml") && refused.contains("line 3"),
            "{refused}"
        );
        let refused = read_all(
            "[account]\nsession_h = 5",
            &[("10.toml", "[account]\n\nsession_h = 0")],
        );
        let refused = refused.unwrap_err();
        assert!(
            refused.contains("/conf.d/10.toml:3: `account.session_h`"),
            "{refused}"
        );
        let refused = read_all(
            "[mail]\nhost = \"h\"",
            &[("10.toml", "[mail]\nfrm = \"a@b.c\"")],
        );
        let refused = refused.unwrap_err();
        assert!(
            refused.contains("10.toml") && refused.contains("`frm`"),
            "{refused}"
        );
    }

    #[test]
    fn a_section_may_be_spread_over_files() {
        let config = read_all(
            "[mail]\nhost = \"h\"",
            &[("10.toml", "[mail]\nfrom = \"a@b.c\"")],
        );
        assert_eq!(config.unwrap().mail.unwrap().from, "a@b.c");
        let refused = read_all("[mail]\nhost = \"h\"", &[]).unwrap_err();
        assert!(refused.contains("missing field `from`"), "{refused}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = load(Some(Path::new("/nowhere/x.toml")), []).unwrap_err();
        assert!(error.to_string().contains("/nowhere/x.toml"));
    }
}
