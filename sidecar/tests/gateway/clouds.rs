//! Azure OpenAI and Vertex AI: their paths, their credentials, and access tokens from a token server.

use outrigger_policy::{AzureDoc, Document, EntraDoc, ModelDoc, ProviderDoc, VertexDoc, WorkloadIdentityDoc};
use outrigger_sidecar::telemetry::records::Lines;
use outrigger_sidecar::{Gateway, PodIdentity, Settings};
use serde_json::{Value, json};

use crate::fake::{Act, Fake, answer, chunk, end, json as reply, stream_head};
use crate::policies::{Answer, Running, chat, document, secrets, streamed, typed};

const KEY: &str = include_str!("../keys/service-account.json");
/// Its claims are `{"aud":["api://AzureADTokenExchange"]}`.
const POD_TOKEN: &str = "e30.eyJhdWQiOlsiYXBpOi8vQXp1cmVBRFRva2VuRXhjaGFuZ2UiXX0.c2ln";
const CLAUDE: &str = "claude-sonnet-4-5@20250929";

fn any(mut provider: ProviderDoc) -> ProviderDoc {
    provider.models = vec![ModelDoc { name: "*".to_owned(), ..ModelDoc::default() }];
    provider
}

/// Without the `/v1` of the fake's address.
pub fn base(fake: &Fake) -> String {
    fake.url.trim_end_matches("/v1").to_owned()
}

fn azure(fake: &Fake, azure: AzureDoc) -> ProviderDoc {
    any(ProviderDoc { azure: Some(azure), ..typed("azure", "AzureOpenAI", &base(fake)) })
}

fn vertex(fake: &Fake, more: VertexDoc) -> ProviderDoc {
    let vertex = VertexDoc {
        project: "p-1".to_owned(),
        location: "europe-west4".to_owned(),
        api_version: "v1".to_owned(),
        ..more
    };
    any(ProviderDoc { vertex: Some(vertex), ..typed("vertex", "VertexAI", &base(fake)) })
}

fn token(value: &str, seconds: u64) -> Vec<Act> {
    reply(200, &json!({"access_token": value, "expires_in": seconds, "token_type": "Bearer"}).to_string())
}

fn gemini() -> Vec<Act> {
    reply(200, &gemini_answer().to_string())
}

fn gemini_answer() -> Value {
    json!({"candidates": [{"content": {"role": "model", "parts": [{"text": "hi"}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}})
}

fn claude() -> Vec<Act> {
    let message = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "stop_reason": "end_turn",
        "stop_sequence": null, "content": [{"type": "text", "text": "hi"}],
        "usage": {"input_tokens": 1, "output_tokens": 1},
    });
    reply(200, &message.to_string())
}

pub async fn running(document: Document, identity: PodIdentity, namespace: Option<&str>, value: &str) -> Running {
    let namespace = namespace.map(str::to_owned);
    let settings = Settings { lines: Lines::Off, identity, namespace, ..Settings::default() };
    let gateway = Gateway::new(settings).unwrap();
    let values = secrets(&document).into_keys().map(|at| (at, outrigger_sidecar::Secret::new(value))).collect();
    gateway.install(document, &values).unwrap();
    Running::of(gateway).await
}

pub async fn with_key(provider: ProviderDoc, value: &str) -> Running {
    running(document(1, vec![provider]), PodIdentity::default(), None, value).await
}

pub fn form(body: &str) -> Vec<(String, String)> {
    let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned();
    body.split('&')
        .map(|pair| pair.split_once('=').unwrap())
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

pub fn field<'f>(form: &'f [(String, String)], name: &str) -> &'f str {
    form.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
}

