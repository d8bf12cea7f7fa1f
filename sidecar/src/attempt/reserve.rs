//! Before an attempt: reserves its highest possible cost in every account that it counts against.
//!
//! If a limit is spent, the candidate is skipped. If the amount is only reserved by others, or if the ledger has not
//! granted enough, the request waits: for two seconds, within the deadline.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use outrigger_core::{Capabilities, Millis, RefusalKind};
use outrigger_ledger::Refused;
use outrigger_ledger::session::{SessionRefused, SessionWant};
use outrigger_llm::Dialect;
use outrigger_llm::provider::CapField;
use outrigger_llm::tokens::meter::Metered;
use outrigger_llm::tokens::plausible::{AttemptFacts, InputSource};
use outrigger_policy::{CacheWrite, Candidate, LimitIndex, OnLimit, ProviderIndex, Skip, Unit, Used};

use crate::attempt::AttemptContext;
use crate::completion::Completion;
use crate::cost::charge::{Charge, CountedLimit};
use crate::cost::worst_case::{Means, OutputBounds, PICTURE, WorstCase, worst};
use crate::duration::seconds_until;
use crate::request::refusal::Refusal;
use crate::runtime::accounts::{NotHeld, Turn, millis};
use crate::runtime::concurrency::{ConcurrencyPermit, LEDGER_BACK};
use crate::runtime::limits::LimitAccount;

/// How long to wait for others' reservations, and for the ledger's grants.
const PATIENCE: Duration = Duration::from_secs(2);

/// The assumed size of a stored conversation if the model's context window is unknown.
const UNKNOWN_WINDOW: u64 = 128_000;
/// What an attempt holds while it is made, and what its request must contain.
#[derive(Debug)]
pub struct ReservedAttempt {
    /// The most tokens of an answer, to be written into the request.
    pub cap: Option<u64>,
    /// The same for a request that is translated to another dialect. There the cap may be a default: a dialect's own,
    /// with room for thinking.
    pub most: Option<u64>,
}

/// Why an attempt is not made.
#[derive(Debug)]
pub struct NotReserved {
    /// The name of the skip, if the next candidate may have room. `None`: no other candidate is tried.
    pub skip: Option<Skip>,
    /// The caller gets it if no other candidate has room.
    pub refusal: Refusal,
    /// The limit that has too little left for the attempt, even if every reservation were returned.
    pub short: Option<LimitIndex>,
}

impl NotReserved {
    fn skip(skip: Skip, refusal: Refusal) -> Self {
        NotReserved { skip: Some(skip), refusal, short: None }
    }

    fn refuse(refusal: Refusal) -> Self {
        NotReserved { skip: None, refusal, short: None }
    }
}

