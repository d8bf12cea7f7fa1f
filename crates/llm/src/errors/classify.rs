//! Classifies a provider's error to determine the next step: the table of `docs/semantics.md`, section 5.
//!
//! Providers agree only in part on status codes: a wrong key is a 400 at Google and xAI, an empty account a 400 at
//! Anthropic and a 429 at OpenAI, an unknown model a 400 at Mistral. So the provider's own codes are used first, then
//! its message, then the status.
//!
//! A provider's message may quote the caller. So text that would put a credential into cooldown counts only at the
//! beginning of the message: otherwise a caller could disable a valid key.

mod mask;
mod parts;
mod scope;
mod wait;

use std::time::Duration;

use crate::Dialect;
use crate::chat::StreamError;
use parts::ErrorParts;
pub use scope::Scope;

/// The class of a failure, which determines the next candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// The request is invalid: the answer goes to the caller unchanged.
    Caller,
    /// The key is wrong, revoked or not permitted: the next credential.
    Credential,
    /// The account's money or long-term quota is used up: the next credential.
    Quota,
    /// Too many requests or tokens at the moment: the next candidate.
    RateLimited,
    /// The provider has no capacity at the moment: the next candidate.
    Overloaded,
    /// The provider does not have this model, or not for this account: the next candidate.
    ModelMissing,
    /// The input is too long for this model: a candidate with a larger window.
    ContextTooLong,
    /// A content filter withheld the answer.
    Filtered,
    /// The provider failed: the next candidate, or a retry.
    Transient,
}

impl Class {
    /// The name in records and metrics.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Class::Caller => "caller",
            Class::Credential => "credential",
            Class::Quota => "quota",
            Class::RateLimited => "rate_limited",
            Class::Overloaded => "overloaded",
            Class::ModelMissing => "model_missing",
            Class::ContextTooLong => "context_too_long",
            Class::Filtered => "filtered",
            Class::Transient => "server_error",
        }
    }
}

/// A classified error of an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamFailure {
    pub class: Class,
    /// How long the provider asks to wait. Never zero.
    pub retry_after: Option<Duration>,
    /// What was limited, or refused.
    pub scope: Scope,
    /// The provider's own message, at most 500 characters, with keys masked; empty if it sent none.
    pub message: String,
    /// The provider's own code or type, the most specific one.
    pub code: Option<String>,
}

/// Classifies an error answer: any status from 300 on, or an error body with status 200.
///
/// `header` returns a header by its lower-case name.
///
/// Errors belong to the API, so `dialect` is the upstream's, whatever the operation: embeddings, which have no format,
/// fail with the same messages. It matters in only three places, where messages of Google and Anthropic and a status of Cohere mean something
/// different. A provider type would not help there: relays pass on messages of others.
pub fn classify(
    dialect: Dialect,
    status: u16,
    header: &dyn Fn(&str) -> Option<String>,
    body: &[u8],
) -> UpstreamFailure {
    let mut error = ErrorParts::read(body);
    // Bedrock reports the class of an error only in a header.
    if let Some(kind) = header("x-amzn-errortype") {
        error.codes.insert(0, parts::exception(&kind).to_owned());
    }
    // An error with status 200 contains its status, if any, in the body.
    let status = if status < 300 { error.status.unwrap_or(0) } else { status };
    let class = class(dialect, status, &error);
    let retry_after = wait::retry_after(class, header, &error);
    let scope = scope::scope(dialect, class, header, &error);
    failure(class, retry_after, scope, error)
}

/// Classifies an error inside a stream that began with 200.
#[must_use]
pub fn classify_event(dialect: Dialect, error: &StreamError) -> UpstreamFailure {
    let mut parts = ErrorParts { message: error.message.clone(), ..ErrorParts::default() };
    parts.code(&error.kind);
    let status = error.status.or(parts.status).unwrap_or(0);
    let class = class(dialect, status, &parts);
    let retry_after = wait::retry_after(class, &|_| None, &parts);
    let scope = scope::scope(dialect, class, &|_| None, &parts);
    failure(class, retry_after, scope, parts)
}

fn failure(class: Class, retry_after: Option<Duration>, scope: Scope, error: ErrorParts) -> UpstreamFailure {
    let code = error.codes.into_iter().next().map(|code| mask::masked(&code, CODE));
    UpstreamFailure { class, retry_after, scope, message: mask::masked(&error.message, MESSAGE), code }
}

/// The longest message and code, in characters.
const MESSAGE: usize = 500;
const CODE: usize = 100;

