//! The highest possible cost of an attempt, and the output cap that enforces it.
//!
//! ```text
//! input   estimated from the body's bytes
//! output  the lowest limit of caller, key and model, for each requested answer
//! ```
//! If the model's limit is unknown, the rest of its context window after the input counts, or [`UNKNOWN_MOST`]. If the
//! caller sets no limit and the worst case is over a quarter of what is left, the gateway writes a cap of a quarter, so
//! that one request cannot block all others.

use outrigger_llm::operation::Operation;
use outrigger_llm::passthrough::scan::Scanned;
use outrigger_llm::provider::CapField;
use outrigger_policy::{CacheWrite, Key, Policy, Price, ProviderIndex};

/// The lowest cap that the gateway writes, unless the key sets another one.
pub const LEAST_CAP: u64 = 1_024;

/// The highest number of output tokens if the model's own limit is unknown. It is written into the request if money or
/// tokens are limited.
pub const UNKNOWN_MOST: u64 = 8_192;

/// Tokens of a picture of the largest size in the highest quality, as OpenAI bills them.
pub const PICTURE: u64 = 6_240;

/// The limits of an answer, in tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputBounds {
    /// The caller's limit.
    pub caller: Option<u64>,
    /// The limit of the key, or of the provider's entry for the model. It is written if the caller's is higher.
    pub policy: Option<u64>,
    /// The model's limit.
    pub model: Option<u64>,
    /// Its context window, input and output together.
    pub window: Option<u64>,
    /// The number of answers that are requested at once.
    pub answers: u64,
    /// Output that is billed in addition: predicted output that was rejected.
    pub beside: u64,
    /// The lowest cap that the gateway may write.
    pub least: u64,
    /// Whether the gateway may write a cap if the caller set none.
    pub may_cap: bool,
}

impl OutputBounds {
    /// The limits of a request at a provider, for a model. `fields`: those in which that provider reads the caller's
    /// limit.
    #[must_use]
    pub fn of(
        policy: &Policy,
        key: &Key,
        provider: ProviderIndex,
        model: &str,
        fields: &[CapField],
        (operation, scanned, body): (&Operation, &Scanned, &[u8]),
    ) -> Self {
        let own = policy.providers.get(provider).and_then(|place| place.model(model)?.max_output_tokens);
        let thoughts = scanned.thinking_budget(body);
        OutputBounds {
            caller: scanned.output_cap(fields),
            policy: key.max_output_tokens.into_iter().chain(own).min().map(u64::from),
            model: policy.max_output_tokens(provider, model).map(u64::from),
            window: policy.context_window(provider, model).map(u64::from),
            answers: scanned.answers(operation, body),
            beside: scanned.predicted(operation, body),
            // The answer of a thinking model needs room for its thoughts, or the provider refuses the request.
            least: key
                .min_output_tokens
                .map_or(LEAST_CAP, u64::from)
                .max(thoughts.map_or(0, |thoughts| thoughts.saturating_add(1))),
            may_cap: key.cap_output,
        }
    }
}

/// The highest possible use of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorstCase {
    /// Nano-dollars.
    pub money: u64,
    /// Input and output.
    pub tokens: u64,
    /// The cap to write into the request.
    pub cap: Option<u64>,
    /// The cap is the gateway's own, for lack of money or tokens.
    pub capped: bool,
    /// The assumed output tokens of each answer; absent if no limit is known.
    pub most: Option<u64>,
}

/// The price of a token, and how much money and how many tokens are left.
#[derive(Clone, Copy, Debug)]
pub struct Means<'a> {
    pub price: Option<&'a Price>,
    pub service: Option<&'a str>,
    pub cache: CacheWrite,
    /// Nano-dollars that are neither spent nor reserved, in the tightest limit; absent if money is not limited.
    pub money: Option<u64>,
    /// The same for tokens.
    pub tokens: Option<u64>,
}

