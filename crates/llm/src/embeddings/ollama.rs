//! Ollama's `/api/embed`, and the older `/api/embeddings` of a single text.

use serde_json::{Number, Value, json};

use super::base64;
use super::openai::{positive, texts};
use super::request::{AnswerForm, EmbeddingInput, EmbeddingsAnswer, EmbeddingsRequest};
use crate::chat::JsonObject;
use crate::format::openai_chat::shape::{self, NotedFields};
use crate::{Dialect, Malformed, RequestError};

/// `batch`: of `/api/embed`.
pub(super) fn decode_request(body: &JsonObject, batch: bool) -> Result<EmbeddingsRequest<'_>, RequestError> {
    let mut request = EmbeddingsRequest { form: AnswerForm { batch, ..AnswerForm::default() }, ..Default::default() };
    let mut noted = NotedFields::default();
    request.inputs = match batch {
        true => texts(shape::required(body, "", "input")?, &mut noted)?,
        false => vec![EmbeddingInput::from(shape::required_text(body, "", "prompt")?)],
    };
    for (key, value) in body.iter().filter(|(_, value)| !value.is_null()) {
        match key.as_str() {
            "model" => {}
            "input" if batch => {}
            "prompt" if !batch => {}
            "dimensions" => request.dimensions = Some(positive(value, key)?),
            _ => noted.note("", key),
        }
    }
    request.fields = noted.into_paths();
    Ok(request)
}

pub(super) fn encode_request(request: &EmbeddingsRequest<'_>, model: &str) -> JsonObject {
    let mut body = JsonObject::new();
    body.insert("model".to_owned(), json!(model));
    body.insert("input".to_owned(), request.inputs.iter().map(|input| json!(input.text)).collect());
    if let Some(dimensions) = request.dimensions {
        body.insert("dimensions".to_owned(), json!(dimensions));
    }
    body
}

pub(super) fn decode_answer(mut body: Value) -> Result<Vec<Vec<Number>>, Malformed> {
    let Some(Value::Array(all)) = body.get_mut("embeddings").map(Value::take).filter(|all| *all != json!([])) else {
        return Err(malformed("it has no embeddings"));
    };
    let vector = |values| match values {
        Value::Array(values) => base64::numbers(values),
        _ => None,
    };
    let wrong = || malformed("an embedding is not a list of numbers");
    all.into_iter().map(|values| vector(values).ok_or_else(wrong)).collect()
}

pub(super) fn encode_answer(answer: EmbeddingsAnswer, form: AnswerForm, model: &str) -> Result<Value, Malformed> {
    let mut vectors = answer.vectors.into_iter().map(Value::from_iter);
    if !form.batch {
        let one = vectors.next().ok_or_else(|| malformed("it has no embeddings"))?;
        return Ok(json!({"embedding": one}));
    }
    let mut body = json!({"model": model, "embeddings": vectors.collect::<Value>()});
    if let Some(tokens) = answer.usage.input {
        body["prompt_eval_count"] = json!(tokens);
    }
    Ok(body)
}

fn malformed(problem: &str) -> Malformed {
    Malformed { dialect: Dialect::Ollama, problem: problem.to_owned() }
}