fn class(dialect: Dialect, status: u16, error: &ErrorParts) -> Class {
    let codes: Vec<String> = error.codes.iter().map(|code| plain(code)).collect();
    let text = error.message.to_lowercase();
    let by_code = |table: &[(&str, Class)]| {
        codes.iter().find_map(|code| table.iter().find(|(known, _)| known == code).map(|(_, class)| *class))
    };
    if let Some(class) = by_code(DECISIVE) {
        return class;
    }
    if let Some(class) = by_words(dialect, status, &text, error.daily) {
        return class;
    }
    match status {
        // With status 200, and in streams: any code.
        0..300 => by_code(GENERAL).unwrap_or(Class::Transient),
        // A redirect is not an answer, and its target is not the configured provider.
        300..=399 => Class::Transient,
        401 | 403 | 407 => Class::Credential,
        402 => Class::Quota,
        408 | 409 | 424 | 425 | 499 => Class::Transient,
        429 => Class::RateLimited,
        // Cohere withholds what breaks its rules.
        498 if dialect == Dialect::Cohere => Class::Filtered,
        498 | 503 | 529 => Class::Overloaded,
        500.. => Class::Transient,
        _ => Class::Caller,
    }
}

/// A code without case, underscores, hyphens and spaces, because providers spell the same codes differently.
fn plain(code: &str) -> String {
    code.chars().filter(|char| char.is_ascii_alphanumeric()).map(|char| char.to_ascii_lowercase()).collect()
}

/// Codes that determine the class, whatever the status. In the spelling of [`plain`].
const DECISIVE: &[(&str, Class)] = &[
    // OpenAI, and compatible providers.
    ("contextlengthexceeded", Class::ContextTooLong),
    ("contextwindowexceeded", Class::ContextTooLong),
    ("insufficientquota", Class::Quota),
    ("billinghardlimitreached", Class::Quota),
    ("billingnotactive", Class::Quota),
    ("accessterminated", Class::Credential),
    ("accountdeactivated", Class::Credential),
    ("invalidapikey", Class::Credential),
    ("modelnotfound", Class::ModelMissing),
    ("modelnotavailable", Class::ModelMissing),
    ("modeldecommissioned", Class::ModelMissing),
    ("unknownmodel", Class::ModelMissing),
    ("invalidmodel", Class::ModelMissing),
    ("ratelimitexceeded", Class::RateLimited),
    ("ratelimitreached", Class::RateLimited),
    ("engineoverloaded", Class::Overloaded),
    ("serverisoverloaded", Class::Overloaded),
    ("slowdown", Class::Overloaded),
    ("contentfilter", Class::Filtered),
    ("contentpolicyviolation", Class::Filtered),
    ("moderationblocked", Class::Filtered),
    // Azure.
    ("responsibleaipolicyviolation", Class::Filtered),
    ("deploymentnotfound", Class::ModelMissing),
    // Anthropic.
    ("overloadederror", Class::Overloaded),
    ("billingerror", Class::Quota),
    // Google's reasons.
    ("apikeyinvalid", Class::Credential),
    ("apikeyexpired", Class::Credential),
    ("apikeyserviceblocked", Class::Credential),
    ("servicedisabled", Class::Credential),
    ("billingdisabled", Class::Quota),
    // Cohere, Perplexity, Groq, Alibaba.
    ("toomanytokens", Class::ContextTooLong),
    ("toomanyprompttokens", Class::ContextTooLong),
    ("capacityexceeded", Class::Overloaded),
    ("datainspectionfailed", Class::Filtered),
    // Bedrock's exceptions.
    ("throttlingexception", Class::RateLimited),
    ("servicequotaexceededexception", Class::RateLimited),
    ("modelnotreadyexception", Class::Overloaded),
    ("serviceunavailableexception", Class::Overloaded),
    ("modeltimeoutexception", Class::Transient),
    ("modelerrorexception", Class::Transient),
    ("modelstreamerrorexception", Class::Transient),
    ("internalserverexception", Class::Transient),
    ("expiredtokenexception", Class::Credential),
    ("expiredtoken", Class::Credential),
    ("unrecognizedclientexception", Class::Credential),
    ("invalidsignatureexception", Class::Credential),
    ("incompletesignatureexception", Class::Credential),
    ("missingauthenticationtokenexception", Class::Credential),
    ("signaturedoesnotmatch", Class::Credential),
];

/// Codes as unspecific as a status: used only if there is no status.
const GENERAL: &[(&str, Class)] = &[
    ("invalidrequesterror", Class::Caller),
    ("invalidargument", Class::Caller),
    ("failedprecondition", Class::Caller),
    ("outofrange", Class::Caller),
    ("requesttoolarge", Class::Caller),
    ("invalidprompt", Class::Caller),
    ("notfounderror", Class::Caller),
    ("notfound", Class::Caller),
    ("validationexception", Class::Caller),
    ("accessdeniedexception", Class::Credential),
    ("authenticationerror", Class::Credential),
    ("permissionerror", Class::Credential),
    ("permissiondenied", Class::Credential),
    ("unauthenticated", Class::Credential),
    ("ratelimiterror", Class::RateLimited),
    ("toomanyrequests", Class::RateLimited),
    ("resourceexhausted", Class::RateLimited),
    ("unavailable", Class::Overloaded),
    ("serviceunavailable", Class::Overloaded),
    ("serviceunavailableerror", Class::Overloaded),
];

