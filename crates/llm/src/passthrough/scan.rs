//! One pass over a request's body, to find the few values that a gateway reads or edits.
//!
//! Bytes pass through; only the listed keys are read. A key that the gateway reads may occur only once in its object,
//! after unescaping, because another parser might read the other one; and it may not occur in another case, because
//! some parsers would read that one too.
//!
//! | file | holds |
//! |---|---|
//! | `field` | the keys |
//! | `members` | keys, and the shapes of values |
//! | `generation` | `generationConfig`, `inferenceConfig` and `options`, whose members are read |
//! | `cap` | the limit of an answer's length, and the number of answers |
//! | `thinking` | thinking budgets that must stay below a limit |
//! | `edit` | all edits of a body in the caller's own dialect |

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

pub use edit::{BetaField, BodyPiece, Cap, Edits};
pub(crate) use field::Field;

use field::Member;
use generation::{ConfigKeys, GenerationConfig};
use members::{boolean, differs_in_case, short, whole};

use crate::json::raw::{self, unescape};
use crate::provider::CapField;

/// Why a body can't be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ScanError {
    #[error("the body is not JSON: {0}")]
    NotJson(String),
    #[error("the body must be a JSON object")]
    NotObject,
    #[error("the key `{0}` is repeated in the body; parsers would disagree about which one counts")]
    Twice(String),
    #[error("the key `{key}` is `{known}` to some parsers and not to others; write it as `{known}`")]
    OtherCase { key: String, known: &'static str },
    #[error("`{0}` lets the provider answer with another model than the chosen one; name others in `fallbacks`")]
    OtherModels(&'static str),
    #[error("`{0}` is longer than {LONGEST} bytes")]
    TooLong(&'static str),
    #[error("`{field}` must be {expected}")]
    Wrong { field: &'static str, expected: &'static str },
}

/// The models with which Anthropic may answer instead of the requested one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnFallbacks {
    /// The models that Anthropic chooses.
    Default,
    Models(Vec<String>),
}

/// The values in a body that the gateway uses.
#[derive(Clone, Debug, Default)]
pub struct Scanned {
    /// `model`, unescaped.
    pub model: Option<String>,
    /// `stream: true`.
    pub stream: bool,
    /// `stream: false`, for dialects in which a stream is the default.
    pub unstreamed: bool,
    /// `stream_options.include_usage: true`.
    pub include_usage: bool,
    /// `fallbacks`: names, in order.
    pub fallbacks: Option<Vec<String>>,
    /// Set if `fallbacks` is Anthropic's own: `"default"`, or objects without a provider. It stays in the body.
    pub own_fallbacks: Option<OwnFallbacks>,
    /// `prompt_cache_key`.
    pub session: Option<String>,
    /// `previous_response_id`, or another handle that only one account knows, as raw text.
    pub handle: Option<String>,
    /// A hash of what does not change from turn to turn: system prompt and first user message; with the number of
    /// turns.
    pub conversation: Option<Conversation>,
    /// Whether `background` has any value but false. In a response it is the mode; for images it is the backdrop.
    pub background: bool,
    /// `service_tier` in lower case, or a faster `speed`, which Anthropic has too: a different price.
    pub service_tier: Option<String>,
    /// The values of the fields that limit an answer, in the order of [`CapField`].
    caps: [Option<u64>; 6],
    n: Option<u64>,
    best_of: Option<u64>,
    generation: Option<GenerationConfig>,
    inference: Option<GenerationConfig>,
    options: Option<GenerationConfig>,
    /// The members that were read, in the body's order.
    places: Vec<Member>,
    /// Whether Google's keys are spelled with underscores in this body.
    snake_case: bool,
    /// Where members begin (after `{`), and their number.
    inside: usize,
    members: usize,
}

/// See [`Scanned::conversation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conversation {
    pub opening: u64,
    pub turns: usize,
}

/// The longest value that is kept, in bytes: names and keys for lookups.
const LONGEST: usize = 4_096;
/// The most fallbacks of a body.
pub const MOST_FALLBACKS: usize = 32;

