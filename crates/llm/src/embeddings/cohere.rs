//! Cohere's `/v2/embed`.

use std::borrow::Cow;

use serde_json::{Number, Value, json};

use super::base64;
use super::openai::positive;
use super::request::{AnswerForm, EmbeddingInput, EmbeddingsAnswer, EmbeddingsRequest, Task};
use crate::chat::JsonObject;
use crate::format::openai_chat::shape::{self, NotedFields};
use crate::{Dialect, Malformed, RequestError};

pub(super) fn decode_request(body: &JsonObject) -> Result<EmbeddingsRequest<'_>, RequestError> {
    let mut request = EmbeddingsRequest::default();
    let mut noted = NotedFields::default();
    let mut task = None;
    for (key, value) in body.iter().filter(|(_, value)| !value.is_null()) {
        match key.as_str() {
            "model" => {}
            "texts" => {
                for (at, text) in shape::array(value, "", key)?.iter().enumerate() {
                    let problem = || shape::invalid("", &format!("texts[{at}]"), "must be a string");
                    request.inputs.push(EmbeddingInput::from(text.as_str().ok_or_else(problem)?));
                }
            }
            "inputs" => {
                noted.note("", key);
                for (at, input) in shape::array(value, "", key)?.iter().enumerate() {
                    request.inputs.push(content(shape::element(input, &format!("inputs[{at}]"))?, at, &mut noted)?);
                }
            }
            "input_type" => {
                let word = shape::text(value, "", key)?;
                task = of_word(word);
                match task {
                    Some(_) => noted.note("", key),
                    None => noted.note("", &format!("{key}={word}")),
                }
            }
            "embedding_types" => request.form = form(shape::array(value, "", key)?, &mut noted)?,
            "output_dimension" => request.dimensions = Some(positive(value, key)?),
            "images" if value.as_array().is_some_and(Vec::is_empty) => {}
            "priority" if value == &json!(0) => {}
            _ => noted.note("", key),
        }
    }
    request.inputs.iter_mut().for_each(|input| input.task = task);
    request.fields = noted.into_paths();
    if request.inputs.is_empty() && !request.fields.iter().any(|field| field == "images") {
        return Err(shape::invalid("", "texts", "is missing or empty"));
    }
    Ok(request)
}

/// The texts of an input of several parts.
fn content<'a>(input: &'a JsonObject, at: usize, noted: &mut NotedFields) -> Result<EmbeddingInput<'a>, RequestError> {
    let path = format!("inputs[{at}]");
    let mut texts = Vec::new();
    for (index, part) in shape::array(shape::required(input, &path, "content")?, &path, "content")?.iter().enumerate() {
        let path = format!("{path}.content[{index}]");
        let part = shape::element(part, &path)?;
        match shape::required_text(part, &path, "type")? {
            "text" => texts.push(shape::required_text(part, &path, "text")?),
            kind => noted.note(&path, kind),
        }
    }
    Ok(EmbeddingInput { text: Cow::Owned(texts.join("\n")), task: None })
}

fn form(types: &[Value], noted: &mut NotedFields) -> Result<AnswerForm, RequestError> {
    let mut form = AnswerForm { batch: true, float: types.is_empty(), base64: false };
    for kind in types {
        match shape::text(kind, "", "embedding_types")? {
            "float" => form.float = true,
            "base64" => form.base64 = true,
            other => noted.note("", &format!("embedding_types={other}")),
        }
    }
    Ok(form)
}

fn of_word(word: &str) -> Option<Task> {
    Some(match word {
        "search_query" => Task::Query,
        "search_document" => Task::Document,
        "classification" => Task::Classification,
        "clustering" => Task::Clustering,
        _ => return None,
    })
}

/// Cohere's models want a task. If the caller names none, the texts are taken for documents, of which there are more
/// than questions.
pub(super) fn encode_request(request: &EmbeddingsRequest<'_>, model: &str) -> Result<JsonObject, RequestError> {
    let several = |()| RequestError::Unsupported {
        field: "requests[].taskType of several kinds".to_owned(),
        upstream: Dialect::Cohere,
    };
    let word = match request.task().map_err(several)? {
        Some(Task::Query) => "search_query",
        Some(Task::Classification) => "classification",
        Some(Task::Clustering) => "clustering",
        Some(Task::Document | Task::Similarity) | None => "search_document",
    };
    let mut body = JsonObject::new();
    body.insert("model".to_owned(), json!(model));
    body.insert("texts".to_owned(), request.inputs.iter().map(|input| json!(input.text)).collect());
    body.insert("input_type".to_owned(), json!(word));
    body.insert("embedding_types".to_owned(), json!(["float"]));
    if let Some(dimensions) = request.dimensions {
        body.insert("output_dimension".to_owned(), json!(dimensions));
    }
    Ok(body)
}

pub(super) fn decode_answer(mut body: Value) -> Result<Vec<Vec<Number>>, Malformed> {
    let problem = |problem: &str| Malformed { dialect: Dialect::Cohere, problem: problem.to_owned() };
    let Some(Value::Array(all)) = body.pointer_mut("/embeddings/float").map(Value::take) else {
        return Err(problem("it has no embeddings of floats"));
    };
    if all.is_empty() {
        return Err(problem("its embeddings are empty"));
    }
    let vector = |values| match values {
        Value::Array(values) => base64::numbers(values),
        _ => None,
    };
    let wrong = || problem("an embedding is not a list of numbers");
    all.into_iter().map(|values| vector(values).ok_or_else(wrong)).collect()
}

pub(super) fn encode_answer(answer: EmbeddingsAnswer, form: AnswerForm, id: &str) -> Value {
    let mut embeddings = JsonObject::new();
    if form.base64 {
        let packed = answer.vectors.iter().map(|vector| json!(base64::encode(vector))).collect();
        embeddings.insert("base64".to_owned(), packed);
    }
    if form.float {
        embeddings.insert("float".to_owned(), answer.vectors.into_iter().map(Value::from_iter).collect());
    }
    let mut meta = json!({"api_version": {"version": "2"}});
    if let Some(tokens) = answer.usage.input {
        meta["billed_units"] = json!({"input_tokens": tokens});
    }
    json!({"id": id, "embeddings": embeddings, "meta": meta, "response_type": "embeddings_by_type"})
}
