//! OpenAI's `/embeddings`.

use serde_json::{Value, json};

use super::base64;
use super::request::{AnswerForm, EmbeddingInput, EmbeddingsAnswer, EmbeddingsRequest, Task};
use crate::chat::JsonObject;
use crate::format::openai_chat::shape::{self, NotedFields};
use crate::{Dialect, Malformed, RequestError};

/// Not a field of OpenAI's own: other servers of the dialect have it for models that embed questions and documents
/// differently.
const INPUT_TYPE: &str = "input_type";

pub(super) fn decode_request(body: &JsonObject) -> Result<EmbeddingsRequest<'_>, RequestError> {
    let mut request = EmbeddingsRequest::default();
    let mut noted = NotedFields::default();
    let mut task = None;
    for (key, value) in body.iter().filter(|(_, value)| !value.is_null()) {
        match key.as_str() {
            "model" | "input" => {}
            "encoding_format" => match value.as_str() {
                Some("float") => {}
                Some("base64") => request.form = AnswerForm { float: false, base64: true, batch: true },
                _ => return Err(shape::invalid("", key, "must be float or base64")),
            },
            "dimensions" => request.dimensions = Some(positive(value, key)?),
            INPUT_TYPE => {
                let word = shape::text(value, "", key)?;
                task = of_word(word);
                match task {
                    Some(_) => noted.note("", key),
                    None => noted.note("", &format!("{key}={word}")),
                }
            }
            _ => noted.note("", key),
        }
    }
    request.inputs = texts(shape::required(body, "", "input")?, &mut noted)?;
    request.inputs.iter_mut().for_each(|input| input.task = task);
    request.fields = noted.into_paths();
    Ok(request)
}

/// A number of dimensions.
pub(super) fn positive(value: &Value, key: &str) -> Result<u64, RequestError> {
    let problem = || shape::invalid("", key, "must be a positive whole number");
    value.as_u64().filter(|count| *count > 0).ok_or_else(problem)
}

/// A text, or several.
pub(super) fn texts<'a>(value: &'a Value, noted: &mut NotedFields) -> Result<Vec<EmbeddingInput<'a>>, RequestError> {
    let problem = || shape::invalid("", "input", "must be a string or a list of strings, and not empty");
    let mut inputs = Vec::new();
    match value {
        Value::String(text) => inputs.push(EmbeddingInput::from(text.as_str())),
        Value::Array(items) if !items.is_empty() => {
            inputs.reserve_exact(items.len());
            for (at, item) in items.iter().enumerate() {
                match item {
                    Value::String(text) => inputs.push(EmbeddingInput::from(text.as_str())),
                    // Tokens are numbers of one model's tokenizer.
                    Value::Number(_) | Value::Array(_) => noted.note("", "input as tokens"),
                    _ => return Err(shape::invalid("", &format!("input[{at}]"), "must be a string")),
                }
            }
        }
        _ => return Err(problem()),
    }
    Ok(inputs)
}

fn of_word(word: &str) -> Option<Task> {
    Some(match word {
        "search_query" | "query" => Task::Query,
        "search_document" | "document" | "passage" => Task::Document,
        "classification" => Task::Classification,
        "clustering" => Task::Clustering,
        _ => return None,
    })
}

pub(super) fn encode_request(request: &EmbeddingsRequest<'_>, model: &str) -> JsonObject {
    let mut body = JsonObject::new();
    body.insert("model".to_owned(), json!(model));
    // OpenAI accepts a list of one too, but a single input keeps its shape.
    let input = match (&request.inputs[..], request.form.batch) {
        ([one], false) => json!(one.text),
        (inputs, _) => inputs.iter().map(|input| json!(input.text)).collect(),
    };
    body.insert("input".to_owned(), input);
    body.insert("encoding_format".to_owned(), json!("float"));
    if let Some(dimensions) = request.dimensions {
        body.insert("dimensions".to_owned(), json!(dimensions));
    }
    body
}

pub(super) fn decode_answer(mut body: Value) -> Result<Vec<Vec<serde_json::Number>>, Malformed> {
    let problem = |problem: &str| Malformed { dialect: Dialect::OpenAi, problem: problem.to_owned() };
    let Some(Value::Array(data)) = body.get_mut("data").map(Value::take) else {
        return Err(problem("it has no data"));
    };
    if data.is_empty() {
        return Err(problem("its data is empty"));
    }
    let mut vectors = Vec::with_capacity(data.len());
    for (at, mut item) in data.into_iter().enumerate() {
        let index = item.get("index").and_then(Value::as_u64).unwrap_or(at as u64);
        let vector = match item.get_mut("embedding").map(Value::take) {
            Some(Value::Array(values)) => {
                base64::numbers(values).ok_or_else(|| problem("an embedding contains a value that is not a number"))?
            }
            Some(Value::String(text)) => {
                base64::decode(&text).ok_or_else(|| problem("an embedding is not Base64 of floats"))?
            }
            _ => return Err(problem("an item of data has no embedding")),
        };
        vectors.push((index, vector));
    }
    vectors.sort_by_key(|(index, _)| *index);
    Ok(vectors.into_iter().map(|(_, vector)| vector).collect())
}

/// OpenAI's schema requires `usage`; if the upstream reports none, its counts are 0.
pub(super) fn encode_answer(answer: EmbeddingsAnswer, form: AnswerForm, model: &str) -> Value {
    let item = |(index, vector): (usize, Vec<serde_json::Number>)| {
        let embedding = if form.base64 { json!(base64::encode(&vector)) } else { Value::from_iter(vector) };
        json!({"object": "embedding", "index": index, "embedding": embedding})
    };
    let tokens = answer.usage.input.unwrap_or(0);
    json!({
        "object": "list",
        "data": answer.vectors.into_iter().enumerate().map(item).collect::<Vec<Value>>(),
        "model": model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    })
}