/// Scans a body of any dialect: `messages`, `contents` and `input` are its turns.
///
/// # Errors
/// [`ScanError`], in words for the caller.
pub fn scan(body: &[u8]) -> Result<Scanned, ScanError> {
    let text = std::str::from_utf8(body).map_err(|e| ScanError::NotJson(format!("{e}")))?;
    let mut reading = BodyReading { text, scanned: Scanned::default(), opening: [None, None], speed: None };
    reading.scanned.inside = text.find('{').map_or(0, |at| at + 1);
    // The first problem, unless the rest is not JSON, which is worse.
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

/// A scan in progress.
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
            Field::Stream => {
                scanned.stream = boolean(raw, "stream")?;
                scanned.unstreamed = raw == "false";
            }
            Field::Fallbacks => match anthropics(raw) {
                Some(own) => scanned.own_fallbacks = Some(own),
                None => scanned.fallbacks = Some(fallbacks(raw)?),
            },
            // OpenRouter's own fallbacks would bypass the key's allowed models, at another price.
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
                // Bedrock's is an object.
                let word = raw::member(raw, "type").unwrap_or(raw);
                scanned.service_tier = short(word, "service_tier")?.map(|word| word.to_ascii_lowercase());
            }
            Field::Speed => *speed = short(raw, "speed")?.filter(|word| word != "standard"),
            Field::N => scanned.n = whole(raw),
            Field::BestOf => scanned.best_of = whole(raw),
            Field::MaxCompletionTokens => scanned.caps[CapField::MaxCompletionTokens as usize] = whole(raw),
            Field::MaxTokens => scanned.caps[CapField::MaxTokens as usize] = whole(raw),
            Field::MaxOutputTokens => scanned.caps[CapField::MaxOutputTokens as usize] = whole(raw),
            Field::GenerationConfig => {
                scanned.generation = GenerationConfig::read(raw, value_at.start, ConfigKeys::GENERATION)?;
            }
            Field::InferenceConfig => {
                scanned.inference = GenerationConfig::read(raw, value_at.start, ConfigKeys::INFERENCE)?;
            }
            // Elsewhere it may be anything.
            Field::Options if raw.starts_with('{') => {
                scanned.options = GenerationConfig::read(raw, value_at.start, ConfigKeys::OPTIONS)?;
            }
            _ => {}
        }
        scanned.snake_case |= Field::name(&key) != key;
        scanned.places.push(Member { field, whole: key_at.start..value_at.end, value: value_at });
        Ok(())
    }

    fn done(self) -> Scanned {
        let BodyReading { mut scanned, opening, speed, .. } = self;
        scanned.service_tier = speed.or(scanned.service_tier);
        // Zero is unset in proto.
        let cap = |config: &Option<GenerationConfig>| config.as_ref()?.cap.filter(|cap| *cap > 0);
        scanned.caps[CapField::Generation as usize] = cap(&scanned.generation);
        scanned.caps[CapField::Inference as usize] = cap(&scanned.inference);
        scanned.caps[CapField::Options as usize] = cap(&scanned.options);
        scanned.conversation = opening[1].and_then(|turns| conversation(opening[0], turns));
        scanned
    }
}

impl Scanned {
    /// Whether the body is written for a server of Claude that reads the model in the path.
    #[must_use]
    pub fn has_anthropic_version(&self) -> bool {
        self.place(Field::AnthropicVersion).is_some()
    }

    /// The features that `anthropic_beta` in the body asks for.
    #[must_use]
    pub fn betas(&self, body: &[u8]) -> Vec<String> {
        let raw = self.value(body, Field::AnthropicBeta);
        raw.and_then(|raw| serde_json::from_str(raw).ok()).unwrap_or_default()
    }

    fn place(&self, field: Field) -> Option<&Member> {
        self.places.iter().find(|member| member.field == field)
    }

    /// The raw value of a field in the body that was scanned; `None` if it is null.
    pub(crate) fn value<'b>(&self, body: &'b [u8], field: Field) -> Option<&'b str> {
        let bytes = body.get(self.place(field)?.value.clone())?;
        std::str::from_utf8(bytes).ok().filter(|raw| *raw != "null")
    }
}

/// The range of a part in a text.
fn place(text: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr() as usize - text.as_ptr() as usize;
    start..start + part.len()
}

/// `fallbacks`, if it is the field of Anthropic's API: `"default"`, or `[{"model": "claude-…"}]`. Ours has a provider
/// in each object, or is a list of texts.
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
        // One more than allowed, to detect that there are too many.
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

/// Hashes the system prompt and the first turn of the user.
fn conversation(system: Option<&str>, turns: &str) -> Option<Conversation> {
    #[derive(Deserialize)]
    struct ScannedTurn<'a> {
        #[serde(borrow, default)]
        role: Option<Cow<'a, str>>,
    }
    // Only this process uses it, so it need not be stable: a prompt may be long, and the standard hasher reads eight
    // bytes at a time.
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
