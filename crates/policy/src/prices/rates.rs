//! The prices that apply to one request: those of its service, at its size.

use super::{Price, Service, Tier};

/// Nano-dollars per million tokens of each part. An absent price is that of its total.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rates {
    pub input: u64,
    cached_input: Option<u64>,
    cache_write: Option<u64>,
    cache_write_1h: Option<u64>,
    audio_input: Option<u64>,
    image_input: Option<u64>,
    pub output: u64,
    reasoning: Option<u64>,
    audio_output: Option<u64>,
    image_output: Option<u64>,
}

impl Rates {
    /// The prices for this much input, in a service. A service that the price does not have uses the default.
    pub fn of(price: &Price, input: u64, service: Option<&str>) -> Rates {
        let flat = Rates::flat(price);
        let usual = match tier(&price.tiers, input) {
            Some(tier) => flat.in_tier(tier),
            None => flat,
        };
        let Some(service) = service.and_then(|name| price.services.iter().find(|service| service.name == name)) else {
            return usual;
        };
        let rates = flat.in_service(service);
        match (tier(&service.tiers, input), tier(&price.tiers, input)) {
            (Some(tier), _) => rates.in_tier(tier),
            // The service has no tier for this size: its prices rise as the default service's do.
            (None, Some(_)) => rates
                .with(follow(rates.input, flat.input, usual.input), follow(rates.output, flat.output, usual.output)),
            (None, None) => rates,
        }
    }

    fn flat(price: &Price) -> Rates {
        Rates {
            input: price.input,
            cached_input: price.cached_input,
            cache_write: price.cache_write,
            cache_write_1h: price.cache_write_1h,
            audio_input: price.audio_input,
            image_input: price.image_input,
            output: price.output,
            reasoning: price.reasoning,
            audio_output: price.audio_output,
            image_output: price.image_output,
        }
    }

    fn in_tier(self, tier: &Tier) -> Rates {
        let mut rates = self.with(tier.input, tier.output);
        rates.cached_input = tier.cached_input.or(rates.cached_input);
        rates.cache_write = tier.cache_write.or(rates.cache_write);
        rates.cache_write_1h = tier.cache_write_1h.or(rates.cache_write_1h);
        rates
    }

    fn in_service(self, service: &Service) -> Rates {
        let mut rates = self.with(service.input, service.output);
        rates.cached_input = service.cached_input.or(rates.cached_input);
        rates.cache_write = service.cache_write.or(rates.cache_write);
        rates.cache_write_1h = service.cache_write_1h.or(rates.cache_write_1h);
        rates.audio_input = service.audio_input.or(rates.audio_input);
        rates.image_output = service.image_output.or(rates.image_output);
        rates
    }

    /// Sets new prices of the totals, and adjusts those of the parts.
    fn with(mut self, input: u64, output: u64) -> Rates {
        let of_input = [&mut self.cached_input, &mut self.cache_write, &mut self.cache_write_1h];
        for part in of_input.into_iter().chain([&mut self.audio_input, &mut self.image_input]).flatten() {
            *part = follow(*part, self.input, input);
        }
        for part in [&mut self.reasoning, &mut self.audio_output, &mut self.image_output].into_iter().flatten() {
            *part = follow(*part, self.output, output);
        }
        (self.input, self.output) = (input, output);
        self
    }

    pub fn cached_input(&self) -> u64 {
        self.cached_input.unwrap_or(self.input)
    }

    pub fn cache_write(&self) -> u64 {
        self.cache_write.unwrap_or(self.input)
    }

    pub fn cache_write_1h(&self) -> u64 {
        self.cache_write_1h.unwrap_or_else(|| self.cache_write())
    }

    pub fn audio_input(&self) -> u64 {
        self.audio_input.unwrap_or(self.input)
    }

    pub fn image_input(&self) -> u64 {
        self.image_input.unwrap_or(self.input)
    }

    pub fn reasoning(&self) -> u64 {
        self.reasoning.unwrap_or(self.output)
    }

    pub fn audio_output(&self) -> u64 {
        self.audio_output.unwrap_or(self.output)
    }

    pub fn image_output(&self) -> u64 {
        self.image_output.unwrap_or(self.output)
    }
}

/// The last tier whose bound the input exceeds.
fn tier(tiers: &[Tier], input: u64) -> Option<&Tier> {
    tiers.iter().rev().find(|tier| input > tier.above)
}

/// The price of a part without its own price when the price of its total changes from `old` to `new`. It rises in
/// proportion, as providers do it, and does not fall, because nothing says so; but a part that was not more expensive
/// than the total does not become so.
fn follow(part: u64, old: u64, new: u64) -> u64 {
    let in_proportion = (u128::from(part) * u128::from(new)).div_ceil(u128::from(old.max(1)));
    let risen = u64::try_from(in_proportion).unwrap_or(u64::MAX).max(part);
    if part <= old { risen.min(new) } else { risen }
}
