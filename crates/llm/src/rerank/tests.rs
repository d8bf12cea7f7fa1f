use serde_json::json;

use super::*;
use crate::chat::fields::{FieldHandling, handling};
use crate::provider::lookup;

/// The body for model `m` of a provider type, and what was left out.
fn across(caller: Dialect, kind: &str, body: &Value) -> Result<(Value, Vec<String>), String> {
    let request = decode_request(caller, body.as_object().unwrap()).map_err(|error| error.to_string())?;
    let target = Target::new(lookup(kind).unwrap(), caller, "m");
    let encoded = encode_request(caller, &request, &target).map_err(|error| error.to_string())?;
    Ok((Value::Object(encoded.body), encoded.left_out))
}

#[test]
fn requests_say_the_same_in_both_forms() {
    let expected = json!({"model": "m", "query": "q", "documents": ["a", "b"], "top_n": 1});
    for (caller, kind, body, left_out) in [
        (
            Dialect::OpenAi,
            "Cohere",
            json!({"model": "x", "query": "q", "documents": ["a", {"text": "b"}], "top_n": 1, "return_documents": true,
                "user": "u"}),
            vec!["user"],
        ),
        (
            Dialect::Cohere,
            "Together",
            json!({"model": "x", "query": "q", "documents": ["a", "b"], "top_n": 1, "priority": 1}),
            vec!["priority"],
        ),
        (
            Dialect::Cohere,
            "vLLM",
            json!({"model": "x", "query": "q", "documents": ["a", "b"], "top_n": 1, "priority": 0}),
            vec![],
        ),
    ] {
        let (got, hints) = across(caller, kind, &body).unwrap();
        assert_eq!((got, hints), (expected.clone(), left_out.into_iter().map(str::to_owned).collect()), "{body}");
    }
}

#[test]
fn refuses_what_would_change_the_answer() {
    for (caller, kind, body, error) in [
        (Dialect::OpenAi, "Cohere", json!({"documents": ["a"]}), "query: is required"),
        (Dialect::OpenAi, "Cohere", json!({"query": "q"}), "documents: is missing or empty"),
        (Dialect::Cohere, "vLLM", json!({"query": "q", "documents": []}), "documents: is missing or empty"),
        (Dialect::Cohere, "vLLM", json!({"query": "q", "documents": [{}]}), "documents[0]: must be a string"),
        (Dialect::OpenAi, "Cohere", json!({"query": "q", "documents": [{}]}), "documents[0].text: is required"),
        (
            Dialect::OpenAi,
            "Cohere",
            json!({"query": "q", "documents": [{"text": "a", "title": "t"}]}),
            "documents[].title cannot be expressed in the cohere dialect",
        ),
        (
            Dialect::Cohere,
            "vLLM",
            json!({"query": "q", "documents": ["a"], "max_tokens_per_doc": 9}),
            "max_tokens_per_doc cannot be expressed in the openai dialect",
        ),
        (
            Dialect::Cohere,
            "OpenAI",
            json!({"query": "q", "documents": ["a"]}),
            "rerank cannot be expressed in the openai dialect",
        ),
        (
            Dialect::OpenAi,
            "Anthropic",
            json!({"query": "q", "documents": ["a"]}),
            "rerank cannot be expressed in the anthropic dialect",
        ),
    ] {
        assert_eq!(across(caller, kind, &body).unwrap_err(), error, "{body}");
    }
}

#[test]
fn answers_say_the_same_in_both_forms() {
    let results = json!([{"index": 1, "relevance_score": 0.75}, {"index": 0, "relevance_score": 0.25}]);
    let cohere = json!({"id": "r", "results": results, "meta": {"api_version": {"version": "2"},
        "billed_units": {"search_units": 1}}});
    let jina = json!({"id": "r", "model": "m", "results": results, "usage": {"prompt_tokens": 7, "total_tokens": 7}});
    let sglang = json!([{"index": 1, "score": 0.75, "document": "b"}, {"index": 0, "score": 0.25, "document": "a"}]);

    let read = decode_answer(Dialect::Cohere, cohere.clone()).unwrap();
    assert_eq!(read.usage, Usage { searches: Some(1), ..Usage::default() });
    assert_eq!(encode_answer(Dialect::Cohere, &read, &[], "m", "r"), cohere);
    let told = encode_answer(Dialect::OpenAi, &read, &["a".into(), "b".into()], "m", "r");
    assert_eq!(told["results"][0], json!({"index": 1, "relevance_score": 0.75, "document": {"text": "b"}}));
    assert_eq!(told["meta"]["billed_units"]["search_units"], 1);

    let read = decode_answer(Dialect::OpenAi, jina.clone()).unwrap();
    assert_eq!(read.usage, Usage { input: Some(7), ..Usage::default() });
    assert_eq!(encode_answer(Dialect::OpenAi, &read, &[], "m", "r"), jina);
    let told = encode_answer(Dialect::Cohere, &read, &[], "m", "r");
    assert_eq!((&told["results"], &told["meta"]["billed_units"]), (&results, &json!({"input_tokens": 7})));

    let read = decode_answer(Dialect::OpenAi, sglang).unwrap();
    assert_eq!(encode_answer(Dialect::Cohere, &read, &[], "m", "r")["results"], results);
    for body in [json!({}), json!({"results": {}}), json!({"results": [{"index": 0}]}), json!([{"score": 1}]), json!(1)]
    {
        assert!(decode_answer(Dialect::OpenAi, body.clone()).is_err(), "{body}");
    }
}

/// An upstream that names one long document over and over would else multiply it.
#[test]
fn each_document_is_given_back_once() {
    let results = json!([{"index": 0, "relevance_score": 0.75}, {"index": 0, "relevance_score": 0.5},
        {"index": 9, "relevance_score": 0.25}]);
    let read = decode_answer(Dialect::Cohere, json!({"results": results})).unwrap();
    let told = encode_answer(Dialect::OpenAi, &read, &["a".into()], "m", "r");
    let documents: Vec<&Value> = told["results"].as_array().unwrap().iter().map(|one| &one["document"]).collect();
    assert_eq!(documents, [&json!({"text": "a"}), &Value::Null, &Value::Null]);
}

#[test]
fn each_row_is_handled_as_specified() {
    for (caller, upstream) in [(Dialect::OpenAi, Dialect::Cohere), (Dialect::Cohere, Dialect::OpenAi)] {
        for field in fields::of(caller) {
            let path = field.path;
            let mut body = json!({"query": "q", "documents": ["a"]});
            let sample: Value = serde_json::from_str(field.sample).unwrap();
            match path.strip_prefix("documents[].") {
                Some(key) => body["documents"] = json!([{key: sample}]),
                None => body[path] = sample,
            }
            let request = decode_request(caller, body.as_object().unwrap()).unwrap();
            let fitted = fit(fields::of(caller), &request.fields, upstream.format());
            match handling(fields::of(caller), path, upstream.format()) {
                FieldHandling::Carried | FieldHandling::Adapted => assert_eq!(fitted, Ok(vec![]), "{path}"),
                FieldHandling::Hint => assert_eq!(fitted, Ok(vec![path.to_owned()])),
                FieldHandling::Refused => {
                    assert_eq!(fitted, Err(RequestError::Unsupported { field: path.to_owned(), upstream }));
                }
            }
            assert!(
                field.note.is_empty()
                    == (handling(fields::of(caller), path, upstream.format()) == FieldHandling::Carried)
                    || path == "return_documents",
                "{path}"
            );
        }
    }
}
