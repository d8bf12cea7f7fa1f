//! Checks the models to which Budgets downgrade: some key must be able to use them, and they must be cheaper than
//! another model.

use outrigger_core::ObjectRef;
use outrigger_crds::budget::BudgetAction;
use outrigger_policy::{KeyIndex, LimitId, LimitOwner, Price};

use crate::checks::counted::{CountedPolicy, ModelAt, NamedModel};
use crate::findings::finding::{Cause, Finding};
use crate::findings::hint::hint;
use crate::objects::kind::PolicyKind;
use crate::objects::sorted::{ReadObject, SortedObjects};

pub(crate) fn check(sorted: &SortedObjects<'_>, counted: &CountedPolicy, findings: &mut Vec<Finding>) {
    let goes_down = |read: &ReadObject<'_, outrigger_crds::Budget>| {
        read.typed.spec.thresholds.iter().any(|threshold| threshold.action == BudgetAction::Downgrade)
    };
    if !sorted.budgets.values().any(goes_down) {
        return;
    }
    // An object that can't be used may serve the model, or be more expensive.
    let whole = !sorted.has_unusable(PolicyKind::LlmProvider, |_| true)
        && !sorted.has_unusable(PolicyKind::VirtualKey, |_| true);
    let named = counted.named();
    for (id, ReadObject { object, typed }) in &sorted.budgets {
        for (index, threshold) in typed.spec.thresholds.iter().enumerate() {
            let Some(model) = &threshold.model else { continue };
            let path = format!("spec.thresholds[{index}].model");
            match check_model(counted, &named, id, model) {
                Ok(()) => {}
                Err(UselessDowngrade::Misnamed(message)) => findings.push(object.error(&path, message)),
                Err(_) if !whole => {}
                Err(UselessDowngrade::Unserved(message)) => {
                    findings.push(object.error(&path, message).because(Cause::RefNotFound));
                }
                Err(UselessDowngrade::NotCheaper(message)) => findings.push(object.warning(&path, message)),
            }
        }
    }
}

/// Why a downgrade would never happen.
enum UselessDowngrade {
    /// The model's name begins with a provider's name.
    Misnamed(String),
    /// No key may use the model.
    Unserved(String),
    /// It is not known to be cheaper than another model.
    NotCheaper(String),
}

fn check_model(
    counted: &CountedPolicy,
    named: &[NamedModel],
    budget: &ObjectRef,
    model: &str,
) -> Result<(), UselessDowngrade> {
    if let Some(bare) = counted.model_after_provider(model) {
        return Err(UselessDowngrade::Misnamed(format!("a threshold takes a model's name alone: write `{bare}`")));
    }
    let policy = counted.policy();
    let this = LimitId { kind: LimitOwner::Budget, object: budget.clone(), path: String::new() };
    let counts = |at: &ModelAt| counted.limits(at).any(|limit| limit.id == this);
    // Ignores the models that the Budget counts: other models may be requested.
    let reached = |key: &KeyIndex| {
        let of_key = &policy.keys[*key];
        let entries = of_key.providers.iter_enumerated();
        let nameless =
            entries.map(|(entry, of)| ModelAt { key: *key, entry, provider: of.provider, model: String::new() });
        nameless.into_iter().any(|at| counts(&at))
            || named.iter().any(|named| named.at.key == *key && counts(&named.at))
    };
    let keys: Vec<KeyIndex> = policy.keys.keys().filter(reached).collect();
    // No key is counted, or globs match no known name: there is nothing to compare with.
    if keys.is_empty() {
        return Ok(());
    }
    let there: Vec<ModelAt> = keys.iter().flat_map(|key| counted.serving(*key, model)).collect();
    if there.is_empty() {
        let mut known: Vec<&str> =
            named.iter().filter(|named| keys.contains(&named.at.key)).map(|named| named.at.model.as_str()).collect();
        known.sort_unstable();
        known.dedup();
        let hint = if known.is_empty() { String::new() } else { hint(model, &known) };
        return Err(UselessDowngrade::Unserved(format!("no key that this Budget counts may use `{model}`{hint}")));
    }
    let prices: Vec<&Price> = there.iter().filter_map(|at| policy.price(at.provider, &at.model)).collect();
    if prices.is_empty() {
        let message = format!(
            "`{model}` has no price, and only a cheaper model may replace another: give it a \
             price"
        );
        return Err(UselessDowngrade::NotCheaper(message));
    }
    let others = named.iter().map(|named| &named.at).filter(|at| keys.contains(&at.key) && counts(at));
    let others: Vec<(&ModelAt, &Price)> = others
        .filter(|at| !there.iter().any(|one| one.model == at.model))
        .filter_map(|at| Some((at, policy.price(at.provider, &at.model)?)))
        .filter(|(at, _)| counted.allowed(at))
        .collect();
    let cheaper = |price: &&Price| others.iter().any(|(_, than)| is_cheaper(price, than));
    if others.is_empty() || prices.iter().any(cheaper) {
        return Ok(());
    }
    Err(UselessDowngrade::NotCheaper(format!(
        "`{model}` is cheaper than no model that this Budget counts, so it takes no other model's place: name a cheaper one"
    )))
}

/// Compares as gateways do: neither price is higher, and one is lower.
fn is_cheaper(price: &Price, than: &Price) -> bool {
    let both = |price: &Price| (price.input, price.output);
    price.input <= than.input && price.output <= than.output && both(price) != both(than)
}
