use super::*;

fn object(value: Value) -> JsonObject {
    serde_json::from_value(value).unwrap()
}

fn content(text: &str) -> Value {
    json!({"parts": [{"text": text}]})
}

#[test]
fn translates_openai_requests_for_gemini() {
    let cases = [
        (
            json!({"model": "m", "input": "a", "encoding_format": "base64", "user": "u"}),
            json!({"model": "models/g", "content": content("a")}),
            false,
            Encoding::Base64,
            vec!["user"],
        ),
        (
            json!({"model": "m", "input": ["a", "b"], "dimensions": 256, "encoding_format": null}),
            json!({"requests": [
                {"model": "models/g", "content": content("a"), "outputDimensionality": 256},
                {"model": "models/g", "content": content("b"), "outputDimensionality": 256},
            ]}),
            true,
            Encoding::Float,
            vec![],
        ),
    ];
    for (body, expected, batch, encoding, left_out) in cases {
        let request = openai_to_gemini(&object(body), "g").unwrap();
        assert_eq!(Value::Object(request.body), expected);
        assert_eq!((request.batch, request.encoding), (batch, encoding));
        assert_eq!(request.left_out, left_out);
    }
}

#[test]
fn refuses_openai_requests() {
    for (body, error) in [
        (json!({}), "input: is missing"),
        (json!({"input": []}), "input: must be a string or a list of strings, and not empty"),
        (json!({"input": [1, 2]}), "input as tokens cannot be expressed in the gemini dialect"),
        (json!({"input": [[1]]}), "input as tokens cannot be expressed in the gemini dialect"),
        (json!({"input": ["a", true]}), "input[1]: must be a string"),
        (json!({"input": "a", "dimensions": 0}), "dimensions: must be a positive whole number"),
        (json!({"input": "a", "encoding_format": "int8"}), "encoding_format: must be float or base64"),
        (json!({"input": "a", "input_type": "query"}), "input_type cannot be expressed in the gemini dialect"),
    ] {
        assert_eq!(openai_to_gemini(&object(body), "g").unwrap_err().to_string(), error);
    }
}

#[test]
fn translates_gemini_requests_for_openai() {
    let cases = [
        (
            json!({"content": {"role": "user", "parts": [{"text": "a"}, {"text": "b"}]}, "task_type": "RETRIEVAL_QUERY", "output_dimensionality": 8}),
            false,
            json!({"model": "o", "input": "a\nb", "encoding_format": "float", "dimensions": 8}),
            vec!["taskType"],
        ),
        (
            json!({"requests": [
                {"model": "models/g", "content": content("a"), "taskType": "RETRIEVAL_DOCUMENT", "title": "t"},
                {"model": "models/g", "content": content("b"), "taskType": "RETRIEVAL_DOCUMENT"},
            ]}),
            true,
            json!({"model": "o", "input": ["a", "b"], "encoding_format": "float"}),
            vec!["requests[].taskType", "requests[].title"],
        ),
    ];
    for (body, batch, expected, left_out) in cases {
        let request = gemini_to_openai(&object(body), "o", batch).unwrap();
        assert_eq!(
            (Value::Object(request.body), request.left_out),
            (expected, left_out.into_iter().map(str::to_owned).collect())
        );
    }
}

#[test]
fn refuses_gemini_requests() {
    for (body, batch, error) in [
        (json!({}), false, "content: is missing"),
        (json!({}), true, "requests: is missing or empty"),
        (json!({"content": {"parts": []}}), false, "content: has no text"),
        (
            json!({"content": content("a"), "outputDimensionality": "x"}),
            false,
            "outputDimensionality: must be a whole number, not a string",
        ),
        (
            json!({"content": {"parts": [{"inlineData": {}}]}}),
            false,
            "content.parts[].inlineData cannot be expressed in the openai dialect",
        ),
        (
            json!({"content": content("a"), "autoTruncate": true}),
            false,
            "autoTruncate cannot be expressed in the openai dialect",
        ),
        (
            json!({"requests": [{"content": content("a"), "outputDimensionality": 1}, {"content": content("a")}]}),
            true,
            "requests[].outputDimensionality of several sizes cannot be expressed in the openai dialect",
        ),
    ] {
        assert_eq!(gemini_to_openai(&object(body), "o", batch).unwrap_err().to_string(), error);
    }
}

