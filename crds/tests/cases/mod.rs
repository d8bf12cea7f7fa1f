//! Objects and what is to be found in them. Each spec is YAML; the rest of the object is filled in around it.

use serde_json::{Value, json};

/// An object of a kind with this spec, named `example`.
pub fn object(kind: &str, spec: &str) -> Value {
    let spec: Value = serde_yaml::from_str(spec).unwrap_or_else(|error| panic!("{spec}: {error}"));
    json!({"apiVersion": "outrigger.dev/v1alpha1", "kind": kind, "metadata": {"name": "example"}, "spec": spec})
}

pub const PROVIDER: &str = "LLMProvider";
pub const KEY: &str = "VirtualKey";
pub const RULE: &str = "RoutingRule";

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
    (PROVIDER, "{type: Mock, mock: {echo: true}, timeouts: {total: 10ms}}"),
    (
        PROVIDER,
        r#"
        type: Mock
        mock:
          dialect: Gemini
          toolCall: {name: get_weather, arguments: {city: Paris, days: [1, 2.5, null], deep: {anything: true}}}
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

/// A spec that is not sound, and everything that is found in it.
pub type Invalid = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const CREDENTIAL: &str = "a credential is no header: put it in a Secret, and name that in credentials";
const OWN_HEADER: &str = "the gateway sets this header itself (host, connection, content-*, transfer-encoding, accept-encoding, forwarded, x-outrigger-* and their like): remove it";
const HEADER_NAME: &str = "a header's name is made of letters, digits and `-`, at most 64 of them";
const NO_SERVER: &str = "a Mock calls no server: remove endpoint, tls, headers and prewarm";
const NO_ENDPOINT: &str =
    "types OpenAICompatible and vLLM have no endpoint of their own: set endpoint, such as http://vllm.models:8000/v1";
const NO_KEY: &str = "this type is called with a key: list at least one in credentials";
const ZERO: &str = "a timeout must be longer than zero: leave it out for the default";
const LABEL: &str =
    "must be a DNS label: lower-case letters, digits and `-`, beginning and ending with a letter or digit";
const URL: &str =
    "must be an http:// or https:// URL without user, query and fragment, such as https://llm.example.com/v1";
const DURATION: &str = "must be a duration: whole numbers with a unit (h, m, s or ms), such as 30s, 1h30m or 200ms";
const EMPTY_LIST: &str = "must not be an empty list: leave it out, or list at least one";
const VISIBLE: &str = "must be printable ASCII without spaces, and not empty";
const VALUE: &str =
    "must be a label's value: letters, digits, `-`, `_` and `.`, beginning and ending with a letter or digit";
const ONE_SCOPE: &str = "a rule has one scope: keep one of virtualKeys, team and customer";
const ONE_ANSWER: &str = "a mock answers in one way: keep one of reply, toolCall and echo";
const EVENTS: &str =
    "events belongs to faults of type CutAfterEvents, ErrorEvent and Malformed: change the type, or remove it";

/// Every rule broken, every kind of bound overstepped.
pub const INVALID: &[Invalid] = &[
    // Rules of LLMProvider.
    (PROVIDER, "{type: vLLM}", &[("spec", NO_ENDPOINT)]),
    (PROVIDER, "{type: OpenAICompatible}", &[("spec", NO_ENDPOINT)]),
    (PROVIDER, "{type: Mock, mock: {}, endpoint: 'https://a'}", &[("spec", NO_SERVER)]),
    (PROVIDER, "{type: Mock, mock: {}, tls: {caRef: {name: a}}}", &[("spec", NO_SERVER)]),
    (PROVIDER, "{type: Mock, mock: {}, headers: {a: b}}", &[("spec", NO_SERVER)]),
    (PROVIDER, "{type: Mock, mock: {}, prewarm: true}", &[("spec", NO_SERVER)]),
    (PROVIDER, "{type: Mock}", &[("spec", "type Mock needs mock, which says how it answers; mock: {} will do")]),
    (
        PROVIDER,
        "{type: Ollama, mock: {}}",
        &[("spec", "mock counts only with type Mock: change the type, or remove mock")],
    ),
    (PROVIDER, "{type: OpenAI}", &[("spec", NO_KEY)]),
    (PROVIDER, "{type: Anthropic}", &[("spec", NO_KEY)]),
    (PROVIDER, "{type: Gemini}", &[("spec", NO_KEY)]),
    (PROVIDER, "{type: Mistral}", &[("spec", NO_KEY)]),
    (PROVIDER, "{type: Groq}", &[("spec", NO_KEY)]),
    (PROVIDER, "{type: Cerebras}", &[("spec", NO_KEY)]),
    (PROVIDER, "{type: OpenRouter}", &[("spec", NO_KEY)]),
    (
        PROVIDER,
        "{type: Mock, mock: {}, credentials: [{name: a, secretRef: {name: a}}]}",
        &[("spec", "a Mock needs no key: remove credentials")],
    ),
    (
        PROVIDER,
        "{type: Ollama, endpoint: 'http://a', tls: {caRef: {name: a}}}",
        &[("spec", "tls has no effect on an http:// endpoint: make it https://, or remove tls")],
    ),
    (
        PROVIDER,
        "{type: Ollama, exclusive: true}",
        &[("spec", "exclusive: true without models would serve nothing: list them in models")],
    ),
    (PROVIDER, "{type: Ollama, headers: {Authorization: Bearer x}}", &[("spec.headers", CREDENTIAL)]),
    (PROVIDER, "{type: Ollama, headers: {X-API-Key: x}}", &[("spec.headers", CREDENTIAL)]),
    (PROVIDER, "{type: Ollama, headers: {x-goog-api-key: x}}", &[("spec.headers", CREDENTIAL)]),
    (PROVIDER, "{type: Ollama, headers: {api-key: x}}", &[("spec.headers", CREDENTIAL)]),
    (PROVIDER, "{type: Ollama, headers: {cookie: x}}", &[("spec.headers", CREDENTIAL)]),
    (PROVIDER, "{type: Ollama, headers: {Host: x}}", &[("spec.headers", OWN_HEADER)]),
    (PROVIDER, "{type: Ollama, headers: {Content-Length: '1'}}", &[("spec.headers", OWN_HEADER)]),
    (PROVIDER, "{type: Ollama, headers: {connection: close}}", &[("spec.headers", OWN_HEADER)]),
    (PROVIDER, "{type: Ollama, headers: {Transfer-Encoding: chunked}}", &[("spec.headers", OWN_HEADER)]),
    (PROVIDER, "{type: Ollama, headers: {X-Outrigger-Key: a}}", &[("spec.headers", OWN_HEADER)]),
    (PROVIDER, "{type: Ollama, headers: {'a b': c}}", &[("spec.headers", HEADER_NAME)]),
    (PROVIDER, "{type: Ollama, headers: {'': c}}", &[("spec.headers", HEADER_NAME)]),
    (PROVIDER, "{type: Ollama, timeouts: {connect: 0s}}", &[("spec.timeouts.connect", ZERO)]),
    (PROVIDER, "{type: Ollama, timeouts: {firstToken: 0ms}}", &[("spec.timeouts.firstToken", ZERO)]),
    (PROVIDER, "{type: Ollama, timeouts: {idle: 0h0m}}", &[("spec.timeouts.idle", ZERO)]),
    (PROVIDER, "{type: Ollama, timeouts: {total: 00s}}", &[("spec.timeouts.total", ZERO)]),
    (
        PROVIDER,
        "{type: Ollama, allowedNamespaces: {from: Selector}}",
        &[("spec.allowedNamespaces", "from: Selector needs a selector: give one, or say from: Same or from: All")],
    ),
    (
        PROVIDER,
        "{type: Ollama, allowedNamespaces: {selector: {}}}",
        &[("spec.allowedNamespaces", "a selector counts only with from: Selector: say so, or remove the selector")],
    ),
    (
        PROVIDER,
        "{type: Ollama, allowedNamespaces: {from: Selector, selector: {matchExpressions: [{key: a, operator: NotIn}]}}}",
        &[(
            "spec.allowedNamespaces.selector.matchExpressions[0]",
            "operator In and NotIn compare with values: list at least one",
        )],
    ),
    (
        PROVIDER,
        "{type: Ollama, allowedNamespaces: {from: Selector, selector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}}}",
        &[(
            "spec.allowedNamespaces.selector.matchExpressions[0]",
            "operator Exists and DoesNotExist take no values: remove them",
        )],
    ),
    // Rules of the mock.
    (PROVIDER, "{type: Mock, mock: {reply: a, echo: true}}", &[("spec.mock", ONE_ANSWER)]),
    (PROVIDER, "{type: Mock, mock: {reply: a, toolCall: {name: a}}}", &[("spec.mock", ONE_ANSWER)]),
    (PROVIDER, "{type: Mock, mock: {toolCall: {name: a}, echo: true}}", &[("spec.mock", ONE_ANSWER)]),
    (
        PROVIDER,
        "{type: Mock, mock: {faults: [{name: a, type: Status}]}}",
        &[("spec.mock.faults[0]", "a fault of type Status needs a status, such as 429")],
    ),
    (
        PROVIDER,
        "{type: Mock, mock: {faults: [{name: a, type: Hang, status: 429}]}}",
        &[("spec.mock.faults[0]", "status belongs to faults of type Status: change the type, or remove it")],
    ),
    (
        PROVIDER,
        "{type: Mock, mock: {faults: [{name: a, type: Hang, retryAfter: 1s}]}}",
        &[("spec.mock.faults[0]", "retryAfter belongs to faults of type Status: change the type, or remove it")],
    ),
    (
        PROVIDER,
        "{type: Mock, mock: {faults: [{name: a, type: Empty}, {name: b, type: CutAfterEvents}]}}",
        &[("spec.mock.faults[1]", "a fault of type CutAfterEvents needs events: how many get through")],
    ),
    (
        PROVIDER,
        "{type: Mock, mock: {faults: [{name: a, type: Slow, delay: 1s, events: 1}]}}",
        &[("spec.mock.faults[0]", EVENTS)],
    ),
    (
        PROVIDER,
        "{type: Mock, mock: {faults: [{name: a, type: Slow}]}}",
        &[("spec.mock.faults[0]", "a fault of type Slow needs a delay, such as 5s")],
    ),
    (
        PROVIDER,
        "{type: Mock, mock: {faults: [{name: a, type: Reset, delay: 1s}]}}",
        &[("spec.mock.faults[0]", "delay belongs to faults of type Slow: change the type, or remove it")],
    ),
    (
        PROVIDER,
        "{type: Mock, mock: {faults: [{name: a, type: Refused, message: b}]}}",
        &[(
            "spec.mock.faults[0]",
            "message belongs to faults of type Status and ErrorEvent: change the type, or remove it",
        )],
    ),
    // Rules of RoutingRule.
    (RULE, "{scope: {virtualKeys: [a], team: b}, targets: [{provider: a}]}", &[("spec.scope", ONE_SCOPE)]),
    (RULE, "{scope: {team: b, customer: c}, targets: [{provider: a}]}", &[("spec.scope", ONE_SCOPE)]),
    (RULE, "{scope: {virtualKeys: [a], customer: c}, targets: [{provider: a}]}", &[("spec.scope", ONE_SCOPE)]),
    // Types.
    (
        PROVIDER,
        "{type: Ollama, credentials: [{name: a, secretRef: sk-secret}]}",
        &[("spec.credentials[0].secretRef", "must be a mapping, not a string")],
    ),
    (
        PROVIDER,
        "{type: Ollama, credentials: [{name: a, secretRef: {name: a}, weight: '3'}]}",
        &[("spec.credentials[0].weight", "must be a whole number, not a string: remove the quotes")],
    ),
    (
        PROVIDER,
        "{type: Ollama, credentials: [{name: a, secretRef: {name: a}, weight: 0.5}]}",
        &[("spec.credentials[0].weight", "must be a whole number, not a fraction")],
    ),
    (PROVIDER, "{type: Ollama, credentials: [null]}", &[("spec.credentials[0]", "must be a mapping, not null")]),
    (PROVIDER, "{type: Ollama, credentials: {name: a}}", &[("spec.credentials", "must be a list, not a mapping")]),
    (
        PROVIDER,
        "{type: Ollama, suspended: 'no'}",
        &[("spec.suspended", "must be true or false, not a string: remove the quotes")],
    ),
    (PROVIDER, "{type: Ollama, suspended: 1}", &[("spec.suspended", "must be true or false, not a number")]),
    (
        PROVIDER,
        "{type: Ollama, headers: {x-a: true}}",
        &[("spec.headers.x-a", "must be a string, not true or false: put it in quotes")],
    ),
    (
        PROVIDER,
        "{type: Ollama, timeouts: {connect: 5}}",
        &[("spec.timeouts.connect", "must be a string, not a number: put it in quotes")],
    ),
    (PROVIDER, "[]", &[("spec", "must be a mapping, not a list")]),
    // Required fields; a null is no value.
    (PROVIDER, "{}", &[("spec.type", "is required")]),
    (PROVIDER, "{type: null}", &[("spec.type", "is required")]),
    (PROVIDER, "{type: Ollama, credentials: [{secretRef: {name: a}}]}", &[("spec.credentials[0].name", "is required")]),
    (PROVIDER, "{type: Ollama, credentials: [{name: a}]}", &[("spec.credentials[0].secretRef", "is required")]),
    (PROVIDER, "{type: Ollama, retry: {}}", &[("spec.retry.maxAttempts", "is required")]),
    (RULE, "{}", &[("spec.targets", "is required")]),
    (RULE, "null", &[("spec", "is required")]),
    // Enums.
    (
        PROVIDER,
        "{type: openai}",
        &[(
            "spec.type",
            "must be one of OpenAI, Anthropic, Gemini, Mistral, Groq, Cerebras, OpenRouter, Ollama, vLLM, OpenAICompatible, Mock, did you mean `OpenAI`?",
        )],
    ),
    (PROVIDER, "{type: Ollama, withoutKey: Yes}", &[("spec.withoutKey", "must be one of Allow, Refuse")]),
    (KEY, "{balance: weighted}", &[("spec.balance", "must be one of Weighted, Adaptive, did you mean `Weighted`?")]),
    (RULE, "{targets: [{provider: a}], onError: Ignore}", &[("spec.onError", "must be one of Skip, Refuse")]),
    // Patterns.
    (PROVIDER, "{type: Ollama, account: Acme}", &[("spec.account", LABEL)]),
    (PROVIDER, "{type: Ollama, account: 'acme-'}", &[("spec.account", LABEL)]),
    (PROVIDER, "{type: Ollama, endpoint: llm.corp}", &[("spec.endpoint", URL)]),
    (PROVIDER, "{type: Ollama, endpoint: 'https://user:pass@llm.corp'}", &[("spec.endpoint", URL)]),
    (PROVIDER, "{type: Ollama, endpoint: 'https://llm.corp/v1?key=a'}", &[("spec.endpoint", URL)]),
    (PROVIDER, "{type: Ollama, endpoint: 'ftp://llm.corp'}", &[("spec.endpoint", URL)]),
    (PROVIDER, "{type: Ollama, timeouts: {connect: 2 s}}", &[("spec.timeouts.connect", DURATION)]),
    (PROVIDER, "{type: Ollama, timeouts: {connect: 1.5s}}", &[("spec.timeouts.connect", DURATION)]),
    (PROVIDER, "{type: Mock, mock: {timing: {firstToken: 1d}}}", &[("spec.mock.timing.firstToken", DURATION)]),
    (
        PROVIDER,
        "{type: Ollama, headers: {x-a: \"line\\nbreak\"}}",
        &[("spec.headers.x-a", "must be a header's value: printable ASCII, with no space at either end")],
    ),
    (PROVIDER, "{type: Ollama, models: [{name: 'gpt 4'}]}", &[("spec.models[0].name", VISIBLE)]),
    (
        PROVIDER,
        "{type: Ollama, credentials: [{name: a, secretRef: {name: A_b}}]}",
        &[(
            "spec.credentials[0].secretRef.name",
            "must be a Kubernetes object's name: lower-case letters, digits, `-` and `.`, beginning and ending with a letter or digit",
        )],
    ),
    (
        PROVIDER,
        "{type: Ollama, credentials: [{name: a, secretRef: {name: a, key: a/b}}]}",
        &[(
            "spec.credentials[0].secretRef.key",
            "must be a key of a Secret or ConfigMap: letters, digits, `-`, `_` and `.`",
        )],
    ),
    (
        PROVIDER,
        "{type: Ollama, allowedNamespaces: {from: Selector, selector: {matchLabels: {a: b/c}}}}",
        &[(
            "spec.allowedNamespaces.selector.matchLabels.a",
            "must be a label's value: empty, or letters, digits, `-`, `_` and `.`, beginning and ending with a letter or digit",
        )],
    ),
    (
        PROVIDER,
        "{type: Ollama, allowedNamespaces: {from: Selector, selector: {matchExpressions: [{key: 'a b', operator: Exists}]}}}",
        &[(
            "spec.allowedNamespaces.selector.matchExpressions[0].key",
            "must be a label's key, such as `team` or `example.com/team`",
        )],
    ),
    (
        PROVIDER,
        "{type: Mock, mock: {toolCall: {name: get weather}}}",
        &[("spec.mock.toolCall.name", "must be a tool's name: letters, digits, `_` and `-`")],
    ),
    (KEY, "{team: 'a b'}", &[("spec.team", VALUE)]),
    (
        KEY,
        "{aliases: [{sha256: 0A1B2C3D4E5F60718293A4B5C6D7E8F90A1B2C3D4E5F60718293A4B5C6D7E8F9}]}",
        &[(
            "spec.aliases[0].sha256",
            "must be a SHA-256 in 64 lower-case hexadecimal digits, as `printf %s TOKEN | sha256sum` prints it",
        )],
    ),
    (
        KEY,
        "{expiresAt: '2027-02-30T00:00:00Z'}",
        &[("spec.expiresAt", "must be a moment that exists, as RFC 3339 writes it, such as 2027-06-01T00:00:00Z")],
    ),
    (
        RULE,
        "{targets: [{provider: a}], fallbacks: ['Open AI/gpt-4o']}",
        &[(
            "spec.fallbacks[0]",
            "must be `provider` or `provider/model`, where provider is a name from the key's providers",
        )],
    ),
    // Bounds of numbers.
    (
        PROVIDER,
        "{type: Ollama, credentials: [{name: a, secretRef: {name: a}, weight: -1}]}",
        &[("spec.credentials[0].weight", "must be at least 0")],
    ),
    (
        PROVIDER,
        "{type: Ollama, credentials: [{name: a, secretRef: {name: a}, weight: 1000001}]}",
        &[("spec.credentials[0].weight", "must be at most 1000000")],
    ),
    (PROVIDER, "{type: Ollama, retry: {maxAttempts: 0}}", &[("spec.retry.maxAttempts", "must be at least 1")]),
    (PROVIDER, "{type: Ollama, retry: {maxAttempts: 11}}", &[("spec.retry.maxAttempts", "must be at most 10")]),
    (
        PROVIDER,
        "{type: Mock, mock: {faults: [{name: a, type: Hang, percent: 101}]}}",
        &[("spec.mock.faults[0].percent", "must be at most 100")],
    ),
    (
        PROVIDER,
        "{type: Mock, mock: {faults: [{name: a, type: Status, status: 200}]}}",
        &[("spec.mock.faults[0].status", "must be at least 400")],
    ),
    (KEY, "{limits: {concurrentRequests: 0}}", &[("spec.limits.concurrentRequests", "must be at least 1")]),
    (RULE, "{priority: -1, targets: [{provider: a}]}", &[("spec.priority", "must be at least 0")]),
    // Empty lists and strings.
    (PROVIDER, "{type: Ollama, credentials: []}", &[("spec.credentials", EMPTY_LIST)]),
    (PROVIDER, "{type: Ollama, models: []}", &[("spec.models", EMPTY_LIST)]),
    (
        PROVIDER,
        "{type: Ollama, credentials: [{name: a, secretRef: {name: a}, models: []}]}",
        &[("spec.credentials[0].models", EMPTY_LIST)],
    ),
    (KEY, "{providers: []}", &[("spec.providers", EMPTY_LIST)]),
    (KEY, "{models: {allow: []}}", &[("spec.models.allow", EMPTY_LIST)]),
    (KEY, "{providers: [{name: a, credentials: []}]}", &[("spec.providers[0].credentials", EMPTY_LIST)]),
    (KEY, "{aliases: []}", &[("spec.aliases", EMPTY_LIST)]),
    (RULE, "{targets: []}", &[("spec.targets", EMPTY_LIST)]),
    (RULE, "{targets: [{provider: a}], fallbacks: []}", &[("spec.fallbacks", EMPTY_LIST)]),
    (RULE, "{targets: [{provider: a}], when: ''}", &[("spec.when", "must not be empty")]),
    (PROVIDER, "{type: Mock, mock: {reply: ''}}", &[("spec.mock.reply", "must not be empty")]),
    // Lists with keys, and sets.
    (
        PROVIDER,
        "{type: Ollama, credentials: [{name: a, secretRef: {name: a}}, {name: a, secretRef: {name: b}}]}",
        &[("spec.credentials[1].name", "must be unique in the list: spec.credentials[0] has the same name")],
    ),
    (
        PROVIDER,
        "{type: Ollama, models: [{name: a}, {name: b}, {name: a}]}",
        &[("spec.models[2].name", "must be unique in the list: spec.models[0] has the same name")],
    ),
    (
        PROVIDER,
        "{type: Mock, mock: {faults: [{name: a, type: Hang}, {name: a, type: Empty}]}}",
        &[("spec.mock.faults[1].name", "must be unique in the list: spec.mock.faults[0] has the same name")],
    ),
    (
        PROVIDER,
        "{type: Ollama, models: [{name: a, aliases: [b, b]}]}",
        &[("spec.models[0].aliases[1]", "stands here twice: it is spec.models[0].aliases[0] already")],
    ),
    (
        KEY,
        "{providers: [{name: a}, {name: a}]}",
        &[("spec.providers[1].name", "must be unique in the list: spec.providers[0] has the same name")],
    ),
    // Unknown fields.
    (
        PROVIDER,
        "{type: Ollama, endpont: 'https://a'}",
        &[("spec.endpont", "unknown field `endpont`, did you mean `endpoint`?")],
    ),
    (PROVIDER, "{type: Ollama, budgets: 5}", &[("spec.budgets", "unknown field `budgets`")]),
    (
        PROVIDER,
        "{type: Ollama, credentials: [{name: a, secretRef: {name: a, kye: b}}]}",
        &[("spec.credentials[0].secretRef.kye", "unknown field `kye`, did you mean `key`?")],
    ),
    (KEY, "{limits: {budgets: []}}", &[("spec.limits.budgets", "unknown field `budgets`")]),
    // Several at once: what is found in the structure doesn't hide the rest, unless rules could not be trusted.
    (
        PROVIDER,
        "{type: Mock, account: A, modles: []}",
        &[
            ("spec.account", LABEL),
            ("spec.modles", "unknown field `modles`, did you mean `models`?"),
            ("spec", "type Mock needs mock, which says how it answers; mock: {} will do"),
        ],
    ),
];
