//! Translates embeddings between OpenAI's `/embeddings` and Gemini's `embedContent` and `batchEmbedContents`.
//!
//! A vector is meaningful only to its own model, so this is for a caller's SDK, not for a fallback from one model to
//! another.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::chat::JsonObject;
use crate::format::gemini::FieldReader;
use crate::usage::Usage;
use crate::{Dialect, Malformed, RequestError};

/// The encoding of vectors for an OpenAI caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// A list of numbers.
    #[default]
    Float,
    /// Base64 of little-endian 32-bit floats, which OpenAI's own SDKs request.
    Base64,
}

/// A request for Gemini.
#[derive(Clone, Debug, PartialEq)]
pub struct GeminiRequest {
    pub body: JsonObject,
    /// True: for `batchEmbedContents`. False: for `embedContent`.
    pub batch: bool,
    /// The encoding for the caller: for [`gemini_answer_to_openai`].
    pub encoding: Encoding,
    /// The caller's fields that were omitted because they are hints.
    pub left_out: Vec<String>,
}

/// A request for OpenAI.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenAiRequest {
    pub body: JsonObject,
    /// The caller's fields that were omitted because they are hints.
    pub left_out: Vec<String>,
}

/// Translates an OpenAI request for Gemini's `model`. A list of inputs becomes a batch.
///
/// # Errors
/// [`RequestError::Invalid`] for fields of the wrong shape, [`RequestError::Unsupported`] for inputs as tokens and for
/// unknown fields.
pub fn openai_to_gemini(body: &JsonObject, model: &str) -> Result<GeminiRequest, RequestError> {
    let mut encoding = Encoding::Float;
    let mut dimensions = None;
    let mut left_out = Vec::new();
    for (name, value) in body.iter().filter(|(_, value)| !value.is_null()) {
        match (name.as_str(), value) {
            ("model" | "input", _) => {}
            ("encoding_format", Value::String(format)) if format == "float" => {}
            ("encoding_format", Value::String(format)) if format == "base64" => encoding = Encoding::Base64,
            ("encoding_format", _) => return Err(invalid(name, "must be float or base64")),
            ("dimensions", Value::Number(number)) if number.as_u64().is_some_and(|count| count > 0) => {
                dimensions = Some(number.clone());
            }
            ("dimensions", _) => return Err(invalid(name, "must be a positive whole number")),
            ("user", _) => left_out.push(name.clone()),
            _ => return Err(unsupported(name, Dialect::Gemini)),
        }
    }
    let request = |text: &str| {
        let mut request = JsonObject::new();
        request.insert("model".to_owned(), json!(crate::path::gemini_resource(model)));
        request.insert("content".to_owned(), json!({"parts": [{"text": text}]}));
        if let Some(dimensions) = &dimensions {
            request.insert("outputDimensionality".to_owned(), Value::Number(dimensions.clone()));
        }
        request
    };
    let (body, batch) = match body.get("input") {
        Some(Value::String(text)) => (request(text), false),
        Some(Value::Array(items)) if !items.is_empty() => {
            let mut requests = Vec::with_capacity(items.len());
            for (at, item) in items.iter().enumerate() {
                match item {
                    Value::String(text) => requests.push(Value::Object(request(text))),
                    Value::Number(_) | Value::Array(_) => return Err(unsupported("input as tokens", Dialect::Gemini)),
                    _ => return Err(invalid(&format!("input[{at}]"), "must be a string")),
                }
            }
            let mut body = JsonObject::new();
            body.insert("requests".to_owned(), Value::Array(requests));
            (body, true)
        }
        None | Some(Value::Null) => return Err(invalid("input", "is missing")),
        Some(_) => return Err(invalid("input", "must be a string or a list of strings, and not empty")),
    };
    Ok(GeminiRequest { body, batch, encoding, left_out })
}

/// Translates an OpenAI request for the `predict` of an embedding model at Vertex AI. Its answers are read like those of
/// Gemini's API.
///
/// # Errors
/// As [`openai_to_gemini`].
pub fn openai_to_vertex(body: &JsonObject) -> Result<GeminiRequest, RequestError> {
    let GeminiRequest { body, encoding, left_out, .. } = openai_to_gemini(body, "")?;
    let one = Value::Object(body);
    let requests = one["requests"].as_array().map_or(std::slice::from_ref(&one), Vec::as_slice);
    let instances: Vec<Value> =
        requests.iter().map(|request| json!({"content": request["content"]["parts"][0]["text"]})).collect();
    let mut predict = JsonObject::new();
    predict.insert("instances".to_owned(), Value::Array(instances));
    if let Some(size) = requests.first().and_then(|request| request.get("outputDimensionality")) {
        predict.insert("parameters".to_owned(), json!({"outputDimensionality": size}));
    }
    Ok(GeminiRequest { body: predict, batch: true, encoding, left_out })
}

