//! Foreign topics: the configuration's table of topic filters and JSON paths (RFC 9535).

use chrono::{DateTime, Utc};
use serde_json::Value;
use serde_json_path::JsonPath;
use signalbox_protocol::{
    limits::VALUES_MAX,
    topic::{CLASSIC, PREFIX, check_name},
};

use super::json;
use crate::config::MappingConfig;

/// Why a mapping cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("mapping `{topic}`: `{key}` {problem}")]
pub struct MappingError {
    /// The mapping's topic filter.
    pub topic: String,
    /// The key at fault.
    pub key: String,
    /// What is wrong.
    pub problem: String,
}

/// All mappings, the first that matches wins.
#[derive(Debug)]
pub(super) struct Mappings(Vec<Mapping>);

/// One mapping, ready for use.
#[derive(Debug)]
pub(super) struct Mapping {
    filter: Vec<String>,
    node: NodeFrom,
    login: Option<String>,
    metrics: Vec<(String, JsonPath)>,
    ts: Option<JsonPath>,
}

#[derive(Debug)]
enum NodeFrom {
    Template(String),
    Path(JsonPath),
}

/// What a mapping found in a message.
#[derive(Debug, PartialEq)]
pub(super) struct Found {
    pub(super) node: String,
    pub(super) values: Vec<(String, f64)>,
    pub(super) ts: Option<DateTime<Utc>>,
}

impl Mappings {
    pub(super) fn new(configs: &[MappingConfig]) -> Result<Self, MappingError> {
        for (at, config) in configs.iter().enumerate() {
            if configs[..at]
                .iter()
                .any(|other| other.topic == config.topic)
            {
                return Err(MappingError {
                    topic: config.topic.clone(),
                    key: "topic".to_owned(),
                    problem: "is mapped twice, put all its metrics into one mapping".to_owned(),
                });
            }
        }
        configs
            .iter()
            .map(Mapping::new)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The mapping of a topic, with what its wildcards stand for.
    pub(super) fn find<'t>(&self, topic: &'t str) -> Option<(&Mapping, Vec<&'t str>)> {
        self.0
            .iter()
            .find_map(|mapping| Some((mapping, mapping.matches(topic)?)))
    }
}

impl Mapping {
    fn new(config: &MappingConfig) -> Result<Self, MappingError> {
        let error = |key: &str, problem: String| MappingError {
            topic: config.topic.clone(),
            key: key.to_owned(),
            problem,
        };
        let path = |key: &str, text: &str| {
            JsonPath::parse(text)
                .map_err(|reason| error(key, format!("`{text}` is not a JSON path: {reason}")))
        };
        let filter: Vec<String> = config.topic.split('/').map(str::to_owned).collect();
        check_filter(&filter).map_err(|problem| error("topic", problem.to_owned()))?;
        let node = match (&config.node, &config.node_path) {
            (Some(template), None) => {
                check_template(template, &filter).map_err(|problem| error("node", problem))?;
                NodeFrom::Template(template.clone())
            }
            (None, Some(text)) => NodeFrom::Path(path("node_path", text)?),
            _ => {
                return Err(error(
                    "node",
                    "or `node_path` must be there, not both".to_owned(),
                ));
            }
        };
        if config.metrics.is_empty() {
            return Err(error("metrics", "is empty".to_owned()));
        }
        if config.metrics.len() > VALUES_MAX {
            return Err(error(
                "metrics",
                format!("has more than {VALUES_MAX} entries"),
            ));
        }
        let mut metrics = Vec::new();
        for (metric, text) in &config.metrics {
            let key = format!("metrics.{metric}");
            check_name(metric)
                .map_err(|reason| error(&key, format!("cannot be used: {reason}")))?;
            metrics.push((metric.clone(), path(&key, text)?));
        }
        let ts = config
            .ts_path
            .as_deref()
            .map(|text| path("ts_path", text))
            .transpose()?;
        if let Some(login) = &config.login {
            check_name(login)
                .map_err(|reason| error("login", format!("`{login}` cannot be one: {reason}")))?;
        }
        Ok(Self {
            filter,
            node,
            login: config.login.clone(),
            metrics,
            ts,
        })
    }

