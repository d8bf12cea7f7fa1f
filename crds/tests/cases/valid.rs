//! Specs that are sound.

use super::{KEY, PROVIDER, RULE};

/// Specs that are sound: the least of each kind, all fields of each kind, and the other side of every rule.
pub const VALID: &[(&str, &str)] = &[
    (PROVIDER, "{type: OpenAI, credentials: [{name: main, secretRef: {name: openai}}], withoutKey: Allow}"),
    (
        PROVIDER,
        r#"
        type: OpenAICompatible
        endpoint: https://llm.corp:8443/v1
        credentials:
        - {name: premium, secretRef: {name: openai.corp, key: tls.key}, weight: 70, models: ["gpt-4o", "o*"]}
        - {name: standard, secretRef: {name: openai-2}, weight: 0, suspended: true}
        suspended: false
        withoutKey: Refuse
        models:
        - {name: gpt-4o, upstreamName: prod-gpt4o, aliases: [gpt4, "openai/gpt-4o"], contextWindow: 128000, maxOutputTokens: 16384, capabilities: [Tools, Vision]}
        - {name: "meta-llama/Llama-3-70b:free"}
        exclusive: true
        allowedNamespaces:
          from: Selector
          selector:
            matchLabels: {llm: allowed, example.com/empty: ""}
            matchExpressions: [{key: tier, operator: In, values: [a]}, {key: x.y/z, operator: DoesNotExist}]
        timeouts: {connect: 2s, firstToken: 30s, idle: 1m30s, total: 10m}
        account: acme-prod
        balance: Adaptive
        retry: {maxAttempts: 4}
        headers: {x-team: search, OpenAI-Beta: "a, b"}
        prewarm: true
        tls: {caRef: {kind: Secret, name: corp-ca, key: ca.pem}}
        "#,
    ),
    (PROVIDER, "{type: vLLM, endpoint: 'http://vllm.models:8000'}"),
    (PROVIDER, "{type: vLLM, endpoint: 'http://[fd00::1]:8000/v1/'}"),
    (PROVIDER, "{type: Ollama}"),
    (PROVIDER, "{type: Ollama, tls: {caRef: {name: corp-ca}}, allowedNamespaces: {}}"),
    (PROVIDER, "{type: Ollama, allowedNamespaces: {from: All}}"),
    (
        PROVIDER,
        "{type: Gemini, credentials: [{name: a, secretRef: {name: a}, weight: 1.0}], endpoint: null, tls: null}",
    ),
    (PROVIDER, "{type: Mock, mock: {}}"),
    (PROVIDER, "{type: Mock, mock: {reply: 'Hello from {{provider}}/{{model}}', echo: false}}"),
    (PROVIDER, "{type: Mock, mock: {echo: true, toolCalls: [{name: a}]}, timeouts: {total: 10ms}}"),
    (PROVIDER, "{type: Mock, mock: {reply: b, toolCalls: [{name: a}]}}"),
    (
        PROVIDER,
        r#"
        type: Mock
        mock:
          dialect: Gemini
          toolCalls: [{name: get_weather, arguments: {city: Paris, days: [1, 2.5, null], deep: {anything: true}}}, {name: done}]
          timing: {firstToken: 200ms, jitter: 100ms, perToken: 0s}
          faults:
          - {name: rate-limited, type: Status, percent: 100, status: 429, retryAfter: 10s, message: slow down, models: ["gpt-4o"]}
          - {name: flaky, type: CutAfterEvents, percent: 5, events: 0}
          - {name: slow, type: Slow, delay: 3s, percent: 0}
          - {name: wrong, type: ErrorEvent, events: 2, message: overloaded, allowFallbacks: false}
          - {name: broken, type: Malformed, events: 2}
          - {name: gone, type: Refused}
          - {name: reset, type: Reset}
          - {name: hang, type: Hang}
          - {name: empty, type: Empty}
        "#,
    ),
    (KEY, "{}"),
    (
        KEY,
        r#"
        providers:
        - {name: azure, providerRef: {name: azure, namespace: platform}, weight: 80, models: ["gpt-4o"]}
        - {name: openai, providerRef: {name: openai-eu}, credentials: [premium, standard]}
        - {name: openrouter, weight: 0, models: ["claude-*"]}
        balance: Weighted
        models: {allow: ["gpt-4o*", "claude-*"], deny: ["*-preview"]}
        extraFields: false
        aliases: [{sha256: 0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9}]
        limits: {concurrentRequests: 20}
        suspended: false
        expiresAt: "2027-06-01T00:00:00+02:00"
        team: search
        customer: Acme_1
        "#,
    ),
    (RULE, "{targets: [{provider: openai}]}"),
    (
        RULE,
        r#"
        priority: 10
        scope: {virtualKeys: [search, batch]}
        when: headers["x-tier"] == "premium" && input_tokens < 8000
        targets:
        - {provider: openrouter, model: claude-3.7-sonnet, weight: 90}
        - {provider: openrouter, model: claude-3.7-sonnet, weight: 10, credential: premium}
        fallbacks: ["openrouter/gpt-4o", openai, "openrouter/anthropic/claude-haiku-4.5"]
        onError: Refuse
        "#,
    ),
    (RULE, "{scope: {team: search}, targets: [{provider: a, weight: 0}]}"),
    (RULE, "{scope: {customer: acme}, targets: [{provider: a}]}"),
    (RULE, "{scope: {}, targets: [{provider: a}]}"),
];
