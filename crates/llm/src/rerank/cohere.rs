//! Cohere's `/v2/rerank`.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::request::{RerankAnswer, RerankRequest};
use crate::RequestError;
use crate::chat::JsonObject;
use crate::format::openai_chat::shape::{self, NotedFields};

pub(super) fn decode_request(body: &JsonObject) -> Result<RerankRequest<'_>, RequestError> {
    let mut request = RerankRequest { query: shape::required_text(body, "", "query")?, ..RerankRequest::default() };
    let mut noted = NotedFields::default();
    for (key, value) in body.iter().filter(|(_, value)| !value.is_null()) {
        match key.as_str() {
            "model" | "query" => {}
            "documents" => {
                for (at, text) in shape::array(value, "", key)?.iter().enumerate() {
                    let problem = || shape::invalid("", &format!("documents[{at}]"), "must be a string");
                    request.documents.push(Cow::Borrowed(text.as_str().ok_or_else(problem)?));
                }
            }
            "top_n" => request.top_n = Some(shape::count(value, "", key)?),
            "priority" if value == &json!(0) => {}
            _ => noted.note("", key),
        }
    }
    if request.documents.is_empty() {
        return Err(shape::invalid("", "documents", "is missing or empty"));
    }
    request.fields = noted.into_paths();
    Ok(request)
}

pub(super) fn encode_answer(answer: &RerankAnswer, id: &str) -> Value {
    let result = |ranked: &super::Ranked| json!({"index": ranked.index, "relevance_score": ranked.score});
    let mut meta = json!({"api_version": {"version": "2"}});
    let units = [("search_units", answer.usage.searches), ("input_tokens", answer.usage.input)];
    for (unit, count) in units.into_iter().filter_map(|(unit, count)| Some((unit, count?))) {
        meta["billed_units"][unit] = json!(count);
    }
    json!({"id": id, "results": answer.results.iter().map(result).collect::<Value>(), "meta": meta})
}
