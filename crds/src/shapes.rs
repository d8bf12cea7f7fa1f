//! Schema fragments for strings, lists and maps that several fields share, with a description of each pattern.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

/// The longest name of an object, a provider of a key, a credential or a fault.
pub const NAME_MAX: usize = 50;
/// The pattern of a condition's `reason`; its `type` follows the same rules.
pub(crate) const REASON: &str = "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$";
/// The pattern of a condition's `type`. Others may add conditions beside the operator's, with a domain as prefix.
pub(crate) const CONDITION: &str = concat!(
    r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?",
    "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$"
);
const LABEL: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
const SUBDOMAIN: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
const DATA_KEY: &str = "^[-._a-zA-Z0-9]+$";
const LABEL_VALUE: &str = "^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$";
const LABEL_VALUE_OR_EMPTY: &str = "^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$";
const LABEL_KEY: &str = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$";
// ASCII only, because `\s` means different things in RE2 and elsewhere, and these names are sent in headers.
const VISIBLE: &str = "^[!-~]+$";
// The path: visible ASCII without `#` and `?`.
const ENDPOINT: &str = r#"^https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[!"$->@-~]*)?$"#;
const PROXY: &str = r"^http://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?/?$";
const HEADER_VALUE: &str = "^[!-~]([ -~]*[!-~])?$";
const HEADER_NAME: &str = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$";
const SHA256: &str = "^[0-9a-f]{64}$";
const FALLBACK: &str = r"^[a-z0-9]([-a-z0-9]{0,48}[a-z0-9])?(/[!-~]+)?$";
const TOOL: &str = "^[A-Za-z0-9_-]+$";
const ZONE: &str = "^[A-Za-z][A-Za-z0-9_+/-]*$";
// The value includes the unit of a percentage: 95 could also be dollars.
pub const PERCENT: &str = "^(0|[1-9][0-9]{0,2})%$";
const REFERENCE: &str = "^([a-z0-9]([-a-z0-9]*[a-z0-9])?/)?[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
const REFERENCE_OR_NONE: &str = "^(([a-z0-9]([-a-z0-9]*[a-z0-9])?/)?[a-z0-9]([-a-z0-9]*[a-z0-9])?)?$";
const WORD: &str = "^[a-z]+(_[a-z]+)*$";
/// Go's durations without milliseconds. It is a separate pattern, so that the message for `1d` or `1mo` can mention
/// windows.
pub const ROLLING: &str = "^([0-9]{1,5}(h|m|s)){1,3}$";
const RFC3339: &str =
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})$";

/// An `api-version` of Azure.
const AZURE_VERSION: &str = "^[0-9]{4}-[0-9]{2}-[0-9]{2}(-preview)?$";
/// A project of Google Cloud: its id (with a domain, `example.com:project`) or its number.
const GOOGLE_PROJECT: &str = "^([a-z][a-z0-9.-]{0,61}:)?[a-z0-9][a-z0-9-]{0,61}[a-z0-9]$";
/// A location of Google Cloud.
const GOOGLE_LOCATION: &str = "^[a-z]([a-z0-9-]{0,40}[a-z0-9])?$";

/// A region of AWS.
const AWS_REGION: &str = "^[a-z]{2,4}(-[a-z]{2,12}){1,2}-[0-9]{1,2}$";
/// A role of AWS.
const AWS_ROLE: &str = "^arn:aws[a-z-]{0,12}:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]{1,512}$";

/// A UUID.
const UUID: &str = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$";
/// A tenant of Microsoft Entra ID: a UUID or a domain.
const ENTRA_TENANT: &str = "^[0-9a-zA-Z]([0-9a-zA-Z.-]{0,251}[0-9a-zA-Z])?$";
/// A provider of a workload identity pool.
const GOOGLE_AUDIENCE: &str = "^//iam[.]googleapis[.]com/projects/[0-9]{1,20}/locations/global/workloadIdentityPools/[a-z0-9-]{4,32}/providers/[a-z0-9-]{4,32}$";
/// A service account of Google Cloud.
const GOOGLE_ACCOUNT: &str = "^[a-z0-9][a-z0-9-]{0,62}@[a-z0-9][a-z0-9.-]{0,120}[.]gserviceaccount[.]com$";

