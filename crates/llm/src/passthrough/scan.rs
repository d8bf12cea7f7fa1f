//! One pass over a request's body: where the few things stand that a gateway reads or edits.
//!
//! Bytes go through; only what is listed here is looked at. A key that the gateway reads may stand
//! only once in its object, after unescaping, for another parser would read the other one; and it may stand in no other
//! case, for some parsers would read that one too.
//!
//! | file | holds |
//! |---|---|
//! | `field` | the keys |
//! | `members` | keys, and the shapes of values |
//! | `generation` | Gemini's `generationConfig`, which is looked into |
//! | `cap` | how long an answer may be, and how many are asked for |
//! | `thinking` | budgets for thinking that must stay below a cap |
//! | `edit` | the edits, and nothing else, that a body of the caller's own dialect gets |

mod cap;
mod edit;
mod field;
mod generation;
pub(crate) mod members;
#[cfg(test)]
mod tests;
pub(crate) mod thinking;

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hasher};
use std::ops::Range;

use serde::Deserialize;
use thiserror::Error;

pub use cap::CapField;
pub use edit::{BodyPiece, Cap, Edits};
pub(crate) use field::Field;

use field::Member;
use generation::GenerationConfig;
use members::{boolean, differs_in_case, short, unescape, whole};

use crate::json::raw;