/// The class that the message indicates. `text` is in lower case; `daily`: Google reports a daily quota.
fn by_words(dialect: Dialect, status: u16, text: &str, daily: bool) -> Option<Class> {
    let contains = |words: &[&str]| words.iter().any(|words| text.contains(words));
    let starts_with = |words: &[&str]| words.iter().any(|words| text.starts_with(words));
    let request = matches!(status, 0..300 | 400 | 413 | 422);
    if request && starts_with(WRONG_KEY) {
        return Some(Class::Credential);
    }
    if matches!(status, 0..300 | 400 | 403 | 429) && starts_with(NO_MONEY) {
        // OpenAI's message for an empty account is Google's for any quota, usually one per minute.
        return Some(if dialect == Dialect::Gemini && !daily && starts_with(ANY_QUOTA) {
            Class::RateLimited
        } else {
            Class::Quota
        });
    }
    if status == 429 && daily {
        return Some(Class::Quota);
    }
    if matches!(status, 0..300 | 429) && contains(NO_CAPACITY) {
        return Some(Class::Overloaded);
    }
    if request && contains(TOO_LONG) {
        return Some(Class::ContextTooLong);
    }
    if (request || matches!(status, 403 | 451)) && contains(FILTERED) {
        return Some(Class::Filtered);
    }
    if matches!(status, 0..300 | 400 | 403 | 404 | 410 | 422) && no_model(status, text) {
        return Some(Class::ModelMissing);
    }
    None
}

const WRONG_KEY: &[&str] = &[
    "api key not valid",
    "api key expired",
    "incorrect api key provided",
    "invalid api key",
    "invalid x-api-key",
    "invalid authentication",
    "no api key",
];

const ANY_QUOTA: &[&str] = &["you exceeded your current quota"];

const NO_MONEY: &[&str] = &[
    "you exceeded your current quota",
    "your credit balance is too low",
    "you have reached your specified api usage limits",
    "your account is not active, please check your billing",
    "your prepayment credits are depleted",
    "insufficient balance",
    "insufficient credits",
    "your team has either used all available credits",
    "billing hard limit has been reached",
];

const NO_CAPACITY: &[&str] = &["currently overloaded", "is overloaded", "currently experiencing high demand"];

const TOO_LONG: &[&str] = &[
    "maximum context length",
    "max context length",
    "maximum prompt length",
    "maximum model length",
    "exceeds the context window",
    "exceeds the context length",
    "exceed context limit",
    "exceeds the available context size",
    "prompt is too long",
    "prompt too long",
    "input is too long for requested model",
    "input tokens exceed",
    "number of input tokens exceeds",
    "input token count",
    "too many tokens: size limit exceeded",
    "total length of all messages is too long",
    "reduce the length of the messages",
];

const FILTERED: &[&str] = &[
    "content management policy",
    "content filtering policy",
    "responsible ai practices",
    "requires moderation",
    "rejected as a result of our safety system",
];

/// Whether the message says that the model does not exist. It must contain the word "model": a 404 of a path, a cache
/// or a file is the caller's mistake.
fn no_model(status: u16, text: &str) -> bool {
    let about = |words: &[&str]| words.iter().any(|words| text.contains(words));
    if text.starts_with("model: ") || text.starts_with("unknown model") || text.starts_with("invalid model") {
        return true;
    }
    if about(&["is not a valid model", "no endpoints found for", "model identifier is invalid", "model not exist"]) {
        return true;
    }
    if about(AT_BEDROCK) {
        return true;
    }
    // `models/x is not found`, `The model x does not exist`, `model 'x' not found, try pulling it`.
    let named = text.contains("models/") || text.contains("model ") || text.contains("model:");
    let gone = about(&["not found", "does not exist", "not exist", "has been deprecated", "no longer available"]);
    status != 403 && named && gone && !text.contains("cache")
}

/// Bedrock: a model that the account or its role may not use, or not in this way. A credential without the right to one
/// model is good for others.
const AT_BEDROCK: &[&str] = &[
    "access to the model with the specified model id",
    "is not authorized to perform: bedrock:invokemodel",
    "model access is denied",
    "with on-demand throughput isn",
    "doesn't support on-demand throughput",
    "could not resolve the foundation model",
    "use case details have not been submitted",
    "reached the end of its life",
];

#[cfg(test)]
mod tests;
