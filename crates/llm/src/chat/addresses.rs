//! The addresses of media that may go to another API.
//!
//! A server opens `gs://…`, `s3://…` or `file://…` with rights that the caller does not have: those of the identity that
//! the gateway calls it with, or of the server itself. An address of another API is not translated to one of these.

use super::{ChatRequest, Media, MediaSource, Part};

/// The scheme of the first address that only a server's own rights open.
pub(crate) fn privileged(request: &ChatRequest) -> Option<String> {
    request.messages.iter().find_map(|message| among(&message.parts))
}

fn among(parts: &[Part]) -> Option<String> {
    parts.iter().find_map(|part| match part {
        Part::Media(Media { source: MediaSource::Url(url), .. }) => scheme(url),
        Part::ToolResult(result) => among(&result.content),
        _ => None,
    })
}

/// The scheme of an address that is not of the web.
fn scheme(url: &str) -> Option<String> {
    let (scheme, _) = url.trim_start().split_once(':')?;
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let is_scheme = (1..=16).contains(&scheme.len()) && scheme.bytes().all(letters);
    let of_the_web = ["http", "https", "data"].iter().any(|web| scheme.eq_ignore_ascii_case(web));
    (is_scheme && !of_the_web).then(|| scheme.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_web_cross() {
        for (url, expected) in [
            ("https://a.example/a.png", None),
            ("HTTP://a.example/a.png", None),
            ("data:text/plain,hello", None),
            ("a.png", None),
            ("a/b:c", None),
            ("", None),
            ("s3://bucket/a.png", Some("s3")),
            ("GS://bucket/a.png", Some("gs")),
            (" gs://bucket/a.png", Some("gs")),
            ("file:///etc/passwd", Some("file")),
            ("file:/etc/passwd", Some("file")),
        ] {
            assert_eq!(scheme(url).as_deref(), expected, "{url}");
        }
    }
}
