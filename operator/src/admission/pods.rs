//! Reviews pods that are created: those that ask for a gateway by an annotation, and those in a namespace whose label
//! asks.

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
        return unknown_namespace(webhook, request, record);
    };
    let facts = InjectionContext {
        settings: context.settings,
        namespace: &request.namespace,
        // Only pods of labelled namespaces reach this webhook. The operator's watch may report the label later.
        labelled: webhook == Webhook::Namespaces || namespace.is_labelled(),
        defaults: &namespace.annotations,
    };
    let audit = |effect: Effect, reason: Option<InjectionReason>| {
        let result = [("result", effect.word().to_owned())].into_iter();
        result.chain(reason.map(|reason| ("reason", reason.word().to_owned()))).collect()
    };
    match inject(&request.object, &facts) {
        InjectionOutcome::Injected { pod, warnings } => {
            record(Effect::Injected, None, "");
            let patch = between(&request.object, &pod);
            ReviewResponse { patch, warnings, audit: audit(Effect::Injected, None), ..ReviewResponse::default() }
        }
        InjectionOutcome::Unchanged(reason) => {
            record(Effect::Unchanged, Some(reason), "");
            // On a second pass the API server keeps the audit annotations of the first one.
            let audit = if reason == InjectionReason::AlreadyInjected {
                Vec::new()
            } else {
                audit(Effect::Unchanged, Some(reason))
            };
            ReviewResponse { audit, ..ReviewResponse::default() }
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

/// Decides about a pod in a namespace that the operator has not seen yet. It must not ignore the namespace's labels and
/// annotations, because the pod would then be bound to another key. A pod that asks for a gateway is told to try again.
/// For any other pod, the chart's `webhooks.failurePolicy` decides, as it does while no operator answers; the watchdog
/// finds the pods that were let through.
fn unknown_namespace(
    webhook: Webhook,
    request: &AdmissionRequest,
    record: impl Fn(Effect, Option<InjectionReason>, &str),
) -> ReviewResponse {
    let reason = InjectionReason::NamespaceUnknown;
    let message = format!("the operator has not seen namespace {} yet: try again", request.namespace);
    match webhook {
        Webhook::Namespaces => {
            record(Effect::Skipped, Some(reason), &message);
            ReviewResponse { unavailable: Some(message), ..ReviewResponse::default() }
        }
        Webhook::Pods | Webhook::Workloads | Webhook::Actions | Webhook::Validate => {
            record(Effect::Refused, Some(reason), &message);
            let refusal = Denial { reason: reason.into(), message, retry: Some(1) };
            ReviewResponse { refusal: Some(refusal), ..ReviewResponse::default() }
        }
    }
}
