//! What happens to a request on its way. These methods write it into the decision record; `mod.rs` adds what is known at
//! the end.

use std::time::{Duration, Instant};

use outrigger_core::RefusalKind;
use outrigger_llm::usage::Usage;
use outrigger_policy::{Candidate, Decision, LimitIndex, Skip};

use super::Completion;
use crate::duration::ms;
use crate::telemetry::attempt_error::AttemptError;
use crate::telemetry::record::{AttemptRecord, ErrorType, Record, candidates, shadow};

impl Completion {
    /// The record so far.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Records the policy's decision.
    pub fn record_decision(&mut self, decision: &Decision) {
        self.record.rule = decision.rule.as_deref().map(str::to_owned);
        self.record.candidates = candidates(decision);
        self.record.chain = decision.chain.iter().map(ToString::to_string).collect();
        self.record.shadow = decision.shadow.as_ref().map(shadow);
    }

    /// Records the second decision, after a limit was too short for the first one. The candidates of the first decision that
    /// had no room stay in the record.
    pub fn record_second_decision(&mut self, short: LimitIndex, first: &Decision, decision: &Decision) {
        let limit = self.context.served.policy.limits.all.get(short).map(|limit| limit.id.to_string());
        let records = std::mem::take(&mut self.record.candidates).into_iter().zip(&first.candidates);
        let without_room =
            records.filter(|(record, candidate)| candidate.skipped.is_none() && record.skipped.is_some());
        let without_room: Vec<_> = without_room.map(|(record, _)| record).collect();
        self.record_decision(decision);
        self.record.candidates.splice(0..0, without_room);
        self.record.decided_again = limit;
    }

    /// Records the filter that answered or refused the request.
    pub fn record_filter(&mut self, filter: &'static str) {
        self.record.filter = Some(filter);
    }

    /// Records the candidate in use. A later one replaces it.
    pub fn record_candidate(&mut self, candidate: &Candidate) {
        self.record.provider = Some(candidate.name.to_string());
        self.record.model = Some(candidate.model.to_string());
    }

    /// Records that a candidate was skipped because a limit has no room.
    pub fn record_skip(&mut self, candidate: &Candidate, skip: &Skip) {
        let record = self.record.candidates.iter_mut().find(|other| {
            other.provider == *candidate.name && other.model == *candidate.model && other.skipped.is_none()
        });
        if let Some(record) = record {
            record.skipped = Some(skip.to_string());
        }
    }

    /// Records that the gateway capped the output of this attempt, for lack of money or tokens.
    pub fn capped(&mut self) {
        self.record.capped = true;
    }

    /// This attempt passes a limit without a grant, because the ledger can't be reached.
    pub fn failed_open(&mut self) {
        self.record.failed_open = true;
    }

    /// Records an attempt before it is sent, so that it is on record even if the caller leaves meanwhile.
    pub fn begin_attempt(&mut self, candidate: &Candidate, credential: Option<&str>) {
        self.record.attempts.push(AttemptRecord {
            provider: candidate.name.to_string(),
            model: candidate.upstream_model.to_string(),
            credential: credential.map(str::to_owned),
            status: None,
            error: None,
            ms: 0.0,
        });
        self.record_candidate(candidate);
    }

    /// Records the fields that were dropped from the request because they are only hints.
    pub fn record_dropped_fields(&mut self, fields: &[String]) {
        fields.clone_into(&mut self.record.adapted);
    }

    /// Records the end of an attempt, or the beginning of its answer: a status, or an error and the status that came
    /// with it.
    pub fn end_attempt(&mut self, took: Duration, outcome: Result<u16, (AttemptError, Option<u16>)>) {
        let Some(attempt) = self.record.attempts.last_mut() else { return };
        attempt.ms = ms(took);
        match outcome {
            // Keep the error: a stream may have broken off after its first content.
            Ok(status) => attempt.status = Some(status),
            Err((error, status)) => (attempt.error, attempt.status) = (Some(error), status),
        }
    }

    /// Records that another candidate, credential or retry follows. The first reason is the one that is recorded.
    pub fn record_fallback(&mut self, because: AttemptError) {
        self.record.fallback_reason.get_or_insert(because);
    }

    /// The attempts so far, one line each: `openai/gpt-4o (main) 429 rate_limited`.
    pub fn attempt_lines(&self) -> Vec<String> {
        self.record.attempts.iter().map(line).collect()
    }

    /// Records the first content of a stream. The usage so far is kept in case the caller leaves.
    pub fn record_first_content(&mut self, usage: Usage) {
        self.usage = usage;
        self.record.ttft_ms = Some(ms(self.context.started.elapsed()));
    }

    /// Records the usage that a stream has reported so far.
    pub fn record_usage(&mut self, usage: Usage) {
        self.usage = usage;
    }

    /// Records that the answer broke off after a part of it was sent to the caller.
    pub fn record_broken_stream(&mut self, error: AttemptError, kind: RefusalKind) {
        if let Some(attempt) = self.record.attempts.last_mut() {
            attempt.error = Some(error);
        }
        self.record.error_type = Some(ErrorType::Refused(kind));
    }

    /// Records that a filter failed the answer. A part of it may have been sent to the caller.
    pub fn record_filter_failure(&mut self, filter: &'static str, kind: RefusalKind) {
        self.record.filter = Some(filter);
        self.record.error_type = Some(ErrorType::Refused(kind));
    }

    /// Whether the answer broke off, or a filter failed it.
    pub fn is_broken(&self) -> bool {
        self.record.error_type.is_some()
    }

    /// Records the end of a stream. `chunk_overhead_us`: the gateway's own time for one chunk, in microseconds on
    /// average.
    pub fn record_stream_end(&mut self, chunk_overhead_us: Option<f64>) {
        self.record.chunk_overhead_us = chunk_overhead_us;
    }

    /// Records that the caller closed the connection.
    pub fn record_client_closed(&mut self) {
        self.record.error_type.get_or_insert(ErrorType::ClientClosed);
    }

    /// Starts counting time as the upstream's.
    pub fn waits(&mut self) {
        self.waiting_since = Some(Instant::now());
    }

    /// Stops counting time as the upstream's.
    pub fn waited(&mut self) {
        if let Some(since) = self.waiting_since.take() {
            self.waited += since.elapsed();
        }
    }

    /// Records the gateway's own time up to the first byte of the answer: all time that is not the upstream's.
    pub fn record_overhead(&mut self) {
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
