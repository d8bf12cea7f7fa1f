//! Counts the tool calls in the history that a request contains, in each format: those of the assistant in `messages`,
//! `contents` or `input`. It reads the bytes without a tree, and keeps only a hash of each call.
//!
//! ```text
//! OpenAI      messages[].tool_calls[].function {name, arguments: "JSON"}, .custom {name, input}; messages[].function_call
//! Responses   input[] {type: function_call, name, arguments: "JSON"}, {type: custom_tool_call, name, input}
//! Anthropic   messages[].content[] {type: tool_use, name, input: JSON}
//! Gemini      contents[].parts[].functionCall {name, args: JSON}
//! Bedrock     messages[].content[].toolUse {name, input: JSON}
//! ```
//! Two calls are the same if they name the same tool and their arguments are the same JSON. White space, the order of members
//! and the spelling of numbers and characters make no difference. For a tool without parameters, no arguments, `null`, an empty
//! text and an empty object are the same.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use outrigger_core::hash::{fnv1a_parts, spread};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The most different calls that are counted in one conversation. It limits the memory that a body can take.
const DIFFERENT: usize = 16_384;
/// The longest name of a tool in a message, in bytes.
const NAME: usize = 64;
/// Instead of the hash of arguments that are absent or empty.
const NO_ARGUMENTS: u64 = 0;

/// A tool call that a conversation contains too often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepeatedCall {
    /// The tool's name, cut to 64 bytes. Foreign text.
    pub tool: String,
}

/// The first tool call that a conversation contains more than `most` times. A body that is not valid JSON contains none: it
/// is refused elsewhere.
#[must_use]
pub fn repeated(body: &[u8], most: u32) -> Option<RepeatedCall> {
    let mut calls = Calls { most, counts: HashMap::new(), found: None };
    // An error also means that a call was found.
    let _ = serde_json::Deserializer::from_slice(body)
        .deserialize_any(Reader { calls: &mut calls, place: BodyPlace::Body });
    calls.found
}

/// The calls seen so far.
struct Calls {
    most: u32,
    counts: HashMap<u64, u32>,
    found: Option<RepeatedCall>,
}

impl Calls {
    /// Counts a call. `Err`: it is one too many.
    fn count(&mut self, tool: &str, arguments: u64) -> Result<(), RepeatedCall> {
        let call = fnv1a_parts(&[tool.as_bytes(), &arguments.to_le_bytes()]);
        let full = self.counts.len() >= DIFFERENT;
        let times = match self.counts.get_mut(&call) {
            Some(times) => {
                *times = times.saturating_add(1);
                *times
            }
            None if full => return Ok(()),
            None => *self.counts.entry(call).or_insert(1),
        };
        match times > self.most {
            true => Err(RepeatedCall { tool: tool[..tool.floor_char_boundary(NAME)].to_owned() }),
            false => Ok(()),
        }
    }
}

/// The part of the body that is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BodyPlace {
    Body,
    /// A list of messages, of parts of a message, or of tool calls.
    Items,
    /// An element of such a list.
    Item,
    /// An object with a tool's name and arguments.
    Call,
}

struct Reader<'c> {
    calls: &'c mut Calls,
    place: BodyPlace,
}