#[tokio::test]
async fn azure_is_called_at_deployments_or_at_openais_paths() {
    let upstream = Fake::always(answer("hi")).await;
    for (version, caller, target) in [
        (None, "/v1/chat/completions", "/openai/v1/chat/completions"),
        (
            Some("2024-10-21"),
            "/v1/chat/completions",
            "/openai/deployments/my%20d/chat/completions?api-version=2024-10-21",
        ),
        // A caller's version is the one of its SDK; the object decides.
        (None, "/openai/deployments/x/chat/completions?api-version=2023-05-15", "/openai/v1/chat/completions"),
        (
            Some("2024-10-21"),
            "/openai/deployments/x/chat/completions?api-version=2023-05-15&a=b",
            "/openai/deployments/x/chat/completions?a=b&api-version=2024-10-21",
        ),
        (Some("2024-10-21"), "/v1/embeddings", "/openai/deployments/my%20d/embeddings?api-version=2024-10-21"),
        (Some("2025-04-01-preview"), "/v1/responses", "/openai/responses?api-version=2025-04-01-preview"),
    ] {
        let doc = AzureDoc { api_version: version.map(str::to_owned), ..AzureDoc::default() };
        let mut provider = azure(&upstream, doc);
        let upstream_name = Some("my d".to_owned());
        provider.models.insert(0, ModelDoc { name: "gpt".to_owned(), upstream_name, ..ModelDoc::default() });
        let running = with_key(provider, "0123456789abcdef").await;
        let mut body = chat("gpt");
        body["input"] = json!("hi");
        upstream.play(match caller {
            "/v1/embeddings" => reply(200, &json!({"data": [{"index": 0, "embedding": [1.5]}]}).to_string()),
            "/v1/responses" => reply(
                200,
                &json!({"id": "r", "object": "response", "status": "completed", "output": [
                    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hi"}]},
                ]})
                .to_string(),
            ),
            _ => answer("hi"),
        });
        let got = running.post(caller, &body).await;
        let asked = upstream.take_requests();
        assert_eq!(asked.len(), 1, "{caller}: {} {}", got.status, got.text);
        assert_eq!(asked[0].target(), target, "{caller}");
        assert_eq!(asked[0].header("api-key").as_deref(), Some("0123456789abcdef"));
        assert_eq!(asked[0].header("authorization"), None);
    }
}

#[tokio::test]
async fn vertex_serves_gemini_and_claude_by_name() {
    let upstream = Fake::always(gemini()).await;
    let running = with_key(vertex(&upstream, VertexDoc::default()), "AIza-0123456789").await;
    let google = "/v1/projects/p-1/locations/europe-west4/publishers/google/models";
    let anthropic = format!("/v1/projects/p-1/locations/europe-west4/publishers/anthropic/models/{CLAUDE}");
    let got = running.post("/v1/chat/completions", &chat("gemini-2.5-pro")).await;
    assert_eq!(got.json()["choices"][0]["message"]["content"], "hi", "{}", got.text);
    let asked = upstream.take_requests();
    assert_eq!(asked[0].target(), format!("{google}/gemini-2.5-pro:generateContent"));
    assert_eq!(asked[0].header("x-goog-api-key").as_deref(), Some("AIza-0123456789"));

    upstream.play(claude());
    // From another dialect, in the same dialect, and as Vertex's own SDK calls it.
    let message = json!({"max_tokens": 9, "messages": [{"role": "user", "content": "x"}]});
    let mut named = message.clone();
    named["model"] = json!(CLAUDE);
    let mut versioned = message.clone();
    versioned["anthropic_version"] = json!("vertex-2023-10-16");
    let own = format!("/v1/projects/q/locations/l/publishers/anthropic/models/{CLAUDE}:rawPredict");
    for (path, body) in
        [("/v1/chat/completions", chat(CLAUDE)), ("/v1/messages", named.clone()), (own.as_str(), versioned.clone())]
    {
        let got = running.post(path, &body).await;
        let asked = upstream.take_requests();
        assert_eq!(got.status, 200, "{path}: {}", got.text);
        assert_eq!(asked[0].target(), format!("{anthropic}:rawPredict"), "{path}");
        let sent = asked[0].json();
        assert_eq!((&sent["anthropic_version"], sent.get("model")), (&json!("vertex-2023-10-16"), None), "{path}");
    }
    upstream.play(reply(200, &json!({"input_tokens": 7}).to_string()));
    let got = running.post("/v1/messages/count_tokens", &named).await;
    let asked = upstream.take_requests();
    assert_eq!(got.status, 200, "{}", got.text);
    assert!(asked[0].target().ends_with("/publishers/anthropic/models/count-tokens:rawPredict"), "{:?}", asked[0]);
    assert_eq!(asked[0].json()["model"], CLAUDE);

    // Streamed: the path says so too.
    let event = |name: &str, data: Value| chunk(&format!("event: {name}\ndata: {data}\n\n"));
    let start = json!({"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant",
        "model": "c", "content": [], "stop_reason": null, "usage": {"input_tokens": 1, "output_tokens": 1}}});
    upstream.play(vec![
        stream_head(),
        event("message_start", start),
        event(
            "content_block_start",
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        ),
        event(
            "content_block_delta",
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hi"}}),
        ),
        event("content_block_stop", json!({"type": "content_block_stop", "index": 0})),
        event(
            "message_delta",
            json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}}),
        ),
        event("message_stop", json!({"type": "message_stop"})),
        end(),
    ]);
    versioned["stream"] = json!(true);
    let own = own.replace(":rawPredict", ":streamRawPredict");
    for (path, body) in [("/v1/chat/completions", streamed(CLAUDE)), (own.as_str(), versioned)] {
        let got = running.post(path, &body).await;
        assert!(got.text.contains("hi") && got.status == 200, "{path}: {}", got.text);
        assert_eq!(upstream.take_requests()[0].target(), format!("{anthropic}:streamRawPredict"), "{path}");
    }
}

