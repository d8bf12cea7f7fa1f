//! Reviews of pods that are created: those that ask for a gateway by an annotation, and those in a namespace whose label asks.

use crate::admission::patch::between;
use crate::admission::review::{AdmissionOperation, AdmissionRequest, Denial, ReviewResponse};
use crate::admission::{AdmissionContext, AdmissionRecord, DenialReason, Effect, Webhook};
use crate::inject::{InjectionContext, InjectionOutcome, InjectionReason, NotInjected, inject};
use crate::names;
use crate::objects::metadata::Metadata;

pub(super) fn admit(webhook: Webhook, request: &AdmissionRequest, context: &AdmissionContext<'_>) -> ReviewResponse {
    if request.operation != AdmissionOperation::Create || !request.subresource.is_empty() || request.object.is_null() {
        return ReviewResponse::allow();
    }
    let record = |effect, reason: Option<InjectionReason>, message: &str| {
        (context.record)(&AdmissionRecord {
            webhook,
            effect,
            reason: reason.map(DenialReason::from),
            message,
            namespace: &request.namespace,
            owner: Metadata::of(&request.object).controller(),
            dry_run: request.dry_run,
        });
    };
    let Some(namespace) = (context.namespace)(&request.namespace) else {
        return unknown(webhook, request, record);
    };
    let facts = InjectionContext {
        settings: context.settings,
        namespace: &request.namespace,
        // The webhook of namespaces is asked about those that have the label, which the operator may hear of later.
        labelled: webhook == Webhook::Namespaces || namespace.is_labelled(),
        defaults: &namespace.annotations,
    };
    let audit = |effect: Effect, reason: Option<InjectionReason>| {
        let said = [("result", effect.word().to_owned())].into_iter();
        said.chain(reason.map(|reason| ("reason", reason.word().to_owned()))).collect()
    };
    match inject(&request.object, &facts) {
        InjectionOutcome::Injected { pod, warnings } => {
            record(Effect::Injected, None, "");
            let patch = between(&request.object, &pod);
            ReviewResponse { patch, warnings, audit: audit(Effect::Injected, None), ..ReviewResponse::default() }
        }
        InjectionOutcome::Unchanged(reason) => {
            record(Effect::Unchanged, Some(reason), "");
            // On a second pass the API server has the first one's words, and takes no others in their place.
            let said = if reason == InjectionReason::AlreadyInjected {
                Vec::new()
            } else {
                audit(Effect::Unchanged, Some(reason))
            };
            ReviewResponse { audit: said, ..ReviewResponse::default() }
        }
        InjectionOutcome::Skipped { pod, cause } => {
            record(Effect::Skipped, Some(cause.reason), &cause.message);
            let patch = between(&request.object, &pod);
            let warnings = vec![format!("no gateway is added: {cause}")];
            ReviewResponse {
                patch,
                warnings,
                audit: audit(Effect::Skipped, Some(cause.reason)),
                ..ReviewResponse::default()
            }
        }
        InjectionOutcome::Refused(NotInjected { reason, message }) => {
            record(Effect::Refused, Some(reason), &message);
            let opt_out = format!("{message} (or opt out: {}: \"false\")", names::INJECT);
            ReviewResponse { audit: audit(Effect::Refused, Some(reason)), ..ReviewResponse::refuse(reason, opt_out) }
        }
    }
}

/// What a namespace says by labels and annotations must not be passed over because nobody has heard of it yet: the pod would
/// be bound to another key. Who asks for a gateway comes again. Who was not asked is let through or not, as the chart's
/// `webhooks.failurePolicy` has it: as where nobody answers, and found by the watchdog.
fn unknown(
    webhook: Webhook,
    request: &AdmissionRequest,
    record: impl Fn(Effect, Option<InjectionReason>, &str),
) -> ReviewResponse {
    let reason = InjectionReason::NamespaceUnknown;
    let message = format!("the operator has not seen namespace {} yet: try again", request.namespace);
    match webhook {
        Webhook::Namespaces => {
            record(Effect::Skipped, Some(reason), &message);
            ReviewResponse { none: Some(message), ..ReviewResponse::default() }
        }
        Webhook::Pods | Webhook::Workloads | Webhook::Validate => {
            record(Effect::Refused, Some(reason), &message);
            let refusal = Denial { reason: reason.into(), message, retry: Some(1) };
            ReviewResponse { refusal: Some(refusal), ..ReviewResponse::default() }
        }
    }
}
