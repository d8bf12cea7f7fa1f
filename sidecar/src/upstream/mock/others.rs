//! A mock's answers to other operations: embeddings, token counts, completions.

use http::Response;
use outrigger_llm::Dialect;
use outrigger_llm::errors::GatewayError;
use outrigger_llm::registry::error_body;
use serde_json::{Value, json};

use super::MockRequest;
use super::body::MockPace;
use super::respond;
use crate::upstream::UpstreamBody;

/// The dimensions of an embedding.
const DIMENSIONS: usize = 8;

/// Answers an operation other than a conversation, or refuses it.
pub fn answer(dialect: Dialect, provider: &str, request: &MockRequest) -> Response<UpstreamBody> {
    let text = format!("Hello from {provider}/{}", request.model);
    let verb = request.path.rsplit_once(':').map_or(request.path.as_str(), |(_, verb)| verb);
    let output = match (dialect, verb) {
        (Dialect::OpenAi, "embeddings") => embeddings(request),
        (Dialect::OpenAi, "completions") => completion(request, &text),
        (Dialect::Anthropic, "messages/count_tokens") => json!({"input_tokens": tokens(&request.body)}),
        (Dialect::Gemini, "countTokens") => json!({"totalTokens": tokens(&request.body)}),
        (Dialect::Gemini, "embedContent") => {
            json!({"embedding": {"values": vector(&request.body)}, "usageMetadata": used(request)})
        }
        (Dialect::Gemini, "batchEmbedContents") => {
            let requests = request.body.get("requests").and_then(Value::as_array).cloned().unwrap_or_default();
            let embeddings: Vec<Value> = requests.iter().map(|one| json!({"values": vector(one)})).collect();
            json!({"embeddings": embeddings, "usageMetadata": used(request)})
        }
        (Dialect::Cohere, "v2/embed") => {
            let texts = request.body.get("texts").and_then(Value::as_array).cloned().unwrap_or_default();
            let used = tokens(&Value::Array(texts.clone()));
            json!({
                "id": "mock", "embeddings": {"float": texts.iter().map(vector).collect::<Vec<_>>()}, "texts": texts,
                "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": used}},
            })
        }
        (Dialect::Ollama, "api/embed") => {
            let input = request.body.get("input").cloned().unwrap_or_default();
            let texts = if let Value::Array(texts) = input { texts } else { vec![input] };
            let used = tokens(&Value::Array(texts.clone()));
            json!({
                "model": request.model, "embeddings": texts.iter().map(vector).collect::<Vec<_>>(),
                "prompt_eval_count": used,
            })
        }
        (Dialect::Ollama, "api/embeddings") => json!({"embedding": vector(&request.body)}),
        (Dialect::OpenAi, "rerank") | (Dialect::Cohere, "v2/rerank") => ranking(dialect, request),
        _ => return unknown(dialect, request),
    };
    respond::json(200, MockPace::whole(output.to_string()))
}

/// Refuses an invalid conversation.
pub fn unreadable(dialect: Dialect, problem: &str) -> Response<UpstreamBody> {
    problem_answer(dialect, 400, "invalid_request_error", &format!("the mock cannot read this request: {problem}"))
}

/// Refuses a request for lack of memory.
pub fn too_large(dialect: Dialect) -> Response<UpstreamBody> {
    problem_answer(dialect, 413, "request_too_large", "the mock has no memory to read this request")
}

fn unknown(dialect: Dialect, request: &MockRequest) -> Response<UpstreamBody> {
    problem_answer(dialect, 404, "not_found", &format!("the mock has no answer for {}", request.path))
}

fn problem_answer(dialect: Dialect, status: u16, kind: &str, message: &str) -> Response<UpstreamBody> {
    let refusal = GatewayError { status, kind, message, request_id: "req_mock", param: None, attempts: &[] };
    respond::json(status, MockPace::whole(error_body(dialect, &refusal)))
}

fn tokens(body: &Value) -> usize {
    body.to_string().len().div_ceil(4)
}

/// What Gemini's newer models say of the tokens of embeddings.
fn used(request: &MockRequest) -> Value {
    json!({"promptTokenCount": tokens(&request.body)})
}

/// An embedding of length one. The same text always gets the same one.
fn vector(of: &Value) -> Vec<f64> {
    let mut random = fastrand::Rng::with_seed(
        of.to_string().bytes().fold(7, |seed, byte| (seed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)),
    );
    let raw: Vec<f64> = (0..DIMENSIONS).map(|_| random.f64() - 0.5).collect();
    let length = raw.iter().map(|x| x * x).sum::<f64>().sqrt();
    raw.into_iter().map(|x| x / length).collect()
}

fn embeddings(request: &MockRequest) -> Value {
    use base64::Engine;
    let inputs = match request.body.get("input") {
        Some(Value::Array(inputs)) if inputs.iter().all(|input| input.is_string() || input.is_array()) => {
            inputs.clone()
        }
        Some(input) => vec![input.clone()],
        None => Vec::new(),
    };
    let base64 = request.body.get("encoding_format").and_then(Value::as_str) == Some("base64");
    let output = |vector: Vec<f64>| match base64 {
        false => json!(vector),
        true => {
            let bytes: Vec<u8> = vector.iter().flat_map(|x| (*x as f32).to_le_bytes()).collect();
            json!(base64::engine::general_purpose::STANDARD.encode(bytes))
        }
    };
    let data: Vec<Value> = inputs
        .iter()
        .enumerate()
        .map(|(index, input)| json!({"object": "embedding", "index": index, "embedding": output(vector(input))}))
        .collect();
    let used = tokens(&Value::Array(inputs));
    json!({"object": "list", "data": data, "model": request.model, "usage": {"prompt_tokens": used, "total_tokens": used}})
}

/// Documents in their order, each half as relevant as the one before it.
fn ranking(dialect: Dialect, request: &MockRequest) -> Value {
    let documents = request.body.get("documents").and_then(Value::as_array).map_or(0, Vec::len);
    let most = request.body.get("top_n").and_then(Value::as_u64).and_then(|most| usize::try_from(most).ok());
    let results: Vec<Value> = (0..documents.min(most.unwrap_or(documents)))
        .scan(1.0, |score, index| {
            *score /= 2.0;
            Some(json!({"index": index, "relevance_score": *score}))
        })
        .collect();
    let used = tokens(&request.body);
    match dialect {
        Dialect::Cohere => json!({"id": "mock", "results": results, "meta": {"billed_units": {"search_units": 1}}}),
        _ => json!({"id": "mock", "model": request.model, "results": results,
            "usage": {"prompt_tokens": used, "total_tokens": used}}),
    }
}

fn completion(request: &MockRequest, text: &str) -> Value {
    let (input, output) = (tokens(&request.body), text.split(' ').count());
    json!({
        "id": "cmpl-mock", "object": "text_completion", "created": 0, "model": request.model,
        "choices": [{"index": 0, "text": text, "finish_reason": "stop", "logprobs": null}],
        "usage": {"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output},
    })
}
