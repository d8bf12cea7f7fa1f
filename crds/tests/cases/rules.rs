//! Specs that break a CEL rule, at least one for each rule.

use super::{Invalid, PROVIDER, RULE};

const CREDENTIAL: &str =
    "credentials are not allowed in headers: put the credential in a Secret, and refer to it in credentials";
const OWN_HEADER: &str = "the gateway sets this header itself (host, connection, content-*, transfer-encoding, accept-encoding, forwarded, x-outrigger-* and similar): remove it";
const HEADER_NAME: &str = "a header's name must be at most 64 letters, digits and `-`";
const NO_SERVER: &str = "a Mock does not call a server: remove endpoint, tls, proxy, headers and prewarm";
const NO_ENDPOINT: &str = "types OpenAICompatible, vLLM and SGLang have no default endpoint: set endpoint, such as http://vllm.models:8000/v1";
const NO_KEY: &str = "this type needs an API key: list at least one in credentials";
const CALLER_AT: &str = "spec.credentials[0]";
const CALLER: &str = "a credential from: Caller has no value here: remove secretRef and models, and suspend the LLMProvider in its place";
const CALLER_PAYS: &str = "what the callers' own credentials cost is not known here: remove prices and limits.budgets, and limit requests or tokens";
const ZERO: &str = "a timeout must be longer than zero: leave it out for the default";
const ONE_SCOPE: &str = "a rule has one scope: set only one of virtualKeys, team and customer";
const ONE_ANSWER: &str = "a mock answers with reply or with the caller's text: set only one of reply and echo";
const EVENTS: &str =
    "events is only for faults of type CutAfterEvents, ErrorEvent and Malformed: change the type, or remove events";