impl Means<'_> {
    /// The cost with the requested service tier or the default one, whichever is more expensive: the provider decides
    /// which one it uses.
    pub fn cost(&self, input: u64, output: u64) -> u64 {
        let by = |service| self.price.map_or(0, |price| price.worst_case(input, output, service, self.cache));
        match self.service {
            None => by(None),
            asked => by(None).max(by(asked)),
        }
    }

    fn buys(&self, price: &Price, money: u64) -> Option<u64> {
        let by = |service| price.output_tokens_for(money, service);
        match (by(None), self.service.and_then(|service| by(Some(service)))) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    /// The output tokens that a quarter of what is left can pay, after the input. `None`: any number.
    fn quarter(&self, input: u64) -> Option<u64> {
        let by_money = self.money.and_then(|left| {
            let for_output = (left / 4).saturating_sub(self.cost(input, 0));
            self.price.and_then(|price| self.buys(price, for_output))
        });
        let by_tokens = self.tokens.map(|left| (left / 4).saturating_sub(input));
        match (by_money, by_tokens) {
            (Some(money), Some(tokens)) => Some(money.min(tokens)),
            (one, other) => one.or(other),
        }
    }

    fn is_over_a_quarter(&self, input: u64, output: u64) -> bool {
        self.money.is_some_and(|left| self.cost(input, output) > left / 4)
            || self.tokens.is_some_and(|left| input.saturating_add(output) > left / 4)
    }
}

