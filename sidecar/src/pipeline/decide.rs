//! Decides a request by the policy and by the state of the gateway.

use std::time::Instant;

use outrigger_core::Capabilities;
use outrigger_llm::provider::Target;
use outrigger_llm::tokens::meter::{self, Metered};
use outrigger_policy::{
    Credential, CredentialIndex, Decision, Draw, GatewayState, LimitIndex, Measure, Others, Pace, Provider, Request,
    Skip, decide as by_policy, session,
};

use crate::duration::millis;
use crate::gateway::Gateway;
use crate::pipeline::account_bound::bind;
use crate::request::context::RequestContext;
use crate::request::conversation::conversation;
use crate::request::headers::has_gateway_headers;
use crate::request::parsed_request;
use crate::request::translation::RequestTranslation;
use crate::runtime::backend::Backend;
use crate::runtime::health::BackendHealth;

/// Inputs of a decision that are not part of the request.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    pub now: Instant,
    /// Draws one of several candidates, if the request names no session.
    pub draw: Draw,
    /// The limit that was too short for the first decision.
    pub short: Option<LimitIndex>,
}

/// The decision for a request, and the conversation under which its route is remembered.
pub fn decide(
    gateway: &Gateway,
    context: &RequestContext,
    translation: &RequestTranslation,
    circumstances: Circumstances,
) -> (Decision, Option<u64>) {
    let affinity = &gateway.affinity;
    let has_headers = has_gateway_headers(&context.headers);
    let header = |name: &str| {
        // A key's limits on sessions may name a header of another family.
        let may_exist = has_headers || context.key().session.as_ref().is_some_and(|session| session.header == name);
        let value = may_exist.then(|| context.headers.get(name)).flatten();
        value.and_then(|value| value.to_str().ok())
    };
    let explicit = session(context.key(), header).or(context.scanned.session.as_deref());
    let implicit = context.scanned.conversation.map(|scanned| conversation(context, &[&scanned.opening.to_le_bytes()]));
    let handle = context.scanned.handle.as_deref().map(|handle| conversation(context, &[b"handle", handle.as_bytes()]));
    let has_earlier_turns = context.scanned.conversation.is_some_and(|scanned| scanned.turns > 2);
    let stay = match (handle, explicit) {
        (Some(handle), _) => affinity.recall(handle),
        (None, Some(_)) => None,
        (None, None) => implicit.filter(|_| has_earlier_turns).and_then(|opening| affinity.recall(opening)),
    };
    let world = GatewayConditions { gateway, context, translation, circumstances };
    let rules_read = !context.served.policy.rules.is_empty();
    let fallbacks = context.scanned.fallbacks.as_deref();
    let base = Request::from_headers(
        context.key,
        context.request_type(),
        context.model.as_deref(),
        fallbacks,
        &header,
        &world,
    );
    let request = Request {
        // Only rules need these.
        headers: &if rules_read { parsed_request::seen_headers(&context.headers) } else { Vec::new() },
        params: &if rules_read { context.query.seen() } else { Vec::new() },
        draw: explicit.map_or(circumstances.draw, |id| Draw::of_session(&context.key().id, id)),
        stay,
        ..base
    };
    // Not on another thread: all rules together cost a millisecond at most.
    let mut decision = by_policy(&context.served.policy, &request);
    if context.scanned.handle.is_some() {
        bind(&mut decision, stay, context);
    }
    let remembered = if explicit.is_none() { implicit } else { None };
    (decision, remembered)
}

struct GatewayConditions<'a> {
    gateway: &'a Gateway,
    context: &'a RequestContext,
    translation: &'a RequestTranslation,
    circumstances: Circumstances,
}

impl GatewayConditions<'_> {
    fn backend(&self, provider: &Provider) -> Option<&Backend> {
        let policy = &self.context.served.policy;
        let index = policy.providers.position(|other| std::ptr::eq(other, provider))?;
        self.context.served.backends.get(index)
    }

    fn health(&self, provider: &Provider, credential: Option<&Credential>) -> Option<&BackendHealth> {
        let backend = self.backend(provider)?;
        let index = match credential {
            None => CredentialIndex::default(),
            Some(credential) => provider.credentials.position(|other| std::ptr::eq(other, credential))?,
        };
        backend.credentials.get(index).map(|credential| &*credential.health)
    }
}

impl GatewayState for GatewayConditions<'_> {
    fn unfit(&self, provider: &Provider, upstream_model: &str) -> Option<String> {
        let backend = self.backend(provider)?;
        let model = self.context.model.as_deref().unwrap_or_default();
        self.translation.unfit(self.context, &Target { model, ..backend.target(self.context.dialect, upstream_model) })
    }

    fn others(&self, provider: &Provider, upstream_model: &str) -> Others<'_> {
        match self.backend(provider) {
            Some(backend) => {
                let api = backend.api(self.context.dialect, upstream_model);
                parsed_request::others(&self.context.scanned, api.dialect)
            }
            None => Others::None,
        }
    }

    fn gate(&self, provider: &Provider, credential: Option<&Credential>, model: &str) -> Option<Skip> {
        let backend = self.backend(provider)?;
        if backend.unknown {
            return Some(Skip::ProviderBlocked);
        }
        if let Some(credential) = credential {
            let index = provider.credentials.position(|other| std::ptr::eq(other, credential))?;
            if backend.credentials.get(index).is_none_or(|credential| credential.value.is_none()) {
                return Some(Skip::CredentialBlocked);
            }
        }
        self.health(provider, credential)?.gate(model, self.circumstances.now)
    }

    fn pace(&self, provider: &Provider, credential: Option<&Credential>, model: &str) -> Option<Pace> {
        let measure = if self.context.stream { Measure::FirstToken } else { Measure::Whole };
        if credential.is_some() {
            return self.health(provider, credential)?.pace(model, measure, self.circumstances.now);
        }
        let credentials = &self.backend(provider)?.credentials;
        Pace::of_all(credentials.iter().filter_map(|one| one.health.pace(model, measure, self.circumstances.now)))
    }

    fn used(&self, limit: LimitIndex) -> u64 {
        self.gateway.spent(&self.context.served, limit, self.context.session.as_ref())
    }

    fn is_in_session(&self) -> bool {
        self.context.session.is_some()
    }

    fn is_short(&self, limit: LimitIndex) -> bool {
        self.circumstances.short == Some(limit)
    }

    fn input_tokens(&self) -> u64 {
        self.context.input_tokens()
    }

    fn needs(&self) -> Capabilities {
        self.context.needs()
    }

    fn unmetered(&self) -> Option<&str> {
        match self.context.metered() {
            Metered::Unmetered(why) => Some(why),
            _ => None,
        }
    }

    fn is_free(&self) -> bool {
        self.context.metered() == Metered::Free
    }

    fn reports_tokens(&self) -> bool {
        meter::reports_tokens(self.context.operation, &self.context.scanned)
    }

    fn workload(&self) -> &str {
        self.gateway.workload.as_deref().unwrap_or_default()
    }

    fn labels(&self) -> &[(String, String)] {
        &self.gateway.labels
    }

    fn now(&self) -> i64 {
        millis(self.context.received)
    }
}