/// Reserves the highest possible cost of an attempt.
pub async fn reserve(
    trying: &AttemptContext<'_>,
    completion: &mut Completion,
    candidate: &Candidate,
    provider: ProviderIndex,
    waits_until: &mut Option<Instant>,
) -> Result<ReservedAttempt, NotReserved> {
    let asked = AttemptEstimate::of(completion, candidate, provider);
    let mut turn = Turn::new(&trying.gateway.accounts);
    loop {
        let accounts = Arc::clone(&trying.gateway.accounts);
        // Before the check: what is returned during the check wakes this request too.
        let freed = accounts.freed();
        tokio::pin!(freed);
        freed.as_mut().enable();
        let now = millis(SystemTime::now());
        let worst = asked.worst(trying, completion, candidate, now);
        match asked.hold(trying, completion, candidate, &worst, now, &mut turn) {
            Ok(reserved) => {
                drop(turn);
                // Not earlier: a place that waits for money would block other requests.
                take_permits(trying, completion, candidate, provider).await?;
                completion.admitted = true;
                note_failed_open(trying, completion);
                return Ok(reserved);
            }
            Err(NotHeld::Journal(error)) => {
                tracing::error!(%error, "no request that is charged can be served");
                let message = "spending can't be recorded at present, so nothing is spent";
                return Err(NotReserved::refuse(Refusal::new(RefusalKind::BudgetUnavailable, message).after(1)));
            }
            Err(NotHeld::Refused(Refused::Exhausted { limit, spent, max, until })) => {
                let (account, seconds) = (LimitAccount::Book(limit), until.map(|until| seconds_until(until, now)));
                return Err(asked.exhausted(completion, &SpentLimit { account, spent, max, seconds }, &worst));
            }
            Err(NotHeld::Session(SessionRefused::Exhausted { limit, spent, max })) => {
                let gone = SpentLimit { account: LimitAccount::Session(limit), spent, max, seconds: None };
                return Err(asked.exhausted(completion, &gone, &worst));
            }
            Err(refused) => {
                let until = *waits_until.get_or_insert_with(|| trying.clock.deadline().min(Instant::now() + PATIENCE));
                // Checked here too: a request that is woken again and again would otherwise never see the deadline.
                if Instant::now() >= until {
                    return Err(asked.in_vain(trying, completion, &refused, now));
                }
                completion.waits();
                // Woken or not: the check is repeated for the reason.
                let _ = tokio::time::timeout_at(until.into(), freed).await;
                completion.waited();
            }
        }
    }
}

/// Reports that an attempt passes without a grant, because a limit fails open.
fn note_failed_open(trying: &AttemptContext<'_>, completion: &mut Completion) {
    let Some(held) = completion.charge.as_ref().and_then(|charge| charge.held.as_ref()) else { return };
    if held.failed_open().is_empty() {
        return;
    }
    trying.gateway.failed_open(&completion.context.served, held);
    completion.failed_open();
}

/// The estimated input tokens that are billed for this candidate.
fn input(completion: &Completion, candidate: &Candidate, provider: ProviderIndex) -> u64 {
    let context = &completion.context;
    let dialect = context.served.backends[provider].api.dialect;
    let estimated = context.input().estimate(dialect, &candidate.upstream_model).tokens();
    match context.scanned.handle.is_some() || context.input().is_elsewhere() {
        // Content that the provider stores or fetches is billed too, and its size is unknown here: assume as much as
        // fits.
        true => {
            let window = context.served.policy.context_window(provider, &candidate.model);
            estimated.max(window.map_or(UNKNOWN_WINDOW, u64::from))
        }
        false => estimated,
    }
}

/// The cost of pictures: each has its own price, or the tokens of the largest one if they are billed by tokens.
fn pictures(means: &Means<'_>, input: u64, images: u64) -> u64 {
    match means.price {
        Some(price) if price.image.is_some() => {
            price.cost(&Used { images, ..Used::default() }).saturating_add(means.cost(input, 0))
        }
        _ => means.cost(input, images.saturating_mul(PICTURE)),
    }
}

/// Takes a place among the concurrent requests of the provider, for the key and for all.
async fn take_permits(
    trying: &AttemptContext<'_>,
    completion: &mut Completion,
    candidate: &Candidate,
    provider: ProviderIndex,
) -> Result<(), NotReserved> {
    completion.backend_permits.clear();
    let served = Arc::clone(&completion.context.served);
    let of_entry =
        candidate.entry.and_then(|entry| served.keys.get(completion.context.key)?.entries.get(entry)?.as_ref());
    let of_provider = served.backends[provider].concurrency.as_ref();
    let mut taken: Vec<ConcurrencyPermit> = Vec::new();
    for limit in of_entry.into_iter().chain(of_provider) {
        let until = || trying.clock.deadline().min(Instant::now() + PATIENCE).into();
        match limit.take(until).await {
            Ok(permit) => taken.push(permit),
            Err(why) => {
                // Nothing was sent, so nothing is charged.
                if let Some(held) = completion.charge.take().and_then(|charge| charge.held) {
                    held.give_back();
                }
                let message = limit.describe("limits.concurrentRequests", why);
                let refusal = Refusal::new(why.kind(), message).after(why.retry_after());
                return Err(NotReserved::skip(Skip::Concurrency, refusal));
            }
        }
    }
    completion.backend_permits = taken;
    Ok(())
}

