//! `LLMProvider`: an upstream, how to reach it, and its credentials.

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    CredentialSpec, OnLedgerUnavailable, ProviderModel,
    cloud::{AzureSpec, BedrockSpec, VertexSpec},
    limits::LimitsSpec,
    mock::MockSpec,
    price::PriceSpec,
    selector::AllowedNamespaces,
    shapes,
    status::LimitedStatus,
    upstream::{ProxySpec, Retry, Timeouts, Tls},
    weights::BalancePolicy,
};

/// An upstream that answers LLM requests: its type, its credentials, its models.
#[expect(clippy::duplicated_attributes, reason = "each printcolumn is a list of its own")]
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "outrigger.dev",
    version = "v1alpha1",
    kind = "LLMProvider",
    root = "LlmProvider",
    plural = "llmproviders",
    shortname = "llmp",
    category = "llm",
    namespaced,
    status = "LimitedStatus",
    derive = "PartialEq",
    doc = "An LLMProvider is an upstream that answers LLM requests: its type, its keys, its models, and who may use it.",
    printcolumn(name = "Type", type_ = "string", json_path = ".spec.type"),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "Spent", type_ = "string", json_path = ".status.summary.spent", priority = 1),
    printcolumn(name = "Limit", type_ = "string", json_path = ".status.summary.limit", priority = 1),
    printcolumn(name = "Resets", type_ = "string", json_path = ".status.summary.resets", priority = 1),
    printcolumn(name = "Suspended", type_ = "boolean", json_path = ".spec.suspended", priority = 1),
    printcolumn(name = "Endpoint", type_ = "string", json_path = ".spec.endpoint", priority = 1),
    printcolumn(name = "Sidecars", type_ = "string", json_path = ".status.sidecars.summary"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    shapes::rule(
        "!(self.type in ['OpenAICompatible', 'vLLM', 'SGLang']) || has(self.endpoint)",
        "types OpenAICompatible, vLLM and SGLang have no default endpoint: set endpoint, such as http://vllm.models:8000/v1",
    ),
    shapes::rule(
        "self.type != 'AzureOpenAI' || has(self.endpoint)",
        "type AzureOpenAI needs the endpoint of your resource: set endpoint, such as https://my-resource.openai.azure.com",
    ),
    shapes::rule(
        "self.type != 'AzureOpenAI' || !has(self.endpoint) || !self.endpoint.matches('/openai(/.*)?$')",
        "the gateway adds /openai and what follows: remove it from endpoint",
    ),
    shapes::rule(
        "self.type == 'AzureOpenAI' || !has(self.azure)",
        "azure is only for type AzureOpenAI: change the type, or remove azure",
    ),
    shapes::rule(
        "self.type != 'VertexAI' || has(self.vertex)",
        "type VertexAI needs the field vertex: set its project and location",
    ),
    shapes::rule(
        "self.type == 'VertexAI' || !has(self.vertex)",
        "vertex is only for type VertexAI: change the type, or remove vertex",
    ),
    shapes::rule("self.type != 'Bedrock' || has(self.bedrock)", "type Bedrock needs the field bedrock: set its region"),
    shapes::rule(
        "self.type == 'Bedrock' || !has(self.bedrock)",
        "bedrock is only for type Bedrock: change the type, or remove bedrock",
    ),
    shapes::rule(
        "self.type != 'Mock' || !(has(self.endpoint) || has(self.tls) || has(self.proxy) || has(self.headers) || self.prewarm)",
        "a Mock does not call a server: remove endpoint, tls, proxy, headers and prewarm",
    ),
    shapes::rule("self.type != 'Mock' || has(self.mock)", "type Mock needs the field mock: set it, at least to {}"),
    shapes::rule("self.type == 'Mock' || !has(self.mock)", "mock is only for type Mock: change the type, or remove mock"),
    shapes::rule(
        "self.type in ['Mock', 'Ollama', 'vLLM', 'SGLang', 'OpenAICompatible'] || has(self.credentials) || (has(self.azure) && has(self.azure.entra)) || (has(self.vertex) && has(self.vertex.workloadIdentity)) || (has(self.bedrock) && has(self.bedrock.workloadIdentity))",
        "this type needs an API key: list at least one in credentials",
    ),
    shapes::rule(
        "!has(self.vertex) || !has(self.vertex.workloadIdentity) || !has(self.credentials)",
        "vertex.workloadIdentity serves in place of credentials: remove one of them",
    ),
    shapes::rule(
        "!has(self.bedrock) || !has(self.bedrock.workloadIdentity) || !has(self.credentials)",
        "bedrock.workloadIdentity serves in place of credentials: remove one of them",
    ),
    shapes::rule(
        "!has(self.credentials) || self.type in ['Anthropic', 'OpenAI'] || !self.credentials.exists(one, one.from == 'Caller')",
        "from: Caller is for types Anthropic and OpenAI, whose clients have a login of their own: use secretRef",
    ),
    shapes::rule(
        "!has(self.credentials) || size(self.credentials) == 1 || !self.credentials.exists(one, one.from == 'Caller')",
        "a credential from: Caller must be the only one: make another LLMProvider for the others",
    ),
    shapes::rule(
        "!has(self.credentials) || !self.credentials.exists(one, one.from == 'Caller') || !(has(self.defaultPrice) || (has(self.limits) && has(self.limits.budgets)) || (has(self.models) && self.models.exists(one, has(one.price))))",
        "what the callers' own credentials cost is not known here: remove prices and limits.budgets, and limit requests or tokens",
    ),
    shapes::rule(
        "!has(self.credentials) || !has(self.endpoint) || !has(self.allowedNamespaces) || !self.credentials.exists(one, one.from == 'Caller')",
        "callers of other namespaces must not send their own credentials to this endpoint: remove endpoint or allowedNamespaces",
    ),
    shapes::rule("self.type != 'Mock' || !has(self.credentials)", "a Mock needs no API key: remove credentials"),
    shapes::rule(
        "!has(self.tls) || !has(self.endpoint) || self.endpoint.startsWith('https://')",
        "tls has no effect on an http:// endpoint: make it https://, or remove tls",
    ),
    shapes::rule("!self.exclusive || has(self.models)", "exclusive: true needs models: list at least one in models"),
]))]
pub struct LlmProviderSpec {
    /// Which API is called, and at which service. A Mock answers by itself: see mock.
    #[serde(rename = "type")]
    pub provider_type: LlmProviderType,
    /// Base URL. Absent: the default of the type. Required for OpenAICompatible, vLLM, SGLang and AzureOpenAI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::endpoint")]
    pub endpoint: Option<String>,
    /// The credentials with which it is called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub credentials: Vec<CredentialSpec>,
    /// Whether requests of keys in other namespaces may send its credentials to an http:// endpoint. Whoever can create
    /// a pod there controls how names are resolved in it (hostAliases), and so can have the credentials sent to a
    /// server of their own. Without TLS, a credential stays in this namespace, unless this field is Allow.
    #[serde(default)]
    pub clear_text_credentials: ClearTextCredentials,
    /// How gateways get its credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential_delivery: Option<CredentialDelivery>,
    /// Whether it is out of use. Set this to revoke it.
    #[serde(default)]
    pub suspended: bool,
    /// Whether pods of this namespace that name no VirtualKey may use it.
    #[serde(default)]
    pub without_key: WithoutKey,
    /// Facts about its models. Other models are allowed too, unless exclusive is set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 512), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub models: Vec<ProviderModel>,
    /// Whether to serve only the models that are listed in models.
    #[serde(default)]
    pub exclusive: bool,
    /// The price of models that have no price of their own, here or in a catalogue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_price: Option<PriceSpec>,
    /// Limits for all who use it, together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<LimitsSpec>,
    /// What gateways do under the provider's limits while they can't reach the ledger. Absent: FailClosed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_ledger_unavailable: Option<OnLedgerUnavailable>,
    /// The namespaces whose keys may use it. Absent: this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_namespaces: Option<AllowedNamespaces>,
    /// Requirements for keys of other namespaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumers: Option<Consumers>,
    /// Timeouts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<Timeouts>,
    /// The account behind its credentials. Providers of one namespace that share an account use the same name here.
    /// Absent: each credential is an account of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::name")]
    pub account: Option<String>,
    /// How the next credential is chosen. Weighted: only by weight. Adaptive: less often those that are slow or fail at
    /// present.
    #[serde(default)]
    pub balance: BalancePolicy,
    /// How often a request is tried at this provider. Absent: at most four times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// Headers that are added to each request. Credentials are not allowed here: use the field credentials.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "shapes::headers", extend("x-kubernetes-validations" = [
        shapes::rule(
            "self.all(name, name.matches('^[A-Za-z0-9-]{1,64}$'))",
            "a header's name must be at most 64 letters, digits and `-`",
        ),
        shapes::rule(
            "self.all(name, !name.matches('(?i)^(authorization|proxy-authorization|x-api-key|x-goog-api-key|api-key|cookie)$'))",
            "credentials are not allowed in headers: put the credential in a Secret, and refer to it in credentials",
        ),
        shapes::rule(
            "self.all(name, !name.matches('(?i)^(host|connection|content-length|content-type|content-encoding|transfer-encoding|\
             accept-encoding|te|trailer|upgrade|keep-alive|proxy-connection|expect|forwarded|x-forwarded-.*|x-outrigger-.*|x-bf-.*)$'))",
            "the gateway sets this header itself (host, connection, content-*, transfer-encoding, accept-encoding, forwarded, x-outrigger-* and similar): remove it",
        ),
    ]))]
    pub headers: BTreeMap<String, String>,
    /// Whether to open a connection before the first request.
    #[serde(default)]
    pub prewarm: bool,
    /// Which certificate authorities to trust for the endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// The proxy through which gateways reach the endpoint. Absent: they connect to it directly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<ProxySpec>,
    /// How a resource of type AzureOpenAI is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub azure: Option<AzureSpec>,
    /// Which project and location a provider of type VertexAI calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vertex: Option<VertexSpec>,
    /// Which region of AWS a provider of type Bedrock calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bedrock: Option<BedrockSpec>,
    /// How a provider of type Mock answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mock: Option<MockSpec>,
}

