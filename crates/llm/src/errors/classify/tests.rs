use Class::{Caller, ContextTooLong, Credential, Filtered, ModelMissing, Overloaded, Quota, RateLimited, Transient};
use Dialect::{Anthropic, Gemini, OpenAi};

use super::*;

fn read(dialect: Dialect, status: u16, headers: &[(&str, &str)], body: &str) -> UpstreamFailure {
    let header = |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    classify(dialect, status, &header, body.as_bytes())
}

#[test]
fn every_providers_errors_are_classified() {
    let table: &[(Dialect, u16, &str, Class)] = &[
        // OpenAI
        (
            OpenAi,
            400,
            r#"{"error":{"message":"Your input is too long","type":"invalid_request_error","param":"input","code":"context_length_exceeded"}}"#,
            ContextTooLong,
        ),
        (
            OpenAi,
            400,
            r#"{"error":{"message":"Unsupported parameter","type":"invalid_request_error","param":"max_tokens","code":"unsupported_parameter"}}"#,
            Caller,
        ),
        (
            OpenAi,
            401,
            r#"{"error":{"message":"Incorrect API key provided","type":"invalid_request_error","code":"invalid_api_key"}}"#,
            Credential,
        ),
        (
            OpenAi,
            403,
            r#"{"error":{"message":"Project `p` does not have access to model `m`","type":"invalid_request_error","code":"model_not_found"}}"#,
            ModelMissing,
        ),
        (
            OpenAi,
            404,
            r#"{"error":{"message":"The model `m` does not exist or you do not have access to it.","type":"invalid_request_error","code":"model_not_found"}}"#,
            ModelMissing,
        ),
        (
            OpenAi,
            404,
            r#"{"error":{"message":"Invalid URL (POST /v1/chat)","type":"invalid_request_error","param":null,"code":null}}"#,
            Caller,
        ),
        (
            OpenAi,
            429,
            r#"{"error":{"message":"You exceeded your current quota, please check your plan and billing details.","type":"insufficient_quota","code":"insufficient_quota"}}"#,
            Quota,
        ),
        (
            OpenAi,
            429,
            r#"{"error":{"message":"Rate limit reached for m","type":"tokens","code":"rate_limit_exceeded"}}"#,
            RateLimited,
        ),
        (
            OpenAi,
            429,
            r#"{"error":{"message":"The engine is currently overloaded, please try again later","type":"server_error","code":null}}"#,
            Overloaded,
        ),
        (
            OpenAi,
            400,
            r#"{"error":{"message":"Billing hard limit has been reached","type":"invalid_request_error","code":"billing_hard_limit_reached"}}"#,
            Quota,
        ),
        (
            OpenAi,
            500,
            r#"{"error":{"message":"The server had an error","type":"server_error","code":null}}"#,
            Transient,
        ),
        (OpenAi, 503, r#"{"error":{"message":"Slow down","type":"server_error","code":null}}"#, Overloaded),
        // Azure
        (
            OpenAi,
            400,
            r#"{"error":{"message":"The response was filtered due to the prompt triggering Azure OpenAI's content management policy.","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#,
            Filtered,
        ),
        (
            OpenAi,
            404,
            r#"{"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource does not exist."}}"#,
            ModelMissing,
        ),
        (OpenAi, 401, r#"{"statusCode":401,"message":"Unauthorized. Access token is missing"}"#, Credential),
        (OpenAi, 404, r#"{"error":{"code":"404","message":"Resource not found"}}"#, Caller),
        (OpenAi, 400, r#"{"error":{"code":"unknown_model","message":"Unknown model: m"}}"#, ModelMissing),
        // DeepSeek
        (
            OpenAi,
            400,
            r#"{"error":{"message":"Model Not Exist","type":"invalid_request_error","param":null,"code":"invalid_request_error"}}"#,
            ModelMissing,
        ),
        (
            OpenAi,
            402,
            r#"{"error":{"message":"Insufficient Balance","type":"unknown_error","param":null,"code":"invalid_request_error"}}"#,
            Quota,
        ),
        // Mistral
        (
            OpenAi,
            400,
            r#"{"object":"error","message":"Invalid model: m","type":"invalid_model","param":null,"code":"1500"}"#,
            ModelMissing,
        ),
        (OpenAi, 422, r#"{"detail":[{"type":"missing","loc":["body","messages"],"msg":"Field required"}]}"#, Caller),
        (
            OpenAi,
            422,
            r#"{"object":"error","message":{"detail":[{"msg":"Extra inputs are not permitted"}]},"type":"invalid_request_error"}"#,
            Caller,
        ),
        (
            OpenAi,
            429,
            r#"{"object":"error","message":"Service tier capacity exceeded for this model.","type":"service_tier_capacity_exceeded","code":"3505"}"#,
            RateLimited,
        ),
        (
            OpenAi,
            400,
            r#"{"object":"error","message":"Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length","type":"invalid_request_prompt","code":"3051"}"#,
            ContextTooLong,
        ),
        // Groq
        (
            OpenAi,
            413,
            r#"{"error":{"message":"Request too large for model `m` on tokens per minute (TPM): Limit 6000, Requested 9000","type":"tokens","code":"rate_limit_exceeded"}}"#,
            RateLimited,
        ),
        (
            OpenAi,
            498,
            r#"{"error":{"message":"Flex tier capacity exceeded","type":"","code":"capacity_exceeded"}}"#,
            Overloaded,
        ),
        (
            OpenAi,
            400,
            r#"{"error":{"message":"The model `m` has been decommissioned","type":"invalid_request_error","code":"model_decommissioned"}}"#,
            ModelMissing,
        ),
        // xAI
        (
            OpenAi,
            400,
            r#"{"code":"invalid-argument","error":"Incorrect API key provided. You can obtain an API key from the console."}"#,
            Credential,
        ),
        (
            OpenAi,
            404,
            r#"{"code":"not-found","error":"The model m does not exist or your team t does not have access to it."}"#,
            ModelMissing,
        ),
        (
            OpenAi,
            400,
            r#"{"code":"invalid-argument","error":"This model's maximum prompt length is 131072 but the request contains 537812 tokens."}"#,
            ContextTooLong,
        ),
        (
            OpenAi,
            403,
            r#"{"code":"permission-denied","error":"Your team has either used all available credits or reached its monthly spending limit."}"#,
            Quota,
        ),
        // OpenRouter
        (OpenAi, 400, r#"{"error":{"message":"m is not a valid model ID","code":400}}"#, ModelMissing),
        (OpenAi, 404, r#"{"error":{"message":"No endpoints found for m.","code":404}}"#, ModelMissing),
        (OpenAi, 402, r#"{"error":{"message":"This request requires more credits","code":402}}"#, Quota),
        (
            OpenAi,
            403,
            r#"{"error":{"message":"m requires moderation. Your input was flagged","code":403,"metadata":{"reasons":["x"]}}}"#,
            Filtered,
        ),
        (OpenAi, 502, r#"{"error":{"message":"Provider returned error","code":502}}"#, Transient),
        // Ollama, vLLM
        (OpenAi, 404, r#"{"error":"model 'm' not found"}"#, ModelMissing),
        (
            OpenAi,
            404,
            r#"{"error":{"message":"model \"m\" not found, try pulling it first","type":"api_error","param":null,"code":null}}"#,
            ModelMissing,
        ),
        (
            OpenAi,
            404,
            r#"{"object":"error","message":"The model `m` does not exist.","type":"NotFoundError","param":null,"code":404}"#,
            ModelMissing,
        ),
        (
            OpenAi,
            400,
            r#"{"object":"error","message":"This model's maximum context length is 4096 tokens.","type":"BadRequestError","code":400}"#,
            ContextTooLong,
        ),
        // Anthropic
        (
            Anthropic,
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API."}}"#,
            Quota,
        ),
        (
            Anthropic,
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}}"#,
            ContextTooLong,
        ),
        (
            Anthropic,
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"input length and `max_tokens` exceed context limit: 1 + 2 > 2"}}"#,
            ContextTooLong,
        ),
        (
            Anthropic,
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"messages: at least one message is required"}}"#,
            Caller,
        ),
        (
            Anthropic,
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"Output blocked by content filtering policy"}}"#,
            Filtered,
        ),
        (
            Anthropic,
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"You have reached your specified API usage limits. You will regain access on 2026-12-01."}}"#,
            Quota,
        ),
        (
            Anthropic,
            401,
            r#"{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}"#,
            Credential,
        ),
        (Anthropic, 403, r#"{"type":"error","error":{"type":"permission_error","message":"no"}}"#, Credential),
        (
            Anthropic,
            404,
            r#"{"type":"error","error":{"type":"not_found_error","message":"model: claude-0"}}"#,
            ModelMissing,
        ),
        (Anthropic, 404, r#"{"type":"error","error":{"type":"not_found_error","message":"Not found"}}"#, Caller),
        (
            Anthropic,
            413,
            r#"{"type":"error","error":{"type":"request_too_large","message":"Request exceeds the maximum size"}}"#,
            Caller,
        ),
        (Anthropic, 429, r#"{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}"#, RateLimited),
        (
            Anthropic,
            500,
            r#"{"type":"error","error":{"type":"api_error","message":"Internal server error"}}"#,
            Transient,
        ),
        (Anthropic, 529, r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#, Overloaded),
        // Gemini and Vertex
        (
            Gemini,
            400,
            r#"{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}}"#,
            Credential,
        ),
        (
            Gemini,
            400,
            r#"{"error":{"code":400,"message":"API key expired. Please renew the API key.","status":"INVALID_ARGUMENT"}}"#,
            Credential,
        ),
        (
            Gemini,
            400,
            r#"{"error":{"code":400,"message":"The input token count (9) exceeds the maximum number of tokens allowed (8).","status":"INVALID_ARGUMENT"}}"#,
            ContextTooLong,
        ),
        (
            Gemini,
            400,
            r#"{"error":{"code":400,"message":"Request contains an invalid argument.","status":"INVALID_ARGUMENT"}}"#,
            Caller,
        ),
        (
            Gemini,
            400,
            r#"{"error":{"code":400,"message":"User location is not supported for the API use.","status":"FAILED_PRECONDITION"}}"#,
            Caller,
        ),
        (
            Gemini,
            400,
            r#"{"error":{"code":400,"message":"This prompt contains sensitive words that violate Google's Responsible AI practices.","status":"INVALID_ARGUMENT"}}"#,
            Filtered,
        ),
        (
            Gemini,
            403,
            r#"{"error":{"code":403,"message":"Permission denied","status":"PERMISSION_DENIED"}}"#,
            Credential,
        ),
        (
            Gemini,
            404,
            r#"{"error":{"code":404,"message":"models/m is not found for API version v1, or is not supported for generateContent.","status":"NOT_FOUND"}}"#,
            ModelMissing,
        ),
        (
            Gemini,
            404,
            r#"{"error":{"code":404,"message":"Publisher Model `projects/p/locations/l/publishers/google/models/m` was not found","status":"NOT_FOUND"}}"#,
            ModelMissing,
        ),
        (
            Gemini,
            404,
            r#"{"error":{"code":404,"message":"Not found: cache content metadata 1.","status":"NOT_FOUND"}}"#,
            Caller,
        ),
        (
            Gemini,
            429,
            r#"{"error":{"code":429,"message":"You exceeded your current quota, please check your plan","status":"RESOURCE_EXHAUSTED"}}"#,
            RateLimited,
        ),
        (
            Gemini,
            429,
            r#"{"error":{"code":429,"message":"You exceeded your current quota","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaId":"GenerateRequestsPerDayPerProjectPerModel"}]}]}}"#,
            Quota,
        ),
        (
            Gemini,
            429,
            r#"[{"error":{"code":429,"message":"Resource exhausted","status":"RESOURCE_EXHAUSTED"}}]"#,
            RateLimited,
        ),
        (
            Gemini,
            503,
            r#"{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}"#,
            Overloaded,
        ),
        (Gemini, 504, r#"{"error":{"code":504,"message":"Deadline expired","status":"DEADLINE_EXCEEDED"}}"#, Transient),
        // A message quoted from the caller does not put a credential into cooldown.
        (
            OpenAi,
            400,
            r#"{"error":{"message":"Invalid value: 'API key not valid'","type":"invalid_request_error"}}"#,
            Caller,
        ),
        (
            OpenAi,
            400,
            r#"{"error":{"message":"Invalid value: 'your credit balance is too low'","type":"invalid_request_error"}}"#,
            Caller,
        ),
        // Not JSON.
        (OpenAi, 502, "<html><head><title>502 Bad Gateway</title></head></html>", Transient),
        (OpenAi, 404, "<!DOCTYPE html><title>Error 404 (Not Found)!!1</title>", Caller),
        (OpenAi, 404, "404 page not found", Caller),
        (OpenAi, 503, "", Overloaded),
        (OpenAi, 401, "", Credential),
        (OpenAi, 400, "", Caller),
        (OpenAi, 408, "", Transient),
        (OpenAi, 522, "", Transient),
        (Gemini, 500, "null", Transient),
        (Anthropic, 302, "", Transient),
        // An error with status 200.
        (OpenAi, 200, r#"{"error":{"message":"Provider returned error","code":429}}"#, RateLimited),
        (OpenAi, 200, r#"{"error":{"message":"x","type":"invalid_request_error"}}"#, Caller),
        (OpenAi, 200, r#"{"error":{"message":"x"}}"#, Transient),
    ];
    for (dialect, status, body, class) in table {
        assert_eq!(read(*dialect, *status, &[], body).class, *class, "{dialect} {status} {body}");
    }
}

#[test]
fn errors_in_streams_are_classified() {
    let table = [
        (Anthropic, "overloaded_error", None, "Overloaded", Overloaded),
        (Anthropic, "api_error", None, "Internal server error", Transient),
        (Anthropic, "rate_limit_error", None, "x", RateLimited),
        (Anthropic, "authentication_error", None, "x", Credential),
        (Anthropic, "invalid_request_error", None, "prompt is too long: 2 > 1", ContextTooLong),
        (Anthropic, "invalid_request_error", None, "x", Caller),
        (Anthropic, "timeout_error", None, "x", Transient),
        (OpenAi, "rate_limit_exceeded", None, "x", RateLimited),
        (OpenAi, "server_error", None, "x", Transient),
        (OpenAi, "502", None, "Provider disconnected", Transient),
        (OpenAi, "429", None, "x", RateLimited),
        (OpenAi, "", None, "", Transient),
        (OpenAi, "content_filter", None, "x", Filtered),
        (Gemini, "UNAVAILABLE", Some(503), "The model is overloaded.", Overloaded),
        (Gemini, "UNAVAILABLE", None, "x", Overloaded),
        (Gemini, "RESOURCE_EXHAUSTED", None, "x", RateLimited),
        (Gemini, "INTERNAL", Some(500), "x", Transient),
    ];
    for (dialect, kind, status, message, class) in table {
        let error = StreamError { kind: kind.to_owned(), message: message.to_owned(), status };
        assert_eq!(classify_event(dialect, &error).class, class, "{error:?}");
    }
}

#[test]
fn the_wait_is_read_from_every_place_that_providers_use() {
    let limited =
        r#"{"error":{"message":"Rate limit reached. Please try again in 20s.","code":"rate_limit_exceeded"}}"#;
    let google = r#"{"error":{"code":429,"message":"x. Please retry in 9s.","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"37.5s"}]}}"#;
    let bare = r#"{"error":{"message":"x"}}"#;
    type Headers = &'static [(&'static str, &'static str)];
    let table: &[(u16, Headers, &str, Option<u64>)] = &[
        (429, &[("retry-after-ms", "1500"), ("retry-after", "9")], limited, Some(1_500)),
        // Azure, as recorded: zero milliseconds are ignored.
        (429, &[("retry-after-ms", "0"), ("retry-after", "1")], limited, Some(1_000)),
        (503, &[("retry-after", "12")], "", Some(12_000)),
        (429, &[("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT")], bare, None),
        (
            503,
            &[("date", "Wed, 21 Oct 2026 07:27:30 GMT"), ("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT")],
            bare,
            Some(30_000),
        ),
        (429, &[("retry-after", "99999999")], bare, Some(604_800_000)),
        (
            429,
            &[
                ("date", "Wed, 21 Oct 2026 07:28:00 GMT"),
                ("anthropic-ratelimit-requests-remaining", "12"),
                ("anthropic-ratelimit-requests-reset", "2026-10-21T08:00:00Z"),
                ("anthropic-ratelimit-input-tokens-remaining", "0"),
                ("anthropic-ratelimit-input-tokens-reset", "2026-10-21T07:28:41Z"),
            ],
            bare,
            Some(41_000),
        ),
        (
            429,
            &[
                ("date", "Wed, 21 Oct 2026 07:28:00 GMT"),
                ("anthropic-ratelimit-unified-status", "rejected"),
                ("anthropic-ratelimit-unified-reset", "1792568400"),
            ],
            bare,
            Some(720_000),
        ),
        (429, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "7")], bare, Some(7_000)),
        (429, &[], limited, Some(20_000)),
        (429, &[], google, Some(37_500)),
        (429, &[("retry-after", "3")], google, Some(3_000)),
        (
            429,
            &[
                ("x-ratelimit-remaining-requests", "12"),
                ("x-ratelimit-reset-requests", "1h0m0s"),
                ("x-ratelimit-remaining-tokens", "0"),
                ("x-ratelimit-reset-tokens", "6m0s"),
            ],
            bare,
            Some(360_000),
        ),
        (429, &[("x-ratelimit-remaining-tokens", "-1"), ("x-ratelimit-reset-tokens", "5s")], bare, None),
        (400, &[], r#"{"error":{"message":"try again in 5s"}}"#, None),
    ];
    for (status, headers, body, expected) in table {
        let wait = read(OpenAi, *status, headers, body).retry_after;
        assert_eq!(wait, expected.map(Duration::from_millis), "{status} {headers:?} {body}");
    }
}

#[test]
fn messages_and_codes_are_bounded_and_contain_no_keys() {
    let failure = read(
        OpenAi,
        401,
        &[],
        r#"{"error":{"message":"Incorrect API key provided: sk-proj-abcdefgh. You can find it","code":"invalid_api_key"}}"#,
    );
    assert_eq!(failure.message, "Incorrect API key provided: ***. You can find it");
    assert_eq!(failure.code.as_deref(), Some("invalid_api_key"));

    let long = format!(r#"{{"error":{{"message":"{}"}}}}"#, "漢".repeat(2_000));
    assert_eq!(read(OpenAi, 400, &[], &long).message.chars().count(), 500);

    let table = [
        ("<html><head>\n<TITLE>502 Bad\u{130} Gateway </TITLE></head></html>", "an HTML page: 502 Bad\u{130} Gateway"),
        ("<html></html>", "an HTML page"),
        ("<title", "an HTML page"),
        ("upstream connect error", "upstream connect error"),
        ("", ""),
        (r#"{"detail":[{"loc":["body"],"msg":"Field required"},{"msg":"Too short"}]}"#, "Field required; Too short"),
        (r#"{"detail":"Invalid API Key"}"#, "Invalid API Key"),
        (r#"{"error":"model 'm' not found"}"#, "model 'm' not found"),
        (r#""just words""#, "just words"),
        (r#"{"error":null,"message":"m"}"#, "m"),
    ];
    for (body, message) in table {
        assert_eq!(read(OpenAi, 502, &[], body).message, message, "{body}");
    }
    let bedrock = read(OpenAi, 400, &[("x-amzn-errortype", "ThrottlingException:http://x/")], r#"{"message":"m"}"#);
    assert_eq!((bedrock.class, bedrock.code.as_deref()), (RateLimited, Some("ThrottlingException")));
}

/// The name of the exception decides; the status and the message only where one name means several things.
#[test]
fn exceptions_of_bedrock() {
    let table = [
        (429, "ThrottlingException", "Too many requests, please wait before trying again.", RateLimited),
        (429, "ThrottlingException", "Too many tokens per day, please wait before trying again.", RateLimited),
        (400, "ServiceQuotaExceededException", "Your request exceeds the service quota", RateLimited),
        (429, "ModelNotReadyException", "The model is not ready for inference", Overloaded),
        (503, "ServiceUnavailableException", "Bedrock is unable to process your request.", Overloaded),
        (408, "ModelTimeoutException", "The request took too long to process", Transient),
        (424, "ModelErrorException", "The request failed due to an error while processing the model", Transient),
        (500, "InternalServerException", "An internal server error occurred", Transient),
        (400, "ValidationException", "Malformed input request, please reformat your input and try again.", Caller),
        (400, "ValidationException", "Input is too long for requested model.", ContextTooLong),
        (
            400,
            "ValidationException",
            "The model returned the following errors: Input Tokens Exceeded: Number of input tokens exceeds maximum length.",
            ContextTooLong,
        ),
        (400, "ValidationException", "The provided model identifier is invalid.", ModelMissing),
        (
            400,
            "ValidationException",
            "Invocation of model ID anthropic.claude-opus-5 with on-demand throughput isn\u{2019}t supported. Retry your \
             request with the ID or ARN of an inference profile that contains this model.",
            ModelMissing,
        ),
        (403, "AccessDeniedException", "You don't have access to the model with the specified model ID.", ModelMissing),
        (
            403,
            "AccessDeniedException",
            "User: arn:aws:sts::123456789012:assumed-role/x/y is not authorized to perform: bedrock:InvokeModel on \
             resource: arn:aws:bedrock:us-east-1::foundation-model/z because no identity-based policy allows it",
            ModelMissing,
        ),
        (403, "AccessDeniedException", "Authentication failed: Please make sure your API Key is valid.", Credential),
        (403, "UnrecognizedClientException", "The security token included in the request is invalid.", Credential),
        (403, "ExpiredTokenException", "The security token included in the request is expired", Credential),
        (403, "InvalidSignatureException", "Signature expired: 20261201T041738Z is now earlier than", Credential),
        (
            404,
            "ResourceNotFoundException",
            "This model version has reached the end of its life. Please refer to the AWS documentation.",
            ModelMissing,
        ),
        (404, "ResourceNotFoundException", "The guardrail identifier provided in the request does not exist.", Caller),
    ];
    for (status, name, message, class) in table {
        let body = serde_json::json!({ "message": message });
        let in_header = format!("{name}:http://internal.amazon.com/coral/com.amazon.bedrock/");
        let told = read(Anthropic, status, &[("x-amzn-errortype", &in_header)], &body.to_string());
        assert_eq!((told.class, told.code.as_deref()), (class, Some(name)), "{name}: {message}");
        let typed = serde_json::json!({"__type": format!("com.amazon.coral.service#{name}"), "message": message});
        let told = read(Anthropic, status, &[], &typed.to_string());
        assert_eq!((told.class, told.code.as_deref()), (class, Some(name)), "{name}: {message}");
    }
    // Inside of a stream, with a small first letter and without a status.
    for (kind, class) in [
        ("throttlingException", RateLimited),
        ("validationException", Caller),
        ("modelStreamErrorException", Transient),
        ("internalServerException", Transient),
        ("serviceUnavailableException", Overloaded),
    ] {
        let error = StreamError { kind: kind.to_owned(), message: "m".to_owned(), status: None };
        assert_eq!(classify_event(Anthropic, &error).class, class, "{kind}");
    }
}

#[test]
fn any_body_is_accepted() {
    for body in [
        "{",
        "[]",
        "[1]",
        "{\"error\":[]}",
        "{\"error\":{\"details\":[1,{\"@type\":3}],\"code\":{}}}",
        "\u{0}",
        "1e999",
    ] {
        for dialect in Dialect::ALL {
            assert_eq!(read(dialect, 500, &[], body).class, Transient, "{body}");
        }
    }
    let header = |_: &str| Some("\u{fffd}".to_owned());
    assert_eq!(classify(OpenAi, 500, &header, b"\xff\xfe").retry_after, None);
}
