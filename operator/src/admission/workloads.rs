//! Reviews workloads whose own annotations configure the gateways of their pods. The webhook copies these values to the
//! pod template as one annotation of ours, and removes no other annotation.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::admission::patch::between;
use crate::admission::review::{AdmissionOperation, AdmissionRequest, ReviewResponse};
use crate::admission::{AdmissionContext, AdmissionRecord, DenialReason, Effect, Webhook};
use crate::inject::annotations::{AnnotationTarget, PREFIX, check, row};
use crate::inject::pod::metadata_mut;
use crate::inject::{InjectionContext, InjectionOutcome, InjectionReason, NotInjected, inject, ours};
use crate::names;
use crate::objects::metadata::Metadata;

pub(super) fn admit(request: &AdmissionRequest, context: &AdmissionContext<'_>) -> ReviewResponse {
    let created = request.operation == AdmissionOperation::Create;
    if !(created || request.operation == AdmissionOperation::Update) || !request.subresource.is_empty() {
        return ReviewResponse::allow();
    }
    let deleted = Metadata::of(&request.object).is_being_deleted();
    let template_at = template(&request.kind.kind);
    let Some(before) = template_at.and_then(|at| request.object.pointer(at)).filter(|_| !deleted) else {
        return ReviewResponse::allow();
    };
    let workload = Workload {
        kind: &request.kind.kind,
        own: ours(Metadata::of(&request.object).annotations()),
        template: before,
        created,
        own_before: ours(Metadata::of(&request.old_object).annotations()),
        template_before: template_at.and_then(|at| request.old_object.pointer(at)),
    };
    let record = |effect, reason: Option<InjectionReason>, message: &str| {
        let reason = reason.map(DenialReason::from);
        let namespace = &request.namespace;
        let entry = AdmissionRecord {
            webhook: Webhook::Workloads,
            effect,
            reason,
            message,
            namespace,
            owner: None,
            dry_run: request.dry_run,
        };
        (context.record)(&entry);
    };
    if !created && workload.kind == "Job" {
        // A Job's template cannot change any more, so its annotations are not checked.
        let mut warnings = Vec::new();
        if workload.own != workload.own_before {
            warnings
                .push("a Job's pods do not change after it is created: delete the Job and create it again".to_owned());
        }
        record(Effect::Unchanged, None, "");
        return ReviewResponse { warnings, ..ReviewResponse::default() };
    }
    let mut warnings = Vec::new();
    if let Err(NotInjected { reason, message }) = workload.check() {
        // A controller that writes a revision to a workload did not make its typing error, and must not be stopped by
        // it.
        if workload.changes_annotations() {
            record(Effect::Refused, Some(reason), &message);
            return ReviewResponse::refuse(reason, message);
        }
        warnings.push(message);
    }
    let after = workload.stamped(&workload.stamp());
    if workload.changes_annotations() || workload.template_before != Some(before) {
        warnings.extend(workload.pod_warnings(&after, &request.namespace, context));
    }
    let mut object = request.object.clone();
    if let Some(slot) = template_at.and_then(|at| object.pointer_mut(at)) {
        *slot = after;
    }
    let patch = between(&request.object, &object);
    record(if patch.0.is_empty() { Effect::Unchanged } else { Effect::Stamped }, None, "");
    ReviewResponse { patch, warnings, ..ReviewResponse::default() }
}

/// The JSON pointer to a kind's pod template.
fn template(kind: &str) -> Option<&'static str> {
    match kind {
        "Deployment" | "StatefulSet" | "DaemonSet" | "Job" => Some("/spec/template"),
        "CronJob" => Some("/spec/jobTemplate/spec/template"),
        _ => None,
    }
}

struct Workload<'a> {
    kind: &'a str,
    /// The operator's annotations on the workload itself.
    own: BTreeMap<&'a str, &'a str>,
    template: &'a Value,
    created: bool,
    own_before: BTreeMap<&'a str, &'a str>,
    template_before: Option<&'a Value>,
}

impl Workload<'_> {
    fn on_template(template: &Value) -> BTreeMap<&str, &str> {
        let mut all = ours(Metadata::of(template).annotations());
        all.retain(|name, _| !matches!(*name, names::WORKLOAD | names::INJECTED));
        all
    }

    /// Whether this request changes one of the operator's annotations.
    fn changes_annotations(&self) -> bool {
        let before = self.template_before.map(Self::on_template).unwrap_or_default();
        self.created || self.own != self.own_before || Self::on_template(self.template) != before
    }

    fn check(&self) -> Result<(), NotInjected> {
        for (name, value) in &self.own {
            check(AnnotationTarget::Workload, name, value)?;
        }
        for (name, value) in Self::on_template(self.template) {
            check(AnnotationTarget::Pod, name, value)?;
        }
        Ok(())
    }

    /// The annotation values that the pods shall get, by name without prefix. A Job that a CronJob created keeps the
    /// CronJob's values.
    fn stamp(&self) -> BTreeMap<String, String> {
        let mut words = match self.kind == "Job" && self.created {
            true => self.current_stamp(),
            false => BTreeMap::new(),
        };
        let own = self.own.iter().filter_map(|(name, value)| Some((name.strip_prefix(PREFIX)?, value)));
        let own = own.filter(|(word, _)| row(AnnotationTarget::Workload, word).is_some());
        words.extend(own.map(|(word, value)| (word.to_owned(), (*value).to_owned())));
        words
    }

    /// The stamp that the template already has.
    fn current_stamp(&self) -> BTreeMap<String, String> {
        let text = Metadata::of(self.template).annotation(names::WORKLOAD);
        text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    fn stamped(&self, stamp: &BTreeMap<String, String>) -> Value {
        let mut after = self.template.clone();
        if stamp.is_empty() {
            if Metadata::of(&after).annotations().is_some()
                && let Some(annotations) = metadata_mut(&mut after, "annotations")
            {
                annotations.shift_remove(names::WORKLOAD);
            }
        } else if *stamp != self.current_stamp()
            && let Some(annotations) = metadata_mut(&mut after, "annotations")
        {
            annotations.insert(names::WORKLOAD.to_owned(), json!(stamp).to_string().into());
        }
        after
    }

    /// Warns the author what will become of the workload's pods. Its controller creates them later and shows nobody the
    /// warnings that they get.
    fn pod_warnings(&self, template: &Value, namespace: &str, context: &AdmissionContext<'_>) -> Vec<String> {
        let mut notes: Vec<String> = Vec::new();
        for (name, value) in Self::on_template(template) {
            if self.own.get(name).is_some_and(|own| *own != value) {
                notes.push(format!("the template sets {name} itself, which overrides the value on the {}", self.kind));
            }
        }
        // Without the namespace's labels and annotations this is a guess. The pod's own review decides.
        let defaults = (context.namespace)(namespace).unwrap_or_default();
        let facts = InjectionContext {
            settings: context.settings,
            namespace,
            labelled: defaults.is_labelled(),
            defaults: &defaults.annotations,
        };
        match inject(template, &facts) {
            InjectionOutcome::Injected { warnings, .. } => notes.extend(warnings),
            InjectionOutcome::Refused(cause) => notes.push(format!("its pods will be refused: {cause}")),
            InjectionOutcome::Skipped { cause, .. } => notes.push(format!("its pods will get no gateway: {cause}")),
            InjectionOutcome::Unchanged(_) => {}
        }
        notes
    }
}
