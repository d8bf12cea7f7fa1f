//! Embeddings and rerank: requests and answers of every dialect.

use outrigger_llm::embeddings::{self, AnswerForm};
use outrigger_llm::operation::{OperationKind, TABLE};
use outrigger_llm::provider::Target;
use outrigger_llm::{Dialect, rerank};
use serde_json::Value;

/// A request that is accepted can be written for each dialect, or is refused, and what is written is accepted there. An
/// answer that is accepted can be told in each dialect.
pub(crate) fn embeddings(input: &[u8]) {
    let Ok(body) = serde_json::from_slice::<Value>(input) else { return };
    let kinds = || TABLE.iter().filter(|row| row.kind == OperationKind::Embeddings);
    for operation in kinds() {
        let Some(Ok(request)) = body.as_object().map(|body| embeddings::decode_request(operation, body)) else {
            continue;
        };
        assert!(
            !request.inputs.is_empty() || !request.fields.is_empty(),
            "a request for nothing was accepted: {operation:?}"
        );
        for upstream in Dialect::ALL {
            let target = Target::vendor(upstream, "m");
            let Ok(encoded) = embeddings::encode_request(operation.dialect, &request, &target) else { continue };
            let batch = |path: &str| path.ends_with("embedContent") != encoded.batch;
            let own = kinds().find(|row| row.dialect == upstream && (upstream != Dialect::Gemini || batch(row.path)));
            let Some(own) = own else { continue };
            let again = embeddings::decode_request(own, &encoded.body);
            assert!(again.is_ok(), "{upstream} refuses what was written for it: {again:?}");
        }
    }
    for upstream in Dialect::ALL {
        let Ok(answer) = embeddings::decode_answer(upstream, body.clone()) else { continue };
        for caller in Dialect::ALL {
            let form = AnswerForm { batch: true, float: true, base64: true };
            let told = embeddings::encode_answer(caller, answer.clone(), form, "m", "r");
            assert!(told.is_ok(), "{upstream} to {caller}: {told:?}");
        }
    }
}

/// The same for rerank.
pub(crate) fn rerank(input: &[u8]) {
    let Ok(body) = serde_json::from_slice::<Value>(input) else { return };
    for caller in Dialect::ALL {
        let Some(Ok(request)) = body.as_object().map(|body| rerank::decode_request(caller, body)) else { continue };
        for upstream in Dialect::ALL {
            let target = Target::vendor(upstream, "m");
            let Ok(encoded) = rerank::encode_request(caller, &request, &target) else { continue };
            let again = rerank::decode_request(upstream, &encoded.body);
            assert!(again.is_ok(), "{upstream} refuses what was written for it: {again:?}");
        }
    }
    for upstream in [Dialect::OpenAi, Dialect::Cohere] {
        let Ok(answer) = rerank::decode_answer(upstream, body.clone()) else { continue };
        for caller in [Dialect::OpenAi, Dialect::Cohere] {
            let told = rerank::encode_answer(caller, &answer, &["a".into()], "m", "r");
            let again = rerank::decode_answer(caller, told);
            assert!(again.is_ok_and(|again| again.results == answer.results), "{upstream} to {caller}");
        }
    }
}
