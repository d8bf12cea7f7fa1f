//! Gemini's `embedContent` and `batchEmbedContents`, and `predict` of an embedding model at Vertex AI.

use std::borrow::Cow;

use serde_json::{Number, Value, json};

use super::base64;
use super::request::{AnswerForm, EmbeddingInput, EmbeddingsAnswer, EmbeddingsRequest, Task};
use crate::chat::JsonObject;
use crate::format::gemini::FieldReader;
use crate::format::gemini::reader::invalid;
use crate::{Dialect, Malformed, RequestError, path};

pub(super) fn decode_request(body: &JsonObject, batch: bool) -> Result<EmbeddingsRequest<'_>, RequestError> {
    let mut reader = FieldReader::new("", body)?;
    let mut request = EmbeddingsRequest { form: AnswerForm { batch, ..AnswerForm::default() }, ..Default::default() };
    let readers = if batch {
        let readers = reader.objects("requests")?;
        reader.rest(&mut request.fields);
        if readers.is_empty() {
            return Err(invalid("requests", "is missing or empty"));
        }
        readers
    } else {
        vec![reader]
    };
    let mut sizes = Vec::with_capacity(readers.len());
    for mut one in readers {
        let (input, size) = decode_input(&mut one, &mut request.fields)?;
        one.rest(&mut request.fields);
        request.inputs.push(input);
        sizes.push(size);
    }
    request.dimensions = sizes.first().copied().flatten();
    if sizes.iter().any(|size| *size != request.dimensions) {
        request.fields.push("requests[].outputDimensionality of several sizes".to_owned());
    }
    Ok(request)
}

fn decode_input<'a>(
    one: &mut FieldReader<'a>,
    fields: &mut Vec<String>,
) -> Result<(EmbeddingInput<'a>, Option<u64>), RequestError> {
    one.string("model")?;
    if one.string("title")?.is_some() {
        one.report("title", fields);
    }
    let task = match one.string("taskType")? {
        None | Some("TASK_TYPE_UNSPECIFIED") => None,
        Some(word) => {
            let task = of_word(word);
            match task {
                Some(_) => one.report("taskType", fields),
                None => one.report_value("taskType", word, fields),
            }
            task
        }
    };
    let at = one.path("outputDimensionality");
    let size = one.integer("outputDimensionality")?.map(u64::try_from).transpose().ok().filter(|size| *size != Some(0));
    let size = size.ok_or_else(|| invalid(&at, "must be a positive number"))?;
    let at = one.path("content");
    let Some(mut content) = one.object("content")? else { return Err(invalid(&at, "is missing")) };
    content.string("role")?;
    let mut texts = Vec::new();
    let known = fields.len();
    for mut part in content.objects("parts")? {
        texts.extend(part.string("text")?);
        part.rest(fields);
    }
    content.rest(fields);
    let text = match &texts[..] {
        [] if fields.len() == known => return Err(invalid(&at, "has no text")),
        [one] => Cow::Borrowed(*one),
        several => Cow::Owned(several.join("\n")),
    };
    Ok((EmbeddingInput { text, task }, size))
}

fn of_word(word: &str) -> Option<Task> {
    Some(match word {
        "RETRIEVAL_QUERY" | "QUESTION_ANSWERING" | "FACT_VERIFICATION" | "CODE_RETRIEVAL_QUERY" => Task::Query,
        "RETRIEVAL_DOCUMENT" => Task::Document,
        "SEMANTIC_SIMILARITY" => Task::Similarity,
        "CLASSIFICATION" => Task::Classification,
        "CLUSTERING" => Task::Clustering,
        _ => return None,
    })
}

fn word(task: Task) -> &'static str {
    match task {
        Task::Query => "RETRIEVAL_QUERY",
        Task::Document => "RETRIEVAL_DOCUMENT",
        Task::Similarity => "SEMANTIC_SIMILARITY",
        Task::Classification => "CLASSIFICATION",
        Task::Clustering => "CLUSTERING",
    }
}

