//! Bodies that are not encoded again.

use outrigger_llm::passthrough::strip_marks::strip_marks_of;
use outrigger_llm::provider::Target;
use outrigger_llm::{CallerFormat, Dialect};
use serde_json::Value;

/// A conversation that loses the gateway's additions is JSON like before, and has no more of them.
pub(crate) fn marks(input: &[u8]) {
    for caller in CallerFormat::all() {
        for upstream in Dialect::ALL {
            let target = Target::vendor(upstream, "a-model");
            let Some(stripped) = strip_marks_of(caller, &target, input) else { continue };
            let is_object = |body: &[u8]| matches!(serde_json::from_slice(body), Ok(Value::Object(_)));
            assert!(is_object(&stripped) || !is_object(input), "{caller:?} to {upstream}: no object any more");
            let again = strip_marks_of(caller, &target, &stripped);
            assert!(again.is_none_or(|again| again == stripped), "{caller:?} to {upstream}: additions are left");
        }
    }
}
