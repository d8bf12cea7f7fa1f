//! The caller's own credential, for a provider that is called with it (`from: Caller`): the login of Claude Code or of
//! Codex.
//!
//! Every request loses the caller's credentials when it is prepared. Here one gets them back, for this provider only:
//! the next candidate is prepared anew. What comes back about the credential concerns its owner: it goes to the caller,
//! and says nothing of the provider's health.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use outrigger_core::RefusalKind;
use outrigger_llm::Dialect;
use outrigger_llm::errors::classify::{Class, UpstreamFailure};
use outrigger_policy::Policy;

use crate::completion::{Failed, FailureClass};
use crate::request::context::RequestContext;
use crate::request::headers::name;
use crate::telemetry::attempt_error::AttemptError;
use crate::upstream::mask::Mask;
use crate::upstream::{Pieces, SentMask};

/// What stands in records in place of the name of a credential.
pub const RECORDED: &str = "caller";

/// Whose account is billed belongs to the credential.
const ACCOUNT: [HeaderName; 2] =
    [HeaderName::from_static("openai-organization"), HeaderName::from_static("openai-project")];

/// Adds the caller's credential to a request. `same`: the provider speaks the caller's API.
///
/// # Errors
/// The caller sent none that is for this provider: another candidate may serve.
pub fn add(
    context: &RequestContext,
    same: bool,
    provider: &str,
    request: &mut Request<Pieces>,
) -> Result<SentMask, Failed> {
    if !same || context.operation.is_of_cloud() || context.query.names_api_version() {
        return Err(missing(provider, "callers of another API or of a cloud have none for it"));
    }
    let Some((name, value, secret)) = of_caller(&context.served.policy, context.dialect, &context.headers) else {
        let problem = "log in with your client, and name your VirtualKey in `x-outrigger-key`";
        return Err(missing(provider, problem));
    };
    let headers = request.headers_mut();
    headers.insert(name, value);
    if context.dialect == Dialect::OpenAi {
        for name in ACCOUNT {
            if let Some(value) = context.headers.get(&name) {
                headers.insert(name, value.clone());
            }
        }
    }
    Ok(Mask::new(&secret))
}

/// The header that holds the caller's credential, its value, and the secret in it. The name or the token of a VirtualKey
/// is no credential of a provider.
fn of_caller(policy: &Policy, dialect: Dialect, headers: &HeaderMap) -> Option<(HeaderName, HeaderValue, String)> {
    let bearer = |value: &str| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
    };
    let own_header = (dialect == Dialect::Anthropic).then_some(name::X_API_KEY);
    [Some(AUTHORIZATION), own_header].into_iter().flatten().find_map(|name| {
        let value = headers.get(&name)?;
        let text = value.to_str().ok()?;
        let secret = if name == AUTHORIZATION { bearer(text)? } else { text.trim().to_owned() };
        let is_key = policy.key_named(&secret).is_some() || policy.key_of_token(&secret).is_some();
        let mut value = value.clone();
        value.set_sensitive(true);
        (!is_key && !secret.is_empty()).then_some((name, value, secret))
    })
}

fn missing(provider: &str, problem: &str) -> Failed {
    let message = format!("{provider} is called with the caller's own credential, and the request has none: {problem}");
    Failed {
        class: FailureClass::Candidate,
        refusal: (401, RefusalKind::CallerCredentialRequired),
        affects_health: false,
        ..Failed::unreachable(AttemptError::Unsupported, message)
    }
}

/// The class of a provider's error, where the credential is the caller's: a refusal of it is for the caller to read, and
/// a spent account is a limit of the caller's.
pub fn own_fault(failure: UpstreamFailure) -> UpstreamFailure {
    let class = match failure.class {
        Class::Credential => Class::Caller,
        Class::Quota => Class::RateLimited,
        other => other,
    };
    UpstreamFailure { class, ..failure }
}

/// The failure without a pause for other callers: the limit is that of one caller's account.
pub fn without_pause(failed: Failed) -> Failed {
    Failed { affects_health: failed.affects_health && failed.class != FailureClass::RateLimited, ..failed }
}
