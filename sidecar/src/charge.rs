//! What one attempt is charged: set aside before it leaves, settled when it is known what it used.
//!
//! ```text
//! begun -> not sent, refused (4xx)     nothing
//!       -> failed (5xx, no answer)     the input, estimated
//!       -> answered                    what was told; estimated where nothing was
//!       -> cut, hung up                the input, and the output that was seen
//!       -> nobody knows                in full
//! ```

use std::sync::Arc;

use outrigger_ledger::LimitNo;
use outrigger_llm::estimate;
use outrigger_llm::meter::Metered;
use outrigger_llm::usage::Usage;
use outrigger_policy::{CacheAsk, Policy, Unit, Used};

use crate::accounts::Held;

/// A limit that an attempt counts against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// In [`outrigger_policy::Limits::all`].
    pub place: usize,
    pub number: LimitNo,
    pub unit: Unit,
}

/// An attempt's account.
#[derive(Debug)]
pub struct Charge {
    /// Nothing, where nothing is limited.
    pub held: Option<Held>,
    pub counted: Vec<Counted>,
    /// Index of the provider and name of the model: whose price it is.
    pub provider: usize,
    pub model: Arc<str>,
    /// Tokens of input, estimated.
    pub input: u64,
    pub metered: Metered,
    /// It is counted by tokens, among other things perhaps.
    pub by_tokens: bool,
    /// How long its prefix is to be cached.
    pub cache: CacheAsk,
    /// The service that the caller asked for, by the provider's word.
    pub service: Option<String>,
    /// It went on its way.
    pub sent: bool,
}

/// What an attempt came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Nano-dollars; `None` where there is no price.
    pub money: Option<u64>,
    pub tokens: u64,
    /// Something of it was estimated, not told.
    pub estimated: bool,
    pub usage: Usage,
}

impl Charge {
    /// What an answer cost.
    ///
    /// `said`: bytes of its content, for what was not told. `complete`: it came to its end, so that a figure that was told
    /// is the last one.
    #[must_use]
    pub fn cost(&self, policy: &Policy, usage: &Usage, said: Option<u64>, complete: bool) -> Cost {
        let mut usage = *usage;
        let mut estimated = false;
        if self.by_tokens {
            if usage.input.is_none() {
                usage.input = Some(self.input);
                estimated = true;
            }
            let heard = said.map(estimate::output_tokens);
            let told = usage.output.filter(|told| complete || heard.is_none_or(|heard| *told >= heard));
            if told.is_none() {
                usage.output = Some(heard.unwrap_or(0));
                estimated = true;
            }
        }
        Cost { money: self.money(policy, &usage), tokens: tokens(&usage), estimated, usage }
    }

    fn money(&self, policy: &Policy, usage: &Usage) -> Option<u64> {
        let price = policy.price(self.provider, &self.model)?;
        let known = |figure: Option<u64>| figure.unwrap_or(0);
        let (images, characters) = match self.metered {
            Metered::Images(asked) => (usage.images.unwrap_or(asked), 0),
            Metered::Characters(characters) => (0, characters),
            _ => (known(usage.images), 0),
        };
        // A provider that keeps its cache for a day where that is asked for does not tell these writes apart.
        let (write, write_1h) = match self.cache {
            CacheAsk::Hour if usage.cache_write_1h.is_none() => (0, known(usage.cache_write)),
            _ => (known(usage.cache_write), known(usage.cache_write_1h)),
        };
        Some(price.cost(&Used {
            input: known(usage.input),
            cached_input: known(usage.cached_input),
            cache_write: write,
            cache_write_1h: write_1h,
            audio_input: known(usage.audio_input),
            image_input: known(usage.image_input),
            output: known(usage.output),
            reasoning: known(usage.reasoning),
            audio_output: known(usage.audio_output),
            image_output: known(usage.image_output),
            images,
            characters,
            milliseconds: known(usage.milliseconds),
            service: usage.service.map(|service| service.word()).or(self.service.as_deref()),
        }))
    }

    /// The input alone: it was sent, and nobody answered.
    #[must_use]
    pub fn unanswered(&self, policy: &Policy) -> Cost {
        let usage = match self.by_tokens {
            true => Usage { input: Some(self.input), output: Some(0), ..Usage::default() },
            false => Usage::default(),
        };
        let money = match self.by_tokens {
            true => self.money(policy, &usage),
            // Nothing was made.
            false => Some(0),
        };
        Cost { money, tokens: tokens(&usage), estimated: true, usage }
    }

    /// Charges what it cost.
    pub fn settle(self, cost: &Cost) {
        let Some(held) = self.held else { return };
        let amount = |counted: &Counted| match counted.unit {
            Unit::Money => cost.money.unwrap_or(0),
            Unit::Tokens => cost.tokens,
            Unit::Requests => u64::from(self.sent),
        };
        let amounts: Vec<(LimitNo, u64)> =
            self.counted.iter().map(|counted| (counted.number, amount(counted))).collect();
        held.settle(&amounts);
    }

    /// It came to nothing. An attempt that was sent is counted as one all the same.
    pub fn nothing(self) {
        self.settle(&Cost { money: Some(0), ..Cost::default() });
    }
}

fn tokens(usage: &Usage) -> u64 {
    usage.input.unwrap_or(0).saturating_add(usage.output.unwrap_or(0))
}
