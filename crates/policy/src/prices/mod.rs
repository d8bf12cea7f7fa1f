//! What models cost: prices as data. What is made of them is in `cost` and `worst`.

mod cost;
mod rates;
mod worst_case;

use std::borrow::Cow;

pub use cost::Used;

use serde::{Deserialize, Serialize};
pub use worst_case::CacheAsk;

/// Prices of one model, in nano-dollars per million tokens unless something else is said: $2.50 per million is
/// 2,500,000,000. What is absent costs what its kind costs: a cached token as much as another of the input. What a tier
/// or a service does not price rises there as its kind does, and falls only so far as not to become dearer than that.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Price {
    pub input: u64,
    pub output: u64,
    /// Input that was read from the provider's cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<u64>,
    /// Input that was written to the cache for five minutes, or at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<u64>,
    /// Input that was written to the cache for an hour or longer; absent, as much as any other writing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<u64>,
    /// Output that was thought and not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_input: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_output: Option<u64>,
    /// Pictures that the model saw, where they are told in tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_input: Option<u64>,
    /// Pictures that it made, where they are told in tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_output: Option<u64>,
    /// Nano-dollars for one picture made, beside its tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<u64>,
    /// Nano-dollars for a million characters spoken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub characters: Option<u64>,
    /// Nano-dollars for a second heard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second: Option<u64>,
    /// By rising size of the input: the last whose bound the input is above holds for the whole request.
    #[serde(default, skip_serializing_if = "<[Tier]>::is_empty")]
    pub tiers: Cow<'static, [Tier]>,
    /// Other prices for other service, by the provider's word for it: `batch`, `flex`, `priority`.
    #[serde(default, skip_serializing_if = "<[Service]>::is_empty")]
    pub services: Cow<'static, [Service]>,
}

/// Prices of requests with a large input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tier {
    /// It holds above this many tokens of input.
    pub above: u64,
    pub input: u64,
    pub output: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<u64>,
}

/// Prices of another service than the usual one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Service {
    /// `batch`, `flex` or `priority`.
    pub name: Cow<'static, str>,
    pub input: u64,
    pub output: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_input: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_output: Option<u64>,
    /// As [`Price::tiers`], of this service.
    #[serde(default, skip_serializing_if = "<[Tier]>::is_empty")]
    pub tiers: Cow<'static, [Tier]>,
}
