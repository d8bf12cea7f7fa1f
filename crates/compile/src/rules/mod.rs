//! RoutingRules: checks their conditions, and that some key in their scope may use their targets.

pub(crate) mod reachable;
pub(crate) mod trials;

use std::sync::Arc;

use outrigger_core::ObjectRef;
use outrigger_crds::RoutingRule;
use outrigger_crds::routing_rule::{Action, Mode, OnErrorPolicy};
use outrigger_policy::{
    Expression, ExpressionError, KeyDoc, Lint, OnError as OnErrorDoc, ProviderDoc, RuleDoc, ScopeDoc, TargetDoc,
};

use crate::findings::finding::{Cause, Finding, Severity};
use crate::findings::hint::hint;
use crate::objects::kind::PolicyKind;
use crate::objects::number::count;
use crate::objects::sorted::{ReadObject, SortedObjects};
use crate::providers::all_zero;
use crate::read::source::Object;
use crate::rules::reachable::{ScopeAccess, TargetField};

/// Rules of the operator's namespace apply to the keys of every namespace.
pub(crate) fn compile(
    sorted: &SortedObjects<'_>,
    operator_namespace: &str,
    providers: &[ProviderDoc],
    keys: &[KeyDoc],
    findings: &mut Vec<Finding>,
) -> Vec<RuleDoc> {
    let mut document = |rule: &ReadObject<'_, RoutingRule>| {
        let everywhere = rule.object.namespace == operator_namespace;
        document(sorted, providers, keys, everywhere, rule, findings)
    };
    sorted.rules.values().filter_map(&mut document).collect()
}

/// `None` if its condition can't be evaluated. Targets that no key may use stay: removing them would send requests to
/// targets that the author did not choose, and a gateway reports why it skips them.
fn document(
    sorted: &SortedObjects<'_>,
    providers: &[ProviderDoc],
    keys: &[KeyDoc],
    everywhere: bool,
    ReadObject { object, typed }: &ReadObject<'_, RoutingRule>,
    findings: &mut Vec<Finding>,
) -> Option<RuleDoc> {
    let spec = &typed.spec;
    let condition = sorted.conditions.get(&object.id()).and_then(|condition| condition.as_ref());
    let is_usable = is_usable_condition(object, condition, findings);
    let scope = scope(typed);
    let keys = in_scope(sorted, keys, object, everywhere, &scope, findings);
    let missing = keys.iter().flat_map(|key| sorted.unusable_providers(key)).collect();
    let access = ScopeAccess { providers, keys, missing };
    if spec.targets.len() > 1 && spec.targets.iter().all(|target| target.weight == 0) {
        findings.push(object.warning("spec.targets", all_zero("targets")));
    }
    // A key that was left out may be the one that may use the target.
    if !access.keys.is_empty()
        && !sorted.has_unusable(PolicyKind::VirtualKey, |id| everywhere || id.namespace == object.namespace)
    {
        for (index, target) in spec.targets.iter().enumerate() {
            let path = format!("spec.targets[{index}]");
            if let Err((field, message)) = access.target(target) {
                let cause = match field {
                    TargetField::Model => Cause::RefNotPermitted,
                    TargetField::Provider | TargetField::Credential => Cause::RefNotFound,
                };
                findings.push(object.error(&format!("{path}.{}", field.name()), message).because(cause));
            }
        }
        for (index, text) in spec.fallbacks.iter().enumerate() {
            if let Err(message) = access.fallback(text) {
                let finding = object.error(&format!("spec.fallbacks[{index}]"), message);
                findings.push(finding.because(Cause::RefNotFound));
            }
        }
    }
    if !is_usable {
        return None;
    }
    Some(RuleDoc {
        namespace: object.namespace.clone(),
        name: object.name.clone(),
        priority: spec.priority,
        created: typed.metadata.creation_timestamp.as_ref().map_or(0, |time| time.0.as_second()),
        scope,
        when: spec.when.clone(),
        targets: spec
            .targets
            .iter()
            .map(|target| TargetDoc {
                provider: target.provider.clone(),
                model: target.model.clone(),
                weight: count(target.weight),
                credential: target.credential.clone(),
            })
            .collect(),
        fallbacks: spec.fallbacks.clone(),
        on_error: match spec.on_error {
            OnErrorPolicy::Skip => OnErrorDoc::Skip,
            OnErrorPolicy::Refuse => OnErrorDoc::Refuse,
        },
        everywhere,
        reject: spec.message.clone().filter(|_| spec.action == Action::Reject),
        chain: spec.chain,
        shadow: spec.mode == Mode::Shadow,
    })
}

