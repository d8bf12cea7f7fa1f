//! What one attempt is charged: set aside before it leaves, settled when it is known what it used.
//!
//! ```text
//! begun -> not sent, refused (4xx)            nothing
//!       -> failed (5xx, a stream not begun)   the input, estimated
//!       -> answered                           what was told; estimated where nothing was, in full where a model thinks
//!       -> cut, hung up                       the input, and the output that was seen
//!       -> nobody can know                    in full
//! ```
//! Nobody can know what was made of an answer that was to come whole and did not come, nor how long a model had thought
//! that does not say.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use outrigger_ledger::{LimitNo, Settled};
use outrigger_llm::tokens::estimate;
use outrigger_llm::tokens::meter::Metered;
use outrigger_llm::tokens::plausible::{AttemptFacts, InputSource};
use outrigger_llm::tokens::usage::Usage;
use outrigger_policy::catalogue::bills_by_call;
use outrigger_policy::{CacheAsk, LimitIndex, Policy, ProviderIndex, Unit, Used};

use crate::cost::worst_case::{PICTURE, WorstCase};
use crate::runtime::accounts::LedgerHold;

/// Bytes for each second of a recording whose length nobody tells: speech at 32 kbit/s.
const SPOKEN: u64 = 4_000;

/// A limit that an attempt counts against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountedLimit {
    /// In [`outrigger_policy::Limits::all`].
    pub place: LimitIndex,
    pub number: LimitNo,
    pub unit: Unit,
    /// Of requests: every attempt that is sent counts as one. Else the caller's request does, with its first attempt.
    pub per_attempt: bool,
}

/// An attempt's account.
#[derive(Debug)]
pub struct Charge {
    /// Nothing, where nothing is limited.
    pub held: Option<LedgerHold>,
    pub counted: Vec<CountedLimit>,
    /// Index of the provider and name of the model: whose price it is.
    pub provider: ProviderIndex,
    pub model: Arc<str>,
    /// Tokens of input, estimated.
    pub input: u64,
    pub metered: Metered,
    /// It is counted by tokens, among other things perhaps.
    pub by_tokens: bool,
    /// Its answers are made of tokens.
    pub in_words: bool,
    /// It is a recording, of which the seconds count.
    pub by_seconds: bool,
    /// The model thinks, and need not say how long.
    pub thinks: bool,
    /// How long its prefix is to be cached.
    pub cache: CacheAsk,
    /// The service that the caller asked for, by the provider's word.
    pub service: Option<String>,
    /// What its figures are held against.
    pub known: AttemptFacts,
    /// What was set aside.
    pub worst: WorstCase,
    /// Set by the request's body when it leaves.
    pub left: Arc<AtomicBool>,
}

/// What an attempt came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttemptCost {
    /// Nano-dollars; `None` where there is no price.
    pub money: Option<u64>,
    pub tokens: u64,
    /// Something of it was estimated, not told.
    pub estimated: bool,
    pub usage: Usage,
}

/// What all attempts of a request cost, in nano-dollars. A sum of which a part is not known is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TotalCost {
    /// There was no attempt of which anything is known.
    #[default]
    Unasked,
    Known(u64),
    Unknown,
}

impl TotalCost {
    /// With one more attempt; `None` where it is not known what that one cost.
    #[must_use]
    pub fn with(self, more: Option<u64>) -> TotalCost {
        match (self, more) {
            (TotalCost::Unknown, _) | (_, None) => TotalCost::Unknown,
            (TotalCost::Unasked, Some(more)) => TotalCost::Known(more),
            (TotalCost::Known(sum), Some(more)) => TotalCost::Known(sum.saturating_add(more)),
        }
    }

    #[must_use]
    pub fn known(self) -> Option<u64> {
        match self {
            TotalCost::Known(sum) => Some(sum),
            TotalCost::Unasked | TotalCost::Unknown => None,
        }
    }
}

/// How an answer came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completeness {
    /// To the end: a figure that was told is the last one.
    All,
    /// It was cut, or its caller went away.
    Part,
}

impl Charge {
    /// Whether the request has begun to leave.
    #[must_use]
    pub fn was_sent(&self) -> bool {
        self.left.load(Ordering::Acquire)
    }

    /// What was told, less what can't be.
    #[must_use]
    pub fn judge(&self, usage: &Usage, said: u64) -> Usage {
        let judged = self.known.judge(usage, said);
        // Asked where it matters: what reads the web by itself reads more than it was sent.
        if judged != *usage && bills_by_call(&self.model).is_some() {
            return AttemptFacts { reads: InputSource::Elsewhere, ..self.known }.judge(usage, said);
        }
        judged
    }

