//! The charge of one attempt: reserved before it is sent, settled when its usage is known.
//!
//! ```text
//! begun -> not sent, refused (4xx)            nothing
//!       -> failed (5xx, a stream not begun)   the input, estimated
//!       -> answered                           what was reported; else an estimate, or in full for a thinking model
//!       -> cut, caller gone                   the input, and the output that was received
//!       -> unknown                            in full
//! ```
//! The usage is unknown if a whole answer was expected and did not arrive, and if a thinking model does not report how
//! long it thought.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use outrigger_ledger::Settled;
use outrigger_llm::tokens::estimate;
use outrigger_llm::tokens::meter::Metered;
use outrigger_llm::tokens::plausible::{AttemptFacts, InputSource};
use outrigger_llm::usage::Usage;
use outrigger_policy::catalogue::bills_by_call;
use outrigger_policy::{CacheWrite, LimitIndex, Policy, ProviderIndex, Unit, Used};

use crate::cost::worst_case::{PICTURE, WorstCase};
use crate::runtime::accounts::LedgerHold;
use crate::runtime::limits::LimitAccount;

/// Bytes of a recording for each second, if nothing reports its length: speech at 32 kbit/s.
const SPEECH_BYTES_PER_SECOND: u64 = 4_000;

/// A limit that an attempt counts against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountedLimit {
    /// The index in [`outrigger_policy::Limits::all`].
    pub place: LimitIndex,
    pub account: LimitAccount,
    pub unit: Unit,
    /// For limits of requests: every attempt that is sent counts. Otherwise the caller's request counts, with its first
    /// attempt.
    pub per_attempt: bool,
}

/// The charge of an attempt.
#[derive(Debug)]
pub struct Charge {
    /// The reservation. `None` if nothing is limited.
    pub held: Option<LedgerHold>,
    pub counted: Vec<CountedLimit>,
    /// The provider and the model whose price applies.
    pub provider: ProviderIndex,
    pub model: Arc<str>,
    /// Estimated input tokens.
    pub input: u64,
    pub metered: Metered,
    /// It is billed by tokens, perhaps among other things.
    pub by_tokens: bool,
    /// Its answers consist of tokens.
    pub in_words: bool,
    /// The input is a recording, which is billed by the second.
    pub by_seconds: bool,
    /// The model thinks, and may not report its thinking tokens.
    pub thinks: bool,
    /// How long the prefix is to be cached.
    pub cache: CacheWrite,
    /// The service tier that the caller requested, by the provider's name for it.
    pub service: Option<String>,
    /// Facts that reported figures are checked against.
    pub known: AttemptFacts,
    /// The worst case, which was reserved.
    pub worst: WorstCase,
    /// Set when the request's body begins to be sent.
    pub left: Arc<AtomicBool>,
}

/// The cost of an attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttemptCost {
    /// Nano-dollars; `None` without a price.
    pub money: Option<u64>,
    pub tokens: u64,
    /// Some of it is estimated, not reported.
    pub estimated: bool,
    pub usage: Usage,
}

/// The cost of all attempts of a request, in nano-dollars. If a part is unknown, the sum is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TotalCost {
    /// There was no attempt of known cost.
    #[default]
    NoAttempt,
    Known(u64),
    Unknown,
}

impl TotalCost {
    /// Adds one more attempt; `None` if its cost is unknown.
    #[must_use]
    pub fn with(self, more: Option<u64>) -> TotalCost {
        match (self, more) {
            (TotalCost::Unknown, _) | (_, None) => TotalCost::Unknown,
            (TotalCost::NoAttempt, Some(more)) => TotalCost::Known(more),
            (TotalCost::Known(sum), Some(more)) => TotalCost::Known(sum.saturating_add(more)),
        }
    }

    #[must_use]
    pub fn known(self) -> Option<u64> {
        match self {
            TotalCost::Known(sum) => Some(sum),
            TotalCost::NoAttempt | TotalCost::Unknown => None,
        }
    }
}

/// Whether an answer is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completeness {
    /// Complete: the last reported figures are final.
    All,
    /// It was cut off, or its caller went away.
    Part,
}

impl Charge {
    /// Whether the request has begun to be sent.
    #[must_use]
    pub fn was_sent(&self) -> bool {
        self.left.load(Ordering::Acquire)
    }

    /// The reported usage without implausible figures.
    #[must_use]
    pub fn judge(&self, usage: &Usage, content_bytes: u64) -> Usage {
        let judged = self.known.judge(usage, content_bytes);
        // Checked only in this case: a model that searches the web reads more than it was sent.
        if judged != *usage && bills_by_call(&self.model).is_some() {
            return AttemptFacts { reads: InputSource::Elsewhere, ..self.known }.judge(usage, content_bytes);
        }
        judged
    }

