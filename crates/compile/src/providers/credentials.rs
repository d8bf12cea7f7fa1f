//! The value of a credential: from the Secret among the objects, else from the environment.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use outrigger_core::{ObjectRef, SecretRef};
use outrigger_crds::LlmProviderType;
use outrigger_policy::{AccessKey, nearest};
use serde_json::{Map, Value};

use crate::findings::finding::{Cause, Finding, Severity};
use crate::objects::context::CompileContext;
use crate::objects::sorted::SortedObjects;
use crate::read::source::Object;

/// The environment variable for a key of a Secret that is not among the objects: the Secret's name and the key in upper
/// snake case. `openai` and `apiKey` become `OPENAI_API_KEY`.
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

/// The value of a credential that `path` of `object` refers to; `None`, with a finding, if it is missing.
pub(crate) fn value(
    sorted: &SortedObjects<'_>,
    context: &CompileContext<'_>,
    object: &Object,
    path: &str,
    at: &SecretRef,
    usable: UsableValue,
    findings: &mut Vec<Finding>,
) -> Option<String> {
    let id = ObjectRef { namespace: at.namespace().to_owned(), name: at.name().to_owned() };
    let found = match sorted.secrets.get(&id) {
        Some(secret) => in_secret(secret, at.key(), usable),
        None => in_environment(context, at, usable),
    };
    match found {
        Ok(value) => Some(value),
        Err((severity, message)) => {
            let severity = severity.unwrap_or(context.without_value);
            findings.push(object.finding(severity, path, message).because(Cause::ValueMissing));
            None
        }
    }
}

/// The severity and the message. `None`: the severity that the caller chose for missing values.
type Missing = (Option<Severity>, String);

fn in_environment(context: &CompileContext<'_>, at: &SecretRef, usable: UsableValue) -> Result<String, Missing> {
    let Some(environment) = context.environment else {
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

fn in_secret(secret: &Object, key: &str, usable: UsableValue) -> Result<String, Missing> {
    let label = secret.label();
    let error = |message: String| (Some(Severity::Error), message);
    let of = |field: &str| secret.value.get(field).and_then(Value::as_object);
    // As in a cluster: stringData overrides data.
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

/// `has no key …`, with the existing keys.
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

/// Whether a value can be used; else why not.
pub(crate) type UsableValue = fn(String) -> Result<String, &'static str>;

/// What a value must be, by the type of its provider.
pub(crate) fn usable(kind: LlmProviderType) -> UsableValue {
    match kind {
        LlmProviderType::VertexAI => |value| match value.trim().starts_with('{') {
            true => service_account(&value).map(|()| value),
            false => in_header(value),
        },
        LlmProviderType::Bedrock => |value| match AccessKey::read(&value)? {
            Some(_) => Ok(value),
            None => in_header(value),
        },
        _ => in_header,
    }
}

/// The JSON key of a service account. The gateway says whether the key in it is damaged.
fn service_account(value: &str) -> Result<(), &'static str> {
    let key: Value = serde_json::from_str(value).map_err(|_| "begins like JSON and is none: was all of it copied?")?;
    let has = |field: &str| key[field].as_str().is_some_and(|text| !text.is_empty());
    match (key["type"].as_str(), has("client_email"), has("private_key")) {
        (Some("service_account"), true, true) => Ok(()),
        (Some("service_account"), ..) => Err("is a service account's key without client_email or private_key"),
        (Some("external_account"), ..) => {
            Err("configures federation: set spec.vertex.workloadIdentity in place of credentials")
        }
        (Some("authorized_user"), ..) => Err("is the login of a person: use the JSON key of a service account"),
        _ => Err("is JSON, but no service account's key"),
    }
}

/// A credential is sent in a header.
fn in_header(value: String) -> Result<String, &'static str> {
    match value.trim().bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        true => Ok(value),
        false => Err("has characters that no header can carry: was something else pasted with the credential?"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vertex_takes_an_api_key_or_the_key_of_a_service_account() {
        let key = r#"{"type":"service_account","client_email":"a@b","private_key":"-----BEGIN\n"}"#;
        let vertex = usable(LlmProviderType::VertexAI);
        for (value, sound) in [
            (key, true),
            ("AIza-key", true),
            ("two\nlines", false),
            ("{", false),
            ("{}", false),
            (r#"{"type":"service_account","client_email":"a@b"}"#, false),
            (r#"{"type":"external_account"}"#, false),
            (r#"{"type":"authorized_user"}"#, false),
        ] {
            assert_eq!(vertex(value.to_owned()).is_ok(), sound, "{value}");
        }
        assert!(usable(LlmProviderType::OpenAI)("two\nlines".to_owned()).is_err());
    }

    #[test]
    fn bedrock_takes_an_api_key_or_an_access_key() {
        let bedrock = usable(LlmProviderType::Bedrock);
        for (value, problem) in [
            ("ABSKQmVkcm9ja0FQSUtleS0xMjM0NTY=", None),
            ("[default]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = s", None),
            (r#"{"AccessKeyId": "AKIDEXAMPLE", "SecretAccessKey": "s"}"#, None),
            ("aws_access_key_id = AKIDEXAMPLE", Some("no aws_secret_access_key")),
            ("AKIAIOSFODNN7EXAMPLE", Some("without its secret")),
            ("two\nlines", Some("no header can carry")),
        ] {
            let error = bedrock(value.to_owned()).err();
            assert_eq!(error.is_some(), problem.is_some(), "{value}");
            assert!(error.unwrap_or_default().contains(problem.unwrap_or_default()), "{value}: {error:?}");
        }
    }

    #[test]
    fn variables_have_conventional_names() {
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