/// Translates a Gemini request, of `batchEmbedContents` if `batch`, for OpenAI's `model`.
///
/// `taskType` and `title` are hints: OpenAI's models embed questions and documents alike.
///
/// # Errors
/// [`RequestError::Invalid`] for fields of the wrong shape, [`RequestError::Unsupported`] for media, for several sizes
/// in one batch and for unknown fields.
pub fn gemini_to_openai(body: &JsonObject, model: &str, batch: bool) -> Result<OpenAiRequest, RequestError> {
    let mut reader = FieldReader::new("", body)?;
    let mut left_out = Vec::new();
    let mut unknown = Vec::new();
    let requests = if batch {
        let requests = reader.objects("requests")?;
        reader.rest(&mut unknown);
        if requests.is_empty() {
            return Err(invalid("requests", "is missing or empty"));
        }
        requests
    } else {
        vec![reader]
    };
    let mut inputs = Vec::with_capacity(requests.len());
    let mut sizes = Vec::with_capacity(requests.len());
    for mut request in requests {
        request.string("model")?;
        for name in ["taskType", "title"] {
            if request.string(name)?.is_some() {
                request.report(name, &mut left_out);
            }
        }
        let path = request.path("outputDimensionality");
        let size = request.integer("outputDimensionality")?;
        if size.is_some_and(|size| size < 1) {
            return Err(invalid(&path, "must be a positive number"));
        }
        sizes.push(size);
        let path = request.path("content");
        let Some(mut content) = request.object("content")? else { return Err(invalid(&path, "is missing")) };
        content.string("role")?;
        let mut texts = Vec::new();
        for mut part in content.objects("parts")? {
            texts.extend(part.string("text")?);
            part.rest(&mut unknown);
        }
        content.rest(&mut unknown);
        request.rest(&mut unknown);
        if texts.is_empty() && unknown.is_empty() {
            return Err(invalid(&path, "has no text"));
        }
        inputs.push(json!(texts.join("\n")));
    }
    if let Some(field) = unknown.first() {
        return Err(unsupported(field, Dialect::OpenAi));
    }
    let size = sizes.first().copied().flatten();
    if sizes.iter().any(|other| *other != size) {
        return Err(unsupported("requests[].outputDimensionality of several sizes", Dialect::OpenAi));
    }
    let mut body = JsonObject::new();
    body.insert("model".to_owned(), json!(model));
    // OpenAI accepts a list of one too, but a single input keeps its shape.
    body.insert("input".to_owned(), if batch { Value::Array(inputs) } else { inputs.pop().unwrap_or_default() });
    body.insert("encoding_format".to_owned(), json!("float"));
    if let Some(size) = size {
        body.insert("dimensions".to_owned(), json!(size));
    }
    Ok(OpenAiRequest { body, left_out })
}

/// Translates Gemini's answer for an OpenAI caller, with vectors in the order of the inputs.
///
/// OpenAI's schema requires `usage`; if Gemini reports none, its counts are 0. For accounting use [`usage`], which
/// distinguishes unknown from 0.
///
/// # Errors
/// [`Malformed`] if it contains no embedding, or one that is not a list of numbers.
pub fn gemini_answer_to_openai(body: &Value, encoding: Encoding, model: &str) -> Result<Value, Malformed> {
    let mut data = Vec::new();
    for (index, values) in gemini_vectors(body)?.into_iter().enumerate() {
        let embedding = match encoding {
            Encoding::Float => Value::Array(values.clone()),
            Encoding::Base64 => json!(base64_of(values)?),
        };
        data.push(json!({"object": "embedding", "index": index, "embedding": embedding}));
    }
    let tokens = usage(Dialect::Gemini, body).input.unwrap_or(0);
    Ok(json!({
        "object": "list",
        "data": data,
        "model": model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }))
}

/// Translates OpenAI's answer for a Gemini caller, who requested a `batch` or a single one.
///
/// # Errors
/// [`Malformed`] if it contains no embedding, or one that is neither numbers nor Base64 of floats.
pub fn openai_answer_to_gemini(body: &Value, batch: bool) -> Result<Value, Malformed> {
    let problem = |problem: &str| malformed(Dialect::OpenAi, problem);
    let data = body.get("data").and_then(Value::as_array).ok_or_else(|| problem("it has no data"))?;
    let mut embeddings: Vec<(u64, Value)> = Vec::with_capacity(data.len());
    for (at, item) in data.iter().enumerate() {
        let index = item.get("index").and_then(Value::as_u64).unwrap_or(at as u64);
        let values = match item.get("embedding") {
            Some(Value::Array(values)) => numbers(values, Dialect::OpenAi).map(|values| json!(values))?,
            Some(Value::String(text)) => {
                floats_of(text).ok_or_else(|| problem("an embedding is not Base64 of floats"))?
            }
            _ => return Err(problem("an item of data has no embedding")),
        };
        embeddings.push((index, json!({"values": values})));
    }
    embeddings.sort_by_key(|(index, _)| *index);
    let mut embeddings = embeddings.into_iter().map(|(_, embedding)| embedding);
    let mut out = JsonObject::new();
    if batch {
        let all: Vec<Value> = embeddings.collect();
        if all.is_empty() {
            return Err(problem("its data is empty"));
        }
        out.insert("embeddings".to_owned(), Value::Array(all));
    } else {
        let one = embeddings.next().ok_or_else(|| problem("its data is empty"))?;
        out.insert("embedding".to_owned(), one);
    }
    if let Some(tokens) = usage(Dialect::OpenAi, body).input {
        out.insert("usageMetadata".to_owned(), json!({"promptTokenCount": tokens}));
    }
    Ok(Value::Object(out))
}

