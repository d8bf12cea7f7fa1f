//! Carries what a provider wants back with a tool call inside the call's id.
//!
//! Clients of every dialect return the ids of calls, and many of them return nothing else that they do not know. So
//! what the provider needs again is packed into the id, in characters that Anthropic allows in ids. Code that sends the
//! id to a provider unpacks it.
//!
//! ```text
//! ID "__ts_" base64url(SIGNATURE)      the usual case: Gemini's thought signature of the call
//! ID "__ts_" base64url(JSON)           more than that:
//!     {"id": the provider's own id, if the dialect had to change it,
//!      "sig": the signature of the call,
//!      "of": whose answer it is, if there were thoughts before the call,
//!      "thoughts": [[text, signature, redacted], …]}
//! ```
//!
//! The thoughts are those directly before the call. They are there for callers whose dialect has no field for a
//! signed thought, and only if they are short enough: [`MOST`].

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::Thought;
use super::origin::Origin;

/// The separator between the id and what is packed into it.
pub const MARK: &str = "__ts_";

/// The most bytes of thoughts, with their signatures, that an id carries. Clients return the id twice with each further
/// request of a conversation: with the call and with its result.
pub const MOST: usize = 16 * 1024;

/// How many separators of an id are tried. A provider's own id is short and may contain one; a client may send an id of
/// megabytes that consists of them, and each try reads the rest of it.
const TRIED: usize = 4;

/// What an id carries.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Carried {
    /// Gemini's thought signature of the call.
    pub signature: Option<String>,
    /// Whose answer it is, if there were thoughts before the call. Not kept beside a signature alone.
    pub origin: Option<Origin>,
    /// Those thoughts, as far as they must come back and are short enough.
    pub thoughts: Vec<Thought>,
}

/// [`Carried`] as JSON.
#[derive(Default, Serialize, Deserialize)]
struct PackedCall {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sig: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    thoughts: Vec<(Option<String>, Option<String>, Option<String>)>,
}

/// The id for a client. `shown` is the provider's own id `id`, or what the client's dialect makes of it.
#[must_use]
pub fn pack_all(shown: &str, id: &str, carried: &Carried) -> String {
    let own = (shown != id).then(|| id.to_owned());
    let packed = match (&carried.signature, &own, carried.origin.as_ref()) {
        (None, None, None) => return shown.to_owned(),
        // Only Gemini signs calls.
        (Some(signature), None, _) if carried.thoughts.is_empty() => URL_SAFE_NO_PAD.encode(signature),
        (signature, _, origin) => {
            let record = PackedCall {
                id: own,
                sig: signature.clone(),
                of: origin.map(|origin| origin.as_str().to_owned()),
                thoughts: carried
                    .thoughts
                    .iter()
                    .map(|thought| (thought.text.clone(), thought.signature.clone(), thought.redacted.clone()))
                    .collect(),
            };
            // Text always becomes JSON.
            URL_SAFE_NO_PAD.encode(serde_json::to_string(&record).unwrap_or_default())
        }
    };
    format!("{shown}{MARK}{packed}")
}

/// The id for a client: with the signature in it, if there is one.
#[must_use]
pub fn pack(id: &str, signature: Option<&str>) -> String {
    match signature {
        Some(signature) => format!("{id}{MARK}{}", URL_SAFE_NO_PAD.encode(signature)),
        None => id.to_owned(),
    }
}

/// The provider's own id, and what was added to it; `None` if nothing was. An id that only looks packed is one of those.
#[must_use]
pub fn unpack_all(id: &str) -> (String, Option<Carried>) {
    // What is packed may contain the separator, and so may the provider's id.
    let unpacked = id.match_indices(MARK).take(TRIED).find_map(|(at, mark)| {
        let packed = id.get(at + mark.len()..)?;
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(packed).ok()?).ok().filter(|text| !text.is_empty())?;
        let shown = id.get(..at)?;
        // No signature begins so: they are Base64.
        if !text.starts_with('{') {
            return Some((shown.to_owned(), Carried { signature: Some(text), ..Carried::default() }));
        }
        let record: PackedCall = serde_json::from_str(&text).ok()?;
        let origin = record.of.as_deref().and_then(Origin::parse);
        let thoughts = record.thoughts.into_iter().map(|(text, signature, redacted)| Thought {
            text,
            signature,
            redacted,
            origin: origin.clone(),
        });
        let carried = Carried { signature: record.sig, thoughts: thoughts.collect(), origin };
        Some((record.id.unwrap_or_else(|| shown.to_owned()), carried))
    });
    match unpacked {
        Some((id, carried)) => (id, Some(carried)),
        None => (id.to_owned(), None),
    }
}