/// A description of each pattern of the schema, to complete "must be …".
const EXPECTED: [(&str, &str); 34] = [
    (LABEL, "a DNS label: lower-case letters, digits and `-`, beginning and ending with a letter or digit"),
    (SUBDOMAIN, OBJECT_NAME_WORDS),
    (DATA_KEY, "a key of a Secret or ConfigMap: letters, digits, `-`, `_` and `.`"),
    (LABEL_VALUE, "a label's value: letters, digits, `-`, `_` and `.`, beginning and ending with a letter or digit"),
    (
        LABEL_VALUE_OR_EMPTY,
        "a label's value: empty, or letters, digits, `-`, `_` and `.`, beginning and ending with a letter or digit",
    ),
    (LABEL_KEY, "a label's key, such as `team` or `example.com/team`"),
    (VISIBLE, "printable ASCII without spaces, at least one character"),
    (ENDPOINT, "an http:// or https:// URL without user, query and fragment, such as https://llm.example.com/v1"),
    (PROXY, "a proxy's URL without user and path, such as http://proxy.example.com:3128"),
    (HEADER_VALUE, "a header's value: printable ASCII, with no space at either end"),
    (HEADER_NAME, "a header's name in lower case: letters, digits and `-`, such as x-session-id"),
    (SHA256, "a SHA-256 in 64 lower-case hexadecimal digits, as `printf %s TOKEN | sha256sum` prints it"),
    (FALLBACK, "`provider` or `provider/model`, where provider is a name from the key's providers"),
    (TOOL, "a tool's name: letters, digits, `_` and `-`"),
    (RFC3339, "an RFC 3339 time, such as 2027-06-01T00:00:00Z"),
    (ZONE, "an IANA time zone, such as Europe/Paris"),
    (PERCENT, "a percentage, such as 95%"),
    (REFERENCE, "an object's name, or namespace/name"),
    (REFERENCE_OR_NONE, "an object's name, or namespace/name, or \"\" for none"),
    (WORD, "a word in lower case, such as budget_exceeded"),
    (
        ROLLING,
        "a duration: whole numbers with a unit (h, m or s), such as 90s, 1h or 24h; days, weeks and months are windows of \
         the calendar, such as window: Month",
    ),
    (
        outrigger_core::AMOUNT_PATTERN,
        "an amount of dollars in quotes, without `$`: less than 1000000000, with at most nine digits after the point, such as \
         \"12.50\"",
    ),
    (
        crate::duration::PATTERN,
        "a duration: whole numbers with a unit (h, m, s or ms), such as 30s, 1h30m or 200ms; at most 99999h; a day is 24h",
    ),
    (AZURE_VERSION, "an API version of Azure, such as 2024-10-21 or 2025-04-01-preview"),
    (GOOGLE_PROJECT, "the id of a Google Cloud project, such as my-project-123"),
    (GOOGLE_LOCATION, "a location of Google Cloud, such as europe-west4, eu or global"),
    (AWS_REGION, "a region of AWS, such as eu-central-1"),
    (AWS_ROLE, "the ARN of a role, such as arn:aws:iam::123456789012:role/llm-gateway"),
    (UUID, "a UUID, such as 11111111-2222-3333-4444-555555555555"),
    (ENTRA_TENANT, "a tenant of Microsoft Entra ID: its id, or a domain such as example.onmicrosoft.com"),
    (
        GOOGLE_AUDIENCE,
        "a provider of a workload identity pool: //iam.googleapis.com/projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER",
    ),
    (GOOGLE_ACCOUNT, "a service account of Google Cloud, such as llm@my-project.iam.gserviceaccount.com"),
    (REASON, "a condition's reason, such as InvalidEndpoint"),
    (CONDITION, "a condition's type, such as Ready or example.org/Approved"),
];

/// The description of a pattern of this schema, to complete "must be …".
pub fn expected(pattern: &str) -> Option<&'static str> {
    EXPECTED.iter().find(|(known, _)| *known == pattern).map(|(_, words)| *words)
}

/// A description of an object's name, to complete "must be …".
pub(crate) const OBJECT_NAME_WORDS: &str =
    "a Kubernetes object's name: lower-case letters, digits, `-` and `.`, beginning and ending with a letter or digit";

/// Whether a text is a valid name of a Kubernetes object: a DNS subdomain (RFC 1123) of at most 253 characters.
pub(crate) fn is_object_name(text: &str) -> bool {
    let alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.len() <= 253
        && text.split('.').all(|label| {
            let bytes = label.as_bytes();
            bytes.iter().all(|byte| alphanumeric(byte) || *byte == b'-')
                && bytes.first().is_some_and(alphanumeric)
                && bytes.last().is_some_and(alphanumeric)
        })
}

/// A CEL rule, and the message for an object that breaks it.
pub(crate) fn rule(rule: &str, message: &str) -> Value {
    json!({"rule": rule, "message": message})
}

fn text(pattern: &str, max: usize) -> Schema {
    json_schema!({"type": "string", "pattern": pattern, "minLength": 1, "maxLength": max})
}

/// The name of one of our objects, or of an entry of a list: a DNS label of at most 50 characters.
pub(crate) fn name(_: &mut SchemaGenerator) -> Schema {
    text(LABEL, NAME_MAX)
}

