//! Anthropic's `usage` objects, whose `input_tokens` leaves cached tokens out.

use serde_json::{Value, json};

use crate::chat::Object;
use crate::usage::{ServiceTier, Usage};

/// Figures as Anthropic counts them. A stream tells them cumulatively, and not all each time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    input: Option<u64>,
    cache_read: Option<u64>,
    cache_write: Option<u64>,
    cache_write_5m: Option<u64>,
    cache_write_1h: Option<u64>,
    output: Option<u64>,
    thinking: Option<u64>,
    service: Option<ServiceTier>,
    fast: bool,
}

impl Spent {
    /// Takes what `usage` tells. Cumulative figures never fall, so a smaller one (a zero where a
    /// server does not know) changes nothing.
    pub fn take(&mut self, usage: &Value) {
        let figure = |value: Option<&Value>| value.and_then(Value::as_u64);
        let cache = usage.get("cache_creation");
        let raise = |mine: &mut Option<u64>, told: Option<u64>| *mine = (*mine).max(told);
        raise(&mut self.input, figure(usage.get("input_tokens")));
        raise(&mut self.cache_read, figure(usage.get("cache_read_input_tokens")));
        raise(&mut self.cache_write, figure(usage.get("cache_creation_input_tokens")));
        raise(&mut self.cache_write_5m, figure(cache.and_then(|c| c.get("ephemeral_5m_input_tokens"))));
        raise(&mut self.cache_write_1h, figure(cache.and_then(|c| c.get("ephemeral_1h_input_tokens"))));
        raise(&mut self.output, figure(usage.get("output_tokens")));
        let service = |key: &str| usage.get(key).and_then(Value::as_str).and_then(ServiceTier::parse);
        self.service = service("service_tier").or(self.service);
        self.fast |= service("speed") == Some(ServiceTier::Fast);
        raise(&mut self.thinking, figure(usage.get("output_tokens_details").and_then(|d| d.get("thinking_tokens"))));
    }

    /// Forgets the output: `message_start` tells a first token or so, which is no count.
    pub fn without_output(mut self) -> Spent {
        self.output = None;
        self.thinking = None;
        self
    }

    pub fn usage(&self) -> Usage {
        let one_hour = self.cache_write_1h.unwrap_or(0);
        // The total may have grown in a later event that does not tell the parts again.
        let five_minutes = match self.cache_write {
            Some(all) => Some(all.saturating_sub(one_hour)),
            None => self.cache_write_5m,
        };
        let written = five_minutes.unwrap_or(0).saturating_add(one_hour);
        Usage {
            input: self.input.map(|fresh| fresh.saturating_add(self.cache_read.unwrap_or(0)).saturating_add(written)),
            cached_input: self.cache_read,
            cache_write: five_minutes,
            cache_write_1h: self.cache_write_1h,
            output: self.output,
            reasoning: self.thinking,
            service: if self.fast { Some(ServiceTier::Fast) } else { self.service },
            ..Usage::default()
        }
    }
}

/// The whole `usage` object of an answer. `input_tokens` and `output_tokens` are whole numbers in
/// every SDK, so an unknown figure is told as 0 there; the optional ones are left out.
pub fn tell(usage: &Usage) -> Object {
    let cached = usage.cached_input.unwrap_or(0);
    let written = usage.cache_write.unwrap_or(0).saturating_add(usage.cache_write_1h.unwrap_or(0));
    let fresh = usage.input.unwrap_or(0).saturating_sub(cached).saturating_sub(written);
    let mut told = Object::new();
    told.insert("input_tokens".to_owned(), fresh.into());
    if usage.cache_write.is_some() || usage.cache_write_1h.is_some() {
        told.insert("cache_creation_input_tokens".to_owned(), written.into());
    }
    if let Some(cached) = usage.cached_input {
        told.insert("cache_read_input_tokens".to_owned(), cached.into());
    }
    if let Some(one_hour) = usage.cache_write_1h {
        let five_minutes = usage.cache_write.unwrap_or(0);
        told.insert(
            "cache_creation".to_owned(),
            json!({"ephemeral_5m_input_tokens": five_minutes, "ephemeral_1h_input_tokens": one_hour}),
        );
    }
    told.insert("output_tokens".to_owned(), usage.output.unwrap_or(0).into());
    if let Some(thinking) = usage.reasoning {
        told.insert("output_tokens_details".to_owned(), json!({"thinking_tokens": thinking}));
    }
    told
}
