//! Prices of models, as data. `cost` and `worst_case` compute with them.

mod cost;
mod rates;
mod worst_case;

use std::borrow::Cow;

pub use cost::Used;

use serde::{Deserialize, Serialize};
pub use worst_case::CacheWrite;

/// Prices of one model, in nano-dollars per million tokens unless noted: $2.50 per million is 2,500,000,000. An absent
/// price is that of its total: a cached token costs as much as other input. If a tier or service has no price for a
/// part, the price of the part rises in proportion with that of its total there; it falls only as far as needed not to
/// exceed it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Price {
    pub input: u64,
    pub output: u64,
    /// Input that was read from the provider's cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<u64>,
    /// Input that was written to the cache for five minutes, or for an unknown time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<u64>,
    /// Input that was written to the cache for an hour or longer; absent: the price of other cache writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<u64>,
    /// Reasoning output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_input: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_output: Option<u64>,
    /// Input images, if they are counted in tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_input: Option<u64>,
    /// Generated images, if they are counted in tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_output: Option<u64>,
    /// Nano-dollars for one generated image, in addition to its tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<u64>,
    /// Nano-dollars for a million characters of generated speech.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub characters: Option<u64>,
    /// Nano-dollars for a second of transcribed audio.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second: Option<u64>,
    /// Nano-dollars for a search: a query over up to a hundred documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<u64>,
    /// Ordered by size of the input: the last tier whose bound the input exceeds applies to the whole request.
    #[serde(default, skip_serializing_if = "<[Tier]>::is_empty")]
    pub tiers: Cow<'static, [Tier]>,
    /// Other prices for service tiers, by the provider's name: `batch`, `flex`, `priority`.
    #[serde(default, skip_serializing_if = "<[Service]>::is_empty")]
    pub services: Cow<'static, [Service]>,
}

/// Prices of requests with a large input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tier {
    /// It applies to input of more tokens than this.
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

/// Prices of a service tier other than the default.
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
    /// As [`Price::tiers`], for this service.
    #[serde(default, skip_serializing_if = "<[Tier]>::is_empty")]
    pub tiers: Cow<'static, [Tier]>,
}