impl Reader<'_> {
    fn at(&mut self, place: BodyPlace) -> Reader<'_> {
        Reader { calls: self.calls, place }
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a conversation")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let (mut kind, mut name, mut arguments) = (None, None, None);
        while let Some(key) = map.next_key_seed(TextSeed)? {
            let next = match (self.place, &*key) {
                (BodyPlace::Body, "messages" | "contents" | "input") => Some(BodyPlace::Items),
                (BodyPlace::Item, "tool_calls" | "content" | "parts") => Some(BodyPlace::Items),
                (BodyPlace::Item, "function" | "custom" | "functionCall" | "function_call" | "toolUse") => {
                    Some(BodyPlace::Call)
                }
                _ => None,
            };
            match (self.place, &*key) {
                _ if let Some(place) = next => map.next_value_seed(self.at(place))?,
                (BodyPlace::Item, "type") => kind = map.next_value_seed(OptionalText)?,
                (BodyPlace::Item | BodyPlace::Call, "name") => name = map.next_value_seed(OptionalText)?,
                (BodyPlace::Item | BodyPlace::Call, "arguments" | "input" | "args") => {
                    arguments = Some(map.next_value_seed(Arguments)?);
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let is_call = match self.place {
            BodyPlace::Call => true,
            BodyPlace::Item => matches!(
                kind.as_deref(),
                Some(
                    "tool_use" | "server_tool_use" | "mcp_tool_use" | "function_call" | "custom_tool_call" | "mcp_call"
                )
            ),
            BodyPlace::Body | BodyPlace::Items => false,
        };
        if let Some(name) = name.filter(|_| is_call) {
            self.calls.count(&name, arguments.unwrap_or(NO_ARGUMENTS)).map_err(|found| {
                self.calls.found = Some(found);
                A::Error::custom("found")
            })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        if self.place == BodyPlace::Items {
            while list.next_element_seed(self.at(BodyPlace::Item))?.is_some() {}
        } else {
            while list.next_element::<IgnoredAny>()?.is_some() {}
        }
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// Reads a text. It copies only a text with escapes.
struct TextSeed;

impl<'de> DeserializeSeed<'de> for TextSeed {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for TextSeed {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

/// Reads a text, and ignores any other value.
struct OptionalText;

impl<'de> DeserializeSeed<'de> for OptionalText {
    type Value = Option<Cow<'de, str>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for OptionalText {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(text.to_owned())))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// Reads arguments into a hash: that of their JSON, even if it is inside a text, or else that of the text.
struct Arguments;

impl<'de> DeserializeSeed<'de> for Arguments {
    type Value = u64;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<u64, D::Error> {
        let hash = deserializer.deserialize_any(JsonHash { unpacks: true })?;
        // What clients write for a tool without parameters.
        let empty = [leaf(b'{', &0_u64.to_le_bytes()), leaf(b'0', &[]), leaf(b'"', &[])];
        Ok(if empty.contains(&hash) { NO_ARGUMENTS } else { hash })
    }
}

/// Reads a JSON value into a hash that does not depend on its spelling.
struct JsonHash {
    /// Whether a text may contain JSON.
    unpacks: bool,
}

impl<'de> DeserializeSeed<'de> for JsonHash {
    type Value = u64;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<u64, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for JsonHash {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<u64, A::Error> {
        // A sum does not depend on the order of the members.
        let mut sum = 0_u64;
        while let Some(key) = map.next_key_seed(TextSeed)? {
            let value = map.next_value_seed(JsonHash { unpacks: false })?;
            sum = sum.wrapping_add(spread(fnv1a_parts(&[key.as_bytes(), &value.to_le_bytes()])));
        }
        Ok(leaf(b'{', &sum.to_le_bytes()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<u64, A::Error> {
        let mut state = 0_u64;
        while let Some(value) = list.next_element_seed(JsonHash { unpacks: false })? {
            state = spread(state ^ value).wrapping_add(1);
        }
        Ok(leaf(b'[', &state.to_le_bytes()))
    }

    fn visit_str<E>(self, text: &str) -> Result<u64, E> {
        if self.unpacks {
            if text.trim_ascii().is_empty() {
                return Ok(leaf(b'"', &[]));
            }
            let mut inner = serde_json::Deserializer::from_str(text);
            let value = inner.deserialize_any(JsonHash { unpacks: false });
            if let (Ok(value), Ok(())) = (value, inner.end()) {
                return Ok(value);
            }
        }
        Ok(leaf(b'"', text.as_bytes()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<u64, E> {
        Ok(leaf(b'b', &[value.into()]))
    }

    fn visit_i64<E>(self, value: i64) -> Result<u64, E> {
        Ok(leaf(b'n', &i128::from(value).to_le_bytes()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<u64, E> {
        Ok(leaf(b'n', &i128::from(value).to_le_bytes()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<u64, E> {
        // 1.0 equals 1. Larger numbers are not exact in an f64.
        match value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0 {
            true => Ok(leaf(b'n', &(value as i128).to_le_bytes())),
            false => Ok(leaf(b'f', &value.to_bits().to_le_bytes())),
        }
    }

    fn visit_unit<E>(self) -> Result<u64, E> {
        Ok(leaf(b'0', &[]))
    }
}

fn leaf(kind: u8, bytes: &[u8]) -> u64 {
    spread(fnv1a_parts(&[&[kind], bytes]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    /// A conversation with these calls, each in a turn of its own, in every format. Arguments are JSON, written as here.
    fn conversations(calls: &[(&str, &str)]) -> Vec<(&'static str, String)> {
        let text = |text: &str| json!(text).to_string();
        let all = |one: &dyn Fn(&str, &str) -> String| {
            calls.iter().map(|(tool, arguments)| one(tool, arguments)).collect::<Vec<_>>().join(",")
        };
        let chat = all(&|tool, arguments| {
            let function = format!(r#"{{"arguments":{},"name":{}}}"#, text(arguments), text(tool));
            format!(
                r#"{{"role":"assistant","content":null,"tool_calls":[{{"id":"c","type":"function","function":{function}}}]}},{{"role":"tool","content":"x","tool_call_id":"c"}}"#
            )
        });
        let parallel = all(&|tool, arguments| {
            format!(r#"{{"type":"function","function":{{"name":{},"arguments":{}}}}}"#, text(tool), text(arguments))
        });
        let responses = all(&|tool, arguments| {
            format!(
                r#"{{"arguments":{},"name":{},"call_id":"c","type":"function_call"}},{{"type":"function_call_output","call_id":"c","output":"x"}}"#,
                text(arguments),
                text(tool)
            )
        });
        let anthropic = all(&|tool, arguments| {
            format!(
                r#"{{"role":"assistant","content":[{{"type":"text","text":"hm"}},{{"type":"tool_use","id":"c","name":{},"input":{arguments}}}]}},{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"c","content":[{{"type":"text","text":"x"}}]}}]}}"#,
                text(tool)
            )
        });
        let gemini = all(&|tool, arguments| {
            format!(
                r#"{{"role":"model","parts":[{{"text":"hm"}},{{"functionCall":{{"name":{},"args":{arguments}}}}}]}},{{"role":"user","parts":[{{"functionResponse":{{"name":{},"response":{arguments}}}}}]}}"#,
                text(tool),
                text(tool)
            )
        });
        vec![
            ("chat", format!(r#"{{"tools":[{{"function":{{"name":"f"}}}}],"messages":[{chat}],"model":"m"}}"#)),
            ("parallel", format!(r#"{{"messages":[{{"role":"assistant","tool_calls":[{parallel}]}}]}}"#)),
            ("responses", format!(r#"{{"input":[{responses}],"model":"m"}}"#)),
            ("anthropic", format!(r#"{{"system":"s","messages":[{anthropic}]}}"#)),
            ("gemini", format!(r#"{{"contents":[{gemini}]}}"#)),
        ]
    }

    #[test]
    fn a_call_is_counted_in_every_format_however_it_is_spelt() {
        let same = [
            r#"{"a":1,"b":["x",null,true]}"#,
            r#"{ "b" : [ "x", null, true ], "a" : 1.0 }"#,
            "{\"b\":[\"\\u0078\",null,true],\"a\":10e-1}",
        ];
        let calls: Vec<(&str, &str)> = same.iter().map(|arguments| ("search", *arguments)).collect();
        for (format, body) in conversations(&calls) {
            assert_eq!(
                repeated(body.as_bytes(), 2),
                Some(RepeatedCall { tool: "search".to_owned() }),
                "{format}: {body}"
            );
            assert_eq!(repeated(body.as_bytes(), 3), None, "{format}: three are three");
        }
    }

    #[test]
    fn no_arguments_are_the_same_however_they_are_spelt() {
        for spelt in ["{}", "null", r#""""#, " { } "] {
            let absent = json!({"functionCall": {"name": "f"}, "type": "tool_use", "name": "f"}).to_string();
            for (format, body) in conversations(&[("f", spelt), ("f", "{}"), ("f", "null")]) {
                assert!(repeated(body.as_bytes(), 2).is_some(), "{format}: {body}");
            }
            let (key, inner) = ("functionCall", format!(r#"{{"name":"f","args":{spelt}}}"#));
            let gemini = format!(r#"{{"contents":[{{"parts":[{{"{key}":{inner}}},{{"{key}":{{"name":"f"}}}}]}}]}}"#);
            let anthropic = format!(
                r#"{{"messages":[{{"content":[{absent},{{"type":"tool_use","name":"f","input":{spelt}}}]}}]}}"#
            );
            let text = json!(spelt);
            let chat = format!(
                r#"{{"messages":[{{"tool_calls":[{{"function":{{"name":"f","arguments":{text}}}}},{{"function":{{"name":"f","arguments":""}}}},{{"function":{{"name":"f"}}}}]}}]}}"#
            );
            let responses = format!(
                r#"{{"input":[{{"type":"function_call","name":"f","arguments":{text}}},{{"type":"function_call","name":"f","arguments":" "}},{{"type":"function_call","name":"f"}}]}}"#
            );
            assert!(repeated(gemini.as_bytes(), 1).is_some(), "{gemini}");
            assert!(repeated(anthropic.as_bytes(), 2).is_some(), "{anthropic}");
            assert!(repeated(chat.as_bytes(), 2).is_some(), "{chat}");
            assert!(repeated(responses.as_bytes(), 2).is_some(), "{responses}");
        }
    }

    #[test]
    fn other_calls_are_others() {
        let others = [
            ("f", r#"{"a":1}"#),
            ("g", r#"{"a":1}"#),
            ("f", r#"{"a":2}"#),
            ("f", r#"{"a":"1"}"#),
            ("f", r#"{"b":1}"#),
            ("f", r#"{"a":[1]}"#),
            ("f", r#"{"a":{"b":1}}"#),
            ("f", r#"{"a":null}"#),
            ("f", r#"{"a":false}"#),
            ("f", r#"{"a":1,"b":1}"#),
            ("f", r#"{"a":[1,2]}"#),
            ("f", r#"{"a":[2,1]}"#),
            ("f", r#"{"a":1.5}"#),
            ("f", "{}"),
        ];
        for (format, body) in conversations(&others) {
            assert_eq!(repeated(body.as_bytes(), 1), None, "{format}");
        }
    }

    #[test]
    fn what_is_no_call_is_not_counted() {
        let text = json!({"role": "user", "content": "again"});
        let result = json!({"type": "function_call_output", "name": "f", "input": 1});
        for body in [
            json!({"messages": [text, text, text]}),
            json!({"input": [result, result, result]}),
            json!({"input": "text"}),
            json!({"messages": {"tool_calls": 1}}),
            json!({"messages": [[], 1, null, "x", {"content": 5, "tool_calls": "x", "type": 5, "name": {}}]}),
            json!([1, 2]),
            json!("x"),
        ] {
            assert_eq!(repeated(body.to_string().as_bytes(), 1), None, "{body}");
        }
        for body in [&b"{\"messages\": [{\"tool_calls\""[..], b"", b"\xff", b"{\"messages\":["] {
            assert_eq!(repeated(body, 1), None);
        }
    }

    #[test]
    fn legacy_and_custom_calls_count_too_and_a_text_that_is_no_json_is_a_text() {
        let legacy = json!({"role": "assistant", "function_call": {"name": "f", "arguments": "not json {"}});
        let custom = json!({"type": "custom_tool_call", "name": "f", "input": "print(1)"});
        let nested =
            json!({"role": "assistant", "tool_calls": [{"type": "custom", "custom": {"name": "f", "input": "x"}}]});
        for body in [
            json!({"messages": [legacy, legacy]}),
            json!({"input": [custom, custom]}),
            json!({"messages": [nested, nested]}),
        ] {
            assert!(repeated(body.to_string().as_bytes(), 1).is_some(), "{body}");
        }
    }

    #[test]
    fn there_is_an_end_to_names_and_to_different_calls() {
        let long = "é".repeat(100);
        let (_, body) = conversations(&[(&long, "1"), (&long, "1")]).remove(0);
        assert_eq!(repeated(body.as_bytes(), 1).unwrap().tool, "é".repeat(32));
        let many: Vec<String> = (0..DIFFERENT + 10).map(|n| n.to_string()).collect();
        let mut calls: Vec<(&str, &str)> = many.iter().map(|n| ("f", n.as_str())).collect();
        calls.extend([("f", "0"), ("f", many.last().unwrap())]);
        let (_, body) = conversations(&calls).remove(1);
        assert!(repeated(body.as_bytes(), 1).is_some(), "one of the first is still counted");
        calls.retain(|(_, arguments)| *arguments != "0");
        let (_, body) = conversations(&calls).remove(1);
        assert_eq!(repeated(body.as_bytes(), 1), None);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".*".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::hash_map(".*", inner, 0..5).prop_map(|map| map.into_iter().collect::<Value>()),
            ]
        })
    }

    proptest! {
        #[test]
        fn arguments_are_the_same_in_any_order_and_dress(value in any_json()) {
            fn turned(value: &Value) -> Value {
                match value {
                    Value::Object(map) => map.iter().rev().map(|(key, value)| (key.clone(), turned(value))).collect(),
                    Value::Array(list) => list.iter().map(turned).collect(),
                    other => other.clone(),
                }
            }
            let pretty = serde_json::to_string_pretty(&turned(&value)).unwrap();
            let plain = value.to_string();
            for (format, body) in conversations(&[("f", &plain), ("f", &pretty)]) {
                prop_assert!(repeated(body.as_bytes(), 1).is_some(), "{format}: {body}");
            }
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), most in 0_u32..3) {
            let _ = repeated(&bytes, most);
        }
    }
}
