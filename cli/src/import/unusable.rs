//! The warning about imported objects that can answer no request.

use serde_json::Value;

use super::Product;
use super::objects::{ImportedKind, ImportedObject};
use crate::check::counted;

/// Parts of the result that can answer no request.
pub(super) struct Unusable {
    /// A prominent warning.
    pub line: String,
    /// No part can answer.
    pub all: bool,
}

const NOTHING: &str = "WARNING: NOTHING CAN ANSWER, and `outrigger run` will not start";

/// The parts that can answer no request; `None` if there are none.
pub(super) fn unusable(objects: &[ImportedObject], product: Product) -> Option<Unusable> {
    let is = |value: &Value| value.get("suspended") == Some(&Value::Bool(true));
    let of = |kind| objects.iter().filter(move |object| object.kind == kind && object.off.is_none());
    let body = |object: &ImportedObject| Value::Object(object.body.clone());
    let (mut credentials, mut off, mut providers_off, mut providers) = (0, 0, 0, 0);
    for provider in of(ImportedKind::Provider).map(body) {
        let all = provider.get("credentials").and_then(Value::as_array).cloned().unwrap_or_default();
        let here = all.iter().filter(|one| is(one)).count();
        (credentials, off, providers) = (credentials + all.len(), off + here, providers + 1);
        providers_off += usize::from(is(&provider) || (!all.is_empty() && here == all.len()));
    }
    let keys = of(ImportedKind::Key).count();
    let keys_off = of(ImportedKind::Key).map(body).filter(|key| is(key)).count();
    if providers == 0 {
        let line = format!("{NOTHING}: no provider could be imported. The report says why");
        return Some(Unusable { line, all: true });
    }
    if off == 0 && keys_off == 0 && providers_off == 0 {
        return None;
    }
    let all = providers_off == providers || (keys > 0 && keys_off == keys);
    let verdict = if all { NOTHING } else { "WARNING" };
    let version = match product {
        Product::Bifrost => {
            "; if empty lists mean everything to your Bifrost (before 1.5), import again with --bifrost-version 1.4"
        }
        Product::LiteLlm => "",
    };
    let line = format!(
        "{verdict}: suspended are {off} of {}, {providers_off} of {} and {keys_off} of {}. The comments in providers.yaml and keys.yaml \
         say why{version}",
        counted(credentials, "credential"),
        counted(providers, "provider"),
        counted(keys, "key"),
    );
    Some(Unusable { line, all })
}