/// The body, and whether it is a batch.
pub(super) fn encode_request(request: &EmbeddingsRequest<'_>, model: &str) -> (JsonObject, bool) {
    let one = |input: &EmbeddingInput<'_>| {
        let mut one = JsonObject::new();
        one.insert("model".to_owned(), json!(path::gemini_resource(model)));
        one.insert("content".to_owned(), json!({"parts": [{"text": input.text}]}));
        if let Some(task) = input.task {
            one.insert("taskType".to_owned(), json!(word(task)));
        }
        if let Some(dimensions) = request.dimensions {
            one.insert("outputDimensionality".to_owned(), json!(dimensions));
        }
        one
    };
    if let [input] = &request.inputs[..] {
        return (one(input), false);
    }
    let requests = request.inputs.iter().map(|input| Value::Object(one(input))).collect();
    (JsonObject::from_iter([("requests".to_owned(), Value::Array(requests))]), true)
}

/// The body for Vertex AI. Its answers are read like those of Gemini's API.
pub(super) fn encode_prediction(request: &EmbeddingsRequest<'_>) -> JsonObject {
    let instance = |input: &EmbeddingInput<'_>| match input.task {
        None => json!({"content": input.text}),
        Some(task) => json!({"content": input.text, "task_type": word(task)}),
    };
    let mut body = JsonObject::new();
    body.insert("instances".to_owned(), request.inputs.iter().map(instance).collect());
    if let Some(dimensions) = request.dimensions {
        body.insert("parameters".to_owned(), json!({"outputDimensionality": dimensions}));
    }
    body
}

pub(super) fn decode_answer(mut body: Value) -> Result<Vec<Vec<Number>>, Malformed> {
    let embeddings = match ["embeddings", "embedding", "predictions"].iter().find(|key| body.get(**key).is_some()) {
        Some(&"embedding") => vec![body["embedding"].take()],
        Some(&"predictions") => match body["predictions"].take() {
            Value::Array(all) => all
                .into_iter()
                .map(|mut one| one.get_mut("embeddings").map(Value::take))
                .collect::<Option<_>>()
                .unwrap_or_default(),
            _ => Vec::new(),
        },
        Some(key) => match body[*key].take() {
            Value::Array(all) => all,
            _ => Vec::new(),
        },
        None => Vec::new(),
    };
    if embeddings.is_empty() {
        return Err(malformed("it has no embeddings"));
    }
    let vector = |mut embedding: Value| match embedding.get_mut("values").map(Value::take) {
        Some(Value::Array(values)) => {
            base64::numbers(values).ok_or_else(|| malformed("an embedding contains a value that is not a number"))
        }
        _ => Err(malformed("an embedding has no values")),
    };
    embeddings.into_iter().map(vector).collect()
}

pub(super) fn encode_answer(answer: EmbeddingsAnswer, form: AnswerForm) -> Result<Value, Malformed> {
    let mut embeddings = answer.vectors.into_iter().map(|vector| json!({"values": vector}));
    let mut body = JsonObject::new();
    match form.batch {
        true => body.insert("embeddings".to_owned(), embeddings.collect()),
        false => {
            let one = embeddings.next().ok_or_else(|| malformed("it has no embeddings"))?;
            body.insert("embedding".to_owned(), one)
        }
    };
    if let Some(tokens) = answer.usage.input {
        body.insert("usageMetadata".to_owned(), json!({"promptTokenCount": tokens}));
    }
    Ok(Value::Object(body))
}

/// The tokens of all inputs: Vertex AI reports counts with each vector.
pub(super) fn counted(body: &Value) -> Option<u64> {
    let count = |embedding: &Value| {
        let statistics = embedding.get("statistics").or_else(|| embedding.pointer("/embeddings/statistics"))?;
        statistics.get("tokenCount").or_else(|| statistics.get("token_count"))?.as_u64()
    };
    match body.get("embeddings").or_else(|| body.get("predictions")).and_then(Value::as_array) {
        Some(all) => {
            all.iter().map(count).try_fold(0u64, |sum, count| sum.checked_add(count?)).filter(|_| !all.is_empty())
        }
        None => count(body.get("embedding")?),
    }
}

fn malformed(problem: &str) -> Malformed {
    Malformed { dialect: Dialect::Gemini, problem: problem.to_owned() }
}
