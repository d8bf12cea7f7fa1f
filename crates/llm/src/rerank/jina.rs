//! `/rerank`, as Jina AI made it and servers of OpenAI's dialect have it.

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
            "documents" => request.documents = documents(value, &mut noted)?,
            "top_n" => request.top_n = Some(shape::count(value, "", key)?),
            "return_documents" => request.returns_documents = shape::boolean(value, "", key)?,
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

/// Texts, or objects with a text.
fn documents<'a>(value: &'a Value, noted: &mut NotedFields) -> Result<Vec<Cow<'a, str>>, RequestError> {
    let mut texts = Vec::new();
    for (at, document) in shape::array(value, "", "documents")?.iter().enumerate() {
        let path = format!("documents[{at}]");
        let text = match document {
            Value::String(text) => text,
            other => {
                let object = shape::element(other, &path)?;
                object.keys().filter(|key| *key != "text").for_each(|key| noted.note(&path, key));
                match object.keys().any(|key| key != "text") {
                    // Refused in any case.
                    true => "",
                    false => shape::required_text(object, &path, "text")?,
                }
            }
        };
        texts.push(Cow::Borrowed(text));
    }
    Ok(texts)
}

/// `documents`: those that the caller wants back. Each is given once, so that an answer that repeats an index does not
/// multiply them.
pub(super) fn encode_answer(answer: &RerankAnswer, documents: &[Cow<'_, str>], model: &str, id: &str) -> Value {
    let mut documents: Vec<Option<&str>> = documents.iter().map(|text| Some(&**text)).collect();
    let result = |ranked: &super::Ranked| {
        let mut result = json!({"index": ranked.index, "relevance_score": ranked.score});
        let place = usize::try_from(ranked.index).unwrap_or(usize::MAX);
        if let Some(text) = documents.get_mut(place).and_then(Option::take) {
            result["document"] = json!({"text": text});
        }
        result
    };
    let mut body = json!({"id": id, "model": model, "results": answer.results.iter().map(result).collect::<Value>()});
    if let Some(tokens) = answer.usage.input {
        body["usage"] = json!({"prompt_tokens": tokens, "total_tokens": tokens});
    }
    if let Some(searches) = answer.usage.searches {
        body["meta"] = json!({"billed_units": {"search_units": searches}});
    }
    body
}