/// Whether embeddings of one dialect are translated to the other.
#[must_use]
pub fn translates(caller: Dialect, upstream: Dialect) -> bool {
    matches!((caller, upstream), (Dialect::OpenAi, Dialect::Gemini) | (Dialect::Gemini, Dialect::OpenAi))
}

/// The usage of an embedding answer: input tokens, if the provider reports them. The others have no embeddings.
#[must_use]
pub fn usage(upstream: Dialect, body: &Value) -> Usage {
    let count = |path: &str| body.pointer(path).and_then(Value::as_u64);
    let input = match upstream {
        Dialect::OpenAi => count("/usage/prompt_tokens"),
        Dialect::Gemini => count("/usageMetadata/promptTokenCount").or_else(|| statistics(body)),
        Dialect::Cohere => count("/meta/billed_units/input_tokens"),
        Dialect::Anthropic | Dialect::Bedrock => None,
    };
    Usage { input, ..Usage::default() }
}

/// Vertex AI reports counts with each vector.
fn statistics(body: &Value) -> Option<u64> {
    let counted = |embedding: &Value| {
        let statistics = embedding.get("statistics").or_else(|| embedding.pointer("/embeddings/statistics"))?;
        statistics.get("tokenCount").or_else(|| statistics.get("token_count"))?.as_u64()
    };
    match body.get("embeddings").or_else(|| body.get("predictions")).and_then(Value::as_array) {
        Some(all) => {
            all.iter().map(counted).try_fold(0u64, |sum, count| sum.checked_add(count?)).filter(|_| !all.is_empty())
        }
        None => counted(body.get("embedding")?),
    }
}

fn gemini_vectors(body: &Value) -> Result<Vec<&Vec<Value>>, Malformed> {
    let problem = |problem: &str| malformed(Dialect::Gemini, problem);
    let embeddings: Vec<&Value> = match (body.get("embeddings"), body.get("embedding"), body.get("predictions")) {
        (Some(Value::Array(all)), ..) => all.iter().collect(),
        (None, Some(one), _) => vec![one],
        (None, None, Some(Value::Array(all))) => all.iter().map(|prediction| &prediction["embeddings"]).collect(),
        _ => return Err(problem("it has no embeddings")),
    };
    embeddings
        .into_iter()
        .map(|embedding| {
            let values = embedding.get("values").and_then(Value::as_array);
            numbers(values.ok_or_else(|| problem("an embedding has no values"))?, Dialect::Gemini)
        })
        .collect()
}

fn numbers(values: &Vec<Value>, upstream: Dialect) -> Result<&Vec<Value>, Malformed> {
    match values.iter().all(Value::is_number) {
        true => Ok(values),
        false => Err(malformed(upstream, "an embedding contains a value that is not a number")),
    }
}

fn base64_of(values: &[Value]) -> Result<String, Malformed> {
    let mut bytes = Vec::with_capacity(values.len() * 4);
    for value in values {
        let Some(number) = value.as_f64() else {
            return Err(malformed(Dialect::Gemini, "an embedding contains a value that is not a number"));
        };
        bytes.extend_from_slice(&(number as f32).to_le_bytes());
    }
    Ok(STANDARD.encode(bytes))
}

/// Bytes of another type (Perplexity has vectors of `int8`) are recognized because they are not numbers.
fn floats_of(text: &str) -> Option<Value> {
    let bytes = STANDARD.decode(text).ok()?;
    let (floats, rest) = bytes.as_chunks::<4>();
    let floats = floats.iter().map(|bytes| f32::from_le_bytes(*bytes));
    let all: Option<Vec<Value>> = floats.map(|float| float.is_finite().then(|| json!(float))).collect();
    all.filter(|_| rest.is_empty()).map(Value::Array)
}

fn invalid(path: &str, problem: &str) -> RequestError {
    RequestError::Invalid { path: path.to_owned(), problem: problem.to_owned() }
}

fn unsupported(field: &str, upstream: Dialect) -> RequestError {
    RequestError::Unsupported { field: field.to_owned(), upstream }
}

fn malformed(dialect: Dialect, problem: &str) -> Malformed {
    Malformed { dialect, problem: problem.to_owned() }
}

#[cfg(test)]
mod tests;
