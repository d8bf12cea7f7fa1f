//! A credential's value: from the Secret in the folder, else from the environment.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use outrigger_core::{ObjectRef, SecretRef};
use outrigger_policy::nearest;
use serde_json::{Map, Value};

use crate::findings::finding::{Cause, Finding, Severity};
use crate::objects::validate::SortedObjects;
use crate::objects::world::CompileContext;
use crate::read::source::Object;

/// The variable in which the key of a Secret is looked for when the Secret is no object: the Secret's name and the key
/// in upper snake case. `openai` and `apiKey` make `OPENAI_API_KEY`.
#[must_use]
pub fn variable(secret: &str, key: &str) -> String {
    let mut name = String::with_capacity(secret.len() + key.len() + 4);
    let mut before = '_';
    for letter in secret.chars().chain(['_']).chain(key.chars()) {
        let hump = letter.is_ascii_uppercase() && (before.is_ascii_lowercase() || before.is_ascii_digit());
        if hump && !name.ends_with('_') {
            name.push('_');
        }
        match letter.is_ascii_alphanumeric() {
            true => name.push(letter.to_ascii_uppercase()),
            false if !name.ends_with('_') => name.push('_'),
            false => {}
        }
        before = letter;
    }
    name
}

/// The value of a credential that `path` of `object` refers to; `None` where it can't be had, which is reported.
pub(crate) fn value(
    folder: &SortedObjects<'_>,
    world: &CompileContext<'_>,
    object: &Object,
    path: &str,
    at: &SecretRef,
    findings: &mut Vec<Finding>,
) -> Option<String> {
    let id = ObjectRef { namespace: at.namespace().to_owned(), name: at.name().to_owned() };
    let found = match folder.secrets.get(&id) {
        Some(secret) => in_secret(secret, at.key()),
        None => in_environment(world, at),
    };
    match found {
        Ok(value) => Some(value),
        Err((severity, message)) => {
            let severity = severity.unwrap_or(world.without_value);
            findings.push(object.finding(severity, path, message).because(Cause::ValueMissing));
            None
        }
    }
}

/// `None`: as severe as the caller holds a value that is nowhere to be.
type Missing = (Option<Severity>, String);

fn in_environment(world: &CompileContext<'_>, at: &SecretRef) -> Result<String, Missing> {
    let Some(environment) = world.environment else {
        return Err((None, format!("there is no Secret {}/{}: add it", at.namespace(), at.name())));
    };
    let variable = variable(at.name(), at.key());
    match environment(&variable) {
        Some(value) if !value.trim().is_empty() => {
            usable(value).map_err(|what| (Some(Severity::Error), format!("the variable {variable} {what}")))
        }
        _ => Err((
            None,
            format!(
                "there is no Secret {}/{} here, and no variable {variable}: add one of them",
                at.namespace(),
                at.name()
            ),
        )),
    }
}

fn in_secret(secret: &Object, key: &str) -> Result<String, Missing> {
    let label = secret.label();
    let error = |message: String| (Some(Severity::Error), message);
    let of = |field: &str| secret.value.get(field).and_then(Value::as_object);
    // As in a cluster: what is written as text wins over what is encoded.
    let text = of("stringData").and_then(|fields| fields.get(key));
    let encoded = of("data").and_then(|fields| fields.get(key));
    let value = match (text, encoded) {
        (Some(Value::String(text)), _) => text.clone(),
        (Some(_), _) => {
            return Err(error(format!("{label} has `{key}` as something other than text: put it in quotes")));
        }
        (None, Some(Value::String(encoded))) => decode(encoded).ok_or_else(|| {
            error(format!("{label} has `{key}` under data, but not in base64: move it to stringData"))
        })?,
        (None, Some(_)) => return Err(error(format!("{label} has `{key}` as something other than text"))),
        (None, None) => return Err(error(format!("{label} {}", without(key, of("stringData"), of("data"))))),
    };
    if value.trim().is_empty() {
        return Err(error(format!("{label} has nothing in `{key}`")));
    }
    usable(value).map_err(|what| error(format!("`{key}` of {label} {what}")))
}

pub(crate) fn decode(encoded: &str) -> Option<String> {
    let compact: String = encoded.chars().filter(|letter| !letter.is_ascii_whitespace()).collect();
    String::from_utf8(STANDARD.decode(compact).ok()?).ok()
}

/// `has no key …`, with the keys that there are.
pub(crate) fn without(key: &str, one: Option<&Map<String, Value>>, other: Option<&Map<String, Value>>) -> String {
    let mut keys: Vec<&str> =
        one.into_iter().chain(other).flat_map(|fields| fields.keys().map(String::as_str)).collect();
    keys.sort_unstable();
    keys.dedup();
    match (keys.is_empty(), nearest(key, keys.iter().copied())) {
        (true, _) => format!("has no key `{key}`: it has none at all"),
        (false, Some(near)) => format!("has no key `{key}`, did you mean `{near}`?"),
        (false, None) => format!("has no key `{key}`: it has {}", keys.join(", ")),
    }
}

/// Credentials travel in headers.
fn usable(value: String) -> Result<String, &'static str> {
    match value.trim().bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        true => Ok(value),
        false => Err("has characters that no header can carry: was more than the credential pasted?"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_the_names_that_people_export() {
        for (secret, key, expected) in [
            ("openai", "apiKey", "OPENAI_API_KEY"),
            ("openai-2", "apiKey", "OPENAI_2_API_KEY"),
            ("anthropic", "api-key", "ANTHROPIC_API_KEY"),
            ("a.b", "tls.key", "A_B_TLS_KEY"),
            ("x", "API_KEY", "X_API_KEY"),
            ("x", "k8sToken", "X_K8S_TOKEN"),
        ] {
            assert_eq!(variable(secret, key), expected);
        }
    }
}