/// A limit without room.
struct SpentLimit {
    account: LimitAccount,
    spent: u64,
    max: u64,
    /// When it will have room, if waiting helps.
    seconds: Option<u64>,
}

/// The parts of a candidate's request that affect its cost.
struct AttemptEstimate {
    counted: Vec<CountedLimit>,
    provider: ProviderIndex,
    input: u64,
    bounds: OutputBounds,
    metered: Metered,
    cache: CacheWrite,
    service: Option<String>,
    thinks: bool,
    known: AttemptFacts,
}

impl AttemptEstimate {
    fn of(completion: &Completion, candidate: &Candidate, provider: ProviderIndex) -> Self {
        let context = &completion.context;
        let (served, key) = (&context.served, context.key());
        let policy = &served.policy;
        let places = match candidate.entry.filter(|_| !policy.limits.all.is_empty()) {
            Some(entry) => policy.limits_of(context.key, entry, &candidate.model),
            None => Vec::new(),
        };
        let mut counted: Vec<CountedLimit> = places
            .into_iter()
            .filter(|at| context.session.is_some() || !policy.limits.all[*at].per_session)
            .map(|at| {
                let (limit, account) = (&policy.limits.all[at], served.limits[at]);
                CountedLimit { place: at, account, unit: limit.unit, per_attempt: limit.per_attempt }
            })
            .collect();
        if completion.admitted {
            counted.retain(|counted| counted.unit != Unit::Requests || counted.per_attempt);
        }
        let metered = context.metered();
        if metered == Metered::Free {
            counted.retain(|counted| counted.unit == Unit::Requests);
        }
        // In a translated request, the fields of the caller's dialect contain the limit.
        let fields = match served.backends[provider].api.dialect == context.dialect {
            true => served.backends[provider].kind.quirks.caps(context.operation),
            false => CapField::of_caller(context.operation),
        };
        let bounds = OutputBounds::of(
            policy,
            key,
            provider,
            &candidate.model,
            fields,
            (context.operation, &context.scanned, &context.body),
        );
        let price = policy.price(provider, &candidate.model);
        // The body is searched for it, so only if it has a price.
        let writes = price.is_some_and(|price| price.cache_write.is_some());
        let capabilities = policy.capabilities(provider, &candidate.model);
        let thinks = capabilities.is_some_and(|capable| capable.contains(Capabilities::REASONING));
        // Output other than text has its own price.
        let makes_words = price
            .is_some_and(|price| price.audio_output.is_none() && price.image_output.is_none() && price.image.is_none());
        let known = AttemptFacts {
            sent: context.body.len() as u64,
            reads: match metered {
                Metered::Unmetered(_) => InputSource::Elsewhere,
                _ if context.scanned.handle.is_some() => InputSource::Elsewhere,
                Metered::Tokens if !counted.is_empty() && context.input().is_elsewhere() => InputSource::Elsewhere,
                // Not needed if nothing is counted.
                Metered::Tokens if !counted.is_empty() && context.input().is_words() => InputSource::Words,
                _ => InputSource::Media,
            },
            window: bounds.window,
            cap: None,
            most: bounds.model.map(|most| most.saturating_mul(bounds.answers)),
            shows_all: capabilities.is_some() && !thinks && makes_words,
        };
        AttemptEstimate {
            provider,
            // Not needed if nothing is counted.
            input: if counted.is_empty() { 0 } else { input(completion, candidate, provider) },
            counted,
            bounds,
            metered,
            cache: match writes.then(|| context.cache_write()) {
                None => CacheWrite::None,
                // OpenAI's newer models write to their cache without a request for it.
                Some(CacheWrite::None) if served.backends[provider].api.dialect == Dialect::OpenAi => CacheWrite::Short,
                Some(asked) => asked,
            },
            service: context.scanned.service_tier.clone(),
            thinks,
            known,
        }
    }

