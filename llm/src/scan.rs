//! One pass over a request's body: where the few things stand that a gateway reads or edits.
//!
//! Bytes go through; only what is listed here is looked at. A key that the gateway reads may stand
//! only once in its object, after unescaping, for another parser would read the other one.

use std::borrow::Cow;
use std::fmt;
use std::hash::{DefaultHasher, Hasher};
use std::ops::Range;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use thiserror::Error;

/// Why a body cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ScanError {
    #[error("the body is not JSON: {0}")]
    NotJson(String),
    #[error("the body must be a JSON object")]
    NotObject,
    #[error("the key `{0}` stands twice in the body; parsers would not agree which one counts")]
    Twice(String),
    #[error("`{field}` must be {expected}")]
    Wrong { field: &'static str, expected: &'static str },
}

/// A top-level member of the body.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Member {
    /// From the key's opening quote to the value's end.
    whole: Range<usize>,
    value: Range<usize>,
}

/// What a body says to the gateway.
#[derive(Clone, Debug, Default)]
pub struct Scanned {
    /// `model`, unescaped.
    pub model: Option<String>,
    /// `stream: true`.
    pub stream: bool,
    /// `stream_options.include_usage: true`.
    pub include_usage: bool,
    /// `fallbacks`: names, in order.
    pub fallbacks: Option<Vec<String>>,
    /// `prompt_cache_key`.
    pub session: Option<String>,
    /// `previous_response_id`, or another handle that only one account knows, as it stands there.
    pub handle: Option<String>,
    /// Hash of what does not change from turn to turn: system prompt and first user message; with
    /// whether there are earlier turns.
    pub conversation: Option<Conversation>,
    model_at: Option<Member>,
    fallbacks_at: Option<Member>,
    stream_options_at: Option<Member>,
    /// Where members begin (after `{`), and how many there are.
    inside: usize,
    members: usize,
}

/// See [`Scanned::conversation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conversation {
    pub opening: u64,
    pub turns: usize,
}

/// Reads a body of any dialect: `messages`, `contents` and `input` are its turns.
///
/// # Errors
/// [`ScanError`], in words for the caller.
pub fn scan(body: &[u8]) -> Result<Scanned, ScanError> {
    let text = std::str::from_utf8(body).map_err(|e| ScanError::NotJson(format!("{e}")))?;
    let members = match serde_json::from_str::<Members<'_>>(text) {
        Ok(members) => members.0,
        Err(error) if error.is_data() => return Err(ScanError::NotObject),
        Err(error) => return Err(ScanError::NotJson(error.to_string())),
    };
    let place = |part: &str| {
        let start = part.as_ptr() as usize - text.as_ptr() as usize;
        start..start + part.len()
    };
    let mut scanned = Scanned { members: members.len(), ..Scanned::default() };
    scanned.inside = text.find('{').map_or(0, |at| at + 1);
    let mut seen: Vec<Cow<'_, str>> = Vec::with_capacity(members.len());
    let mut opening: [Option<&str>; 2] = [None, None];
    for (raw_key, value) in members {
        let key = one_spelling(unescape(raw_key.get()));
        let read = READ.contains(&&*key);
        if read && seen.contains(&key) {
            return Err(ScanError::Twice(key.into_owned()));
        }
        let raw = value.get();
        let (key_at, value_at) = (place(raw_key.get()), place(raw));
        let member = Member { whole: key_at.start..value_at.end, value: value_at };
        match &*key {
            "model" => {
                scanned.model = Some(string(raw).ok_or(ScanError::Wrong { field: "model", expected: "a string" })?);
                scanned.model_at = Some(member);
            }
            "stream" => scanned.stream = boolean(raw, "stream")?,
            "fallbacks" => {
                scanned.fallbacks = Some(fallbacks(raw)?);
                scanned.fallbacks_at = Some(member);
            }
            "stream_options" => {
                scanned.include_usage = include_usage(raw)?;
                scanned.stream_options_at = Some(member);
            }
            "prompt_cache_key" => scanned.session = string(raw),
            "previous_response_id" | "conversation" | "cachedContent" if raw != "null" => {
                scanned.handle = Some(string(raw).unwrap_or_else(|| raw.to_owned()));
            }
            "system" | "instructions" | "systemInstruction" => opening[0] = Some(raw),
            "messages" | "contents" | "input" => opening[1] = Some(raw),
            _ => {}
        }
        if read {
            seen.push(key);
        }
    }
    scanned.conversation = opening[1].and_then(|turns| conversation(opening[0], turns));
    Ok(scanned)
}

