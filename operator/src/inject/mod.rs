//! Adds a gateway to a pod that asks for one. Pure.
//!
//! ```text
//! pod + namespace + settings ─► inject ─► Injected   the pod with container, volumes, variables, labels, annotation
//!                                         Unchanged  nothing asks for a gateway, or it is already there
//!                                         Skipped    only the namespace's label asks, and it is not possible: an annotation of the pod says why
//!                                         Refused    an annotation asks, and it is not possible
//! ```
//!
//! The pod stays JSON throughout, so unknown fields survive. Injecting twice equals injecting once, whoever edits the pod in
//! between. A second pass only repairs what would not work.

pub mod annotations;
mod conflicts;
mod container;
mod options;
pub(crate) mod pod;
mod position;
mod quantity;
mod reason;
mod resources;
mod values;
mod variables;

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use crate::attestation::Attestor;
use crate::names;
use crate::objects::binding::InjectedAnnotation;
use crate::objects::metadata::Metadata;
use crate::settings::OperatorSettings;
use annotations::AnnotationError;
pub use options::ours;
use options::{GatewayAnnotations, InjectionOptions, ignored_annotations};
pub use reason::InjectionReason;
pub(crate) use values::LEVELS;

/// The kubelet sets this annotation on pods that it runs from files.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// The inputs of an injection, apart from the pod.
#[derive(Clone, Copy, Debug)]
pub struct InjectionContext<'a> {
    pub settings: &'a OperatorSettings,
    /// The pod's namespace. The pod itself may have none yet.
    pub namespace: &'a str,
    /// The namespace's label asks for gateways in all pods.
    pub labelled: bool,
    /// The namespace's annotations.
    pub defaults: &'a BTreeMap<String, String>,
}

/// Why the pod gets no gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotInjected {
    pub reason: InjectionReason,
    /// The obstacle, and what to do about it.
    pub message: String,
}

impl fmt::Display for NotInjected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.message)
    }
}

impl From<AnnotationError> for NotInjected {
    fn from(error: AnnotationError) -> Self {
        let reason = match error {
            AnnotationError::Unknown { .. } => InjectionReason::UnknownAnnotation,
            AnnotationError::Value { .. } | AnnotationError::Stamp | AnnotationError::OnePort(_) => {
                InjectionReason::InvalidAnnotation
            }
        };
        NotInjected { reason, message: error.to_string() }
    }
}

/// The outcome for a pod.
#[derive(Clone, Debug, PartialEq)]
pub enum InjectionOutcome {
    /// The pod with its gateway, and warnings for its author.
    Injected {
        pod: Value,
        warnings: Vec<String>,
    },
    Unchanged(InjectionReason),
    /// The pod without a gateway, with an annotation that says why.
    Skipped {
        pod: Value,
        cause: NotInjected,
    },
    Refused(NotInjected),
}

/// Decides about a pod that is being created.
#[must_use]
pub fn inject(pod: &Value, facts: &InjectionContext<'_>) -> InjectionOutcome {
    if !pod::is_sound(pod) {
        return InjectionOutcome::Unchanged(InjectionReason::NotAsked);
    }
    if Metadata::of(pod).annotation(MIRROR).is_some() {
        return InjectionOutcome::Unchanged(InjectionReason::StaticPod);
    }
    let annotations = match GatewayAnnotations::of(pod) {
        Ok(annotations) => annotations,
        Err(error) => return InjectionOutcome::Refused(error.into()),
    };
    let requested = match annotations.inject() {
        Ok(Some(false)) => return InjectionOutcome::Unchanged(InjectionReason::OptedOut),
        Ok(None) if !facts.labelled => return InjectionOutcome::Unchanged(InjectionReason::NotAsked),
        Ok(requested) => requested.is_some(),
        Err(error) => return InjectionOutcome::Refused(error.into()),
    };
    let result = annotations.options(facts.namespace, facts.defaults).map_err(NotInjected::from).and_then(|options| {
        match is_injected(pod) {
            true => match conflicts::intruder(pod) {
                Some(cause) => Err(cause),
                None => Ok((repaired(pod, &options, facts), Vec::new())),
            },
            false => injected(pod, &options, facts),
        }
    });
    // A pod that would get no credentials later is refused now, so that its author sees why.
    let result = result.and_then(|(pod, warnings)| match Attestor::of(facts.settings).check_json(&pod) {
        Ok(()) => Ok((pod, warnings)),
        Err(why) => Err(NotInjected {
            reason: InjectionReason::ForeignGateway,
            message: format!("the pod could not be given credentials: {why}"),
        }),
    });
    match result {
        Ok((after, _)) if after == *pod => InjectionOutcome::Unchanged(InjectionReason::AlreadyInjected),
        Ok((pod, warnings)) => InjectionOutcome::Injected { pod, warnings },
        Err(cause) if requested => InjectionOutcome::Refused(cause),
        Err(_) if is_injected(pod) => InjectionOutcome::Unchanged(InjectionReason::AlreadyInjected),
        Err(cause) => InjectionOutcome::Skipped { pod: marked(pod, &cause), cause },
    }
}

/// Whether a pod or its workload asks for a gateway (`true`) or against one (`false`). `None` if neither has a valid
/// annotation, and the namespace decides.
#[must_use]
pub fn requests_gateway(pod: &Value) -> Option<bool> {
    GatewayAnnotations::of(pod).and_then(|annotations| annotations.inject()).ok().flatten()
}