    /// The worst case, with what is left now.
    fn worst(
        &self,
        trying: &AttemptContext<'_>,
        completion: &Completion,
        candidate: &Candidate,
        now: Millis,
    ) -> WorstCase {
        let policy = &completion.context.served.policy;
        let price = policy.price(self.provider, &candidate.model);
        let left = |unit: Unit| {
            let of_unit = || self.counted.iter().filter(|counted| counted.unit == unit);
            let numbers = of_unit().filter_map(|counted| counted.account.number());
            let in_book = trying.gateway.accounts.least_available(numbers, now);
            let session = completion.context.session.as_ref();
            let in_session = session.and_then(|session| {
                let of_session = of_unit().filter_map(|counted| match counted.account {
                    LimitAccount::Session(limit) => {
                        Some(session.available(limit, policy.limits.all[counted.place].max))
                    }
                    LimitAccount::Book(_) => None,
                });
                of_session.min()
            });
            in_book.into_iter().chain(in_session).min()
        };
        let service = self.service.as_deref();
        let means = Means { price, service, cache: self.cache, money: left(Unit::Money), tokens: left(Unit::Tokens) };
        let free = WorstCase { money: 0, tokens: 0, cap: None, capped: false, most: None };
        match self.metered {
            // The remaining cost is unknown; its tokens are reserved nevertheless.
            Metered::Tokens | Metered::Unmetered(_) if completion.context.answers_with_text() => {
                worst(self.input, self.bounds, &means)
            }
            // Vectors: an answer without tokens.
            Metered::Tokens => WorstCase { money: means.cost(self.input, 0), tokens: self.input, ..free },
            Metered::Images(images) => WorstCase {
                money: pictures(&means, self.input, images),
                tokens: self.input.saturating_add(images.saturating_mul(PICTURE)),
                ..free
            },
            Metered::Characters(characters) => {
                let used = Used { characters, ..Used::default() };
                WorstCase { money: price.map_or(0, |price| price.cost(&used)), ..free }
            }
            Metered::Unmetered(_) | Metered::Free => free,
        }
    }

    fn hold(
        &self,
        trying: &AttemptContext<'_>,
        completion: &mut Completion,
        candidate: &Candidate,
        worst: &WorstCase,
        now: Millis,
        turn: &mut Turn<'_>,
    ) -> Result<ReservedAttempt, NotHeld> {
        let accounts = &trying.gateway.accounts;
        let held = match self.counted.is_empty() {
            true => None,
            false => {
                let amount = |unit: Unit| match unit {
                    Unit::Money => worst.money,
                    Unit::Tokens => worst.tokens,
                    Unit::Requests => 1,
                };
                let limits = &completion.context.served.policy.limits.all;
                let (mut wants, mut of_session) = (Vec::with_capacity(self.counted.len()), Vec::new());
                for CountedLimit { place, account, unit, .. } in &self.counted {
                    match *account {
                        LimitAccount::Book(number) => wants.push((number, amount(*unit))),
                        LimitAccount::Session(limit) => {
                            of_session.push(SessionWant { limit, max: limits[*place].max, amount: amount(*unit) });
                        }
                    }
                }
                let session = completion.context.session.as_ref().filter(|_| !of_session.is_empty());
                Some(accounts.hold_in_turn(now, &wants, session.map(|session| (session, of_session)), turn)?)
            }
        };
        if worst.capped {
            completion.capped();
        }
        // The upstream gets the lowest of these.
        let limit = [self.bounds.caller, self.bounds.policy, worst.cap].into_iter().flatten().min();
        let limit = limit.map(|each| each.saturating_mul(self.bounds.answers).saturating_add(self.bounds.beside));
        completion.charge = Some(Charge {
            held,
            counted: self.counted.clone(),
            provider: self.provider,
            model: Arc::clone(&candidate.model),
            input: self.input,
            metered: self.metered,
            by_tokens: completion.context.counts_tokens(),
            in_words: completion.context.answers_with_text(),
            by_seconds: completion.context.counts_seconds(),
            thinks: self.thinks,
            known: AttemptFacts { cap: limit, ..self.known },
            cache: self.cache,
            service: self.service.clone(),
            worst: *worst,
            left: Arc::default(),
        });
        // In any case the policy's own limit applies.
        let reckoned = worst.most.filter(|_| !self.counted.is_empty());
        Ok(ReservedAttempt {
            cap: worst.cap,
            most: reckoned.into_iter().chain(worst.cap).chain(self.bounds.policy).min(),
        })
    }