/// Keys that are read or edited, each of which may stand only once.
const READ: [&str; 15] = [
    "model",
    "stream",
    "fallbacks",
    "stream_options",
    "prompt_cache_key",
    "previous_response_id",
    "conversation",
    "cachedContent",
    "system",
    "instructions",
    "systemInstruction",
    "messages",
    "contents",
    "input",
    "n",
];

/// The edits that a same-dialect body gets, and no others.
#[derive(Clone, Copy, Debug, Default)]
pub struct Edits<'a> {
    /// The model's name as the upstream knows it, where it stands in the body.
    pub model: Option<&'a str>,
    /// Ask for a stream's usage.
    pub ask_usage: bool,
}

/// A piece of an edited body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// The caller's own bytes, by their place.
    Kept(Range<usize>),
    /// What stands there instead.
    Said(String),
}

impl Scanned {
    /// The body as it goes upstream. Without an edit to make, the bytes are the caller's own.
    #[must_use]
    pub fn edit<'b>(&self, body: &'b [u8], edits: Edits<'_>) -> Cow<'b, [u8]> {
        let pieces = self.pieces(body, edits);
        if let [Piece::Kept(_)] = pieces.as_slice() {
            return Cow::Borrowed(body);
        }
        let mut edited = Vec::with_capacity(body.len() + 64);
        for piece in &pieces {
            match piece {
                Piece::Kept(range) => edited.extend_from_slice(&body[range.clone()]),
                Piece::Said(text) => edited.extend_from_slice(text.as_bytes()),
            }
        }
        Cow::Owned(edited)
    }

    /// The same in pieces, so that what is kept of a long body need not be copied.
    #[must_use]
    pub fn pieces(&self, body: &[u8], edits: Edits<'_>) -> Vec<Piece> {
        let mut changes: Vec<(Range<usize>, String)> = Vec::new();
        let mut added: Vec<String> = Vec::new();
        match (edits.model, &self.model_at) {
            (Some(model), Some(member)) if self.model.as_deref() != Some(model) => {
                changes.push((member.value.clone(), quote(model)));
            }
            // The path named it (an Azure deployment), and this upstream wants it in the body.
            (Some(model), None) => added.push(format!("\"model\":{}", quote(model))),
            _ => {}
        }
        if let Some(member) = &self.fallbacks_at {
            changes.push((without_comma(body, &member.whole), String::new()));
        }
        if edits.ask_usage && !self.include_usage {
            match &self.stream_options_at {
                // A null, or an object that says otherwise: told anew, its other members kept.
                Some(member) => changes.push((member.value.clone(), asking_usage(&body[member.value.clone()]))),
                None => added.push("\"stream_options\":{\"include_usage\":true}".to_owned()),
            }
        }
        if !added.is_empty() {
            // First in the object, so that nothing of the caller's moves.
            let kept = self.members - usize::from(self.fallbacks_at.is_some());
            let comma = if kept > 0 { "," } else { "" };
            changes.push((self.inside..self.inside, added.join(",") + comma));
        }
        changes.sort_by_key(|(range, _)| (range.start, range.end));
        let mut pieces = Vec::with_capacity(changes.len() * 2 + 1);
        let mut at = 0;
        for (range, text) in changes {
            pieces.push(Piece::Kept(at..range.start));
            pieces.push(Piece::Said(text));
            at = range.end;
        }
        pieces.push(Piece::Kept(at..body.len()));
        pieces
    }
}

/// A member's bytes together with the comma that goes with it.
fn without_comma(body: &[u8], whole: &Range<usize>) -> Range<usize> {
    let space = |byte: &&u8| byte.is_ascii_whitespace();
    let after = whole.end + body[whole.end..].iter().take_while(space).count();
    if body.get(after) == Some(&b',') {
        return whole.start..after + 1;
    }
    let before = whole.start - body[..whole.start].iter().rev().take_while(space).count();
    if before > 0 && body[before - 1] == b',' {
        return before - 1..whole.end;
    }
    whole.clone()
}

fn asking_usage(value: &[u8]) -> String {
    let mut options = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(value).unwrap_or_default();
    options.insert("include_usage".to_owned(), true.into());
    serde_json::Value::Object(options).to_string()
}

fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn unescape(raw: &str) -> Cow<'_, str> {
    let inner = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
    match inner.contains('\\') {
        false => Cow::Borrowed(inner),
        true => serde_json::from_str(raw).map_or(Cow::Borrowed(inner), Cow::Owned),
    }
}

