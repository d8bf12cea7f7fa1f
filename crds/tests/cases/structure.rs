//! Specs that break the structural schema: types, required fields, patterns, bounds, lists, unknown fields.

use super::{Invalid, KEY, PROVIDER, RULE};

const LABEL: &str =
    "must be a DNS label: lower-case letters, digits and `-`, beginning and ending with a letter or digit";
const URL: &str =
    "must be an http:// or https:// URL without user, query and fragment, such as https://llm.example.com/v1";
const PROXY: &str = "must be a proxy's URL without user and path, such as http://proxy.example.com:3128";
const DURATION: &str = "must be a duration: whole numbers with a unit (h, m, s or ms), such as 30s, 1h30m or 200ms; at most 99999h; a day is 24h";
const EMPTY_LIST: &str = "must not be an empty list: leave it out, or list at least one";
const VISIBLE: &str = "must be printable ASCII without spaces, at least one character";
const VALUE: &str =
    "must be a label's value: letters, digits, `-`, `_` and `.`, beginning and ending with a letter or digit";

/// Each case breaks one bound; the last ones break several.
pub const BROKEN: &[Invalid] = &[
    // Types.
    (
        PROVIDER,
        "{type: Ollama, credentials: [{name: a, secretRef: sk-secret}]}",
        &[("spec.credentials[0].secretRef", "must be a mapping, not a string: write {name: …}")],
    ),
    (
        PROVIDER,
        "{type: Ollama, credentials: [{name: a, secretRef: {name: a}, weight: '3'}]}",
        &[("spec.credentials[0].weight", "must be a whole number, not a string: remove the quotes")],
    ),
    (
        PROVIDER,
        "{type: Ollama, credentials: [{name: a, secretRef: {name: a}, weight: 80%}]}",
        &[("spec.credentials[0].weight", "must be a whole number, not a string: write 80")],
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
        &[("spec.suspended", "must be true or false, not a string: write true or false, without quotes")],
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
        &[("spec.timeouts.connect", "must be a string, not a number: write 5s")],
    ),
    (PROVIDER, "[]", &[("spec", "must be a mapping, not a list")]),
    // Required fields; a null counts as absent.
    (PROVIDER, "{}", &[("spec.type", "is required")]),
    (PROVIDER, "{type: null}", &[("spec.type", "is required")]),
    (PROVIDER, "{type: Ollama, credentials: [{secretRef: {name: a}}]}", &[("spec.credentials[0].name", "is required")]),
    (PROVIDER, "{type: Ollama, retry: {}}", &[("spec.retry.maxAttempts", "is required")]),
    (RULE, "null", &[("spec", "is required")]),
    // Enums.
    (
        PROVIDER,
        "{type: openai}",
        &[(
            "spec.type",
            "must be one of OpenAI, Anthropic, Gemini, AzureOpenAI, VertexAI, Bedrock, Mistral, Groq, Cerebras, OpenRouter, DeepSeek, xAI, Together, Fireworks, Perplexity, Nebius, HuggingFace, Cohere, Ollama, vLLM, SGLang, OpenAICompatible, Mock, did you mean `OpenAI`?",
        )],
    ),
    (
        PROVIDER,
        "{type: Ollama, credentialDelivery: secret}",
        &[("spec.credentialDelivery", "must be one of Stream, Secret, did you mean `Secret`?")],
    ),
    (PROVIDER, "{type: Ollama, withoutKey: Yes}", &[("spec.withoutKey", "must be one of Allow, Refuse")]),
    (
        PROVIDER,
        "{type: Ollama, clearTextCredentials: Never}",
        &[("spec.clearTextCredentials", "must be one of Allow, Refuse")],
    ),
    (KEY, "{balance: weighted}", &[("spec.balance", "must be one of Weighted, Adaptive, did you mean `Weighted`?")]),
    (RULE, "{targets: [{provider: a}], onError: Ignore}", &[("spec.onError", "must be one of Skip, Refuse")]),
    // Patterns.
    (PROVIDER, "{type: Ollama, account: Acme}", &[("spec.account", LABEL)]),
    (PROVIDER, "{type: Ollama, account: 'acme-'}", &[("spec.account", LABEL)]),
    (PROVIDER, "{type: Ollama, endpoint: llm.corp}", &[("spec.endpoint", URL)]),
    (PROVIDER, "{type: Ollama, endpoint: 'https://user:pass@llm.corp'}", &[("spec.endpoint", URL)]),
    (PROVIDER, "{type: Ollama, endpoint: 'https://llm.corp/v1?key=a'}", &[("spec.endpoint", URL)]),
    (PROVIDER, "{type: Ollama, endpoint: 'ftp://llm.corp'}", &[("spec.endpoint", URL)]),
    (
        PROVIDER,
        "{type: AzureOpenAI, endpoint: 'https://a', credentials: [{name: a, secretRef: {name: a}}], azure: {apiVersion: v1}}",
        &[("spec.azure.apiVersion", "must be an API version of Azure, such as 2024-10-21 or 2025-04-01-preview")],
    ),
    (
        PROVIDER,
        "{type: VertexAI, credentials: [{name: a, secretRef: {name: a}}], vertex: {project: 'a/b', location: 'evil.test/'}}",
        &[
            ("spec.vertex.project", "must be the id of a Google Cloud project, such as my-project-123"),
            ("spec.vertex.location", "must be a location of Google Cloud, such as europe-west4, eu or global"),
        ],
    ),
    (
        PROVIDER,
        "{type: Bedrock, bedrock: {region: Frankfurt, workloadIdentity: {roleArn: 'arn:aws:iam::1:user/x'}}}",
        &[
            ("spec.bedrock.region", "must be a region of AWS, such as eu-central-1"),
            (
                "spec.bedrock.workloadIdentity.roleArn",
                "must be the ARN of a role, such as arn:aws:iam::123456789012:role/llm-gateway",
            ),
        ],
    ),
    (PROVIDER, "{type: vLLM, endpoint: 'https://a', proxy: {url: 'proxy.corp:3128'}}", &[("spec.proxy.url", PROXY)]),
    (
        PROVIDER,
        "{type: vLLM, endpoint: 'https://a', proxy: {url: 'http://user:pass@proxy.corp'}}",
        &[("spec.proxy.url", PROXY)],
    ),
    (
        PROVIDER,
        "{type: vLLM, endpoint: 'https://a', proxy: {url: 'http://proxy.corp/path'}}",
        &[("spec.proxy.url", PROXY)],
    ),
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
        "{type: Mock, mock: {toolCalls: [{name: get weather}]}}",
        &[("spec.mock.toolCalls[0].name", "must be a tool's name: letters, digits, `_` and `-`")],
    ),
    (
        KEY,
        "{allowedWorkloads: {serviceAccounts: [Search]}}",
        &[(
            "spec.allowedWorkloads.serviceAccounts[0]",
            "must be a Kubernetes object's name: lower-case letters, digits, `-` and `.`, beginning and ending with a letter or digit",
        )],
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
        &[("spec.expiresAt", "must be an existing time in RFC 3339, such as 2027-06-01T00:00:00Z")],
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
    (KEY, "{allowedWorkloads: {}}", &[("spec.allowedWorkloads.serviceAccounts", "is required")]),
    (KEY, "{allowedWorkloads: {serviceAccounts: []}}", &[("spec.allowedWorkloads.serviceAccounts", EMPTY_LIST)]),
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
        &[("spec.models[0].aliases[1]", "is a duplicate of spec.models[0].aliases[0]")],
    ),
    (
        KEY,
        "{providers: [{name: a}, {name: a}]}",
        &[("spec.providers[1].name", "must be unique in the list: spec.providers[0] has the same name")],
    ),
    (
        KEY,
        "{allowedWorkloads: {serviceAccounts: [a, b.c, a]}}",
        &[("spec.allowedWorkloads.serviceAccounts[2]", "is a duplicate of spec.allowedWorkloads.serviceAccounts[0]")],
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
    // Several findings: those of the structure don't hide the rest, unless the rules can't be evaluated.
    (
        PROVIDER,
        "{type: Mock, account: A, modles: []}",
        &[
            ("spec.account", LABEL),
            ("spec.modles", "unknown field `modles`, did you mean `models`?"),
            ("spec", "type Mock needs the field mock: set it, at least to {}"),
        ],
    ),
];
