//! JSON and YAML as values, with nothing in them that two readers could read in two ways.

use serde_json::{Map, Value};

/// A JSON text. A key that stands twice is refused: parsers differ in which one counts.
///
/// # Errors
/// What is wrong, and where.
pub(crate) fn json(text: &str) -> Result<Value, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    serde_json::from_str::<Once>(text).map(|Once(value)| value).map_err(|error| error.to_string())
}

/// A YAML text of one document, anchors and merges unfolded.
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

/// A JSON value none of whose keys stands twice.
struct Once(Value);

impl<'de> serde::Deserialize<'de> for Once {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Once;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("JSON")
            }

            fn visit_bool<E>(self, value: bool) -> Result<Once, E> {
                Ok(Once(value.into()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Once, E> {
                Ok(Once(value.into()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Once, E> {
                Ok(Once(value.into()))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Once, E> {
                Ok(Once(value.into()))
            }

            fn visit_str<E>(self, value: &str) -> Result<Once, E> {
                Ok(Once(value.into()))
            }

            fn visit_unit<E>(self) -> Result<Once, E> {
                Ok(Once(Value::Null))
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<Once, A::Error> {
                let mut list = Vec::new();
                while let Some(Once(item)) = items.next_element()? {
                    list.push(item);
                }
                Ok(Once(Value::Array(list)))
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut fields: A) -> Result<Once, A::Error> {
                let mut map = Map::new();
                while let Some((name, Once(value))) = fields.next_entry::<String, Once>()? {
                    if map.contains_key(&name) {
                        return Err(serde::de::Error::custom(format_args!("the key `{name}` stands twice: keep one")));
                    }
                    map.insert(name, value);
                }
                Ok(Once(Value::Object(map)))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_stands_twice_is_refused() {
        assert!(json(r#"{"a": {"b": 1, "b": 2}}"#).unwrap_err().contains("`b` stands twice"));
        assert!(yaml("a: 1\na: 2\n").is_err());
    }

    #[test]
    fn anchors_are_unfolded() {
        let value = yaml("base: &b {x: 1}\nmore: {<<: *b, y: 2}\n1: z\n").unwrap();
        assert_eq!(value, serde_json::json!({"base": {"x": 1}, "more": {"x": 1, "y": 2}, "1": "z"}));
    }
}