/// The default header of a session.
pub(crate) const SESSION_HEADER: &str = "x-outrigger-session";

/// The name of the request header that carries a session's id. Headers for credentials, headers with a meaning of their own
/// and ids of single requests are not allowed. `outrigger check` and the operator know more of them.
pub(crate) fn session_header(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "pattern": HEADER_NAME,
        "minLength": 1,
        "maxLength": 64,
        "default": SESSION_HEADER,
        "x-kubernetes-validations": [
            rule(
                "self in ['idempotency-key', 'x-idempotency-key'] || !(self in ['authorization', 'cookie', 'api-key', 'apikey']) && !self.matches('(-api-?key|-auth|-authorization|-credentials?|-jwt|-password|-secret|-token|-key)$')",
                "this header may carry a credential, as its name says: choose another one, such as x-session-id",
            ),
            rule(
                "!(self in ['request-id', 'x-request-id', 'x-client-request-id', 'idempotency-key', 'x-idempotency-key', 'cf-ray', 'b3', 'traceparent', 'sentry-trace', 'uber-trace-id']) && !self.matches('^(x-b3-|x-datadog-)')",
                "this header names each request, not a run: choose another one, such as x-session-id",
            ),
            rule(
                "!(self in ['host', 'connection', 'accept', 'user-agent', 'tracestate', 'baggage', 'te', 'expect', 'upgrade', 'transfer-encoding', 'referer', 'http-referer', 'x-title', 'origin', 'cache-control']) && (!self.matches('^(accept-|content-|anthropic-|openai-|x-stainless-|x-forwarded)') || self.matches('-(key|token)$'))",
                "this header has a meaning of its own: choose another one, such as x-session-id",
            ),
            rule(
                "!self.matches('^(x-outrigger-|x-bf-)') || self in ['x-outrigger-session', 'x-bf-session-id']",
                "only x-outrigger-session and x-bf-session-id of the gateway's own headers can name a session",
            ),
        ],
    })
}

/// A list of such names.
pub(crate) fn names(generator: &mut SchemaGenerator) -> Schema {
    list(name(generator), 32, "set")
}

/// The name of a namespace.
pub(crate) fn namespace(_: &mut SchemaGenerator) -> Schema {
    text(LABEL, 63)
}

/// The name of a Secret or ConfigMap.
pub(crate) fn object_name(_: &mut SchemaGenerator) -> Schema {
    text(SUBDOMAIN, 253)
}

/// Names of service accounts.
pub(crate) fn accounts(generator: &mut SchemaGenerator) -> Schema {
    list(object_name(generator), 64, "set")
}

/// A key in a Secret or ConfigMap.
pub(crate) fn data_key(_: &mut SchemaGenerator) -> Schema {
    text(DATA_KEY, 253)
}

/// The name of a model, as callers or providers write it.
pub(crate) fn model(_: &mut SchemaGenerator) -> Schema {
    text(VISIBLE, 256)
}

/// A set of model names, without duplicates.
pub(crate) fn models(generator: &mut SchemaGenerator) -> Schema {
    list(model(generator), 16, "set")
}

/// Globs that match names of models.
pub(crate) fn globs(_: &mut SchemaGenerator) -> Schema {
    list(text(VISIBLE, 128), 64, "atomic")
}

/// Values of a label in a selector.
pub(crate) fn label_values(_: &mut SchemaGenerator) -> Schema {
    let value = json_schema!({"type": "string", "pattern": LABEL_VALUE_OR_EMPTY, "maxLength": 63});
    list(value, 16, "atomic")
}

/// The team or customer of a key, as a label's value.
pub(crate) fn owner(_: &mut SchemaGenerator) -> Schema {
    text(LABEL_VALUE, 63)
}

/// The key of a label, with or without a prefix.
pub(crate) fn label_key(_: &mut SchemaGenerator) -> Schema {
    text(LABEL_KEY, 317)
}

/// Labels that must all match.
pub(crate) fn labels(_: &mut SchemaGenerator) -> Schema {
    let keys = rule(
        &format!("self.all(key, key.matches('{LABEL_KEY}'))"),
        "a label's key must be a name such as `team` or `example.com/team`",
    );
    json_schema!({
        "type": "object",
        "maxProperties": 16,
        "x-kubernetes-validations": [keys],
        "additionalProperties": {"type": "string", "pattern": LABEL_VALUE_OR_EMPTY, "maxLength": 63},
    })
}

/// An API version of Azure.
pub(crate) fn azure_version(_: &mut SchemaGenerator) -> Schema {
    text(AZURE_VERSION, 32)
}

/// A UUID.
pub(crate) fn uuid(_: &mut SchemaGenerator) -> Schema {
    text(UUID, 36)
}

