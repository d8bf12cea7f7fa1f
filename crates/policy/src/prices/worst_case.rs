//! The highest possible cost of a request, before it is sent.

use super::Price;
use super::cost::{MILLION, nanos, product};
use super::rates::Rates;

/// What a request may write to the provider's cache. OpenAI's newer models write without being asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheWrite {
    /// Nothing.
    #[default]
    None,
    /// For five minutes, or as the provider decides.
    Short,
    /// For an hour or longer.
    Hour,
}

impl Price {
    /// The highest result of [`Price::cost`] with at most these tokens of input and output, in whatever parts. Images,
    /// characters and seconds are added by the caller: their cost is known beforehand.
    #[must_use]
    pub fn worst_case(&self, input: u64, output: u64, service: Option<&str>, cache: CacheWrite) -> u64 {
        let sums = self.reachable(input, service).map(|rates| {
            product(input, rates.dearest_input(cache)).saturating_add(product(output, rates.dearest_output()))
        });
        nanos(sums.max().unwrap_or(0))
    }

    /// How many tokens of output `nanos` nano-dollars buy at least, whatever the input; `None` if output is free.
    #[must_use]
    pub fn output_tokens_for(&self, nanos: u64, service: Option<&str>) -> Option<u64> {
        let dearest = self.reachable(u64::MAX, service).map(|rates| rates.dearest_output()).max()?;
        let tokens = (u128::from(nanos) * MILLION).checked_div(u128::from(dearest))?;
        Some(u64::try_from(tokens).unwrap_or(u64::MAX))
    }

    /// The prices that can apply with at most this much input: those without a tier, and those just above each bound.
    fn reachable(&self, input: u64, service: Option<&str>) -> impl Iterator<Item = Rates> {
        let services = self.services.iter().filter(move |known| service == Some(&*known.name));
        let bounds = self.tiers.iter().chain(services.flat_map(|service| service.tiers.iter())).map(|tier| tier.above);
        let sizes = bounds.filter(move |above| *above < input).map(|above| above.saturating_add(1));
        std::iter::once(0).chain(sizes).map(move |size| Rates::of(self, size, service))
    }
}

impl Rates {
    fn dearest_input(&self, cache: CacheWrite) -> u64 {
        let read = self.input.max(self.cached_input()).max(self.audio_input()).max(self.image_input());
        match cache {
            CacheWrite::None => read,
            CacheWrite::Short => read.max(self.cache_write()),
            CacheWrite::Hour => read.max(self.cache_write()).max(self.cache_write_1h()),
        }
    }

    fn dearest_output(&self) -> u64 {
        self.output.max(self.reasoning()).max(self.audio_output()).max(self.image_output())
    }
}