    /// The cost of an answer with this many bytes of content. The figures must be [judged](Self::judge) already.
    #[must_use]
    pub fn cost(&self, policy: &Policy, usage: &Usage, content_bytes: u64, completeness: Completeness) -> AttemptCost {
        let mut reported = *usage;
        let mut estimated = false;
        if self.by_tokens {
            let output = if self.in_words { estimate::output_tokens(content_bytes) } else { 0 };
            // The visible output of a thinking model says little about how much it produced.
            if completeness == Completeness::All
                && self.in_words
                && self.thinks
                && reported.output.is_none()
                && content_bytes > 0
            {
                return self.in_full(policy);
            }
            if completeness == Completeness::Part && usage.output.is_none_or(|reported| reported < output) {
                if self.thinks {
                    return self.in_full(policy);
                }
                reported.output = None;
            }
            estimated = reported.input.is_none() || (reported.output.is_none() && self.in_words);
            reported.input.get_or_insert(self.input);
            reported.output.get_or_insert(output);
        }
        if let Metered::Images(asked) = self.metered
            && reported.output.is_none()
        {
            // Billed by the picture, or by tokens that were not reported.
            estimated = true;
            reported.input.get_or_insert(self.input);
            reported.output = Some(asked.saturating_mul(PICTURE));
        }
        if let Metered::Searches(asked) = self.metered
            && reported.searches.is_none()
            && reported.input.is_none()
        {
            // Billed by the search, or by tokens that were not reported.
            estimated = true;
            reported.searches = Some(asked);
            reported.input = Some(self.input);
        }
        // A recording of unknown length that is billed by the second.
        if self.by_seconds
            && reported.is_empty()
            && policy.price(self.provider, &self.model).is_some_and(|price| price.second.is_some())
        {
            estimated = true;
            reported.milliseconds = Some(self.known.sent.saturating_mul(1_000) / SPEECH_BYTES_PER_SECOND);
        }
        AttemptCost { money: self.money(policy, &reported), tokens: tokens(&reported), estimated, usage: reported }
    }

    /// The price in nano-dollars. If the provider does not report which service tier it used, the more expensive one
    /// counts.
    fn money(&self, policy: &Policy, usage: &Usage) -> Option<u64> {
        let price = policy.price(self.provider, &self.model)?;
        let by = |service: Option<&str>| price.cost(&self.used(usage, price.image.is_some(), service));
        Some(match (usage.service, self.service.as_deref()) {
            (Some(reported), _) => by(Some(reported.word())),
            (None, None) => by(None),
            (None, requested) => by(None).max(by(requested)),
        })
    }

    fn used<'s>(&self, usage: &Usage, by_picture: bool, service: Option<&'s str>) -> Used<'s> {
        let known = |figure: Option<u64>| figure.unwrap_or(0);
        let (images, characters) = match self.metered {
            Metered::Images(asked) => (usage.images.unwrap_or(asked), 0),
            Metered::Characters(characters) => (0, characters),
            _ => (known(usage.images), 0),
        };
        // A provider that caches for longer on request does not distinguish these writes.
        let (write, write_1h) = match self.cache {
            CacheWrite::Hour if usage.cache_write_1h.is_none() => (0, known(usage.cache_write)),
            _ => (known(usage.cache_write), known(usage.cache_write_1h)),
        };
        Used {
            input: known(usage.input),
            cached_input: known(usage.cached_input),
            cache_write: write,
            cache_write_1h: write_1h,
            audio_input: known(usage.audio_input),
            image_input: known(usage.image_input),
            // A picture that has its own price is not billed by tokens too.
            output: if by_picture && images > 0 { 0 } else { known(usage.output) },
            reasoning: known(usage.reasoning),
            audio_output: known(usage.audio_output),
            image_output: known(usage.image_output),
            images,
            characters,
            milliseconds: known(usage.milliseconds),
            searches: known(usage.searches),
            service,
        }
    }

    /// The cost of an attempt that produced nothing. Without a price, even that is unknown.
    #[must_use]
    pub fn nothing(&self, policy: &Policy) -> AttemptCost {
        let money = policy.price(self.provider, &self.model).map(|_| 0);
        AttemptCost { money: money.or((self.metered == Metered::Free).then_some(0)), ..AttemptCost::default() }
    }

    /// The cost of the input alone: it was sent, and no answer came.
    #[must_use]
    pub fn unanswered(&self, policy: &Policy) -> AttemptCost {
        if !self.by_tokens {
            // No answer was produced.
            return AttemptCost { estimated: true, ..self.nothing(policy) };
        }
        let usage = Usage { input: Some(self.input), output: Some(0), ..Usage::default() };
        AttemptCost { money: self.money(policy, &usage), tokens: tokens(&usage), estimated: true, usage }
    }

    /// The whole reservation, if a lower cost cannot be shown.
    #[must_use]
    pub fn in_full(&self, policy: &Policy) -> AttemptCost {
        let money = policy.price(self.provider, &self.model).map(|_| self.worst.money);
        AttemptCost { money, tokens: self.worst.tokens, estimated: true, usage: Usage::default() }
    }

    /// Settles the reservation with this cost. Returns the effect on each limit, and the limits that it counted against.
    pub fn settle(self, cost: &AttemptCost) -> (Settled, Vec<CountedLimit>) {
        let sent = self.was_sent();
        let Some(held) = self.held else { return (Settled::default(), self.counted) };
        let amount = |counted: &CountedLimit| match counted.unit {
            Unit::Money => cost.money.unwrap_or(0),
            Unit::Tokens => cost.tokens,
            Unit::Requests => u64::from(sent || !counted.per_attempt),
        };
        let (mut amounts, mut of_session) = (Vec::with_capacity(self.counted.len()), Vec::new());
        for counted in &self.counted {
            match counted.account {
                LimitAccount::Book(number) => amounts.push((number, amount(counted))),
                LimitAccount::Session(limit) => of_session.push((limit, amount(counted))),
            }
        }
        (held.settle_both(&amounts, &of_session), self.counted)
    }
}

fn tokens(usage: &Usage) -> u64 {
    usage.input.unwrap_or(0).saturating_add(usage.output.unwrap_or(0))
}