/// Google takes either spelling of its keys, so both are the same key.
fn one_spelling(key: Cow<'_, str>) -> Cow<'_, str> {
    match &*key {
        "cached_content" => Cow::Borrowed("cachedContent"),
        "system_instruction" => Cow::Borrowed("systemInstruction"),
        _ => key,
    }
}

fn string(raw: &str) -> Option<String> {
    serde_json::from_str(raw).ok()
}

fn boolean(raw: &str, field: &'static str) -> Result<bool, ScanError> {
    match raw {
        "true" => Ok(true),
        "false" | "null" => Ok(false),
        _ => Err(ScanError::Wrong { field, expected: "true or false" }),
    }
}

/// `["provider/model"]`, or with objects: `[{"provider": …, "model": …}]`.
fn fallbacks(raw: &str) -> Result<Vec<String>, ScanError> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Entry {
        Name(String),
        Parts { provider: String, model: Option<String> },
    }
    let entries: Option<Vec<Entry>> = serde_json::from_str(raw).map_err(|_| ScanError::Wrong {
        field: "fallbacks",
        expected: "a list of names like \"provider/model\", or of objects with `provider` and `model`",
    })?;
    let name = |entry| match entry {
        Entry::Name(name) | Entry::Parts { provider: name, model: None } => name,
        Entry::Parts { provider, model: Some(model) } => format!("{provider}/{model}"),
    };
    Ok(entries.unwrap_or_default().into_iter().map(name).collect())
}

fn include_usage(raw: &str) -> Result<bool, ScanError> {
    if raw == "null" {
        return Ok(false);
    }
    let wrong = ScanError::Wrong { field: "stream_options", expected: "an object" };
    let members = serde_json::from_str::<Members<'_>>(raw).map_err(|_| wrong)?.0;
    let mut asked = None;
    for (key, value) in members {
        if unescape(key.get()) == "include_usage"
            && asked.replace(boolean(value.get(), "stream_options.include_usage")?).is_some()
        {
            return Err(ScanError::Twice("stream_options.include_usage".to_owned()));
        }
    }
    Ok(asked.unwrap_or(false))
}

/// Hashes the system prompt and the first turn that is the user's.
fn conversation(system: Option<&str>, turns: &str) -> Option<Conversation> {
    #[derive(Deserialize)]
    struct Turn<'a> {
        #[serde(borrow, default)]
        role: Option<Cow<'a, str>>,
    }
    let turns: Vec<&RawValue> = serde_json::from_str(turns).ok()?;
    let mut parts: Vec<&[u8]> = vec![system.unwrap_or_default().as_bytes()];
    for turn in &turns {
        let role = serde_json::from_str::<Turn<'_>>(turn.get()).ok()?.role;
        parts.push(turn.get().as_bytes());
        if role.is_none_or(|role| role == "user") {
            break;
        }
    }
    Some(Conversation { opening: hash(&parts), turns: turns.len() })
}

/// Remembered by this process alone, so that it need not be the same in another: a prompt may be long, and the standard
/// hash reads eight bytes at a time.
fn hash(parts: &[&[u8]]) -> u64 {
    let mut state = DefaultHasher::new();
    for part in parts {
        state.write(part);
        state.write_u8(0xff);
    }
    state.finish()
}