    /// The refusal of a limit that has no room for the worst case, even without other requests.
    fn exhausted(&self, completion: &Completion, gone: &SpentLimit, worst: &WorstCase) -> NotReserved {
        let served = &completion.context.served;
        let Some(at) = served.limits.position(|one| *one == gone.account) else {
            return NotReserved::refuse(
                Refusal::new(RefusalKind::BudgetUnavailable, "the limits have changed").after(1),
            );
        };
        let limit = &served.policy.limits.all[at];
        let most = match limit.unit {
            Unit::Money => worst.money,
            Unit::Tokens => worst.tokens,
            Unit::Requests => 1,
        };
        let (skip, kind) = (limit.skip(at), limit.refusal_kind().kind());
        let mut message = limit.describe(gone.spent);
        // A nearly spent limit may still have room for a smaller request.
        if limit.unit != Unit::Requests && gone.spent < gone.max {
            let fewer = match worst.cap {
                None => ": ask for fewer tokens (`max_tokens`)".to_owned(),
                Some(cap) => format!(": ask for fewer tokens than {cap} (`max_tokens`)"),
            };
            message.push_str(&format!(", and this request may come to {}{fewer}", limit.amount(most)));
        }
        let refusal = Refusal { retry_after: gone.seconds, ..Refusal::new(kind, message) };
        let passes_on = completion.context.key().on_limit == OnLimit::NextProvider;
        NotReserved { skip: passes_on.then_some(skip), refusal, short: Some(at) }
    }

    /// The refusal of a limit after waiting for it.
    fn in_vain(
        &self,
        trying: &AttemptContext<'_>,
        completion: &Completion,
        refused: &NotHeld,
        now: Millis,
    ) -> NotReserved {
        let served = &completion.context.served;
        let account = match refused {
            NotHeld::Refused(refused) => Some(LimitAccount::Book(refused.limit())),
            NotHeld::Session(SessionRefused::Contended { limit } | SessionRefused::Exhausted { limit, .. }) => {
                Some(LimitAccount::Session(*limit))
            }
            NotHeld::Journal(_) => None,
        };
        let at = account.and_then(|account| served.limits.position(|one| *one == account));
        let whose = at.map_or_else(String::new, |at| format!("{}: ", served.policy.limits.all[at].id));
        let refusal = match refused {
            NotHeld::Refused(Refused::NotGranted { limit }) => {
                let shared = trying.gateway.accounts.state(*limit, now).shared;
                // While the ledger answers, nothing passes without it.
                let open = shared.and_then(|shared| shared.fail_open).is_some_and(|open| open.lasts.is_some());
                let beyond = match open {
                    true => ", and so is what onLedgerUnavailable lets pass without it (maxPerPod, maxDuration)",
                    false => "",
                };
                let message = format!(
                    "{whose}the ledger that shares it among gateways does not answer at this time, and what this one was \
                     granted is used up{beyond}"
                );
                Refusal::new(RefusalKind::BudgetUnavailable, message).after(LEDGER_BACK)
            }
            _ => {
                let message =
                    format!("{whose}what is left is set aside for requests under way; some of it will come back");
                Refusal::new(RefusalKind::BudgetContended, message).after(1)
            }
        };
        let skip = at.map_or(Skip::Concurrency, |at| match served.policy.limits.all[at].unit {
            Unit::Money => Skip::Budget(at),
            Unit::Tokens | Unit::Requests => Skip::Limit(at),
        });
        NotReserved::skip(skip, refusal)
    }
}

