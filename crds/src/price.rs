//! The price of a model, in dollars as decimal strings.

use outrigger_core::Money;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::shapes;

/// Prices of one model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    shapes::rule(
        "(has(self.inputPerMillion) && has(self.outputPerMillion)) || has(self.perImage) || has(self.perMillionCharacters) || has(self.perSecond)",
        "a price needs inputPerMillion and outputPerMillion (\"0\" if free), or one of perImage, perMillionCharacters and perSecond",
    ),
    shapes::rule(
        "(has(self.inputPerMillion) && has(self.outputPerMillion)) || !(has(self.cachedInputPerMillion) || \
         has(self.cacheWritePerMillion) || has(self.cacheWrite1hPerMillion) || has(self.reasoningPerMillion) || \
         has(self.tiers) || has(self.services))",
        "prices for caches, reasoning, tiers and services need the base prices: set inputPerMillion and outputPerMillion, too",
    ),
]))]
pub struct PriceSpec {
    /// Dollars for a million tokens of input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_per_million: Option<Money>,
    /// Dollars for a million tokens of input that the provider read from its cache. Absent: the price of other input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input_per_million: Option<Money>,
    /// Dollars for a million tokens of input that were written to the cache, for five minutes or for the provider's
    /// default time. Absent: the price of other input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_per_million: Option<Money>,
    /// Dollars for a million tokens of input that were written to the cache for an hour. Absent: the price for five
    /// minutes.
    #[serde(default, rename = "cacheWrite1hPerMillion", skip_serializing_if = "Option::is_none")]
    pub cache_write_1h_per_million: Option<Money>,
    /// Dollars for a million tokens of output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_per_million: Option<Money>,
    /// Dollars for a million tokens of reasoning. Absent: the price of other output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_per_million: Option<Money>,
    /// Dollars for a million tokens of audio input. Absent: the price of other input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_input_per_million: Option<Money>,
    /// Dollars for a million tokens of audio output. Absent: the price of other output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_output_per_million: Option<Money>,
    /// Dollars for one generated image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_image: Option<Money>,
    /// Dollars for a million characters of text that is turned into speech.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_million_characters: Option<Money>,
    /// Dollars for a second of audio that is transcribed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_second: Option<Money>,
    /// Other prices for requests with a large input. They apply to the whole request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["above"]))]
    pub tiers: Vec<PriceTier>,
    /// Other prices for service tiers other than the default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 3), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub services: Vec<PriceService>,
}

/// Prices of requests with a large input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PriceTier {
    /// The prices apply if the input has more tokens than this.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub above: i32,
    /// Dollars for a million tokens of input.
    pub input_per_million: Money,
    /// Dollars for a million tokens of input that the provider read from its cache. Absent: the price of other input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input_per_million: Option<Money>,
    /// Dollars for a million tokens of input that were written to the cache. Absent: the price of other input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_per_million: Option<Money>,
    /// Dollars for a million tokens of input that were written to the cache for an hour. Absent: the price for five
    /// minutes.
    #[serde(default, rename = "cacheWrite1hPerMillion", skip_serializing_if = "Option::is_none")]
    pub cache_write_1h_per_million: Option<Money>,
    /// Dollars for a million tokens of output.
    pub output_per_million: Money,
}

/// Prices of one service tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PriceService {
    /// The provider's name for the service tier.
    pub name: ServiceName,
    /// Dollars for a million tokens of input.
    pub input_per_million: Money,
    /// Dollars for a million tokens of input that the provider read from its cache. Absent: the price of other input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input_per_million: Option<Money>,
    /// Dollars for a million tokens of output.
    pub output_per_million: Money,
}

/// Service tiers other than the default, as `service_tier` of a request names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ServiceName {
    /// Answered within a day.
    Batch,
    /// Answered when there is capacity.
    Flex,
    /// Answered before other requests.
    Priority,
}