/// Each breaks one rule.
pub const BROKEN: &[Invalid] = &[
    // Rules of LLMProvider.
    (PROVIDER, "{type: vLLM}", &[("spec", NO_ENDPOINT)]),
    (PROVIDER, "{type: SGLang}", &[("spec", NO_ENDPOINT)]),
    (PROVIDER, "{type: OpenAICompatible}", &[("spec", NO_ENDPOINT)]),
    (PROVIDER, "{type: Mock, mock: {}, endpoint: 'https://a'}", &[("spec", NO_SERVER)]),
    (PROVIDER, "{type: Mock, mock: {}, tls: {caRef: {name: a}}}", &[("spec", NO_SERVER)]),
    (PROVIDER, "{type: Mock, mock: {}, proxy: {url: 'http://p:3128'}}", &[("spec", NO_SERVER)]),
    (PROVIDER, "{type: Mock, mock: {}, headers: {a: b}}", &[("spec", NO_SERVER)]),
    (PROVIDER, "{type: Mock, mock: {}, prewarm: true}", &[("spec", NO_SERVER)]),
    (
        PROVIDER,
        "{type: Ollama, credentials: [{name: a}]}",
        &[("spec.credentials[0]", "secretRef is required: name the Secret that holds the API key")],
    ),
    (PROVIDER, "{type: OpenAI, credentials: [{name: a, from: Caller, secretRef: {name: a}}]}", &[(CALLER_AT, CALLER)]),
    (PROVIDER, "{type: OpenAI, credentials: [{name: a, from: Caller, models: [a]}]}", &[(CALLER_AT, CALLER)]),
    (PROVIDER, "{type: OpenAI, credentials: [{name: a, from: Caller, suspended: true}]}", &[(CALLER_AT, CALLER)]),
    (
        PROVIDER,
        "{type: Gemini, credentials: [{name: a, from: Caller}]}",
        &[(
            "spec",
            "from: Caller is for types Anthropic and OpenAI, whose clients have a login of their own: use secretRef",
        )],
    ),
    (
        PROVIDER,
        "{type: OpenAI, credentials: [{name: a, from: Caller}, {name: b, secretRef: {name: b}}]}",
        &[("spec", "a credential from: Caller must be the only one: make another LLMProvider for the others")],
    ),
    (
        PROVIDER,
        "{type: OpenAI, credentials: [{name: a, from: Caller}], defaultPrice: {inputPerMillion: '1', outputPerMillion: '2'}}",
        &[("spec", CALLER_PAYS)],
    ),
    (
        PROVIDER,
        "{type: OpenAI, credentials: [{name: a, from: Caller}], models: [{name: m, price: {inputPerMillion: '1', outputPerMillion: '2'}}]}",
        &[("spec", CALLER_PAYS)],
    ),
    (
        PROVIDER,
        "{type: OpenAI, credentials: [{name: a, from: Caller}], limits: {budgets: [{name: b, amount: '1', window: Day}]}}",
        &[("spec", CALLER_PAYS)],
    ),
    (
        PROVIDER,
        "{type: OpenAI, endpoint: 'https://a', allowedNamespaces: {}, credentials: [{name: a, from: Caller}]}",
        &[(
            "spec",
            "callers of other namespaces must not send their own credentials to this endpoint: remove endpoint or allowedNamespaces",
        )],
    ),
    (
        PROVIDER,
        "{type: AzureOpenAI, credentials: [{name: a, secretRef: {name: a}}]}",
        &[(
            "spec",
            "type AzureOpenAI needs the endpoint of your resource: set endpoint, such as https://my-resource.openai.azure.com",
        )],
    ),
    (
        PROVIDER,
        "{type: AzureOpenAI, endpoint: 'https://a/openai/v1/', credentials: [{name: a, secretRef: {name: a}}]}",
        &[("spec", "the gateway adds /openai and what follows: remove it from endpoint")],
    ),
    (
        PROVIDER,
        "{type: Ollama, azure: {}}",
        &[("spec", "azure is only for type AzureOpenAI: change the type, or remove azure")],
    ),
    (
        PROVIDER,
        "{type: VertexAI, credentials: [{name: a, secretRef: {name: a}}]}",
        &[("spec", "type VertexAI needs the field vertex: set its project and location")],
    ),
    (
        PROVIDER,
        "{type: Ollama, vertex: {project: p1, location: eu}}",
        &[("spec", "vertex is only for type VertexAI: change the type, or remove vertex")],
    ),
    (
        PROVIDER,
        "{type: VertexAI, credentials: [{name: a, secretRef: {name: a}}], vertex: {project: p1, location: eu, workloadIdentity: {}}}",
        &[("spec", "vertex.workloadIdentity serves in place of credentials: remove one of them")],
    ),
    (
        PROVIDER,
        "{type: VertexAI, vertex: {project: p1, location: eu}}",
        &[("spec", "this type needs an API key: list at least one in credentials")],
    ),
    (
        PROVIDER,
        "{type: VertexAI, vertex: {project: p1, location: eu, workloadIdentity: {serviceAccount: 'a@p1.iam.gserviceaccount.com'}}}",
        &[(
            "spec.vertex.workloadIdentity",
            "serviceAccount needs audience: with the metadata server, the pod's own service account decides",
        )],
    ),
    (
        PROVIDER,
        "{type: Bedrock, credentials: [{name: a, secretRef: {name: a}}]}",
        &[("spec", "type Bedrock needs the field bedrock: set its region")],
    ),
    (
        PROVIDER,
        "{type: Ollama, bedrock: {region: eu-central-1}}",
        &[("spec", "bedrock is only for type Bedrock: change the type, or remove bedrock")],
    ),
    (
        PROVIDER,
        "{type: Bedrock, credentials: [{name: a, secretRef: {name: a}}], bedrock: {region: eu-central-1, workloadIdentity: {}}}",
        &[("spec", "bedrock.workloadIdentity serves in place of credentials: remove one of them")],
    ),
    (
        PROVIDER,
        "{type: Bedrock, bedrock: {region: eu-central-1}}",
        &[("spec", "this type needs an API key: list at least one in credentials")],
    ),
    (PROVIDER, "{type: Mock}", &[("spec", "type Mock needs the field mock: set it, at least to {}")]),
    (PROVIDER, "{type: Ollama, mock: {}}", &[("spec", "mock is only for type Mock: change the type, or remove mock")]),
    (PROVIDER, "{type: OpenAI}", &[("spec", NO_KEY)]),
    (PROVIDER, "{type: Anthropic}", &[("spec", NO_KEY)]),
    (PROVIDER, "{type: Gemini}", &[("spec", NO_KEY)]),
    (PROVIDER, "{type: Mistral}", &[("spec", NO_KEY)]),
    (PROVIDER, "{type: Groq}", &[("spec", NO_KEY)]),
    (PROVIDER, "{type: Cerebras}", &[("spec", NO_KEY)]),
    (PROVIDER, "{type: OpenRouter}", &[("spec", NO_KEY)]),
    (PROVIDER, "{type: DeepSeek}", &[("spec", NO_KEY)]),
    (PROVIDER, "{type: xAI}", &[("spec", NO_KEY)]),
    (PROVIDER, "{type: Together}", &[("spec", NO_KEY)]),
    (PROVIDER, "{type: Fireworks}", &[("spec", NO_KEY)]),
    (PROVIDER, "{type: Perplexity}", &[("spec", NO_KEY)]),
    (PROVIDER, "{type: Nebius}", &[("spec", NO_KEY)]),
    (PROVIDER, "{type: HuggingFace}", &[("spec", NO_KEY)]),
    (PROVIDER, "{type: Cohere}", &[("spec", NO_KEY)]),
    (
        PROVIDER,
        "{type: Mock, mock: {}, credentials: [{name: a, secretRef: {name: a}}]}",
        &[("spec", "a Mock needs no API key: remove credentials")],
    ),
    (
        PROVIDER,
        "{type: Ollama, endpoint: 'http://a', tls: {caRef: {name: a}}}",
        &[("spec", "tls has no effect on an http:// endpoint: make it https://, or remove tls")],
    ),
    (
        PROVIDER,
        "{type: Ollama, exclusive: true}",
        &[("spec", "exclusive: true needs models: list at least one in models")],
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
    (PROVIDER, "{type: Ollama, timeouts: {attempt: 0s}}", &[("spec.timeouts.attempt", ZERO)]),
    (PROVIDER, "{type: Ollama, timeouts: {idle: 0h0m}}", &[("spec.timeouts.idle", ZERO)]),
    (PROVIDER, "{type: Ollama, timeouts: {total: 00s}}", &[("spec.timeouts.total", ZERO)]),
    (
        PROVIDER,
        "{type: Ollama, allowedNamespaces: {from: Selector}}",
        &[("spec.allowedNamespaces", "from: Selector needs a selector: set selector, or set from: Same or from: All")],
    ),
    (
        PROVIDER,
        "{type: Ollama, allowedNamespaces: {selector: {}}}",
        &[("spec.allowedNamespaces", "selector is only for from: Selector: set from: Selector, or remove selector")],
    ),
    (
        PROVIDER,
        "{type: Ollama, allowedNamespaces: {from: Selector, selector: {matchExpressions: [{key: a, operator: NotIn}]}}}",
        &[(
            "spec.allowedNamespaces.selector.matchExpressions[0]",
            "operators In and NotIn need values: list at least one",
        )],
    ),
    (
        PROVIDER,
        "{type: Ollama, allowedNamespaces: {from: Selector, selector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}}}",
        &[(
            "spec.allowedNamespaces.selector.matchExpressions[0]",
            "operators Exists and DoesNotExist have no values: remove values",
        )],
    ),
    // Rules of the mock.
    (PROVIDER, "{type: Mock, mock: {reply: a, echo: true}}", &[("spec.mock", ONE_ANSWER)]),
    (
        PROVIDER,
        "{type: Mock, mock: {faults: [{name: a, type: Status}]}}",
        &[("spec.mock.faults[0]", "a fault of type Status needs a status, such as 429")],
    ),
    (
        PROVIDER,
        "{type: Mock, mock: {faults: [{name: a, type: Hang, status: 429}]}}",
        &[("spec.mock.faults[0]", "status is only for faults of type Status: change the type, or remove status")],
    ),
    (
        PROVIDER,
        "{type: Mock, mock: {faults: [{name: a, type: Hang, retryAfter: 1s}]}}",
        &[(
            "spec.mock.faults[0]",
            "retryAfter is only for faults of type Status: change the type, or remove retryAfter",
        )],
    ),
    (
        PROVIDER,
        "{type: Mock, mock: {faults: [{name: a, type: Empty}, {name: b, type: CutAfterEvents}]}}",
        &[("spec.mock.faults[1]", "a fault of type CutAfterEvents needs events: the number of events before the cut")],
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
        &[("spec.mock.faults[0]", "delay is only for faults of type Slow: change the type, or remove delay")],
    ),
    (
        PROVIDER,
        "{type: Mock, mock: {faults: [{name: a, type: Refused, message: b}]}}",
        &[(
            "spec.mock.faults[0]",
            "message is only for faults of type Status and ErrorEvent: change the type, or remove message",
        )],
    ),
    (
        PROVIDER,
        "{type: Ollama, allowedNamespaces: {from: Selector, selector: {matchLabels: {'a b': c}}}}",
        &[(
            "spec.allowedNamespaces.selector.matchLabels",
            "a label's key must be a name such as `team` or `example.com/team`",
        )],
    ),
    // Rules of RoutingRule.
    (RULE, "{scope: {virtualKeys: [a], team: b}, targets: [{provider: a}]}", &[("spec.scope", ONE_SCOPE)]),
    (RULE, "{scope: {team: b, customer: c}, targets: [{provider: a}]}", &[("spec.scope", ONE_SCOPE)]),
    (RULE, "{scope: {virtualKeys: [a], customer: c}, targets: [{provider: a}]}", &[("spec.scope", ONE_SCOPE)]),
];