/// A tenant of Microsoft Entra ID.
pub(crate) fn entra_tenant(_: &mut SchemaGenerator) -> Schema {
    text(ENTRA_TENANT, 253)
}

/// A provider of a workload identity pool.
pub(crate) fn google_audience(_: &mut SchemaGenerator) -> Schema {
    text(GOOGLE_AUDIENCE, 192)
}

/// A service account of Google Cloud.
pub(crate) fn google_account(_: &mut SchemaGenerator) -> Schema {
    text(GOOGLE_ACCOUNT, 190)
}

/// A project of Google Cloud.
pub(crate) fn google_project(_: &mut SchemaGenerator) -> Schema {
    text(GOOGLE_PROJECT, 126)
}

/// A location of Google Cloud.
pub(crate) fn google_location(_: &mut SchemaGenerator) -> Schema {
    text(GOOGLE_LOCATION, 42)
}

/// A region of AWS.
pub(crate) fn aws_region(_: &mut SchemaGenerator) -> Schema {
    text(AWS_REGION, 32)
}

/// A role of AWS.
pub(crate) fn aws_role(_: &mut SchemaGenerator) -> Schema {
    text(AWS_ROLE, 600)
}

/// The base URL of an upstream.
pub(crate) fn endpoint(_: &mut SchemaGenerator) -> Schema {
    text(ENDPOINT, 2048)
}

/// The URL of a proxy: without path and password.
pub(crate) fn proxy(_: &mut SchemaGenerator) -> Schema {
    text(PROXY, 512)
}

/// Headers by name. CEL rules check the names, because a structural schema has no `propertyNames`.
pub(crate) fn headers(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 32,
        "additionalProperties": {"type": "string", "pattern": HEADER_VALUE, "minLength": 1, "maxLength": 1024},
    })
}

/// Percentages by name.
pub(crate) fn percentages(_: &mut SchemaGenerator) -> Schema {
    map(text(PERCENT, 4), 32)
}

/// Labels of an object, not of a selector.
pub(crate) fn pod_labels(_: &mut SchemaGenerator) -> Schema {
    map(json_schema!({"type": "string", "pattern": LABEL_VALUE_OR_EMPTY, "maxLength": 63}), 32)
}

/// Headers and parameters of a test's request.
pub(crate) fn test_values(_: &mut SchemaGenerator) -> Schema {
    map(json_schema!({"type": "string", "maxLength": 1024}), 32)
}

/// A reference to an object by its name, with or without its namespace.
pub(crate) fn reference(_: &mut SchemaGenerator) -> Schema {
    text(REFERENCE, 114)
}

/// The same; an empty text means none.
pub(crate) fn reference_or_none(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "pattern": REFERENCE_OR_NONE, "maxLength": 114})
}

/// A word of a vocabulary that may grow.
pub(crate) fn word(_: &mut SchemaGenerator) -> Schema {
    text(WORD, 64)
}

/// The hash of a token, in lower-case hexadecimal.
pub(crate) fn sha256(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "pattern": SHA256, "minLength": 64, "maxLength": 64})
}

/// A list of `provider` or `provider/model`, in order.
pub(crate) fn fallbacks(_: &mut SchemaGenerator) -> Schema {
    list(text(FALLBACK, 307), 16, "atomic")
}

/// The same, for a field where an empty list differs from an absent one.
pub(crate) fn fallbacks_or_none(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = fallbacks(generator);
    schema.remove("minItems");
    schema
}

/// The name of a function that a model may call.
pub(crate) fn tool(_: &mut SchemaGenerator) -> Schema {
    text(TOOL, 64)
}

/// A time in RFC 3339, with its offset.
pub(crate) fn time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "format": "date-time", "pattern": RFC3339, "maxLength": 35})
}

/// Any JSON object, kept as it is.
pub(crate) fn json_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

/// The name of a time zone. The pattern does not check whether the zone exists.
pub(crate) fn zone(_: &mut SchemaGenerator) -> Schema {
    text(ZONE, 64)
}

/// A duration for a timeout. Zero is not allowed: other proxies read it as "never".
pub(crate) fn deadline(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = generator.subschema_for::<crate::GoDuration>();
    let nonzero = rule("self.matches('[1-9]')", "a timeout must be longer than zero: leave it out for the default");
    schema.insert("x-kubernetes-validations".into(), json!([nonzero]));
    schema
}

fn map(values: Schema, max: usize) -> Schema {
    json_schema!({"type": "object", "additionalProperties": values, "maxProperties": max})
}

/// A list that must not be empty: leave it out for "all"; "none" has another spelling.
fn list(items: Schema, max: usize, kind: &str) -> Schema {
    json_schema!({"type": "array", "items": items, "minItems": 1, "maxItems": max, "x-kubernetes-list-type": kind})
}