/// Which API is called, and at which service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum LlmProviderType {
    /// api.openai.com.
    OpenAI,
    /// api.anthropic.com.
    Anthropic,
    /// Google's Gemini API.
    Gemini,
    /// Azure OpenAI: a resource of your own, whose endpoint is required. A model's name upstream is a deployment.
    AzureOpenAI,
    /// Vertex AI of Google Cloud: Gemini, and Claude for names that begin with claude.
    VertexAI,
    /// Amazon Bedrock: a model's name upstream is the id of a model or inference profile, or its ARN.
    Bedrock,
    /// api.mistral.ai.
    Mistral,
    /// api.groq.com.
    Groq,
    /// api.cerebras.ai.
    Cerebras,
    /// openrouter.ai.
    OpenRouter,
    /// api.deepseek.com.
    DeepSeek,
    /// api.x.ai.
    #[serde(rename = "xAI")]
    Xai,
    /// api.together.ai.
    Together,
    /// api.fireworks.ai.
    Fireworks,
    /// api.perplexity.ai.
    Perplexity,
    /// Nebius Token Factory.
    Nebius,
    /// router.huggingface.co: a model's name may end with a provider, `:together`.
    HuggingFace,
    /// api.cohere.com, version 2 of its API.
    Cohere,
    /// An Ollama server.
    Ollama,
    /// A vLLM server.
    #[serde(rename = "vLLM")]
    Vllm,
    /// An SGLang server.
    #[serde(rename = "SGLang")]
    SgLang,
    /// Any server with OpenAI's API.
    OpenAICompatible,
    /// No server: fixed answers, for tests.
    Mock,
}

/// How gateways get its credentials, in a cluster. Stream: from the operator, into memory. Secret: from a Secret in the
/// gateway's namespace. In other namespaces, Secret works only if the installation allows copies, because whoever can
/// create pods there can read the Secret. Absent: Secret in this namespace, Stream in others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum CredentialDelivery {
    /// From the operator, into memory.
    Stream,
    /// From a Secret in the gateway's namespace.
    Secret,
}

/// Whether credentials may leave their namespace without TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ClearTextCredentials {
    /// Allowed: every namespace that may use the provider is trusted with its credentials.
    Allow,
    /// Refused.
    #[default]
    Refuse,
}

/// Requirements for keys of other namespaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Consumers {
    /// They must have a budget in money: limits of their own, a Budget that they refer to, or one that applies to them.
    #[serde(default)]
    pub require_budget: bool,
}

/// What pods without a VirtualKey may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WithoutKey {
    /// They may use the provider.
    Allow,
    /// They may not use the provider.
    #[default]
    Refuse,
}
