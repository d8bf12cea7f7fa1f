//! Anthropic's `usage` objects, whose `input_tokens` excludes cached tokens.
//!
//! | reported | and counted |
//! |---|---|
//! | twice in a stream | the later value replaces the earlier, field by field. A zero replaces nothing, except parts of the input if `input_tokens` is not zero |
//! | in `iterations` too | the sum over the iterations: compaction of the context and advice are billed and reported only there |

use serde_json::{Value, json};

use crate::chat::JsonObject;
use crate::usage::{self, ServiceTier, Usage};

/// Numbers as Anthropic counts them: of a whole answer, or of one iteration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct UsageFigures {
    pub input: Option<u64>,
    pub cache_read: Option<u64>,
    pub cache_write: Option<u64>,
    pub cache_write_5m: Option<u64>,
    pub cache_write_1h: Option<u64>,
    pub output: Option<u64>,
    pub thinking: Option<u64>,
}

/// The usage that an answer has reported so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct UsageStatements {
    pub totals: UsageFigures,
    /// The sum over `iterations`, if there are any.
    pub iterations: Option<UsageFigures>,
    pub service: Option<ServiceTier>,
    pub speed: Option<ServiceTier>,
}

impl UsageFigures {
    fn read(usage: &Value) -> UsageFigures {
        let figure = |value: Option<&Value>| value.and_then(usage::count);
        let cache = usage.get("cache_creation");
        let details = usage.get("output_tokens_details");
        UsageFigures {
            input: figure(usage.get("input_tokens")),
            cache_read: figure(usage.get("cache_read_input_tokens")),
            cache_write: figure(usage.get("cache_creation_input_tokens")),
            cache_write_5m: figure(cache.and_then(|cache| cache.get("ephemeral_5m_input_tokens"))),
            cache_write_1h: figure(cache.and_then(|cache| cache.get("ephemeral_1h_input_tokens"))),
            output: figure(usage.get("output_tokens")),
            thinking: figure(details.and_then(|details| details.get("thinking_tokens"))),
        }
    }

    fn each(self, other: UsageFigures, join: impl Fn(Option<u64>, Option<u64>) -> Option<u64>) -> UsageFigures {
        UsageFigures {
            input: join(self.input, other.input),
            cache_read: join(self.cache_read, other.cache_read),
            cache_write: join(self.cache_write, other.cache_write),
            cache_write_5m: join(self.cache_write_5m, other.cache_write_5m),
            cache_write_1h: join(self.cache_write_1h, other.cache_write_1h),
            output: join(self.output, other.output),
            thinking: join(self.thinking, other.thinking),
        }
    }

    /// The sum of both.
    pub fn plus(self, other: UsageFigures) -> UsageFigures {
        self.each(other, |one, other| match (one, other) {
            (Some(one), Some(other)) => Some(one.saturating_add(other)),
            (one, other) => one.or(other),
        })
    }

    /// Applies a later value. A zero usually comes from a server that does not know.
    fn correct(&mut self, later: UsageFigures) {
        let knows = later.input.is_some_and(|input| input > 0);
        let take = |mine: &mut Option<u64>, later: Option<u64>, zero_too: bool| {
            if later.is_some_and(|figure| figure > 0 || zero_too || mine.is_none()) {
                *mine = later;
            }
        };
        take(&mut self.input, later.input, false);
        take(&mut self.cache_read, later.cache_read, knows);
        take(&mut self.cache_write, later.cache_write, knows);
        take(&mut self.cache_write_5m, later.cache_write_5m, knows);
        take(&mut self.cache_write_1h, later.cache_write_1h, knows);
        take(&mut self.output, later.output, false);
        take(&mut self.thinking, later.thinking, false);
    }
}

impl UsageStatements {
    pub fn read(usage: &Value) -> UsageStatements {
        let service = |key: &str| usage.get(key).and_then(Value::as_str).and_then(ServiceTier::parse);
        let iterations = usage.get("iterations").and_then(Value::as_array);
        UsageStatements {
            totals: UsageFigures::read(usage),
            iterations: iterations.and_then(|all| all.iter().map(UsageFigures::read).reduce(UsageFigures::plus)),
            service: service("service_tier"),
            speed: service("speed"),
        }
    }

    /// Applies later values.
    pub fn correct(&mut self, later: UsageStatements) {
        self.totals.correct(later.totals);
        self.iterations = later.iterations.or(self.iterations);
        self.service = later.service.or(self.service);
        self.speed = later.speed.or(self.speed);
    }

    /// Drops the output: in `message_start` it is about one token, and not a count.
    pub fn without_output(mut self) -> UsageStatements {
        for part in std::iter::once(&mut self.totals).chain(&mut self.iterations) {
            (part.output, part.thinking) = (None, None);
        }
        self
    }

    pub fn usage(&self) -> Usage {
        // The iterations never add up to less than their total.
        let all = self.iterations.map_or(self.totals, |sum| sum.each(self.totals, Option::max));
        // A later event may have changed the total without repeating the parts.
        let one_hour = all.cache_write_1h.map(|hour| hour.min(all.cache_write.unwrap_or(hour)));
        let five_minutes = match all.cache_write {
            Some(all) => Some(all.saturating_sub(one_hour.unwrap_or(0))),
            None => all.cache_write_5m,
        };
        let written = five_minutes.unwrap_or(0).saturating_add(one_hour.unwrap_or(0));
        Usage {
            input: all.input.map(|fresh| fresh.saturating_add(all.cache_read.unwrap_or(0)).saturating_add(written)),
            cached_input: all.cache_read,
            cache_write: five_minutes,
            cache_write_1h: one_hour,
            output: all.output,
            reasoning: all.thinking,
            service: self.speed.filter(|speed| *speed == ServiceTier::Fast).or(self.service),
            ..Usage::default()
        }
    }
}

/// The `usage` object of an answer. `input_tokens` and `output_tokens` are integers in every SDK, so an unknown number
/// is written as 0 there; unknown optional ones are omitted.
pub fn encode(usage: &Usage) -> JsonObject {
    let cached = usage.cached_input.unwrap_or(0);
    let written = usage.cache_write.unwrap_or(0).saturating_add(usage.cache_write_1h.unwrap_or(0));
    let fresh = usage.input.unwrap_or(0).saturating_sub(cached).saturating_sub(written);
    let mut encoded = JsonObject::new();
    encoded.insert("input_tokens".to_owned(), fresh.into());
    if usage.cache_write.is_some() || usage.cache_write_1h.is_some() {
        encoded.insert("cache_creation_input_tokens".to_owned(), written.into());
    }
    if let Some(cached) = usage.cached_input {
        encoded.insert("cache_read_input_tokens".to_owned(), cached.into());
    }
    if let Some(one_hour) = usage.cache_write_1h {
        let five_minutes = usage.cache_write.unwrap_or(0);
        encoded.insert(
            "cache_creation".to_owned(),
            json!({"ephemeral_5m_input_tokens": five_minutes, "ephemeral_1h_input_tokens": one_hour}),
        );
    }
    encoded.insert("output_tokens".to_owned(), usage.output.unwrap_or(0).into());
    if let Some(thinking) = usage.reasoning {
        encoded.insert("output_tokens_details".to_owned(), json!({"thinking_tokens": thinking}));
    }
    encoded
}
