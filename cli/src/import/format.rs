//! Parses JSON and YAML strictly, so that no other parser can read something else.

use serde_json::{Map, Value};

/// Parses JSON. A repeated key is an error, because parsers differ about which one counts.
///
/// # Errors
/// What is wrong, and where.
pub(crate) fn json(text: &str) -> Result<Value, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    serde_json::from_str::<UniqueKeys>(text).map(|UniqueKeys(value)| value).map_err(|error| error.to_string())
}

/// Parses a single YAML document, and resolves anchors and merges.
///
/// # Errors
/// What is wrong, and where.
pub(crate) fn yaml(text: &str) -> Result<Value, String> {
    let mut value: serde_yaml::Value = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
    value.apply_merge().map_err(|error| error.to_string())?;
    plain(value)
}

fn plain(value: serde_yaml::Value) -> Result<Value, String> {
    use serde_yaml::Value as Yaml;
    Ok(match value {
        Yaml::Null => Value::Null,
        Yaml::Bool(flag) => Value::Bool(flag),
        Yaml::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(whole), ..) => whole.into(),
            (_, Some(whole), _) => whole.into(),
            (.., Some(float)) => serde_json::Number::from_f64(float).map_or(Value::Null, Value::Number),
            _ => Value::Null,
        },
        Yaml::String(text) => Value::String(text),
        Yaml::Sequence(items) => Value::Array(items.into_iter().map(plain).collect::<Result<_, _>>()?),
        Yaml::Mapping(fields) => {
            let mut map = Map::new();
            for (name, value) in fields {
                let name = match plain(name)? {
                    Value::String(name) => name,
                    Value::Number(number) => number.to_string(),
                    Value::Bool(flag) => flag.to_string(),
                    _ => return Err("a key is neither a text nor a number".to_owned()),
                };
                map.insert(name, plain(value)?);
            }
            Value::Object(map)
        }
        Yaml::Tagged(tagged) => plain(tagged.value)?,
    })
}

/// A JSON value without repeated keys.
struct UniqueKeys(Value);

impl<'de> serde::Deserialize<'de> for UniqueKeys {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = UniqueKeys;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("JSON")
            }

            fn visit_bool<E>(self, value: bool) -> Result<UniqueKeys, E> {
                Ok(UniqueKeys(value.into()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<UniqueKeys, E> {
                Ok(UniqueKeys(value.into()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<UniqueKeys, E> {
                Ok(UniqueKeys(value.into()))
            }

            fn visit_f64<E>(self, value: f64) -> Result<UniqueKeys, E> {
                Ok(UniqueKeys(value.into()))
            }

            fn visit_str<E>(self, value: &str) -> Result<UniqueKeys, E> {
                Ok(UniqueKeys(value.into()))
            }

            fn visit_unit<E>(self) -> Result<UniqueKeys, E> {
                Ok(UniqueKeys(Value::Null))
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<UniqueKeys, A::Error> {
                let mut list = Vec::new();
                while let Some(UniqueKeys(item)) = items.next_element()? {
                    list.push(item);
                }
                Ok(UniqueKeys(Value::Array(list)))
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut fields: A) -> Result<UniqueKeys, A::Error> {
                let mut map = Map::new();
                while let Some((name, UniqueKeys(value))) = fields.next_entry::<String, UniqueKeys>()? {
                    if map.contains_key(&name) {
                        return Err(serde::de::Error::custom(format_args!("the key `{name}` occurs twice: keep one")));
                    }
                    map.insert(name, value);
                }
                Ok(UniqueKeys(Value::Object(map)))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_key_is_an_error() {
        assert!(json(r#"{"a": {"b": 1, "b": 2}}"#).unwrap_err().contains("`b` occurs twice"));
        assert!(yaml("a: 1\na: 2\n").is_err());
    }

    #[test]
    fn anchors_are_resolved() {
        let value = yaml("base: &b {x: 1}\nmore: {<<: *b, y: 2}\n1: z\n").unwrap();
        assert_eq!(value, serde_json::json!({"base": {"x": 1}, "more": {"x": 1, "y": 2}, "1": "z"}));
    }
}