/// The members of an object in order, unparsed, duplicates and all.
struct Members<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::with_capacity(map.size_hint().unwrap_or(16));
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Read)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::*;

    fn edited(body: &str, edits: Edits<'_>) -> String {
        let scanned = scan(body.as_bytes()).unwrap();
        String::from_utf8(scanned.edit(body.as_bytes(), edits).into_owned()).unwrap()
    }

    #[test]
    fn only_the_listed_edits_are_made() {
        let model = Edits { model: Some("m2"), ask_usage: false };
        let usage = Edits { model: None, ask_usage: true };
        for (body, edits, expected) in [
            (r#"{"model":"m1" , "x":[1, 2]}"#, model, r#"{"model":"m2" , "x":[1, 2]}"#),
            (r#"{"model":"m2","n":1}"#, model, r#"{"model":"m2","n":1}"#),
            (r#"{"n":1}"#, model, r#"{"model":"m2","n":1}"#),
            (r#"{"mod\u0065l":"m1"}"#, model, r#"{"mod\u0065l":"m2"}"#),
            (r#"{"a":1,"fallbacks":["x/y"],"b":2}"#, Edits::default(), r#"{"a":1,"b":2}"#),
            (r#"{"a":1 , "fallbacks":[]}"#, Edits::default(), r#"{"a":1 }"#),
            (r#"{"fallbacks":[{"provider":"x","model":"y"}]}"#, Edits::default(), "{}"),
            ("{}", usage, r#"{"stream_options":{"include_usage":true}}"#),
            (r#"{"fallbacks":[]}"#, usage, r#"{"stream_options":{"include_usage":true}}"#),
            (r#" {"a":1}"#, usage, r#" {"stream_options":{"include_usage":true},"a":1}"#),
            (r#"{"stream_options":null}"#, usage, r#"{"stream_options":{"include_usage":true}}"#),
            (
                r#"{"stream_options":{"include_usage":false,"x":1}}"#,
                usage,
                r#"{"stream_options":{"include_usage":true,"x":1}}"#,
            ),
            (r#"{"stream_options": {"include_usage": true}}"#, usage, r#"{"stream_options": {"include_usage": true}}"#),
        ] {
            assert_eq!(edited(body, edits), expected, "{body}");
        }
    }

    #[test]
    fn what_cannot_be_read_in_one_way_is_refused() {
        for (body, problem) in [
            ("", "the body is not JSON: EOF"),
            ("[1]", "the body must be a JSON object"),
            ("{\"a\":1} x", "the body is not JSON: trailing characters"),
            (r#"{"model":1}"#, "`model` must be a string"),
            (r#"{"stream":"yes"}"#, "`stream` must be true or false"),
            (r#"{"model":"a","model":"b"}"#, "the key `model` stands twice"),
            (r#"{"model":"a","m\u006fdel":"b"}"#, "the key `model` stands twice"),
            (r#"{"cachedContent":"a","cached_content":"b"}"#, "the key `cachedContent` stands twice"),
            (r#"{"fallbacks":"x"}"#, "`fallbacks` must be a list of names"),
            (
                r#"{"stream_options":{"include_usage":true,"include_usag\u0065":false}}"#,
                "the key `stream_options.include_usage` stands twice",
            ),
            ("{\"a\":\"\u{0}\"}", "the body is not JSON: control character"),
        ] {
            let error = scan(body.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(problem), "{body}: {error}");
        }
        assert!(scan(b"{\"a\":\"\xff\"}").is_err());
        // What the gateway doesn't read may be as odd as it likes.
        assert!(scan(br#"{"x":1,"x":2,"model":"m"}"#).is_ok());
    }

    #[test]
    fn a_conversation_keeps_its_opening() {
        let opening = |body: Value| scan(body.to_string().as_bytes()).unwrap().conversation.unwrap();
        let system = json!({"role": "system", "content": "s"});
        let user = json!({"role": "user", "content": "hello"});
        let first = opening(json!({"messages": [system, user]}));
        let later = opening(
            json!({"messages": [system, user, {"role": "assistant", "content": "hi"}, {"role": "user", "content": "more"}]}),
        );
        let other = opening(json!({"messages": [system, {"role": "user", "content": "other"}]}));
        assert_eq!(first.opening, later.opening);
        assert_ne!(first.opening, other.opening);
        assert_eq!((first.turns, later.turns), (2, 4));
    }

    fn json_text() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((".{0,5}", inner), 0..4)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().collect::<Map<_, _>>())),
            ]
        })
    }

    proptest! {
        /// What was read is what a first-wins and a last-wins parser read in the forwarded bytes.
        #[test]
        fn every_parser_reads_the_same_model(
            members in prop::collection::vec((prop_oneof![Just("model".to_owned()), Just("fallbacks_".to_owned()), "[a-z]{1,3}"], json_text()), 0..6),
            name in "[a-z/\\-\"\\\\]{1,8}",
        ) {
            let text: Vec<String> = members.iter().map(|(k, v)| {
                let v = if k == "model" { Value::from(v.to_string()) } else { v.clone() };
                format!("{}:{v}", quote(k))
            }).collect();
            let body = format!("{{{}}}", text.join(","));
            let Ok(scanned) = scan(body.as_bytes()) else {
                prop_assert!(members.iter().filter(|(k, _)| k == "model").count() > 1);
                return Ok(());
            };
            let sent = scanned.edit(body.as_bytes(), Edits { model: Some(&name), ask_usage: true });
            let last: Value = serde_json::from_slice(&sent).unwrap();
            let first = serde_json::from_slice::<Members<'_>>(&sent).unwrap().0.into_iter()
                .find(|(k, _)| unescape(k.get()) == "model").map(|(_, v)| string(v.get()).unwrap());
            let expected = Some(name.clone());
            prop_assert_eq!(last["model"].as_str().map(str::to_owned), expected.clone());
            prop_assert_eq!(first, expected);
            prop_assert_eq!(last["stream_options"]["include_usage"].as_bool(), Some(true));
            prop_assert!(last.get("fallbacks").is_none());
        }
    }
}