#[cfg(test)]
mod tests {
    use outrigger_core::{ObjectRef, Window};
    use outrigger_policy::{
        Document, FORMAT, KeyDoc, KeyProviderDoc, LimitDoc, LimitsDoc, MockDoc, Price, ProviderDoc,
    };
    use serde_json::{Value, json};

    use crate::server::accept::Listeners;
    use crate::telemetry::records::Lines;
    use crate::{Gateway, Secrets, Settings};

    /// A mock, and a key with a dollar.
    fn document() -> Document {
        let mock = MockDoc { dialect: "OpenAI".to_owned(), ..MockDoc::default() };
        let provider = ObjectRef { namespace: "default".to_owned(), name: "mock".to_owned() };
        let budget = LimitDoc { name: "all".to_owned(), max: 1_000_000_000, window: Window::Lifetime };
        Document {
            format: FORMAT,
            sequence: 1,
            providers: vec![ProviderDoc {
                namespace: "default".to_owned(),
                name: "mock".to_owned(),
                kind: "Mock".to_owned(),
                mock: Some(mock),
                default_price: Some(Price { input: 1_000, output: 1_000, ..Price::default() }),
                ..ProviderDoc::default()
            }],
            keys: vec![KeyDoc {
                namespace: "default".to_owned(),
                name: "app".to_owned(),
                providers: vec![KeyProviderDoc {
                    name: "mock".to_owned(),
                    provider,
                    weight: 1,
                    ..KeyProviderDoc::default()
                }],
                limits: LimitsDoc { budgets: vec![budget], ..LimitsDoc::default() },
                cap_output: true,
                ..KeyDoc::default()
            }],
            default_key: Some("default/app".to_owned()),
            ..Document::default()
        }
    }

    #[tokio::test]
    async fn amounts_that_cannot_be_stored_are_not_spent_in_any_dialect() {
        let dir = tempfile::tempdir().unwrap();
        let state = Some(dir.path().to_owned());
        let gateway = Gateway::new(Settings { lines: Lines::Off, state, ..Settings::default() }).unwrap();
        gateway.install(document(), &Secrets::new()).unwrap();
        // A file that can't be written, as on a full disk.
        gateway.accounts.write_to(std::fs::File::open(dir.path().join("accounts")).unwrap());
        let listeners =
            Listeners::bind(&["127.0.0.1:0".parse().unwrap()], &["127.0.0.1:0".parse().unwrap()]).await.unwrap();
        let address = listeners.clients()[0];
        let served = tokio::spawn(gateway.serve(listeners, std::future::pending()));
        let chat = json!({"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]});
        let gemini = json!({"contents": [{"parts": [{"text": "x"}]}], "generationConfig": {"maxOutputTokens": 5}});
        for (path, body, pointer, word) in [
            ("/v1/chat/completions", &chat, "/error/type", "budget_unavailable"),
            ("/v1/messages", &chat, "/error/reason", "budget_unavailable"),
            ("/v1beta/models/m:generateContent", &gemini, "/error/details/0/reason", "BUDGET_UNAVAILABLE"),
        ] {
            let got = reqwest::Client::new().post(format!("http://{address}{path}")).json(body).send().await.unwrap();
            let (status, after) = (got.status().as_u16(), got.headers()["retry-after"].clone());
            let answer: Value = got.json().await.unwrap();
            assert_eq!(
                (status, answer.pointer(pointer).and_then(Value::as_str)),
                (503, Some(word)),
                "{path}: {answer}"
            );
            assert_eq!(after, "1", "{path}");
        }
        served.abort();
    }
}
