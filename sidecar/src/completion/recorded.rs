//! What happens to a request, by name: each step says it here, and here alone it goes on record.

use std::time::{Duration, Instant};

use outrigger_core::RefusalKind;
use outrigger_llm::tokens::usage::Usage;
use outrigger_policy::{Candidate, Decision, Skip};

use super::Completion;
use crate::duration::ms;
use crate::telemetry::attempt_error::AttemptError;
use crate::telemetry::record::{AttemptRecord, ErrorType, Record, candidates, shadow};

impl Completion {
    /// What is on record so far.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// The policy has decided.
    pub fn decided(&mut self, decision: &Decision) {
        self.record.rule = decision.rule.as_deref().map(str::to_owned);
        self.record.candidates = candidates(decision);
        self.record.chain = decision.chain.iter().map(ToString::to_string).collect();
        self.record.shadow = decision.shadow.as_ref().map(shadow);
    }

    /// A filter has answered by itself, or refuses.
    pub fn stopped_by(&mut self, filter: &'static str) {
        self.record.filter = Some(filter);
    }

    /// This one is asked now; who asks later sees who it was.
    pub fn serves(&mut self, candidate: &Candidate) {
        self.record.provider = Some(candidate.name.to_string());
        self.record.model = Some(candidate.model.to_string());
    }

    /// This one is not asked: it has no room.
    pub fn passes_over(&mut self, candidate: &Candidate, skip: &Skip) {
        let place =
            self.record.candidates.iter_mut().find(|told| {
                told.provider == *candidate.name && told.model == *candidate.model && told.skipped.is_none()
            });
        if let Some(told) = place {
            told.skipped = Some(skip.to_string());
        }
    }

    /// The answer of this attempt was capped, for want of money or tokens.
    pub fn capped(&mut self) {
        self.record.capped = true;
    }

    /// An attempt begins. On record before it is sent: a caller who leaves meanwhile leaves it there.
    pub fn begins_attempt(&mut self, candidate: &Candidate, credential: Option<&str>) {
        self.record.attempts.push(AttemptRecord {
            provider: candidate.name.to_string(),
            model: candidate.upstream_model.to_string(),
            credential: credential.map(str::to_owned),
            status: None,
            error: None,
            ms: 0.0,
        });
        self.serves(candidate);
    }

    /// These fields were left out of what it is sent, as hints.
    pub fn left_out(&mut self, fields: &[String]) {
        fields.clone_into(&mut self.record.adapted);
    }

    /// The attempt is over, or its answer has begun: with this status, or with an error and the status that came with it.
    pub fn ends_attempt(&mut self, took: Duration, outcome: Result<u16, (AttemptError, Option<u16>)>) {
        let Some(attempt) = self.record.attempts.last_mut() else { return };
        attempt.ms = ms(took);
        match outcome {
            // A stream may have broken off behind its first content, and says so already.
            Ok(status) => attempt.status = Some(status),
            Err((error, status)) => (attempt.error, attempt.status) = (Some(error), status),
        }
    }

    /// Another candidate, credential or time is tried: the first reason is the one that is told.
    pub fn falls_back(&mut self, because: AttemptError) {
        self.record.fallback_reason.get_or_insert(because);
    }

    /// The attempts so far, a line each: `openai/gpt-4o (main) 429 rate_limited`.
    pub fn attempt_lines(&self) -> Vec<String> {
        self.record.attempts.iter().map(line).collect()
    }

    /// The first content of a stream came. What it used so far is kept for a caller who goes away.
    pub fn first_content(&mut self, usage: Usage) {
        self.usage = usage;
        self.record.ttft_ms = Some(ms(self.context.started.elapsed()));
    }

    /// More of the stream came: what is told is what was used.
    pub fn used(&mut self, usage: Usage) {
        self.usage = usage;
    }

    /// The answer broke off when a part of it was with the caller.
    pub fn broke_off(&mut self, error: AttemptError, kind: RefusalKind) {
        if let Some(attempt) = self.record.attempts.last_mut() {
            attempt.error = Some(error);
        }
        self.record.error_type = Some(ErrorType::Refused(kind));
    }

    /// A filter fails the answer when a part of it may be with the caller.
    pub fn failed_by(&mut self, filter: &'static str, kind: RefusalKind) {
        self.record.filter = Some(filter);
        self.record.error_type = Some(ErrorType::Refused(kind));
    }

    /// Whether the answer broke off, or was failed.
    pub fn is_broken(&self) -> bool {
        self.record.error_type.is_some()
    }

    /// A stream is told to its end. What the gateway itself took for one chunk of it, in microseconds on average.
    pub fn streamed(&mut self, chunk_overhead_us: Option<f64>) {
        self.record.chunk_overhead_us = chunk_overhead_us;
    }

    /// The caller has gone.
    pub fn hung_up(&mut self) {
        self.record.error_type.get_or_insert(ErrorType::ClientClosed);
    }

    /// From here on the time is the upstream's.
    pub fn waits(&mut self) {
        self.waiting_since = Some(Instant::now());
    }

    /// From here on it is ours again.
    pub fn waited(&mut self) {
        if let Some(since) = self.waiting_since.take() {
            self.waited += since.elapsed();
        }
    }

    /// The first byte of the answer is about to go out: what was not waiting was our own.
    pub fn first_byte(&mut self) {
        let own = self.context.read.elapsed().saturating_sub(self.waited);
        self.record.overhead_us = Some(u64::try_from(own.as_micros()).unwrap_or(u64::MAX));
    }
}

fn line(attempt: &AttemptRecord) -> String {
    let credential = attempt.credential.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
    let status = attempt.status.map(|status| format!(" {status}")).unwrap_or_default();
    format!(
        "{}/{}{credential}{status} {}",
        attempt.provider,
        attempt.model,
        attempt.error.map_or("ok", AttemptError::as_str)
    )
}
