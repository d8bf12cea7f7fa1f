//! What is said of each of a namespace's objects.

use std::collections::BTreeMap;

use jiff::Timestamp;
use outrigger_compile::{Cause, Finding, Severity};
use serde_json::Value;

use crate::objects::id::{Kind, ObjectId};
use crate::objects::version::{Version, text};
use crate::plan::choose::Judged;
use crate::plan::last_good::{Chosen, LastGood};
use crate::plan::missing_credentials::Stock;
use crate::state::index::Index;
use crate::status::reason::Reason;
use crate::status::verdict::{Problem, Verdict};

pub(super) fn of(
    index: &Index,
    good: &LastGood,
    namespace: &str,
    judged: &Judged,
    now: Timestamp,
) -> BTreeMap<ObjectId, Verdict> {
    let mut verdicts = BTreeMap::new();
    let stock = Stock::of(&judged.compiled);
    for kind in Kind::ALL {
        for (id, known) in index.of(kind, namespace) {
            let findings = judged.findings.get(id).map(Vec::as_slice).unwrap_or_default();
            let mut verdict = Verdict { generation: known.version.generation, ..Verdict::default() };
            findings.iter().for_each(|finding| sort(finding, &mut verdict));
            let chosen = judged.chosen.get(id);
            verdict.withdrawn = chosen.and_then(|chosen| withdrawn(chosen, now));
            // What is wrong with the key itself comes first, and one that is off calls nobody.
            if kind == Kind::VirtualKey && verdict.is_sound() && verdict.withdrawn.is_none() {
                stock.tell(namespace, &id.name, &mut verdict);
            }
            verdict.warnings.extend(chosen.and_then(|chosen| copies(index, &chosen.version)));
            if !verdict.is_sound() {
                let here = chosen.filter(|chosen| chosen.usable).map(|chosen| chosen.version.generation);
                let forgotten = chosen.is_none_or(|chosen| !chosen.known);
                let elsewhere = good.seen_elsewhere(&known.version).filter(|_| forgotten);
                verdict.serving = elsewhere.or(here);
            }
            verdicts.insert(id.clone(), verdict);
        }
    }
    verdicts
}

fn sort(finding: &Finding, verdict: &mut Verdict) {
    let problem = |reason| Problem { reason, path: finding.path.clone(), message: finding.message.clone() };
    if finding.severity == Severity::Warning && finding.cause != Cause::Dependency {
        verdict.warnings.push(match finding.path.as_str() {
            "" => finding.message.clone(),
            path => format!("{path}: {}", finding.message),
        });
        return;
    }
    match finding.cause {
        Cause::Schema => verdict.refused.push(problem(Reason::Malformed)),
        Cause::Invalid => verdict.refused.push(problem(Reason::Invalid)),
        Cause::TestFailed => verdict.refused.push(problem(Reason::TestsFailed)),
        Cause::RefNotFound => verdict.unresolved.push(problem(Reason::RefNotFound)),
        Cause::RefNotPermitted => verdict.unresolved.push(problem(Reason::RefNotPermitted)),
        Cause::ValueMissing => verdict.unresolved.push(problem(Reason::SecretNotFound)),
        Cause::Dependency => verdict.unresolved.push(problem(Reason::DependencyInvalid)),
    }
}

/// Off, by its own word.
fn withdrawn(chosen: &Chosen, now: Timestamp) -> Option<Reason> {
    let version = &chosen.version;
    if version.get("/spec/suspended") == Some(&Value::Bool(true)) {
        return Some(Reason::Suspended);
    }
    let expired = version.id.kind == Kind::VirtualKey && super::expires(version).is_some_and(|at| at <= now);
    expired.then_some(Reason::Expired)
}

/// What a provider asks for that the installation does not let be.
fn copies(index: &Index, version: &Version) -> Option<String> {
    let asks = text(version.value(), "/spec/credentialDelivery") == Some("Secret");
    let from = text(version.value(), "/spec/allowedNamespaces/from");
    let shared = matches!(from, Some("All" | "Selector"));
    (version.id.kind == Kind::LlmProvider && asks && shared && !index.copies()).then(|| {
        "spec.credentialDelivery: other namespaces get its credentials by the stream all the same, because the operator \
         was installed without credentials.copies"
            .to_owned()
    })
}