/// Why a body cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ScanError {
    #[error("the body is not JSON: {0}")]
    NotJson(String),
    #[error("the body must be a JSON object")]
    NotObject,
    #[error("the key `{0}` stands twice in the body; parsers would not agree which one counts")]
    Twice(String),
    #[error("the key `{key}` is `{known}` to some parsers and not to others; write it as `{known}`")]
    OtherCase { key: String, known: &'static str },
    #[error(
        "`{0}` lets the provider answer with another model than the one that was decided; name others in `fallbacks`"
    )]
    OtherModels(&'static str),
    #[error("`{0}` is longer than {LONGEST} bytes")]
    TooLong(&'static str),
    #[error("`{field}` must be {expected}")]
    Wrong { field: &'static str, expected: &'static str },
}

/// The models with which Anthropic may answer in place of the one that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnFallbacks {
    /// Those that Anthropic chooses.
    Default,
    Models(Vec<String>),
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
    /// `fallbacks` is Anthropic's own: `"default"`, or objects without a provider. It is left where it stands.
    pub own_fallbacks: Option<OwnFallbacks>,
    /// `prompt_cache_key`.
    pub session: Option<String>,
    /// `previous_response_id`, or another handle that only one account knows, as it stands there.
    pub handle: Option<String>,
    /// Hash of what does not change from turn to turn: system prompt and first user message; with
    /// whether there are earlier turns.
    pub conversation: Option<Conversation>,
    /// `background` says something else than no. That is a response's; of a picture it is the backdrop.
    pub background: bool,
    /// `service_tier` in lower case, or a `speed` beyond the usual, which Anthropic has beside it: another price.
    pub service_tier: Option<String>,
    /// What the fields that cap an answer say, in the order of [`CapField`].
    caps: [Option<u64>; 4],
    n: Option<u64>,
    best_of: Option<u64>,
    generation: Option<GenerationConfig>,
    /// What was read, in the body's order.
    places: Vec<Member>,
    /// Google's keys are spelled with underscores here.
    snake_case: bool,
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

/// Bytes of the longest value that is kept: names, and what is looked up by them.
const LONGEST: usize = 4_096;
/// Fallbacks that a body may bring along.
pub const MOST_FALLBACKS: usize = 32;

/// Reads a body of any dialect: `messages`, `contents` and `input` are its turns.
///
/// # Errors
/// [`ScanError`], in words for the caller.
pub fn scan(body: &[u8]) -> Result<Scanned, ScanError> {
    let text = std::str::from_utf8(body).map_err(|e| ScanError::NotJson(format!("{e}")))?;
    let mut reading = BodyReading { text, scanned: Scanned::default(), opening: [None, None], speed: None };
    reading.scanned.inside = text.find('{').map_or(0, |at| at + 1);
    // What is wrong first; that the rest is no JSON is worse.
    let mut wrong = None;
    let members = raw::members(text, |key, value| {
        if wrong.is_none() {
            wrong = reading.member(key.get(), value.get()).err();
        }
    });
    reading.scanned.members = match members {
        Ok(members) => members,
        Err(error) if error.is_data() => return Err(ScanError::NotObject),
        Err(error) => return Err(ScanError::NotJson(error.to_string())),
    };
    match wrong {
        Some(error) => Err(error),
        None => Ok(reading.done()),
    }
}

/// A scan under way.
struct BodyReading<'a> {
    text: &'a str,
    scanned: Scanned,
    /// The system prompt, and the turns.
    opening: [Option<&'a str>; 2],
    speed: Option<String>,
}

impl<'a> BodyReading<'a> {
    fn member(&mut self, raw_key: &'a str, raw: &'a str) -> Result<(), ScanError> {
        let BodyReading { text, scanned, opening, speed } = self;
        let key = unescape(raw_key);
        let Some(field) = Field::of(&key) else {
            return match Field::in_other_case(&key) {
                Some(known) => Err(ScanError::OtherCase { key: key.into_owned(), known }),
                None => Ok(()),
            };
        };
        if scanned.place(field).is_some() {
            return Err(ScanError::Twice(Field::name(&key).to_owned()));
        }
        let (key_at, value_at) = (place(text, raw_key), place(text, raw));
        match field {
            Field::Model => {
                let wrong = ScanError::Wrong { field: "model", expected: "a string" };
                scanned.model = Some(short(raw, "model")?.ok_or(wrong)?);
            }
            Field::Stream => scanned.stream = boolean(raw, "stream")?,
            Field::Fallbacks => match anthropics(raw) {
                Some(own) => scanned.own_fallbacks = Some(own),
                None => scanned.fallbacks = Some(fallbacks(raw)?),
            },
            // OpenRouter's own way to fail over: around the key's fence, and at another price.
            Field::Models if !matches!(raw, "null" | "[]") => return Err(ScanError::OtherModels("models")),
            Field::Route if raw != "null" => return Err(ScanError::OtherModels("route")),
            Field::StreamOptions => scanned.include_usage = include_usage(raw)?,
            Field::PromptCacheKey => scanned.session = short(raw, "prompt_cache_key")?,
            Field::PreviousResponseId | Field::Conversation | Field::CachedContent if raw != "null" => {
                let named = short(raw, "a name that only one account knows")?;
                scanned.handle = Some(named.unwrap_or_else(|| raw.to_owned()));
            }
            Field::System | Field::Instructions | Field::SystemInstruction => opening[0] = Some(raw),
            Field::Messages | Field::Contents | Field::Input => opening[1] = Some(raw),
            Field::Background => scanned.background = !matches!(raw, "false" | "null"),
            Field::ServiceTier => {
                scanned.service_tier = short(raw, "service_tier")?.map(|word| word.to_ascii_lowercase());
            }
            Field::Speed => *speed = short(raw, "speed")?.filter(|word| word != "standard"),
            Field::N => scanned.n = whole(raw),
            Field::BestOf => scanned.best_of = whole(raw),
            Field::MaxCompletionTokens => scanned.caps[CapField::MaxCompletionTokens as usize] = whole(raw),
            Field::MaxTokens => scanned.caps[CapField::MaxTokens as usize] = whole(raw),
            Field::MaxOutputTokens => scanned.caps[CapField::MaxOutputTokens as usize] = whole(raw),
            Field::GenerationConfig => scanned.generation = GenerationConfig::read(raw, value_at.start)?,
            _ => {}
        }
        scanned.snake_case |= Field::name(&key) != key;
        scanned.places.push(Member { field, whole: key_at.start..value_at.end, value: value_at });
        Ok(())
    }

    fn done(self) -> Scanned {
        let BodyReading { mut scanned, opening, speed, .. } = self;
        scanned.service_tier = speed.or(scanned.service_tier);
        // Zero is proto's word for nothing said.
        let generation = scanned.generation.as_ref().and_then(|generation| generation.cap).filter(|cap| *cap > 0);
        scanned.caps[CapField::Generation as usize] = generation;
        scanned.conversation = opening[1].and_then(|turns| conversation(opening[0], turns));
        scanned
    }
}

impl Scanned {
    fn place(&self, field: Field) -> Option<&Member> {
        self.places.iter().find(|member| member.field == field)
    }

    /// The value of a field, as it stands in the body that was scanned; none where it is null.
    pub(crate) fn value<'b>(&self, body: &'b [u8], field: Field) -> Option<&'b str> {
        let bytes = body.get(self.place(field)?.value.clone())?;
        std::str::from_utf8(bytes).ok().filter(|raw| *raw != "null")
    }
}