/// The worst case of an attempt with this many input tokens.
#[must_use]
pub fn worst(input: u64, bounds: OutputBounds, means: &Means<'_>) -> WorstCase {
    let answers = bounds.answers.max(1);
    let least = |one: Option<u64>, other: Option<u64>| match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    let enforced = bounds.policy.filter(|most| bounds.caller.is_none_or(|caller| caller > *most));
    let bound = least(least(bounds.caller, bounds.policy), bounds.model);
    let of = |each: Option<u64>, cap: Option<u64>, capped: bool| {
        let output = each.unwrap_or(0).saturating_mul(answers).saturating_add(bounds.beside);
        WorstCase { money: means.cost(input, output), tokens: input.saturating_add(output), cap, capped, most: each }
    };
    let limited = means.money.is_some() || means.tokens.is_some();
    // The caller's own limit applies, with what it may cost.
    if let Some(each) = bound
        && (!limited
            || bounds.caller.is_some()
            || !means.is_over_a_quarter(input, each.saturating_mul(answers).saturating_add(bounds.beside)))
    {
        return of(Some(each), enforced, false);
    }
    match means.quarter(input) {
        // Output is free, or nothing is limited: no cap is needed, and no limit is known.
        None => of(bound, enforced, false),
        Some(quarter) => {
            let most = bound.unwrap_or_else(|| match bounds.window {
                Some(window) => window.saturating_sub(input).max(1),
                None if bounds.may_cap => UNKNOWN_MOST.max(bounds.least),
                None => u64::MAX,
            });
            let each = (quarter.saturating_sub(bounds.beside) / answers).max(bounds.least).min(most);
            match bounds.may_cap {
                true => of(Some(each), Some(each), true),
                // What exceeds it is the documented excess of such keys.
                false => WorstCase { most: None, ..of(Some(each), enforced, false) },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A dollar a million tokens of input, ten a million of output: a token of output is 10,000 nano-dollars.
    fn price() -> Price {
        Price { input: 1_000_000_000, output: 10_000_000_000, ..Price::default() }
    }

    fn means(price: &Price, money: Option<u64>, tokens: Option<u64>) -> Means<'_> {
        Means { price: Some(price), service: None, cache: CacheWrite::None, money, tokens }
    }

    const OPEN: OutputBounds = OutputBounds {
        caller: None,
        policy: None,
        model: None,
        window: None,
        answers: 1,
        beside: 0,
        least: 1_024,
        may_cap: true,
    };

    #[test]
    fn the_lowest_limit_counts_and_a_cap_is_written_only_if_needed() {
        let model = OutputBounds { model: Some(16_000), ..OPEN };
        let plenty = Some(100_000_000_000);
        // A quarter of a dollar buys 25,000 output tokens.
        let dollar = Some(1_000_000_000);
        let dime = Some(100_000_000);
        for (what, bounds, money, tokens, output, cap, capped) in [
            ("nothing is limited, nothing known", OPEN, None, None, 0, None, false),
            ("nothing is limited", model, None, None, 16_000, None, false),
            ("plenty is left", model, plenty, None, 16_000, None, false),
            ("a quarter suffices", model, dollar, None, 16_000, None, false),
            ("a quarter does not", model, dime, None, 2_400, Some(2_400), true),
            ("the model's most is not known", OPEN, dollar, None, 8_192, Some(8_192), true),
            (
                "nothing is known, and a fortune is left",
                OPEN,
                Some(1_000_000_000_000_000),
                None,
                8_192,
                Some(8_192),
                true,
            ),
            ("nothing is known, and little is left", OPEN, dime, None, 2_400, Some(2_400), true),
            ("its window is", OutputBounds { window: Some(20_000), ..OPEN }, plenty, None, 19_000, Some(19_000), true),
            (
                "its window is large",
                OutputBounds { window: Some(200_000), ..OPEN },
                dollar,
                None,
                24_900,
                Some(24_900),
                true,
            ),
            ("its window is full", OutputBounds { window: Some(900), ..OPEN }, dollar, None, 1, Some(1), true),
            ("the key's least is more", OutputBounds { least: 10_000, ..OPEN }, dime, None, 10_000, Some(10_000), true),
            ("the caller has said", OutputBounds { caller: Some(9_000), ..model }, dime, None, 9_000, None, false),
            (
                "the policy says less",
                OutputBounds { caller: Some(9_000), policy: Some(500), ..model },
                dime,
                None,
                500,
                Some(500),
                false,
            ),
            (
                "the policy says more",
                OutputBounds { caller: Some(300), policy: Some(500), ..model },
                dime,
                None,
                300,
                None,
                false,
            ),
            ("the policy alone", OutputBounds { policy: Some(500), ..model }, dime, None, 500, Some(500), false),
            ("the least that a cap is", model, Some(10_000_000), None, 1_024, Some(1_024), true),
            ("the key's own least", OutputBounds { least: 16, ..model }, Some(10_000_000), None, 150, Some(150), true),
            ("no cap may be written", OutputBounds { may_cap: false, ..model }, dime, None, 2_400, None, false),
            ("several answers", OutputBounds { answers: 2, ..model }, dime, None, 2_400, Some(1_200), true),
            (
                "another answer was predicted",
                OutputBounds { beside: 400, ..model },
                dime,
                None,
                2_400,
                Some(2_000),
                true,
            ),
            ("tokens are few", model, None, Some(20_000), 4_000, Some(4_000), true),
            ("both", model, dime, Some(8_000), 1_024, Some(1_024), true),
            ("nothing is left", model, Some(0), None, 1_024, Some(1_024), true),
        ] {
            let price = price();
            let input = 1_000;
            let got = worst(input, bounds, &means(&price, money, tokens));
            assert_eq!((got.tokens - input, got.cap, got.capped), (output, cap, capped), "{what}");
            assert_eq!(got.money, price.worst_case(input, output, None, CacheWrite::None), "{what}");
        }
    }

    #[test]
    fn free_output_is_not_capped() {
        let free = Price::default();
        let got = worst(1_000, OPEN, &means(&free, Some(1), None));
        assert_eq!((got.money, got.cap), (0, None));
        let unknown = Means { price: None, ..means(&free, Some(1), None) };
        assert_eq!(worst(1_000, OPEN, &unknown).money, 0, "the key allows unpriced models, which count as free");
    }
}