#[tokio::test]
async fn vertex_embeds_by_prediction() {
    let vector = |first: u32| json!({"embeddings": {"values": [first, 0.5], "statistics": {"token_count": 2}}});
    let upstream = Fake::always(reply(200, &json!({"predictions": [vector(1), vector(2)]}).to_string())).await;
    let running = with_key(vertex(&upstream, VertexDoc::default()), "AIza-0123456789").await;
    let body = json!({"model": "text-embedding-005", "input": ["a", "b"]});
    let got = running.post("/v1/embeddings", &body).await;
    assert_eq!(got.json()["data"][1]["embedding"], json!([2, 0.5]), "{}", got.text);
    assert_eq!(got.json()["usage"]["prompt_tokens"], 4);
    let asked = upstream.take_requests();
    assert!(asked[0].target().ends_with("/publishers/google/models/text-embedding-005:predict"), "{:?}", asked[0]);
    assert_eq!(asked[0].json(), json!({"instances": [{"content": "a"}, {"content": "b"}]}));
}

/// A caller of Vertex's Claude may reach Anthropic itself, which names the model in the body.
#[tokio::test]
async fn a_vertex_caller_reaches_another_upstream() {
    let upstream = Fake::always(claude()).await;
    let running = with_key(any(typed("anthropic", "Anthropic", &upstream.url)), "sk-ant-1234").await;
    let body = json!({"anthropic_version": "vertex-2023-10-16", "max_tokens": 9,
        "messages": [{"role": "user", "content": "x"}]});
    let models = "/v1/projects/q/locations/l/publishers/anthropic/models";
    let got = running.post(&format!("{models}/claude-opus-5:rawPredict"), &body).await;
    let asked = upstream.take_requests();
    assert_eq!((got.status, asked[0].target()), (200, "/v1/messages"), "{}", got.text);
    let sent = asked[0].json();
    assert_eq!((&sent["model"], sent.get("anthropic_version")), (&json!("claude-opus-5"), None));
    let mut counted = body;
    counted["model"] = json!("claude-opus-5");
    upstream.play(reply(200, &json!({"input_tokens": 7}).to_string()));
    let got = running.post(&format!("{models}/count-tokens:rawPredict"), &counted).await;
    let asked = upstream.take_requests();
    assert_eq!((got.status, asked[0].target()), (200, "/v1/messages/count_tokens"), "{}", got.text);
}