/// Whether the condition compiles, and evaluates to true or false for a sample of each request type. Lints are
/// reported, but a condition with lints can be evaluated: at worst the rule never matches.
fn is_usable_condition(
    object: &Object,
    condition: Option<&Result<Arc<Expression>, ExpressionError>>,
    findings: &mut Vec<Finding>,
) -> bool {
    let expression = match condition {
        None => return true,
        Some(Ok(expression)) => expression,
        Some(Err(error)) => {
            findings.push(object.error("spec.when", error.to_string()));
            return false;
        }
    };
    let lints = expression.lints();
    findings.extend(lints.iter().map(|slip| {
        let severity = if slip.is_certain() { Severity::Error } else { Severity::Warning };
        object.finding(severity, "spec.when", slip.to_string())
    }));
    let Err((request_type, error)) = expression.try_on_samples() else { return true };
    // A certain lint is usually the reason, with a better message.
    if !lints.iter().any(Lint::is_certain) {
        findings.push(object.error("spec.when", format!("on a request of type {request_type}, {error}")));
    }
    false
}

fn scope(rule: &RoutingRule) -> ScopeDoc {
    let Some(scope) = &rule.spec.scope else { return ScopeDoc::Namespace };
    match (&scope.team, &scope.customer) {
        (Some(team), _) => ScopeDoc::Team(team.clone()),
        (None, Some(customer)) => ScopeDoc::Customer(customer.clone()),
        (None, None) if !scope.virtual_keys.is_empty() => ScopeDoc::VirtualKeys(scope.virtual_keys.clone()),
        (None, None) => ScopeDoc::Namespace,
    }
}

/// The keys that a rule applies to. Reports a rule that applies to none.
fn in_scope<'a>(
    sorted: &SortedObjects<'_>,
    keys: &'a [KeyDoc],
    object: &Object,
    everywhere: bool,
    scope: &ScopeDoc,
    findings: &mut Vec<Finding>,
) -> Vec<&'a KeyDoc> {
    let near: Vec<&KeyDoc> = keys.iter().filter(|key| everywhere || key.namespace == object.namespace).collect();
    let found =
        |concerns: &dyn Fn(&KeyDoc) -> bool| near.iter().copied().filter(|key| concerns(key)).collect::<Vec<_>>();
    let (found, path, subject) = match scope {
        ScopeDoc::VirtualKeys(names) => {
            let known: Vec<&str> = near.iter().filter(|key| !key.keyless).map(|key| key.name.as_str()).collect();
            let there_are = sorted.key_names();
            for (index, name) in names.iter().enumerate() {
                let is = |id: &&ObjectRef| id.name == *name && (everywhere || id.namespace == object.namespace);
                if there_are.iter().find(is).is_none() && !sorted.unread {
                    let named = if everywhere { format!("`{name}`") } else { format!("{}/{name}", object.namespace) };
                    let message = format!("there is no VirtualKey {named}{}", hint(name, &known));
                    let finding = object.error(&format!("spec.scope.virtualKeys[{index}]"), message);
                    findings.push(finding.because(Cause::RefNotFound));
                }
            }
            return found(&|key| !key.keyless && names.contains(&key.name));
        }
        ScopeDoc::Team(team) => {
            (found(&|key| key.team.as_ref() == Some(team)), "spec.scope.team", format!("no key of team {team}"))
        }
        ScopeDoc::Customer(customer) => (
            found(&|key| key.customer.as_ref() == Some(customer)),
            "spec.scope.customer",
            format!("no key of customer {customer}"),
        ),
        ScopeDoc::Namespace => (near.clone(), "metadata.namespace", "no key".to_owned()),
    };
    let reached = |id: &ObjectRef| everywhere || id.namespace == object.namespace;
    if found.is_empty() && !sorted.has_unusable(PolicyKind::VirtualKey, reached) && !sorted.may_miss_keyless(reached) {
        let where_to = if everywhere { "here".to_owned() } else { format!("in namespace {}", object.namespace) };
        let message = format!("{subject} is {where_to}, so the rule applies to no key");
        findings.push(object.warning(path, message));
    }
    found
}