/// Where a part of a text stands in it.
fn place(text: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr() as usize - text.as_ptr() as usize;
    start..start + part.len()
}

/// `fallbacks`, if it is the field of Anthropic's API: `"default"`, or `[{"model": "claude-…"}]`. Ours names a provider in
/// each object, or is a list of texts.
fn anthropics(raw: &str) -> Option<OwnFallbacks> {
    #[derive(Deserialize)]
    struct Other {
        provider: Option<serde::de::IgnoredAny>,
        model: String,
    }
    if raw.starts_with('"') {
        return raw::is(Some(raw), "default").then_some(OwnFallbacks::Default);
    }
    let mut models = Some(Vec::new());
    let each = |one: &serde_json::value::RawValue| {
        let other = serde_json::from_str::<Other>(one.get()).ok().filter(|one| one.provider.is_none());
        models = models.take().zip(other).map(|(mut models, other)| {
            models.push(other.model);
            models
        });
    };
    let count = raw::elements(raw, each).ok()?;
    models.filter(|_| count > 0).map(OwnFallbacks::Models)
}

/// `["provider/model"]`, or with objects: `[{"provider": …, "model": …}]`.
fn fallbacks(raw: &str) -> Result<Vec<String>, ScanError> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum FallbackEntry {
        Name(String),
        Parts { provider: String, model: Option<String> },
    }
    let wrong = || ScanError::Wrong {
        field: "fallbacks",
        expected: "a list of names like \"provider/model\", or of objects with `provider` and `model`",
    };
    if raw == "null" {
        return Ok(Vec::new());
    }
    let name = |entry| match entry {
        FallbackEntry::Name(name) | FallbackEntry::Parts { provider: name, model: None } => name,
        FallbackEntry::Parts { provider, model: Some(model) } => format!("{provider}/{model}"),
    };
    let (mut names, mut sound) = (Vec::new(), true);
    let read = raw::elements(raw, |entry| match serde_json::from_str::<FallbackEntry>(entry.get()) {
        _ if entry.get().len() > LONGEST => sound = false,
        // One more than may be named tells that there are too many.
        Ok(entry) if names.len() <= MOST_FALLBACKS => names.push(name(entry)),
        Ok(_) => {}
        Err(_) => sound = false,
    });
    read.ok().filter(|_| sound).map(|_| names).ok_or_else(wrong)
}

fn include_usage(raw: &str) -> Result<bool, ScanError> {
    if raw == "null" {
        return Ok(false);
    }
    let wrong = ScanError::Wrong { field: "stream_options", expected: "an object" };
    let mut asked = Ok(None);
    raw::members(raw, |key, value| {
        let Ok(before) = &asked else { return };
        let key = unescape(key.get());
        if differs_in_case(&key, "include_usage") {
            asked = Err(ScanError::OtherCase { key: key.into_owned(), known: "include_usage" });
        } else if key == "include_usage" && before.is_some() {
            asked = Err(ScanError::Twice("stream_options.include_usage".to_owned()));
        } else if key == "include_usage" {
            asked = boolean(value.get(), "stream_options.include_usage").map(Some);
        }
    })
    .map_err(|_| wrong)?;
    Ok(asked?.unwrap_or(false))
}

/// Hashes the system prompt and the first turn that is the user's.
fn conversation(system: Option<&str>, turns: &str) -> Option<Conversation> {
    #[derive(Deserialize)]
    struct ScannedTurn<'a> {
        #[serde(borrow, default)]
        role: Option<Cow<'a, str>>,
    }
    // Remembered by this process alone, so that it need not be the same in another: a prompt may be long, and the
    // standard hash reads eight bytes at a time.
    let mut state = DefaultHasher::new();
    let mut add = |part: &str| {
        state.write(part.as_bytes());
        state.write_u8(0xff);
    };
    add(system.unwrap_or_default());
    let (mut open, mut sound) = (true, true);
    let turns = raw::elements(turns, |turn| {
        if open && sound {
            add(turn.get());
            match serde_json::from_str::<ScannedTurn<'_>>(turn.get()) {
                Ok(turn) => open = turn.role.is_some_and(|role| role != "user"),
                Err(_) => sound = false,
            }
        }
    });
    turns.ok().filter(|_| sound).map(|turns| Conversation { opening: state.finish(), turns })
}