#[tokio::test]
async fn a_service_accounts_key_becomes_one_token_for_all_requests() {
    let tokens = Fake::always(token("ya29.first-token", 3_600)).await;
    let upstream = Fake::always(gemini()).await;
    let provider = vertex(&upstream, VertexDoc { token_endpoint: Some(base(&tokens)), ..VertexDoc::default() });
    let running = with_key(provider.clone(), KEY).await;
    let body = chat("gemini-2.5-pro");
    let all = futures_util::future::join_all((0..8).map(|_| running.post("/v1/chat/completions", &body))).await;
    assert!(all.iter().all(|got| got.status == 200), "{}", all[0].text);
    let asked = upstream.take_requests();
    assert_eq!(asked.len(), 8);
    for one in &asked {
        assert_eq!(one.header("authorization").as_deref(), Some("Bearer ya29.first-token"));
        assert_eq!(one.header("x-goog-api-key"), None);
    }
    let fetched = tokens.take_requests();
    assert_eq!(fetched.len(), 1);
    assert_eq!(fetched[0].target(), "/token");
    let sent = form(&fetched[0].body);
    assert_eq!(field(&sent, "grant_type"), "urn:ietf:params:oauth:grant-type:jwt-bearer");
    assert_eq!(field(&sent, "assertion").split('.').count(), 3);
    // A new policy goes on with the token, and a policy with another server does not.
    let values = |document: &Document| {
        secrets(document).into_keys().map(|at| (at, outrigger_sidecar::Secret::new(KEY))).collect()
    };
    let next = document(2, vec![provider.clone()]);
    let known = values(&next);
    running.gateway.install(next, &known).unwrap();
    assert_eq!(running.post("/v1/chat/completions", &body).await.status, 200);
    assert_eq!(tokens.take_requests().len(), 0);
    let other = Fake::always(token("ya29.other", 3_600)).await;
    let elsewhere = vertex(&upstream, VertexDoc { token_endpoint: Some(base(&other)), ..VertexDoc::default() });
    running.gateway.install(document(3, vec![elsewhere]), &known).unwrap();
    assert_eq!(running.post("/v1/chat/completions", &body).await.status, 200);
    assert_eq!(other.take_requests().len(), 1);
}

/// What a caller may never see.
pub fn holds_no_secret(got: &Answer, record: &Value, secrets: &[&str]) {
    for secret in secrets {
        assert!(!got.text.contains(secret), "{}", got.text);
        assert!(!format!("{:?}", got.headers).contains(secret), "{:?}", got.headers);
        assert!(!record.to_string().contains(secret), "{record}");
    }
}

#[tokio::test]
async fn a_token_server_that_fails_or_lies_is_told_without_a_secret() {
    let secret = "client-secret-0123456789";
    let long = "x".repeat(20_000);
    for (script, words) in [
        (
            reply(
                401,
                &json!({"error": "invalid_client", "error_description":
                format!("AADSTS7000215: Invalid client secret {secret}.\r\nTrace ID: 1")})
                .to_string(),
            ),
            "answered 401: invalid_client (AADSTS7000215: Invalid client secret ***.)",
        ),
        (reply(503, "<html>down</html>"), "answered 503"),
        (reply(200, "{}"), "without an access token"),
        (reply(200, "<html>sign in</html>"), "something other than a token"),
        (reply(200, &json!({"access_token": long}).to_string()), "a token of more than"),
        (reply(200, &json!({"access_token": "a\r\nb"}).to_string()), "a token that no header can carry"),
        (reply(200, &json!({"access_token": "a", "pad": "x".repeat(70_000)}).to_string()), "more than 65536 bytes"),
        (
            vec![Act::Send("HTTP/1.1 302 X\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".to_owned())],
            "answered 302",
        ),
        (vec![Act::Close], "closed the connection"),
    ] {
        let tokens = Fake::always(script).await;
        let upstream = Fake::always(answer("hi")).await;
        let entra = EntraDoc { tenant_id: "t".to_owned(), client_id: "c".to_owned(), authority: Some(base(&tokens)) };
        let provider = azure(&upstream, AzureDoc { entra: Some(entra), ..AzureDoc::default() });
        let second = Fake::always(answer("second")).await;
        let others = document(1, vec![provider.clone(), crate::policies::provider("second", &second.url)]);
        let alone = with_key(provider, secret).await;
        let got = alone.post("/v1/chat/completions", &chat("gpt")).await;
        assert_eq!(got.status, 502, "{words}: {}", got.text);
        assert!(got.text.contains(words), "{words}: {}", got.text);
        holds_no_secret(&got, &alone.record().await, &[secret]);
        assert_eq!(upstream.asked().len(), 0, "nothing is sent without a token");
        // With another provider, it serves.
        let running = running(others, PodIdentity::default(), None, secret).await;
        let got = running.post("/v1/chat/completions", &chat("gpt")).await;
        assert_eq!((got.status, got.header("x-outrigger-provider")), (200, Some("second")), "{words}: {}", got.text);
    }
}

