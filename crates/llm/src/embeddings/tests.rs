use serde_json::json;

use super::*;
use crate::Format;
use crate::chat::fields::FieldHandling::{Adapted, Carried, Hint, Refused};
use crate::chat::fields::handling;
use crate::operation::find;
use crate::provider::lookup;

const OPENAI: &str = "/v1/embeddings";
const COHERE: &str = "/v2/embed";
const GEMINI: &str = "/v1beta/models/g:embedContent";
const OLLAMA: &str = "/api/embed";
const OLD: &str = "/api/embeddings";
const BATCH: &str = "/v1beta/models/g:batchEmbedContents";

/// The body for model `m` of a provider type, what was left out, and the form of the answer.
fn across(path: &str, kind: &str, body: Value) -> Result<(Value, Vec<String>, AnswerForm), String> {
    let operation = find("POST", path).unwrap().operation;
    let body = body.as_object().unwrap().clone();
    let request = decode_request(operation, &body).map_err(|error| error.to_string())?;
    let target = Target::new(lookup(kind).unwrap(), operation.dialect, "m");
    let encoded = encode_request(operation.dialect, &request, &target).map_err(|error| error.to_string())?;
    Ok((Value::Object(encoded.body), encoded.left_out, request.form))
}

/// An answer of one dialect for a caller of another.
fn answered(upstream: Dialect, caller: Dialect, form: AnswerForm, body: Value) -> Result<Value, Malformed> {
    encode_answer(caller, decode_answer(upstream, body)?, form, "m", "req_1")
}

fn content(text: &str) -> Value {
    json!({"parts": [{"text": text}]})
}

const LIST: AnswerForm = AnswerForm { batch: true, float: true, base64: false };
const PACKED: AnswerForm = AnswerForm { batch: true, float: false, base64: true };
const ONE: AnswerForm = AnswerForm { batch: false, float: true, base64: false };

