//! Computes the verdict on each object of a namespace.

use std::collections::BTreeMap;

use jiff::Timestamp;
use outrigger_compile::{Cause, Finding, Severity};
use outrigger_crds::NamespacesFrom;
use outrigger_crds::provider::CredentialDelivery;

use crate::objects::id::{ObjectId, ObjectKind};
use crate::objects::version::ObjectVersion;
use crate::plan::choose::EvaluatedNamespace;
use crate::plan::last_good::{Chosen, LastGood};
use crate::plan::missing_credentials::AvailableCredentials;
use crate::state::index::ObjectIndex;
use crate::status::reason::ConditionReason;
use crate::status::verdict::{ObjectProblem, ObjectVerdict};

pub(super) fn of(
    index: &ObjectIndex,
    last_good: &LastGood,
    namespace: &str,
    evaluated: &EvaluatedNamespace,
    now: Timestamp,
) -> BTreeMap<ObjectId, ObjectVerdict> {
    let mut verdicts = BTreeMap::new();
    let available = AvailableCredentials::of(&evaluated.compiled);
    for kind in ObjectKind::ALL {
        for (id, known) in index.of(kind, namespace) {
            let findings = evaluated.findings.get(id).map(Vec::as_slice).unwrap_or_default();
            let mut verdict = ObjectVerdict { generation: known.version.generation, ..ObjectVerdict::default() };
            findings.iter().for_each(|finding| sort(finding, &mut verdict));
            let chosen = evaluated.chosen.get(id);
            verdict.inactive = chosen.and_then(|chosen| inactive(chosen, now));
            // Faults of the key itself come first. A key that is inactive calls no provider.
            if kind == ObjectKind::VirtualKey && verdict.is_sound() && verdict.inactive.is_none() {
                available.add_missing(namespace, &id.name, &mut verdict);
            }
            verdict.warnings.extend(chosen.and_then(|chosen| copies(index, &chosen.version)));
            if !verdict.is_sound() {
                let here = chosen.filter(|chosen| chosen.usable).map(|chosen| chosen.version.generation);
                let forgotten = chosen.is_none_or(|chosen| !chosen.known);
                let elsewhere = last_good.seen_elsewhere(&known.version).filter(|_| forgotten);
                verdict.serving = elsewhere.or(here);
            }
            verdicts.insert(id.clone(), verdict);
        }
    }
    verdicts
}

fn sort(finding: &Finding, verdict: &mut ObjectVerdict) {
    let problem = |reason| ObjectProblem { reason, path: finding.path.clone(), message: finding.message.clone() };
    if finding.severity == Severity::Warning && finding.cause != Cause::Dependency {
        verdict.warnings.push(match finding.path.as_str() {
            "" => finding.message.clone(),
            path => format!("{path}: {}", finding.message),
        });
        return;
    }
    match finding.cause {
        Cause::Schema => verdict.refused.push(problem(ConditionReason::Malformed)),
        Cause::Invalid => verdict.refused.push(problem(ConditionReason::Invalid)),
        Cause::TestFailed => verdict.refused.push(problem(ConditionReason::TestsFailed)),
        Cause::RefNotFound => verdict.unresolved.push(problem(ConditionReason::RefNotFound)),
        Cause::RefNotPermitted => verdict.unresolved.push(problem(ConditionReason::RefNotPermitted)),
        Cause::ValueMissing => verdict.unresolved.push(problem(ConditionReason::SecretNotFound)),
        Cause::Dependency => verdict.unresolved.push(problem(ConditionReason::DependencyInvalid)),
    }
}

/// Whether the object is suspended or expired.
fn inactive(chosen: &Chosen, now: Timestamp) -> Option<ConditionReason> {
    let version = &chosen.version;
    if version.is_suspended() {
        return Some(ConditionReason::Suspended);
    }
    let expired = version.id.kind == ObjectKind::VirtualKey && version.expires_at().is_some_and(|at| at <= now);
    expired.then_some(ConditionReason::Expired)
}

/// A warning if a provider asks for a delivery that the installation does not allow.
fn copies(index: &ObjectIndex, version: &ObjectVersion) -> Option<String> {
    let wants_copies = version.credential_delivery() == Some(CredentialDelivery::Secret);
    let allowed = version.allowed_namespaces().ok().flatten();
    let shared = allowed.is_some_and(|allowed| allowed.from != NamespacesFrom::Same);
    (version.id.kind == ObjectKind::LlmProvider && wants_copies && shared && !index.copies()).then(|| {
        "spec.credentialDelivery: other namespaces still get its credentials by the stream, because the operator \
         was installed without credentials.copies"
            .to_owned()
    })
}