#[tokio::test]
async fn an_entra_application_proves_itself_with_a_secret_or_the_pods_token() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, format!("{POD_TOKEN}\n")).unwrap();
    for by_file in [false, true] {
        let tokens = Fake::always(token("entra-token-1", 3_600)).await;
        let upstream = Fake::always(answer("hi")).await;
        let entra = EntraDoc {
            tenant_id: "contoso.onmicrosoft.com".to_owned(),
            client_id: "11111111-2222-3333-4444-555555555555".to_owned(),
            authority: Some(base(&tokens)),
        };
        let mut provider = azure(&upstream, AzureDoc { entra: Some(entra), ..AzureDoc::default() });
        if by_file {
            provider.credentials.clear();
        }
        let identity = PodIdentity { azure_token_file: Some(file.clone()), ..PodIdentity::default() };
        let running = running(document(1, vec![provider]), identity, None, "s3cr3t+/= value").await;
        let got = running.post("/v1/chat/completions", &chat("gpt")).await;
        assert_eq!(got.status, 200, "{}", got.text);
        let asked = upstream.take_requests();
        assert_eq!(asked[0].header("authorization").as_deref(), Some("Bearer entra-token-1"));
        assert_eq!(asked[0].header("api-key"), None);
        let fetched = tokens.take_requests();
        assert_eq!(fetched[0].target(), "/contoso.onmicrosoft.com/oauth2/v2.0/token");
        assert_eq!(fetched[0].header("content-type").as_deref(), Some("application/x-www-form-urlencoded"));
        let sent = form(&fetched[0].body);
        assert_eq!(field(&sent, "grant_type"), "client_credentials");
        assert_eq!(field(&sent, "client_id"), "11111111-2222-3333-4444-555555555555");
        assert_eq!(field(&sent, "scope"), "https://cognitiveservices.azure.com/.default");
        let (secret, assertion) = if by_file { ("", POD_TOKEN) } else { ("s3cr3t+/= value", "") };
        assert_eq!((field(&sent, "client_secret"), field(&sent, "client_assertion")), (secret, assertion));
    }
}

#[tokio::test]
async fn the_metadata_server_tells_the_pods_token() {
    let metadata = Fake::always(token("ya29.metadata", 3_600)).await;
    let upstream = Fake::always(gemini()).await;
    let mut provider = vertex(
        &upstream,
        VertexDoc { workload_identity: Some(WorkloadIdentityDoc::default()), ..VertexDoc::default() },
    );
    provider.credentials.clear();
    let host = base(&metadata).trim_start_matches("http://").to_owned();
    let identity = PodIdentity { metadata_host: Some(host), ..PodIdentity::default() };
    let own = running(document(1, vec![provider.clone()]), identity.clone(), Some("default"), "").await;
    let got = own.post("/v1/chat/completions", &chat("gemini-2.5-pro")).await;
    assert_eq!(got.status, 200, "{}", got.text);
    assert_eq!(upstream.take_requests()[0].header("authorization").as_deref(), Some("Bearer ya29.metadata"));
    let asked = metadata.take_requests();
    assert_eq!(asked[0].target(), "/computeMetadata/v1/instance/service-accounts/default/token");
    assert_eq!(asked[0].header("metadata-flavor").as_deref(), Some("Google"));
    // A provider of another namespace with an endpoint of its own gets no token of this pod.
    let foreign = running(document(1, vec![provider]), identity, Some("elsewhere"), "").await;
    let got = foreign.post("/v1/chat/completions", &chat("gemini-2.5-pro")).await;
    assert_eq!((got.status, upstream.asked().len(), metadata.asked().len()), (502, 0, 0), "{}", got.text);
    assert!(got.text.contains("gets no token of this pod"), "{}", got.text);
}

#[tokio::test]
async fn a_token_that_the_provider_quotes_is_masked_and_given_up_when_refused() {
    let tokens = Fake::always(token("ya29.quoted-0123456789", 3_600)).await;
    let quoted = json!({"error": {"code": 400, "message": "bad Bearer ya29.quoted-0123456789", "status": "X"}});
    let upstream = Fake::always(reply(400, &quoted.to_string())).await;
    let provider = vertex(&upstream, VertexDoc { token_endpoint: Some(base(&tokens)), ..VertexDoc::default() });
    let running = with_key(provider, KEY).await;
    let got = running.post("/v1/chat/completions", &chat("gemini-2.5-pro")).await;
    holds_no_secret(&got, &running.record().await, &["quoted-0123456789"]);
    assert_eq!(got.json()["error"]["type"], "upstream_credentials_exhausted", "{}", got.text);
}