    /// What an answer cost of which so many bytes of content were seen. Its figures are [judged](Self::judge).
    #[must_use]
    pub fn cost(&self, policy: &Policy, usage: &Usage, said: u64, heard: Completeness) -> AttemptCost {
        let mut told = *usage;
        let mut estimated = false;
        if self.by_tokens {
            let output = if self.in_words { estimate::output_tokens(said) } else { 0 };
            // Of a model that thinks, what is seen says little of what was made.
            if heard == Completeness::All && self.in_words && self.thinks && told.output.is_none() && said > 0 {
                return self.in_full(policy);
            }
            if heard == Completeness::Part && usage.output.is_none_or(|told| told < output) {
                if self.thinks {
                    return self.in_full(policy);
                }
                told.output = None;
            }
            estimated = told.input.is_none() || (told.output.is_none() && self.in_words);
            told.input.get_or_insert(self.input);
            told.output.get_or_insert(output);
        }
        if let Metered::Images(asked) = self.metered
            && told.output.is_none()
        {
            // Sold by the picture, or by tokens of which nothing was told.
            estimated = true;
            told.input.get_or_insert(self.input);
            told.output = Some(asked.saturating_mul(PICTURE));
        }
        // A recording whose length nobody told, sold by the second.
        if self.by_seconds
            && told.is_empty()
            && policy.price(self.provider, &self.model).is_some_and(|price| price.second.is_some())
        {
            estimated = true;
            told.milliseconds = Some(self.known.sent.saturating_mul(1_000) / SPOKEN);
        }
        AttemptCost { money: self.money(policy, &told), tokens: tokens(&told), estimated, usage: told }
    }

    /// In nano-dollars. Which service served is the provider's to say; where it does not, the dearer one is believed.
    fn money(&self, policy: &Policy, usage: &Usage) -> Option<u64> {
        let price = policy.price(self.provider, &self.model)?;
        let by = |service: Option<&str>| price.cost(&self.used(usage, price.image.is_some(), service));
        Some(match (usage.service, self.service.as_deref()) {
            (Some(told), _) => by(Some(told.word())),
            (None, None) => by(None),
            (None, asked) => by(None).max(by(asked)),
        })
    }

    fn used<'s>(&self, usage: &Usage, by_picture: bool, service: Option<&'s str>) -> Used<'s> {
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
        Used {
            input: known(usage.input),
            cached_input: known(usage.cached_input),
            cache_write: write,
            cache_write_1h: write_1h,
            audio_input: known(usage.audio_input),
            image_input: known(usage.image_input),
            // A picture that has its own price is not paid for twice.
            output: if by_picture && images > 0 { 0 } else { known(usage.output) },
            reasoning: known(usage.reasoning),
            audio_output: known(usage.audio_output),
            image_output: known(usage.image_output),
            images,
            characters,
            milliseconds: known(usage.milliseconds),
            service,
        }
    }

    /// It came to nothing. Where there is no price, nobody knows even that.
    #[must_use]
    pub fn nothing(&self, policy: &Policy) -> AttemptCost {
        let money = policy.price(self.provider, &self.model).map(|_| 0);
        AttemptCost { money: money.or((self.metered == Metered::Free).then_some(0)), ..AttemptCost::default() }
    }

    /// The input alone: it was sent, and nobody answered.
    #[must_use]
    pub fn unanswered(&self, policy: &Policy) -> AttemptCost {
        if !self.by_tokens {
            // Nothing was made.
            return AttemptCost { estimated: true, ..self.nothing(policy) };
        }
        let usage = Usage { input: Some(self.input), output: Some(0), ..Usage::default() };
        AttemptCost { money: self.money(policy, &usage), tokens: tokens(&usage), estimated: true, usage }
    }

    /// All that was set aside: less can't be vouched for.
    #[must_use]
    pub fn in_full(&self, policy: &Policy) -> AttemptCost {
        let money = policy.price(self.provider, &self.model).map(|_| self.worst.money);
        AttemptCost { money, tokens: self.worst.tokens, estimated: true, usage: Usage::default() }
    }

    /// Charges what it cost, and says what that did to each limit.
    pub fn settle(self, cost: &AttemptCost) -> Settled {
        let sent = self.was_sent();
        let Some(held) = self.held else { return Settled::default() };
        let amount = |counted: &CountedLimit| match counted.unit {
            Unit::Money => cost.money.unwrap_or(0),
            Unit::Tokens => cost.tokens,
            Unit::Requests => u64::from(sent || !counted.per_attempt),
        };
        let amounts: Vec<(LimitNo, u64)> =
            self.counted.iter().map(|counted| (counted.number, amount(counted))).collect();
        held.settle(&amounts)
    }
}

fn tokens(usage: &Usage) -> u64 {
    usage.input.unwrap_or(0).saturating_add(usage.output.unwrap_or(0))
}
