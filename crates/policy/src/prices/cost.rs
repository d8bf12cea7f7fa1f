//! The cost of a request.

use super::Price;
use super::rates::Rates;

/// The usage of a request. Parts are included in their total, as in the formats' readers: `input` includes cached and
/// cache-writing tokens, `output` includes reasoning. Unknown values are 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used<'a> {
    pub input: u64,
    /// Included in `input`.
    pub cached_input: u64,
    /// Included in `input`: for five minutes, or for an unknown time.
    pub cache_write: u64,
    /// Included in `input`: for an hour or longer.
    pub cache_write_1h: u64,
    /// Included in `input`.
    pub audio_input: u64,
    /// Included in `input`.
    pub image_input: u64,
    pub output: u64,
    /// Included in `output`.
    pub reasoning: u64,
    /// Included in `output`.
    pub audio_output: u64,
    /// Included in `output`.
    pub image_output: u64,
    /// Generated images.
    pub images: u64,
    /// Characters of generated speech.
    pub characters: u64,
    /// Transcribed audio.
    pub milliseconds: u64,
    /// Queries over documents.
    pub searches: u64,
    /// The service tier in the answer: `batch`, `flex`, `priority`. Any other value means the default.
    pub service: Option<&'a str>,
}

/// Prices are per million tokens, so sums are in millionths of a nano-dollar.
pub(super) const MILLION: u128 = 1_000_000;

impl Price {
    /// The cost of `used`, in nano-dollars: exact, and rounded up once. Saturates at the largest number.
    #[must_use]
    pub fn cost(&self, used: &Used<'_>) -> u64 {
        let rates = Rates::of(self, used.input, used.service);
        let input = split(
            used.input,
            &[
                (used.cache_write_1h, rates.cache_write_1h()),
                (used.cache_write, rates.cache_write()),
                (used.audio_input, rates.audio_input()),
                (used.image_input, rates.image_input()),
                (used.cached_input, rates.cached_input()),
            ],
            rates.input,
        );
        let output = split(
            used.output,
            &[
                (used.audio_output, rates.audio_output()),
                (used.image_output, rates.image_output()),
                (used.reasoning, rates.reasoning()),
            ],
            rates.output,
        );
        let each = |count: u64, price: Option<u64>| product(count, price.unwrap_or(0));
        let other_units = [
            each(used.images, self.image).saturating_mul(MILLION),
            each(used.characters, self.characters),
            each(used.milliseconds, self.second).saturating_mul(MILLION / 1_000),
            each(used.searches, self.search).saturating_mul(MILLION),
        ];
        nanos(other_units.into_iter().fold(input.saturating_add(output), u128::saturating_add))
    }

    /// Whether the price is for tokens, or everything is free. False if only other units have a price: then a request that is counted in tokens has no price, rather than being free.
    #[must_use]
    pub fn counts_tokens(&self) -> bool {
        let mut others = [self.image, self.characters, self.second, self.search].into_iter().flatten();
        self.input > 0 || self.output > 0 || others.all(|price| price == 0)
    }

    /// Whether it has a price for generated images: each, or their tokens.
    #[must_use]
    pub fn counts_images(&self) -> bool {
        self.image.is_some() || self.image_output.is_some() || self.output > 0 || self.is_free()
    }

    /// Whether it has a price for characters of speech.
    #[must_use]
    pub fn counts_characters(&self) -> bool {
        self.characters.is_some() || self.is_free()
    }

    /// Whether it has a price for searches: each, or their tokens.
    #[must_use]
    pub fn counts_searches(&self) -> bool {
        self.search.is_some() || self.input > 0 || self.is_free()
    }

    /// Whether everything is free, in all tiers and services.
    #[must_use]
    pub fn is_free(&self) -> bool {
        let Price { input, output, tiers, services, .. } = self;
        let parts = [
            self.cached_input,
            self.cache_write,
            self.cache_write_1h,
            self.reasoning,
            self.audio_input,
            self.audio_output,
            self.image_input,
            self.image_output,
            self.image,
            self.characters,
            self.second,
            self.search,
        ];
        let nothing = |parts: &[Option<u64>]| parts.iter().flatten().all(|price| *price == 0);
        let tier = |tier: &super::Tier| {
            tier.input == 0 && tier.output == 0 && nothing(&[tier.cached_input, tier.cache_write, tier.cache_write_1h])
        };
        *input == 0
            && *output == 0
            && nothing(&parts)
            && tiers.iter().all(tier)
            && services.iter().all(|service| {
                service.input == 0
                    && service.output == 0
                    && nothing(&[service.cached_input, service.cache_write, service.cache_write_1h])
                    && nothing(&[service.audio_input, service.image_output])
                    && service.tiers.iter().all(tier)
            })
    }
}

/// The price of a total that includes some parts. The parts may add up to more than the total (cached audio is reported
/// as cached and as audio): then the first ones count, which is why the more expensive parts come first, and the total
/// is counted once.
fn split(whole: u64, parts: &[(u64, u64)], rest: u64) -> u128 {
    let mut left = whole;
    let mut sum = 0u128;
    for (count, rate) in parts {
        let count = left.min(*count);
        left -= count;
        sum = sum.saturating_add(product(count, *rate));
    }
    sum.saturating_add(product(left, rest))
}

pub(super) fn product(count: u64, price: u64) -> u128 {
    u128::from(count) * u128::from(price)
}

/// Nano-dollars from millionths of them, rounded up.
pub(super) fn nanos(millionths: u128) -> u64 {
    u64::try_from(millionths.div_ceil(MILLION)).unwrap_or(u64::MAX)
}
