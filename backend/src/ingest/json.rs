//! JSON that says one thing only: an object with the same name twice is refused at any depth,
//! where the usual reading would silently keep the last.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

use super::decode::shorten;

/// Reads a payload.
///
/// # Errors
/// Where and why it is not JSON, or is ambiguous.
pub(super) fn read(payload: &[u8]) -> Result<Value, String> {
    serde_json::from_slice::<Strict>(payload)
        .map(|strict| strict.0)
        .map_err(|error| error.to_string())
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Strict;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Strict, E> {
        Ok(Strict(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Strict, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("a number is not finite"))?;
        Ok(Strict(number.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_string<E>(self, value: String) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Strict, A::Error> {
        let mut list = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Strict(list.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Strict, A::Error> {
        let mut object = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            if object.contains_key(&name) {
                let name = shorten(&name);
                return Err(A::Error::custom(format_args!(
                    "field `{name}` appears twice"
                )));
            }
            let Strict(value) = entries.next_value()?;
            object.insert(name, value);
        }
        Ok(Strict(object.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_value_is_read() {
        let text = r#"{"a":[null,true,-1,2,2.5,"x",{"b":{}}],"c":18446744073709551615}"#;
        assert_eq!(read(text.as_bytes()).unwrap().to_string(), text);
    }

    #[test]
    fn ambiguous_and_endless_input_is_refused() {
        let deep = "[".repeat(60_000);
        for (text, words) in [
            (r#"{"a":1,"a":2}"#, "field `a` appears twice"),
            (r#"[{"b":{"a":1,"\u0061":2}}]"#, "field `a` appears twice"),
            ("{\"\u{1}\":1,\"\\u0001\":1}", "control character"),
            (&*deep, "recursion limit"),
            ("1e999", "out of range"),
            ("NaN", "expected"),
            ("1 2", "trailing"),
            ("", "EOF"),
        ] {
            let error = read(text.as_bytes()).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
        assert!(read(b"\"\xff\"").unwrap_err().contains("unicode"));
    }
}
