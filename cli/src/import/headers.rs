//! Headers that are added to each request to a provider.

use serde_json::{Map, Value, json};

use super::source::Node;

/// Parts of header names that suggest a credential.
const CREDENTIALS: [&str; 7] = ["auth", "key", "token", "secret", "cookie", "password", "credential"];

/// Prefixes of headers that the gateway sets itself.
const OWN: [&str; 15] = [
    "host",
    "connection",
    "content-",
    "transfer-encoding",
    "accept-encoding",
    "te",
    "trailer",
    "upgrade",
    "keep-alive",
    "proxy-",
    "expect",
    "forwarded",
    "x-forwarded-",
    "x-outrigger-",
    "x-bf-",
];

/// Adds the allowed headers to `headers` of a provider, and reports the others.
pub(crate) fn into(node: &Node<'_>, provider: &mut Map<String, Value>) {
    let mut headers = Map::new();
    for (name, node) in node.fields() {
        let lower = name.to_ascii_lowercase();
        let own = OWN.iter().any(|own| match own.ends_with('-') {
            true => lower.starts_with(own),
            false => lower == *own,
        });
        let sound = !name.is_empty()
            && name.len() <= 64
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if CREDENTIALS.iter().any(|word| lower.contains(word)) {
            node.lost("its name suggests a credential, which an object's header must not hold: put it into a Secret");
        } else if own {
            node.lost("the gateway sets this header itself");
        } else if !sound {
            node.lost("no name that a header can have");
        } else if let Some(value) = node.text().map(str::trim) {
            let reference = value.starts_with("env.") || value.starts_with("os.environ/");
            let printable = value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
            match (reference, printable && !value.is_empty() && value.len() <= 1024) {
                (true, _) => {
                    node.lost("a value in a variable: an object holds it itself, so write it into spec.headers")
                }
                (false, false) => node.lost("no value that a header can have"),
                (false, true) => drop(headers.insert(name.to_owned(), json!(value))),
            }
        }
    }
    if !headers.is_empty() {
        provider.insert("headers".to_owned(), Value::Object(headers));
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::ImportSource;
    use super::*;

    #[test]
    fn credentials_are_not_written_into_objects() {
        let source = ImportSource::new(json!({
            "x-team": "search",
            "X-Api-Key": "hunter2hunter2",
            "X-Session-Token": "hunter2hunter2",
            "Host": "a",
            "x-forwarded-for": "a",
            "x-region": "env.REGION",
            "x y": "a",
            "temperature": "low",
        }));
        let mut provider = Map::new();
        into(&source.root(), &mut provider);
        assert_eq!(Value::Object(provider), json!({"headers": {"x-team": "search", "temperature": "low"}}));
        let report = source.finish();
        assert_eq!(report.count(super::super::report::Fate::Lost), 6);
        assert!(!report.markdown("").contains("hunter2"));
    }
}