/// The provider's own id, and the signature of the call that was added to it.
#[must_use]
pub fn unpack(id: &str) -> (String, Option<String>) {
    let (id, carried) = unpack_all(id);
    (id, carried.and_then(|carried| carried.signature))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn packs_as_documented() {
        assert_eq!(pack("call_1", Some("abc")), "call_1__ts_YWJj");
        assert_eq!(pack("call_1", None), "call_1");
        let signed = Carried { signature: Some("abc".into()), ..Carried::default() };
        assert_eq!(pack_all("call_1", "call_1", &signed), "call_1__ts_YWJj");
        assert_eq!(pack_all("call_1", "call_1", &Carried::default()), "call_1");
        let record = |id: &str| {
            let bytes = URL_SAFE_NO_PAD.decode(id.split_once(MARK).unwrap().1).unwrap();
            String::from_utf8(bytes).unwrap()
        };
        assert_eq!(record(&pack_all("call_2e1", "call.1", &Carried::default())), r#"{"id":"call.1"}"#);
        let thought = Thought {
            text: Some("hm".into()),
            signature: Some("Er".into()),
            redacted: None,
            origin: Some(Origin::CLAUDE),
        };
        let carried = Carried { signature: None, origin: Some(Origin::CLAUDE), thoughts: vec![thought] };
        assert_eq!(record(&pack_all("c", "c", &carried)), r#"{"of":"claude","thoughts":[["hm","Er",null]]}"#);
    }

    #[test]
    fn ids_that_are_not_packed_stay_unchanged() {
        for id in ["", "call_1", "a__ts_", "a__ts_!!", "a__ts_YQ==", "__ts"] {
            assert_eq!(unpack(id), (id.to_owned(), None), "{id}");
        }
    }

    /// Each separator is followed by what could be packed. Reading the rest after each one would take hours.
    #[test]
    fn an_id_of_nothing_but_separators_is_read_at_once() {
        let id = MARK.repeat(1 << 20);
        assert_eq!(unpack(&id), (id.clone(), None));
    }

    proptest! {
        #[test]
        fn unpacks_packed_ids(id in "[a-zA-Z0-9_-]{0,20}", signature in "\\PC{1,60}") {
            prop_assume!(!signature.starts_with('{'));
            let packed = pack(&id, Some(&signature));
            prop_assert_eq!(unpack(&packed), (id.clone(), Some(signature)));
            prop_assert!(packed[id.len()..].bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'));
        }

        #[test]
        fn unpacks_all(
            id in "\\PC{1,20}",
            shown in "[a-z_]{1,9}",
            sig in proptest::option::of("[A-Za-z0-9+/]{1,9}"),
            texts in proptest::collection::vec(("\\PC{0,30}", proptest::option::of("\\PC{0,30}")), 0..3),
        ) {
            let thoughts = texts.into_iter().map(|(text, signature)| Thought {
                text: Some(text),
                signature,
                redacted: None,
                origin: Some(Origin::CLAUDE),
            });
            let thoughts: Vec<Thought> = thoughts.collect();
            let origin = thoughts.first().and_then(|thought| thought.origin.clone());
            let carried = Carried { signature: sig, origin, thoughts };
            let packed = pack_all(&shown, &id, &carried);
            prop_assert!(packed.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'));
            let expected = (packed != shown).then_some(carried);
            prop_assert_eq!(unpack_all(&packed), (id, expected));
        }
    }
}