#[test]
fn requests_say_the_same_in_every_dialect() {
    let gemini = |text: &str| json!({"model": "models/m", "content": content(text)});
    let cohere = |texts: &[&str], task: &str| json!({"model": "m", "texts": texts, "input_type": task, "embedding_types": ["float"]});
    let openai = |input: Value| json!({"model": "m", "input": input, "encoding_format": "float"});
    for (path, kind, body, expected, left_out) in [
        (OPENAI, "Gemini", json!({"input": "a", "encoding_format": "base64", "user": "u"}), gemini("a"), vec!["user"]),
        (
            OPENAI,
            "Gemini",
            json!({"input": ["a", "b"], "input_type": "query", "encoding_format": null}),
            json!({"requests": [
                {"model": "models/m", "content": content("a"), "taskType": "RETRIEVAL_QUERY"},
                {"model": "models/m", "content": content("b"), "taskType": "RETRIEVAL_QUERY"},
            ]}),
            vec![],
        ),
        (
            OPENAI,
            "VertexAI",
            json!({"input": ["a", "b"], "dimensions": 8}),
            json!({"instances": [{"content": "a"}, {"content": "b"}], "parameters": {"outputDimensionality": 8}}),
            vec![],
        ),
        (OPENAI, "Cohere", json!({"input": "a"}), cohere(&["a"], "search_document"), vec![]),
        (
            OPENAI,
            "Cohere",
            json!({"input": ["a"], "input_type": "search_query"}),
            cohere(&["a"], "search_query"),
            vec![],
        ),
        (
            GEMINI,
            "OpenAI",
            json!({"content": {"role": "user", "parts": [{"text": "a"}, {"text": "b"}]}, "task_type": "RETRIEVAL_QUERY", "output_dimensionality": 8}),
            json!({"model": "m", "input": "a\nb", "encoding_format": "float", "dimensions": 8}),
            vec!["taskType"],
        ),
        (
            BATCH,
            "OpenAI",
            json!({"requests": [
                {"model": "models/g", "content": content("a"), "taskType": "CLUSTERING", "title": "t"},
                {"model": "models/g", "content": content("b"), "taskType": "RETRIEVAL_DOCUMENT"},
            ]}),
            openai(json!(["a", "b"])),
            vec!["requests[].title", "requests[].taskType"],
        ),
        (
            BATCH,
            "Cohere",
            json!({"requests": [{"content": content("a"), "taskType": "CLUSTERING"}]}),
            cohere(&["a"], "clustering"),
            vec![],
        ),
        (
            COHERE,
            "OpenAI",
            json!({"texts": ["a"], "input_type": "search_query", "truncate": "END", "priority": 0, "output_dimension": 9}),
            json!({"model": "m", "input": ["a"], "encoding_format": "float", "dimensions": 9}),
            vec!["input_type", "truncate"],
        ),
        (
            COHERE,
            "Gemini",
            json!({"inputs": [{"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}],
                "input_type": "search_document"}),
            json!({"model": "models/m", "content": content("a\nb"), "taskType": "RETRIEVAL_DOCUMENT"}),
            vec![],
        ),
        (
            OLLAMA,
            "OpenAI",
            json!({"input": "a", "truncate": true, "dimensions": 9}),
            json!({"model": "m", "input": ["a"], "encoding_format": "float", "dimensions": 9}),
            vec!["truncate"],
        ),
        (OLD, "Cohere", json!({"prompt": "a"}), cohere(&["a"], "search_document"), vec![]),
        (
            COHERE,
            "VertexAI",
            json!({"texts": ["a"], "input_type": "classification"}),
            json!({"instances": [{"content": "a", "task_type": "CLASSIFICATION"}]}),
            vec![],
        ),
    ] {
        let (got, hints, _) = across(path, kind, body.clone()).unwrap();
        assert_eq!(got, expected, "{body}");
        assert_eq!(hints, left_out, "{body}");
    }
}

#[test]
fn refuses_what_would_change_the_answer() {
    let many = |count: usize| vec!["a"; count];
    for (path, kind, body, error) in [
        (OPENAI, "Gemini", json!({}), "input: is required"),
        (OPENAI, "Gemini", json!({"input": []}), "input: must be a string or a list of strings, and not empty"),
        (OPENAI, "Cohere", json!({"input": [1, 2]}), "input as tokens cannot be expressed in the cohere dialect"),
        (OPENAI, "Gemini", json!({"input": [[1]]}), "input as tokens cannot be expressed in the gemini dialect"),
        (OPENAI, "Gemini", json!({"input": ["a", true]}), "input[1]: must be a string"),
        (OPENAI, "Gemini", json!({"input": "a", "dimensions": 0}), "dimensions: must be a positive whole number"),
        (
            OPENAI,
            "Gemini",
            json!({"input": "a", "encoding_format": "int8"}),
            "encoding_format: must be float or base64",
        ),
        (
            OPENAI,
            "Cohere",
            json!({"input": "a", "input_type": "sonnet"}),
            "input_type=sonnet cannot be expressed in the cohere dialect",
        ),
        (OPENAI, "Gemini", json!({"input": "a", "novelty": 1}), "novelty cannot be expressed in the gemini dialect"),
        (OPENAI, "Anthropic", json!({"input": "a"}), "embeddings cannot be expressed in the anthropic dialect"),
        (
            OPENAI,
            "Cohere",
            json!({"input": many(97)}),
            "more than 96 inputs in one request cannot be expressed in the cohere dialect",
        ),
        (
            OPENAI,
            "Gemini",
            json!({"input": many(101)}),
            "more than 100 inputs in one request cannot be expressed in the gemini dialect",
        ),
        (GEMINI, "OpenAI", json!({}), "content: is missing"),
        (GEMINI, "OpenAI", json!({"content": {"parts": []}}), "content: has no text"),
        (
            GEMINI,
            "OpenAI",
            json!({"content": {"parts": [{"inlineData": {}}]}}),
            "content.parts[].inlineData cannot be expressed in the openai dialect",
        ),
        (
            GEMINI,
            "Cohere",
            json!({"content": content("a"), "outputDimensionality": -1}),
            "outputDimensionality: must be a positive number",
        ),
        (
            GEMINI,
            "Cohere",
            json!({"content": content("a"), "taskType": "SONNET"}),
            "taskType=SONNET cannot be expressed in the cohere dialect",
        ),
        (BATCH, "OpenAI", json!({"requests": []}), "requests: is missing or empty"),
        (
            BATCH,
            "OpenAI",
            json!({"requests": [{"content": content("a"), "outputDimensionality": 1}, {"content": content("b")}]}),
            "requests[].outputDimensionality of several sizes cannot be expressed in the openai dialect",
        ),
        (
            BATCH,
            "Cohere",
            json!({"requests": [{"content": content("a"), "taskType": "CLUSTERING"}, {"content": content("b")}]}),
            "requests[].taskType of several kinds cannot be expressed in the cohere dialect",
        ),
        (COHERE, "OpenAI", json!({"texts": []}), "texts: is missing or empty"),
        (OLLAMA, "OpenAI", json!({"input": []}), "input: must be a string or a list of strings, and not empty"),
        (OLD, "OpenAI", json!({}), "prompt: is required"),
        (COHERE, "OpenAI", json!({"texts": [1]}), "texts[0]: must be a string"),
        (COHERE, "OpenAI", json!({"images": ["data:"]}), "images cannot be expressed in the openai dialect"),
        (
            COHERE,
            "Gemini",
            json!({"texts": ["a"], "embedding_types": ["float", "int8"]}),
            "embedding_types=int8 cannot be expressed in the gemini dialect",
        ),
        (
            COHERE,
            "OpenAI",
            json!({"inputs": [{"content": [{"type": "image_url", "image_url": {"url": "data:"}}]}]}),
            "inputs[].content[].image_url cannot be expressed in the openai dialect",
        ),
        (
            COHERE,
            "OpenAI",
            json!({"texts": ["a"], "input_type": "image"}),
            "input_type=image cannot be expressed in the openai dialect",
        ),
    ] {
        assert_eq!(across(path, kind, body.clone()).unwrap_err(), error, "{body}");
    }
}

/// Two vectors and 7 tokens in each dialect.
fn answers() -> [(Dialect, Value); 5] {
    let data = |index: u64, vector: Value| json!({"object": "embedding", "index": index, "embedding": vector});
    let predicted =
        |values: Value, count: u64| json!({"embeddings": {"values": values, "statistics": {"token_count": count}}});
    [
        (
            Dialect::OpenAi,
            json!({"object": "list", "data": [data(0, json!([0.5, -2.0])), data(1, json!([1, 0.25]))], "model": "m",
                "usage": {"prompt_tokens": 7, "total_tokens": 7}}),
        ),
        (
            Dialect::Gemini,
            json!({"embeddings": [{"values": [0.5, -2.0]}, {"values": [1, 0.25]}],
                "usageMetadata": {"promptTokenCount": 7}}),
        ),
        (
            Dialect::Cohere,
            json!({"id": "req_1", "embeddings": {"float": [[0.5, -2.0], [1, 0.25]]},
                "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 7}},
                "response_type": "embeddings_by_type"}),
        ),
        (Dialect::Ollama, json!({"model": "m", "embeddings": [[0.5, -2.0], [1, 0.25]], "prompt_eval_count": 7})),
        // Vertex AI, which no caller gets.
        (Dialect::Gemini, json!({"predictions": [predicted(json!([0.5, -2.0]), 3), predicted(json!([1, 0.25]), 4)]})),
    ]
}

#[test]
fn answers_say_the_same_in_every_dialect() {
    let all = answers();
    for (upstream, body) in &all {
        for (caller, expected) in &all[..4] {
            let got = answered(*upstream, *caller, LIST, body.clone()).unwrap();
            assert_eq!(&got, expected, "{upstream} to {caller}");
        }
        // 0.5 is 0x3f000000 and -2 is 0xc0000000, little-endian.
        let packed = answered(*upstream, Dialect::OpenAi, PACKED, body.clone()).unwrap();
        assert_eq!(packed["data"][0]["embedding"], json!("AAAAPwAAAMA="));
        let unpacked = answered(Dialect::OpenAi, Dialect::Gemini, ONE, packed).unwrap();
        assert_eq!(unpacked["embedding"]["values"], json!([0.5, -2.0]));
        let both = AnswerForm { base64: true, ..LIST };
        let both = answered(*upstream, Dialect::Cohere, both, body.clone()).unwrap();
        assert_eq!(both["embeddings"]["base64"][0], json!("AAAAPwAAAMA="));
        assert_eq!(both["embeddings"]["float"][1], json!([1, 0.25]));
    }
    let one = json!({"embedding": {"values": [0.5]}});
    let told = answered(Dialect::Gemini, Dialect::OpenAi, LIST, one).unwrap();
    assert_eq!(told["data"], json!([{"object": "embedding", "index": 0, "embedding": [0.5]}]));
    let unordered = json!({"data": [{"index": 1, "embedding": [2]}, {"index": 0, "embedding": [1]}]});
    let told = answered(Dialect::OpenAi, Dialect::Cohere, LIST, unordered).unwrap();
    assert_eq!(told["embeddings"]["float"], json!([[1], [2]]));
}

#[test]
fn counts_only_reported_usage() {
    for (dialect, body, input) in [
        (Dialect::Gemini, json!({"embedding": {"values": []}}), None),
        (Dialect::Gemini, json!({"embeddings": []}), None),
        (Dialect::Gemini, json!({"embeddings": [{"statistics": {"tokenCount": 3}}, {}]}), None),
        (Dialect::Gemini, json!({"embedding": {"statistics": {"tokenCount": 3}}}), Some(3)),
        (Dialect::OpenAi, json!({"usage": {"prompt_tokens": 3}}), Some(3)),
        (Dialect::Cohere, json!({"meta": {"billed_units": {"input_tokens": 3}}}), Some(3)),
        (Dialect::Cohere, json!({"meta": {}}), None),
    ] {
        assert_eq!(usage(dialect, &body).input, input, "{body}");
    }
}

#[test]
fn refuses_answers_without_vectors() {
    for (upstream, body) in [
        (Dialect::Gemini, json!({})),
        (Dialect::Gemini, json!({"embeddings": []})),
        (Dialect::Gemini, json!({"embeddings": [{}]})),
        (Dialect::Gemini, json!({"embedding": {"values": ["x"]}})),
        (Dialect::Gemini, json!({"predictions": [{"bytesBase64Encoded": "x"}]})),
        (Dialect::OpenAi, json!({})),
        (Dialect::OpenAi, json!({"data": []})),
        (Dialect::OpenAi, json!({"data": [{}]})),
        (Dialect::OpenAi, json!({"data": [{"embedding": "AAA="}]})),
        // Bytes ff ff ff 7f: read as a float, not a number.
        (Dialect::OpenAi, json!({"data": [{"embedding": "////fw=="}]})),
        (Dialect::OpenAi, json!({"data": [{"embedding": [null]}]})),
        (Dialect::Ollama, json!({"embeddings": []})),
        (Dialect::Ollama, json!({"embeddings": [["x"]]})),
        (Dialect::Cohere, json!({"embeddings": {"int8": [[1]]}})),
        (Dialect::Cohere, json!({"embeddings": {"float": []}})),
        (Dialect::Cohere, json!({"embeddings": {"float": [1]}})),
    ] {
        assert!(decode_answer(upstream, body.clone()).is_err(), "{body}");
    }
}

/// The smallest request with a place for the field at `path`.
fn request_around(caller: Dialect, path: &str) -> Value {
    match caller {
        Dialect::OpenAi => json!({"input": "a"}),
        Dialect::Ollama if path == "prompt" => json!({"prompt": "a"}),
        Dialect::Ollama => json!({"input": "a"}),
        Dialect::Cohere if path.starts_with("inputs") => json!({"inputs": [{"content": []}]}),
        Dialect::Cohere => json!({"texts": ["a"]}),
        _ if path.starts_with("requests") => json!({"requests": [{"content": content("a")}]}),
        _ => json!({"content": content("a")}),
    }
}

#[test]
fn each_row_is_handled_as_specified() {
    for caller in Dialect::ALL {
        for field in fields::of(caller) {
            let path = field.path;
            let mut body = request_around(caller, path);
            let mut place = &mut body;
            for key in path.split('.') {
                place = &mut place[key.trim_end_matches("[]")];
                if key.ends_with("[]") {
                    place = match place.as_array().is_some_and(Vec::is_empty) {
                        true => {
                            *place = json!([{"type": "image_url"}]);
                            &mut place[0]
                        }
                        false => &mut place[0],
                    };
                }
            }
            *place = serde_json::from_str(field.sample).unwrap_or_else(|error| panic!("{path}: {error}"));
            let batch = path.starts_with("requests");
            let operation = match caller {
                Dialect::Gemini => find("POST", if batch { BATCH } else { GEMINI }).unwrap().operation,
                Dialect::Cohere => find("POST", COHERE).unwrap().operation,
                Dialect::Ollama => find("POST", if path == "prompt" { OLD } else { OLLAMA }).unwrap().operation,
                _ => find("POST", OPENAI).unwrap().operation,
            };
            let body = body.as_object().unwrap();
            let request = decode_request(operation, body).unwrap_or_else(|error| panic!("{path}: {error}"));
            for upstream in Dialect::ALL.into_iter().filter(|other| *other != caller && other.has_embeddings()) {
                let fitted = fit(fields::of(caller), &request.fields, upstream.format());
                match handling(fields::of(caller), path, upstream.format()) {
                    Carried | Adapted => assert!(fitted.is_ok(), "{path} to {upstream}: {fitted:?}"),
                    Hint => assert!(fitted.unwrap().iter().any(|hint| hint == path), "{path} to {upstream}"),
                    Refused => {
                        let refused = RequestError::Unsupported { field: path.to_owned(), upstream };
                        assert_eq!(fitted, Err(refused), "{path} to {upstream}");
                    }
                }
            }
            let plain = Format::ALL.iter().all(|other| field.handling_by_format.towards(*other) == Carried);
            assert!(plain || !field.note.is_empty(), "{path} has no note");
        }
    }
}
