//! The record of a request that is refused before its key is known.

use std::time::{Instant, SystemTime};

use http::Response;
use outrigger_llm::Dialect;

use crate::duration::ms;
use crate::gateway::Gateway;
use crate::request::headers::{self, name};
use crate::request::refusal::Refusal;
use crate::request::reply::ReplyBody;
use crate::telemetry::record::{ErrorType, Record};

/// A request whose key is not known yet.
#[derive(Clone, Debug)]
pub struct Unidentified {
    pub started: Instant,
    pub received: SystemTime,
    pub decision_id: String,
    pub trace_id: String,
    pub request_id: String,
}

impl Unidentified {
    /// Refuses and records the request. `operation`: its name, or `unknown`.
    pub fn refuse(
        &self,
        gateway: &Gateway,
        dialect: Dialect,
        operation: &'static str,
        refusal: &Refusal,
    ) -> Response<ReplyBody> {
        let record = Record {
            time: Some(self.received),
            decision: self.decision_id.clone(),
            trace_id: self.trace_id.clone(),
            request_id: self.request_id.clone(),
            workload: gateway.workload.clone(),
            namespace: gateway.namespace.clone(),
            dialect: dialect.name(),
            operation,
            latency_ms: ms(self.started.elapsed()),
            status: refusal.status,
            error_type: Some(ErrorType::Refused(refusal.kind)),
            ..Record::default()
        };
        gateway.metrics.count_request(&record, "none", Some(refusal.kind));
        gateway.record(record);
        let mut response = refusal.answer(dialect, &self.request_id, &[]);
        headers::set(response.headers_mut(), name::OUR_DECISION, &self.decision_id);
        headers::set(response.headers_mut(), name::OUR_ATTEMPTS, "0");
        response
    }
}