    fn matches<'t>(&self, topic: &'t str) -> Option<Vec<&'t str>> {
        // As in MQTT, wildcards do not stand for the broker's own topics.
        if topic.starts_with('$') && !self.filter[0].starts_with('$') {
            return None;
        }
        let mut levels = Vec::new();
        let mut parts = topic.split('/');
        for level in &self.filter {
            match level.as_str() {
                "#" => return Some(levels),
                "+" => levels.push(parts.next()?),
                fixed => {
                    if parts.next()? != fixed {
                        return None;
                    }
                }
            }
        }
        parts.next().is_none().then_some(levels)
    }

    /// Whether this login may use the topic whose wildcards stand for these levels.
    pub(super) fn is_for(&self, login: &str, levels: &[&str]) -> bool {
        match (&self.login, &self.node) {
            (Some(only), _) => only == login,
            (None, NodeFrom::Template(template)) => filled(template, levels) == login,
            (None, NodeFrom::Path(_)) => true,
        }
    }

    /// Node, values and time in a payload; a metric that is absent or null is left out.
    pub(super) fn read(&self, levels: &[&str], payload: &[u8]) -> Result<Found, String> {
        let json = json::read(payload)?;
        let node = match &self.node {
            NodeFrom::Template(template) => filled(template, levels),
            NodeFrom::Path(path) => one(path, &json, "node_path")?
                .and_then(Value::as_str)
                .ok_or("no node name at `node_path`")?
                .to_owned(),
        };
        let mut values = Vec::new();
        for (metric, path) in &self.metrics {
            match one(path, &json, metric)? {
                None | Some(Value::Null) => {}
                Some(value) => values.push((metric.clone(), number(metric, value)?)),
            }
        }
        if values.is_empty() {
            return Err("none of the mapping's metrics is in it".to_owned());
        }
        let ts = match &self.ts {
            None => None,
            Some(path) => match one(path, &json, "ts_path")? {
                None | Some(Value::Null) => None,
                Some(value) => Some(instant(value).ok_or(
                    "the value at `ts_path` is neither RFC 3339 with an offset nor a Unix time",
                )?),
            },
        };
        Ok(Found { node, values, ts })
    }
}

/// A template with what the wildcards stand for.
fn filled(template: &str, levels: &[&str]) -> String {
    levels
        .iter()
        .enumerate()
        .fold(template.to_owned(), |name, (at, level)| {
            name.replace(&format!("{{{}}}", at + 1), level)
        })
}

/// What a path leads to, if anything. Which of several would be a guess.
fn one<'v>(path: &JsonPath, json: &'v Value, key: &str) -> Result<Option<&'v Value>, String> {
    path.query(json).at_most_one().map_err(|_| {
        let found = path.query(json).len();
        format!("the path of `{key}` leads to {found} values")
    })
}

/// A number, or text that is a number, as some firmwares write it.
fn number(metric: &str, value: &Value) -> Result<f64, String> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number
        .filter(|number| number.is_finite())
        .ok_or_else(|| format!("`{metric}` is not a finite number"))
}

/// RFC 3339 text, or Unix seconds or milliseconds (what is beyond the year 5138 in seconds).
fn instant(value: &Value) -> Option<DateTime<Utc>> {
    const SECONDS_MAX: i64 = 100_000_000_000;
    match value {
        Value::String(text) => DateTime::parse_from_rfc3339(text)
            .ok()
            .map(|ts| ts.to_utc()),
        Value::Number(number) => match number.as_i64() {
            Some(whole) if whole.abs() < SECONDS_MAX => DateTime::from_timestamp(whole, 0),
            Some(whole) => DateTime::from_timestamp_millis(whole),
            #[expect(clippy::cast_possible_truncation, reason = "checked against the range")]
            None => number
                .as_f64()
                .filter(|seconds| seconds.abs() < SECONDS_MAX as f64)
                .and_then(|seconds| DateTime::from_timestamp_micros((seconds * 1e6) as i64)),
        },
        _ => None,
    }
}

fn check_filter(filter: &[String]) -> Result<(), &'static str> {
    if filter.iter().all(String::is_empty) {
        return Err("is empty");
    }
    // A wildcard at the beginning does no harm: our own topics never come to the mappings.
    if filter[0] == PREFIX {
        return Err("begins with the station's own topics, which need no mapping");
    }
    if filter.join("/") == CLASSIC {
        return Err("is the classic topic, which needs no mapping");
    }
    for (at, level) in filter.iter().enumerate() {
        if level == "#" && at + 1 != filter.len() {
            return Err("has `#` before its end");
        }
        if level.len() > 1 && level.contains(['#', '+']) {
            return Err("has a wildcard that is not a level of its own");
        }
    }
    Ok(())
}

fn check_template(template: &str, filter: &[String]) -> Result<(), String> {
    let wildcards = filter.iter().filter(|level| *level == "+").count();
    let sample = (1..=wildcards).fold(template.to_owned(), |name, at| {
        name.replace(&format!("{{{at}}}"), "x")
    });
    check_name(&sample).map_err(|error| format!("`{template}` makes no node name: {error}"))
}

#[cfg(test)]
mod tests;