/// Whether the pod has a gateway that claims to be the operator's.
fn is_injected(pod: &Value) -> bool {
    let annotated = Metadata::of(pod).annotations().and_then(|all| all.get(names::INJECTED)).is_some();
    let gateway = position::position(pod).and_then(|at| pod::list(pod, "initContainers").get(at));
    annotated
        && gateway.is_some_and(|container| {
            let mounts = container.get("volumeMounts").and_then(Value::as_array).into_iter().flatten();
            let mut mounts = mounts.map(pod::name);
            container.get("restartPolicy").and_then(Value::as_str) == Some("Always")
                && mounts.any(|mount| mount == names::TOKEN_VOLUME)
        })
}

fn injected(
    pod: &Value,
    options: &InjectionOptions,
    facts: &InjectionContext<'_>,
) -> Result<(Value, Vec<String>), NotInjected> {
    if let Some(cause) = conflicts::conflict(pod, options) {
        return Err(cause);
    }
    let mut after = pod.clone();
    position::insert(&mut after, container::container(pod, options, facts));
    let skipped = variables::set(&mut after, options)?;
    if let Some(volumes) = pod::list_mut(&mut after, "volumes") {
        volumes.extend(container::volumes(options));
    }
    pull_secrets(&mut after, &facts.settings.image_pull_secrets);
    let mut warnings = ignored_annotations(facts.defaults);
    warnings.extend(misplaced_labels(pod));
    let unanswered = options.captures.iter().filter(|capture| !capture.answered);
    warnings.extend(unanswered.map(|capture| {
        format!("this version of the gateway does not serve {0}'s paths: requests of {0}'s SDK get a 404", capture.name)
    }));
    warnings.extend(skipped.iter().cloned());
    let keys = options.binding.keys().to_vec();
    annotate(&mut after, &InjectedAnnotation { version: version(), keys, skipped });
    label(&mut after, options);
    Ok((after, warnings))
}

/// Repairs the gateway of a pod that already has one: other webhooks may have changed it since. What still works stays.
fn repaired(pod: &Value, options: &InjectionOptions, facts: &InjectionContext<'_>) -> Value {
    let mut after = pod.clone();
    position::restore(&mut after);
    if let Some(at) = position::position(&after)
        && let Some(container) = pod::list_mut(&mut after, "initContainers").and_then(|list| list.get_mut(at))
    {
        container::repair(container, options, facts);
    }
    if let Some(volumes) = pod::list_mut(&mut after, "volumes") {
        for volume in container::volumes(options) {
            match volumes.iter_mut().find(|there| pod::name(there) == pod::name(&volume)) {
                Some(there)
                    if container::mounted(there) == container::mounted(&volume) && container::has_signatures(there) => {
                }
                // The pod names another key since the first pass.
                Some(there) => *there = volume,
                None => volumes.push(volume),
            }
        }
    }
    let annotation = Metadata::of(pod).annotation(names::INJECTED);
    let annotations: InjectedAnnotation =
        annotation.and_then(|annotations| serde_json::from_str(annotations).ok()).unwrap_or_default();
    if annotations.keys != options.binding.keys() {
        let version = if annotations.version.is_empty() { version() } else { annotations.version };
        annotate(
            &mut after,
            &InjectedAnnotation { version, keys: options.binding.keys().to_vec(), skipped: annotations.skipped },
        );
    }
    label(&mut after, options);
    after
}

/// Adds an annotation to a pod that was to get a gateway and got none, so that nobody thinks it was forgotten.
fn marked(pod: &Value, cause: &NotInjected) -> Value {
    let mut after = pod.clone();
    annotate(
        &mut after,
        &InjectedAnnotation { version: version(), keys: Vec::new(), skipped: vec![cause.to_string()] },
    );
    after
}

fn annotate(pod: &mut Value, injected: &InjectedAnnotation) {
    let Ok(text) = serde_json::to_string(injected) else { return };
    if let Some(annotations) = pod::metadata_mut(pod, "annotations") {
        annotations.insert(names::INJECTED.to_owned(), text.into());
    }
}

fn label(pod: &mut Value, options: &InjectionOptions) {
    let Some(labels) = pod::metadata_mut(pod, "labels") else { return };
    // A second pass may find a gateway of another version. Its label is right and stays.
    labels.entry(names::SIDECAR).or_insert_with(|| version().replace('+', "_").into());
    labels.insert(names::VIRTUAL_KEY.to_owned(), options.binding.first().into());
}

/// Adds the pull secrets that the chart names. Without them the kubelet could not pull the image. A Secret that the
/// namespace does not have changes nothing.
fn pull_secrets(pod: &mut Value, wanted: &[String]) {
    if wanted.is_empty() {
        return;
    }
    let Some(there) = pod::list_mut(pod, "imagePullSecrets") else { return };
    for secret in wanted {
        if !there.iter().any(|known| pod::name(known) == secret) {
            there.push(serde_json::json!({"name": secret}));
        }
    }
}

/// Warns about annotations of ours that the pod's author set as labels.
fn misplaced_labels(pod: &Value) -> Vec<String> {
    let labels = Metadata::of(pod).labels().and_then(Value::as_object).into_iter().flatten();
    let ours = labels
        .map(|(name, _)| name.as_str())
        .filter(|name| name.starts_with(annotations::PREFIX) && !matches!(*name, names::SIDECAR | names::VIRTUAL_KEY));
    ours.map(|name| format!("{name} is set as a label and has no effect: set it as an annotation")).collect()
}

fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}
