//! The addresses of media that may go to another API.
//!
//! A server opens `gs://…`, `s3://…`, `file://…` or a path with rights that the caller does not have: those of the identity
//! that the gateway calls it with, or of the server itself. So only addresses of the web go to another API.

use super::{ChatRequest, Media, MediaSource, Part};

/// How addresses that cross begin. Anything else may be a path to the server.
const OF_THE_WEB: [&str; 3] = ["https://", "http://", "data:"];

/// Names the first address that only a server's own rights may open.
pub(crate) fn privileged(request: &ChatRequest) -> Option<String> {
    request.messages.iter().find_map(|message| among(&message.parts))
}

fn among(parts: &[Part]) -> Option<String> {
    parts.iter().find_map(|part| match part {
        Part::Media(Media { source: MediaSource::Url(url), .. }) => foreign(url),
        Part::ToolResult(result) => among(&result.content),
        _ => None,
    })
}

/// What to call an address that is not of the web. It is compared as it is written: a server may skip white space and
/// control characters in it.
fn foreign(url: &str) -> Option<String> {
    let of_the_web = |begin: &&str| url.get(..begin.len()).is_some_and(|own| own.eq_ignore_ascii_case(begin));
    if OF_THE_WEB.iter().any(of_the_web) {
        return None;
    }
    let scheme = url.trim_start().split_once(':').map(|(scheme, _)| scheme).unwrap_or_default();
    let is_scheme = (1..=16).contains(&scheme.len()) && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric());
    Some(if is_scheme {
        format!("a {}: address", scheme.to_ascii_lowercase())
    } else {
        "an address without https:".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_web_cross() {
        let nameless = Some("an address without https:");
        for (url, expected) in [
            ("https://a.example/a.png", None),
            ("HTTP://a.example/a.png", None),
            ("data:text/plain,hello", None),
            ("a.png", nameless),
            ("/var/run/a.png", nameless),
            ("//a.example/a.png", nameless),
            ("a/b:c", nameless),
            ("", nameless),
            ("s3://bucket/a.png", Some("a s3: address")),
            ("GS://bucket/a.png", Some("a gs: address")),
            (" gs://bucket/a.png", Some("a gs: address")),
            (" https://a.example/a.png", Some("a https: address")),
            ("file:///etc/passwd", Some("a file: address")),
            ("file:/etc/passwd", Some("a file: address")),
            ("fi\tle:///etc/passwd", nameless),
            ("\u{1}file:///etc/passwd", nameless),
            ("https:/a", Some("a https: address")),
        ] {
            assert_eq!(foreign(url).as_deref(), expected, "{url}");
        }
    }
}
