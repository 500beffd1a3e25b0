//! The classic topic: `/exp/sensor` with `{"temperature":..,"humidity":..,"soil":..}`.

use serde_json::Value;
use signalbox_protocol::{
    limits::VALUES_MAX,
    topic::{CLASSIC_NODE, check_name},
};

use super::{decode::shorten, json};

/// A classic message.
#[derive(Debug, PartialEq)]
pub(super) struct Classic {
    /// From the field `node` or `device`, else `exp`. Not yet checked.
    pub(super) node: String,
    /// All fields that are numbers, by name.
    pub(super) values: Vec<(String, f64)>,
}

/// Reads a classic message. Null is "not measured"; text, lists and objects under names other
/// than the three measurements are of no concern.
pub(super) fn decode(payload: &[u8]) -> Result<Classic, String> {
    let Value::Object(fields) = json::read(payload)? else {
        return Err("not an object of measurements".to_owned());
    };
    let mut message = Classic {
        node: CLASSIC_NODE.to_owned(),
        values: Vec::new(),
    };
    for (name, value) in fields {
        match (name.as_str(), value) {
            ("node" | "device", Value::String(node)) => message.node = node,
            ("node" | "device", _) => return Err(format!("`{name}` is not text")),
            (_, Value::Number(number)) => {
                check_name(&name)
                    .map_err(|error| format!("field `{}`: {error}", shorten(&name)))?;
                let value = number.as_f64().filter(|value| value.is_finite());
                let value = value.ok_or_else(|| format!("`{name}` is not finite"))?;
                message.values.push((name, value));
            }
            (_, Value::Null) => {}
            ("temperature" | "humidity" | "soil", _) => {
                return Err(format!("`{name}` is not a number"));
            }
            _ => {}
        }
    }
    if message.values.is_empty() {
        return Err("no measurement in it".to_owned());
    }
    if message.values.len() > VALUES_MAX {
        return Err(format!("more than {VALUES_MAX} measurements"));
    }
    Ok(message)
}
