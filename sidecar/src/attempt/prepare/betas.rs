//! Beta features of Anthropic's API: a header there, and a field of the body at Bedrock, which refuses features that it
//! does not know.

use http::{HeaderMap, HeaderValue};
use outrigger_llm::passthrough::scan::BetaField;
use outrigger_llm::provider::{Api, UrlLayout};

use crate::request::context::RequestContext;
use crate::request::headers::name;

/// The features that Bedrock knows, without their dates. From its page on the parameters of Claude, autumn 2026.
const AT_BEDROCK: [&str; 11] = [
    "computer-use-",
    "context-1m-",
    "context-management-",
    "dev-full-thinking-",
    "effort-",
    "fine-grained-tool-streaming-",
    "interleaved-thinking-",
    "output-128k-",
    "token-efficient-tools-",
    "tool-examples-",
    "tool-search-tool-",
];

/// Where the features go.
pub(super) enum Betas {
    /// They stay where they are.
    Kept,
    /// Into the header, which is set already.
    Header,
    /// Into the body.
    Body(Vec<String>),
}

impl Betas {
    /// What happens to the field of the body.
    pub(super) fn field(&self) -> BetaField<'_> {
        match self {
            Betas::Kept => BetaField::Kept,
            Betas::Header => BetaField::Removed,
            Betas::Body(all) => BetaField::Set(all),
        }
    }
}

/// Puts the features where the upstream reads them. What it does not know is added to `left_out`.
pub(super) fn place(
    context: &RequestContext,
    upstream: &Api,
    headers: &mut HeaderMap,
    left_out: &mut Vec<String>,
) -> Betas {
    if upstream.url == UrlLayout::InvokeModel {
        let mut all = context.scanned.betas(&context.body);
        for value in headers.get_all(name::ANTHROPIC_BETA) {
            let named = value.to_str().unwrap_or_default().split(',').map(|feature| feature.trim().to_owned());
            all.extend(named.filter(|feature| !feature.is_empty()));
        }
        headers.remove(name::ANTHROPIC_BETA);
        let (known, unknown): (Vec<String>, Vec<String>) =
            all.into_iter().partition(|feature| AT_BEDROCK.iter().any(|known| feature.starts_with(known)));
        left_out.extend(unknown.into_iter().map(|feature| format!("anthropic-beta: {feature}")));
        return Betas::Body(known);
    }
    if !context.operation.is_invoke_model() {
        return Betas::Kept;
    }
    for feature in context.scanned.betas(&context.body) {
        if let Ok(value) = HeaderValue::from_str(&feature) {
            headers.append(name::ANTHROPIC_BETA, value);
        }
    }
    Betas::Header
}