#[test]
fn translates_answers_in_both_directions() {
    let gemini = json!({"embeddings": [{"values": [0.5, -2.0]}, {"values": [1, 0.25]}], "usageMetadata": {"promptTokenCount": 7}});
    let floats = gemini_answer_to_openai(&gemini, Encoding::Float, "g").unwrap();
    assert_eq!(
        floats,
        json!({
            "object": "list",
            "data": [
                {"object": "embedding", "index": 0, "embedding": [0.5, -2.0]},
                {"object": "embedding", "index": 1, "embedding": [1, 0.25]},
            ],
            "model": "g",
            "usage": {"prompt_tokens": 7, "total_tokens": 7},
        })
    );
    assert_eq!(openai_answer_to_gemini(&floats, true).unwrap(), gemini);

    let packed = gemini_answer_to_openai(&gemini, Encoding::Base64, "g").unwrap();
    // 0.5 is 0x3f000000 and -2 is 0xc0000000, little-endian.
    assert_eq!(packed["data"][0]["embedding"], json!(STANDARD.encode([0, 0, 0, 0x3f, 0, 0, 0, 0xc0])));
    let unpacked = openai_answer_to_gemini(&packed, true).unwrap();
    assert_eq!(unpacked["embeddings"][0]["values"], json!([0.5, -2.0]));

    let one = json!({"embedding": {"values": [0.5]}});
    let converted = gemini_answer_to_openai(&one, Encoding::Float, "g").unwrap();
    assert_eq!(converted["data"], json!([{"object": "embedding", "index": 0, "embedding": [0.5]}]));
    assert_eq!(openai_answer_to_gemini(&converted, false).unwrap()["embedding"], one["embedding"]);
}

#[test]
fn orders_openai_vectors_by_index() {
    let body = json!({"data": [{"index": 1, "embedding": [2]}, {"index": 0, "embedding": [1]}]});
    assert_eq!(
        openai_answer_to_gemini(&body, true).unwrap(),
        json!({"embeddings": [{"values": [1]}, {"values": [2]}]})
    );
}

#[test]
fn counts_only_reported_usage() {
    for (dialect, body, input) in [
        (Dialect::Gemini, json!({"embedding": {"values": []}}), None),
        (Dialect::Gemini, json!({"embeddings": []}), None),
        (Dialect::Gemini, json!({"usageMetadata": {"promptTokenCount": 3}}), Some(3)),
        (
            Dialect::Gemini,
            json!({"embeddings": [{"statistics": {"tokenCount": 3}}, {"statistics": {"tokenCount": 4}}]}),
            Some(7),
        ),
        (Dialect::Gemini, json!({"embeddings": [{"statistics": {"tokenCount": 3}}, {}]}), None),
        (Dialect::OpenAi, json!({"usage": {"prompt_tokens": 3}}), Some(3)),
    ] {
        assert_eq!(usage(dialect, &body).input, input, "{body}");
    }
}

#[test]
fn refuses_answers_without_vectors() {
    for body in [json!({}), json!({"embeddings": [{}]}), json!({"embedding": {"values": ["x"]}}), json!({"error": {}})]
    {
        assert!(gemini_answer_to_openai(&body, Encoding::Base64, "g").is_err(), "{body}");
    }
    for body in [
        json!({}),
        json!({"data": []}),
        json!({"data": [{}]}),
        json!({"data": [{"embedding": "AAA="}]}),
        // Bytes ff ff ff 7f: read as a float, not a number.
        json!({"data": [{"embedding": "////fw=="}]}),
        json!({"data": [{"embedding": [null]}]}),
    ] {
        for batch in [true, false] {
            assert!(openai_answer_to_gemini(&body, batch).is_err(), "{body}");
        }
    }
}

#[test]
fn an_openai_request_becomes_a_prediction_at_vertex() {
    for (input, instances, dimensions) in [
        (json!("a"), json!([{"content": "a"}]), None),
        (json!(["a", "b"]), json!([{"content": "a"}, {"content": "b"}]), Some(8)),
    ] {
        let mut body = json!({"model": "text-embedding-005", "input": input, "encoding_format": "base64"});
        if let Some(dimensions) = dimensions {
            body["dimensions"] = json!(dimensions);
        }
        let translated = openai_to_vertex(body.as_object().unwrap()).unwrap();
        let mut expected = json!({"instances": instances});
        if let Some(dimensions) = dimensions {
            expected["parameters"] = json!({"outputDimensionality": dimensions});
        }
        assert_eq!(Value::Object(translated.body), expected);
        assert_eq!(translated.encoding, Encoding::Base64);
    }
    let answer = json!({"predictions": [
        {"embeddings": {"values": [0.5, 1], "statistics": {"token_count": 3, "truncated": false}}},
        {"embeddings": {"values": [2, 3], "statistics": {"token_count": 4, "truncated": false}}},
    ]});
    let told = gemini_answer_to_openai(&answer, Encoding::Float, "m").unwrap();
    assert_eq!(told["data"][1], json!({"object": "embedding", "index": 1, "embedding": [2, 3]}));
    assert_eq!(told["usage"], json!({"prompt_tokens": 7, "total_tokens": 7}));
    assert!(
        gemini_answer_to_openai(&json!({"predictions": [{"bytesBase64Encoded": "x"}]}), Encoding::Float, "m").is_err()
    );
}
