//! Base URLs. Ours include the version's path (`https://api.openai.com/v1`); other gateways add it themselves.

use super::source::Node;

/// What must be appended to a base URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// `/v1`, unless it is there already.
    V1,
    /// Nothing.
    Whole,
    /// Nothing; what follows `/openai` is removed, because the gateway adds it.
    Resource,
    /// Nothing; the version and what follows it are removed, because the gateway adds them.
    Unversioned,
}

/// The endpoint. `None` if it is invalid, which is reported without the URL, because it may hold a password.
pub(crate) fn endpoint(node: &Node<'_>, version: Version) -> Option<String> {
    let text = node.text()?.trim();
    if text.starts_with("env.") || text.starts_with("os.environ/") {
        node.lost("a URL in a variable: an object holds it itself, so write it into spec.endpoint");
        return None;
    }
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let plain = |rest: &str| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_graphic() && !b"@?#".contains(&b));
    if !rest.is_some_and(plain) {
        node.lost("no http:// or https:// URL without user, query and fragment: write spec.endpoint by hand");
        return None;
    }
    let ends = |segment: &str| text.find(&format!("{segment}/")).or_else(|| text.strip_suffix(segment).map(str::len));
    let cut = match version {
        Version::Resource => ends("/openai"),
        Version::Unversioned => ends("/v1").or_else(|| ends("/v2")),
        Version::V1 | Version::Whole => None,
    };
    let text = cut.and_then(|at| text.get(..at)).unwrap_or(text).trim_end_matches('/');
    let local = rest.is_some_and(|rest| rest.starts_with("localhost") || rest.starts_with("127."));
    let whole = match version {
        Version::V1 if !text.ends_with("/v1") => format!("{text}/v1"),
        _ => text.to_owned(),
    };
    match (whole != text, local) {
        (true, true) => {
            node.doubtful(format!(
                "the version was added: {whole}. In a cluster this is the pod itself: name the server's service"
            ));
        }
        (true, false) => {
            node.doubtful(format!("the version, which was added to it with each call, belongs to it here: {whole}"))
        }
        (false, true) => node.doubtful("in a cluster this is the pod itself: name the server's service"),
        (false, false) => {}
    }
    Some(whole)
}

/// Whether Azure has versions of this form, and the objects too: `2024-10-21`, `2025-04-01-preview`.
pub(crate) fn is_azure_version(version: &str) -> bool {
    let date = version.strip_suffix("-preview").unwrap_or(version);
    let form: String = date.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    form == "0000-00-00"
}
