//! The classic topic: `/exp/sensor` with `{"temperature":..,"humidity":..,"soil":..}`.

use std::fmt;

use serde::{Deserialize, Deserializer, de};
use serde_json::Value;
use signalbox_protocol::{
    limits::VALUES_MAX,
    topic::{CLASSIC_NODE, check_name},
};

use super::decode::shorten;

/// A classic message.
#[derive(Debug, PartialEq)]
pub(super) struct Classic {
    /// From the field `node` or `device`, else `exp`. Not yet checked.
    pub(super) node: String,
    /// All fields that are numbers.
    pub(super) values: Vec<(String, f64)>,
}

/// Fields in order, refusing the same name twice, which a map would hide.
struct Fields(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of measurements")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields: Vec<(String, Value)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if fields.iter().any(|(known, _)| *known == name) {
                        return Err(de::Error::custom(format_args!(
                            "field `{}` appears twice",
                            shorten(&name)
                        )));
                    }
                    // Room for a few fields that are not measurements.
                    if fields.len() == VALUES_MAX * 2 {
                        return Err(de::Error::custom("too many fields"));
                    }
                    fields.push((name, value));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// Reads a classic message. Null is "not measured"; text, lists and objects under names other
/// than the three measurements are of no concern.
pub(super) fn decode(payload: &[u8]) -> Result<Classic, String> {
    let fields: Fields = serde_json::from_slice(payload).map_err(|error| error.to_string())?;
    let mut message = Classic {
        node: CLASSIC_NODE.to_owned(),
        values: Vec::new(),
    };
    for (name, value) in fields.0 {
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
